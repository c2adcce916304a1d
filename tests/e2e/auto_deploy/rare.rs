//! What happens rarely between a commit and its deployment, and would end in a wrong build, or in none where there should be
//! one.

use std::time::{SystemTime, UNIX_EPOCH};

use buildgate::time::rfc3339;

use super::*;

/// One named context.
const BUILD: &str = r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"]}}"#;

impl Chain {
    /// The time to look again at what waits has come.
    fn time_passes(&self) {
        self.gate.sql("UPDATE auto_deployments SET look_at = 1 WHERE look_at IS NOT NULL");
        self.gate.cron("* * * * *");
        self.settled();
    }

    fn green(&self, sha: &str) {
        self.github.status(REPOSITORY, sha, "build", "success");
    }
}

#[test]
fn a_red_check_that_is_run_again_is_seen_though_its_suite_began_on_another_branch() {
    let chain = Chain::start(BUILD);
    let sha = chain.github.push(REPOSITORY, "fix");
    let suite = chain.github.check_suite(REPOSITORY, &sha, "ci", Some("fix"));
    chain.github.check_run_in(REPOSITORY, suite, "build", "completed", Some("failure"));
    chain.github.set_branch(REPOSITORY, "main", &sha);
    chain.row(&sha, "red");
    // GitHub says of the new run that it is of `fix`, which is not deployed.
    chain.github.check_run_in(REPOSITORY, suite, "build", "completed", Some("success"));
    chain.settled();
    chain.time_passes();
    assert_eq!(chain.row(&sha, "created")["reason"], "green by build");
    assert_eq!(chain.origin.settled(1).len(), 1);
    chain.github.assert_as_described();
}

#[test]
fn a_hint_that_names_another_branch_is_looked_at_though_the_commit_was_just_looked_at() {
    let policy =
        r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"],"branches":["release/*"]}}"#;
    let chain = Chain::start("deployment");
    let sha = chain.github.push(REPOSITORY, "release/1");
    // It is not the branch's newest commit any more, so only its name leads to it.
    chain.github.push(REPOSITORY, "release/1");
    chain.github.settle();
    chain.gate.set(&[(KEY, policy)]);
    let suite = chain.github.check_suite(REPOSITORY, &sha, "ci", None);
    chain.github.check_run_in(REPOSITORY, suite, "other", "completed", Some("success"));
    chain.github.settle();
    chain.green(&sha);
    chain.row(&sha, "created");
    assert_eq!(chain.deployments().len(), 1);
    chain.github.assert_as_described();
}

#[test]
fn a_push_of_a_tested_commit_is_not_lost_where_github_does_not_know_of_it_yet() {
    let chain = Chain::start(BUILD);
    let sha = chain.github.push(REPOSITORY, "fix");
    chain.green(&sha);
    chain.settled();
    chain.fault("GET", "/repos/{owner}/{repo}/branches/{branch}", 1, Kind::Status(404));
    let tips = "/repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head";
    chain.fault("GET", tips, 1, Kind::Status(404));
    chain.github.set_branch(REPOSITORY, "main", &sha);
    chain.row(&sha, "created");
    assert_eq!(chain.origin.settled(1).len(), 1);
}

#[test]
fn what_the_policy_does_not_want_any_more_does_not_wait_for_ever() {
    let policy = r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"],"environments":["production","staging"]}}"#;
    let chain = Chain::start(policy);
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    chain.row_in(&sha, "waiting", "staging");
    chain.gate.set(&[(KEY, BUILD)]);
    chain.time_passes();
    assert_eq!(
        chain.row_in(&sha, "refused", "staging")["reason"],
        "the policy does not deploy to this environment any more"
    );
    chain.row(&sha, "waiting");
    chain.gate.set(&[(KEY, "deployment")]);
    chain.time_passes();
    assert_eq!(
        chain.row(&sha, "refused")["reason"],
        "the repository's policy has no auto_deploy any more"
    );
}

#[test]
fn a_policy_that_is_not_read_everywhere_yet_does_not_lose_a_hint() {
    let chain = Chain::start(BUILD);
    // The delivery was answered where the policy is known, and the queue's consumer runs where it is not.
    let sha = chain.github.push(REPOSITORY, "main");
    chain.github.settle();
    chain.gate.set(&[(KEY, "deployment")]);
    let line = chain.job("not-wanted");
    assert_eq!((&line["outcome"], &line["attempt"]), (&json!("retried"), &json!(1)), "{line}");
    chain.gate.set(&[(KEY, BUILD)]);
    chain.row(&sha, "waiting");
}

#[test]
fn a_branch_whose_deployment_is_long_ago_is_not_deployed_again_by_its_nightly_run() {
    let policy = r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"],"branches":["main","release/*"]}}"#;
    let chain = Chain::start(policy);
    let release = chain.github.push(REPOSITORY, "release/1");
    chain.green(&release);
    chain.row(&release, "created");
    let main = chain.github.push(REPOSITORY, "main");
    chain.green(&main);
    chain.row(&main, "created");
    chain.gate.sql("UPDATE auto_deployments SET since = 1");
    chain.gate.cron("*/10 * * * *");
    chain.settled();
    chain.green(&release);
    chain.settled();
    assert_eq!(chain.deployments().len(), 2);
}

#[test]
fn a_late_word_on_an_old_commit_does_not_go_back_behind_what_others_have_deployed() {
    let chain = Chain::start("deployment");
    let old = chain.github.push(REPOSITORY, "main");
    let newer = chain.github.push(REPOSITORY, "main");
    let deployment = json!({"ref": newer, "required_contexts": [], "auto_merge": false});
    chain.person("POST", "deployments", &deployment);
    chain.github.settle();
    chain.gate.set(&[(KEY, BUILD)]);
    chain.green(&old);
    let row = chain.row(&old, "superseded");
    assert_eq!(row["reason"], format!("somebody has deployed {}, which is newer", &newer[..7]));
    assert_eq!(chain.deployments().len(), 1);
    chain.github.assert_as_described();
}

#[test]
fn what_the_cron_trigger_has_looked_at_in_an_outage_is_asked_about_once_each_time() {
    let chain = Chain::start(BUILD);
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    chain.settled();
    chain.fault("*", "*", 1000, Kind::RateLimited { reset_in: 3600 });
    chain.time_passes();
    // Nobody asks before the hour is over.
    chain.gate.cron("* * * * *");
    chain.settled();
    let output = chain.gate.output();
    let limited: Vec<&str> =
        output.lines().filter(|line| line.contains("github-limited")).collect();
    assert_eq!(limited.len(), 1, "{limited:#?}");
    // Times of this form are in the order of their texts.
    let look_at = chain.row(&sha, "waiting")["look_at"].as_str().unwrap().to_owned();
    let almost_in_an_hour =
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 3_500_000;
    let almost_in_an_hour = rfc3339(u64::try_from(almost_in_an_hour).unwrap());
    assert!(look_at > almost_in_an_hour, "{look_at}");
}

#[test]
fn a_token_that_github_does_not_make_is_no_word_on_the_deployment() {
    let chain = Chain::start(BUILD);
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    chain.fault("POST", DEPLOYMENTS, 1, Kind::Status(401));
    let tokens = "/app/installations/{installation_id}/access_tokens";
    chain.fault("POST", tokens, 2, Kind::Status(422));
    chain.green(&sha);
    chain.row(&sha, "created");
    assert_eq!(chain.deployments().len(), 1);
}

#[test]
fn a_token_with_something_invisible_in_it_is_named_and_not_shown() {
    let chain = Chain::start_as(&As::Token("ghp_leak\u{200b}me"), BUILD, |setup| setup);
    let sha = chain.github.push(REPOSITORY, "main");
    let reason = chain.row(&sha, "refused")["reason"].clone();
    let reason = reason.as_str().unwrap();
    assert!(reason.starts_with("GITHUB_TOKEN has a character that no token has"), "{reason}");
    assert!(!chain.gate.output().contains("leak"), "{}", chain.gate.output());
}

#[test]
fn a_claim_that_has_ended_makes_no_second_deployment() {
    let chain = Chain::start(BUILD);
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    // Somebody has claimed it before, so it is looked for at GitHub, which is slow; then the token is refused.
    chain.gate.sql("UPDATE auto_deployments SET claims = 1");
    chain.fault("GET", DEPLOYMENTS, 2, Kind::Slow { seconds: 15, then: None });
    chain.fault("POST", DEPLOYMENTS, 1, Kind::Slow { seconds: 15, then: Some(401) });
    let tokens = "/app/installations/{installation_id}/access_tokens";
    chain.fault("POST", tokens, 1, Kind::Slow { seconds: 15, then: None });
    chain.green(&sha);
    let late = "what led up to it took so long that somebody else may be making it";
    chain.gate.log_line(|line| line["detail"].as_str().is_some_and(|detail| detail.contains(late)));
    assert_eq!(chain.deployments().len(), 0);
    chain.row(&sha, "created");
    chain.settled();
    assert_eq!(chain.deployments().len(), 1);
}

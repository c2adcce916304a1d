//! Commit → CI succeeds → deployment made by the gate → build: the whole chain, between a stand-in for GitHub, a real gate
//! and an origin; and whatever may go wrong on its way.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fixtures::PROJECT;
use crate::support::gate::{Gate, OPERATOR_TOKEN, SECRET, Setup, path_with_node};
use crate::support::github::app::{App, Installed};
use crate::support::github::faults::{Fault, Kind};
use crate::support::github::{FINE_GRAINED_TOKEN, GitHub, TOKEN};
use crate::support::origin::Origin;

mod rare;

pub const REPOSITORY: &str = "octocat/Hello-World";
pub const KEY: &str = "octocat/hello-world";

/// What the gate needs to be granted, and the events that it needs.
pub const PERMISSIONS: [(&str, &str); 5] = [
    ("checks", "read"),
    ("contents", "read"),
    ("deployments", "write"),
    ("metadata", "read"),
    ("statuses", "write"),
];
pub const EVENTS: [&str; 6] =
    ["push", "deployment", "deployment_status", "status", "check_run", "check_suite"];

/// Two named contexts.
const NAMED: &str = r#"{"trigger":"deployment","auto_deploy":{"contexts":["build","docker-hub"]}}"#;
/// None named: all that are there.
const ALL: &str = r#"{"trigger":"deployment","auto_deploy":{}}"#;

/// Where deployments are made.
const DEPLOYMENTS: &str = "/repos/{owner}/{repo}/deployments";

/// Who the gate is at GitHub.
pub enum As {
    App,
    Token(&'static str),
    Nobody,
}

pub struct Chain {
    pub github: GitHub,
    pub gate: Gate,
    pub origin: Origin,
    pub app: Installed,
}

impl Chain {
    /// With an App that is installed, and a policy.
    pub fn start(policy: &str) -> Self {
        Self::start_as(&As::App, policy, |setup| setup)
    }

    pub fn start_as(who: &As, policy: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let (github, origin) = (GitHub::start("127.0.0.1:0"), Origin::start());
        let app = github.install_app(App {
            permissions: &PERMISSIONS,
            events: &EVENTS,
            hook_url: Some("http://127.0.0.1:9/"),
            secret: None,
            repositories: &[REPOSITORY, "octocat/Spoon-Knife"],
        });
        let setup = Setup::with_origin(&origin.url)
            .impatient()
            .var("GITHUB_API_URL", &github.api)
            .var("AUTO_DEPLOY_SETTLE_SECONDS", "4");
        let setup = match who {
            As::App => setup
                .var("GITHUB_APP_ID", &app.client_id)
                .var("GITHUB_APP_PRIVATE_KEY", &app.pem.replace('\n', "\\n")),
            As::Token(token) => setup.var("GITHUB_TOKEN", token),
            As::Nobody => setup,
        };
        let gate = Gate::start(&change(setup));
        gate.set(&[(KEY, policy)]);
        let chain = Self { github, gate, origin, app };
        if matches!(who, As::App) {
            // The App's webhook gets the gate's URL and secret, by the gate.
            let set = chain.gate.operator("PUT", "app/hook");
            assert_eq!(set, json!({ "url": chain.gate.url }));
        } else {
            chain.hook();
        }
        chain
    }

    /// A webhook of the repository at the shared route, in place of an App's.
    pub fn hook(&self) {
        self.github.add_hook(&self.gate.url);
        self.github.change_hook(0, "/config", json!({"url": self.gate.url, "secret": SECRET}));
        self.github.change_hook(0, "/events", json!(EVENTS));
    }

    /// What the gate has in its ledger, the newest first.
    pub fn rows(&self) -> Vec<Value> {
        self.gate.operator("GET", "auto-deployments")["items"].as_array().unwrap().clone()
    }

    /// The row of a commit in production, once it is in a state.
    pub fn row(&self, sha: &str, state: &str) -> Value {
        self.row_in(sha, state, "production")
    }

    pub fn row_in(&self, sha: &str, state: &str, environment: &str) -> Value {
        let find = || {
            self.rows().into_iter().find(|row| {
                row["sha"] == sha && row["state"] == state && row["environment"] == environment
            })
        };
        self.gate.wait_until(|| find().is_some());
        find().unwrap()
    }

    /// The answers to the deliveries of an event, by their codes.
    pub fn codes(&self, event: &str) -> Vec<String> {
        let answers = self.github.delivered(event).into_iter().map(|(_, answer)| answer);
        answers.map(|answer| answer["code"].as_str().unwrap_or("none").to_owned()).collect()
    }

    /// The log line of a job that came to something.
    pub fn job(&self, code: &str) -> Value {
        self.gate.log_line(|line| line["log"] == "github" && line["code"] == code)
    }

    /// Waits until nothing more comes of what has happened.
    pub fn settled(&self) {
        self.github.settle();
        thread::sleep(Duration::from_secs(8));
    }

    pub fn fault(&self, method: &'static str, template: &'static str, times: usize, kind: Kind) {
        self.github.fault(Fault { method, template, times, kind });
    }

    pub fn deployments(&self) -> Vec<Value> {
        self.github.deployments(REPOSITORY)
    }

    /// Asks GitHub as a person does.
    pub fn person(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/repos/{REPOSITORY}/{path}", self.github.api))
            .header("Authorization", format!("Bearer {TOKEN}"))
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .body(if body.is_null() { String::new() } else { body.to_string() })
            .unwrap();
        let text = ureq::run(request).unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_buildgate"))
            .current_dir(PROJECT)
            .env("PATH", path_with_node())
            .env("OPERATOR_TOKEN", OPERATOR_TOKEN)
            .env("BUILDGATE_URL", &self.gate.url)
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", &self.github.api)
            .env("WEBHOOK_SECRET", SECRET)
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    }

    /// Runs a command for the repository.
    pub fn of_repository(&self, command: &str, more: &[&str]) -> (Option<i32>, String) {
        let config = self.gate.config();
        let place = ["--local", "--config", config.to_str().unwrap()];
        self.run(&[&[command, REPOSITORY], more, &place].concat())
    }
}

#[test]
fn a_commit_whose_named_contexts_are_green_is_deployed_and_built_without_a_hand() {
    let chain = Chain::start(NAMED);
    let sha = chain.github.push(REPOSITORY, "main");
    let row = chain.row(&sha, "waiting");
    let reason = "waits for build (not there yet), docker-hub (not there yet)";
    assert_eq!((&row["reason"], &row["branch"]), (&json!(reason), &json!("main")));

    chain.github.status(REPOSITORY, &sha, "build", "pending");
    chain.github.status(REPOSITORY, &sha, "lint", "success");
    chain.github.status(REPOSITORY, &sha, "build", "success");
    let waits = "waits for docker-hub (not there yet)";
    chain.gate.wait_until(|| chain.rows()[0]["reason"] == waits);
    chain.github.check_run(REPOSITORY, &sha, "docker", "docker-hub", "completed", Some("neutral"));

    let row = chain.row(&sha, "created");
    assert_eq!(row["reason"], "green by build, docker-hub");
    let built = chain.origin.settled(1);
    assert_eq!(built.len(), 1, "{built:?}");
    let deployments = chain.deployments();
    assert_eq!(deployments.len(), 1);
    let deployment = &deployments[0];
    assert_eq!(row["deployment"], deployment["id"]);
    for (field, value) in [
        ("sha", json!(sha)),
        ("ref", json!(sha)),
        ("task", json!("deploy")),
        ("environment", json!("production")),
        ("payload", json!({"branch": "main"})),
        ("description", json!("Auto-Deployment by buildgate: main is green by build, docker-hub")),
    ] {
        assert_eq!(deployment[field], value, "{field}");
    }
    let build = &built[0].body;
    assert_eq!(build["id"], format!("deployment:{KEY}:{}", deployment["id"]));
    assert_eq!((&build["commit"]["sha"], &build["trigger"]), (&json!(sha), &json!("deployment")));

    // What each delivery was answered.
    assert_eq!(chain.codes("push"), ["auto-deployment-queued"]);
    assert_eq!(
        chain.codes("status"),
        ["not-a-success", "context-not-used", "auto-deployment-queued"]
    );
    assert_eq!(chain.codes("check_run"), ["action-not-used", "auto-deployment-queued"]);
    assert_eq!(chain.codes("check_suite"), ["auto-deployment-queued"]);
    assert_eq!(chain.codes("deployment"), ["deployment-queued"]);

    // The tool tells it, too.
    let commit = format!("{REPOSITORY}@{}", &sha[..7]);
    let (exit, text) = chain.run(&["auto-deployments", "show", &commit]);
    assert!(exit == Some(0) && text.contains("created since"), "{text}");
    assert!(text.contains("why           green by build, docker-hub"), "{text}");
    let (exit, text) = chain.run(&["auto-deployments", "list", "--state", "created"]);
    assert!(exit == Some(0) && text.contains(&commit), "{text}");
    let (exit, text) = chain.run(&["auto-deployments", "retry", &commit]);
    assert!(exit == Some(1) && text.contains("its deployments are made"), "{text}");
    let (exit, text) = chain.run(&["auto-deployments", "show", "octocat/Hello-World@0000000"]);
    assert!(exit == Some(1) && text.contains("keeps nothing of this commit"), "{text}");

    // Redelivered, or once more green, it changes nothing.
    chain.github.redeliver("status");
    chain.github.redeliver("deployment");
    chain.github.status(REPOSITORY, &sha, "build", "success");
    chain.settled();
    assert_eq!((chain.deployments().len(), chain.rows().len()), (1, 1));
    // The deployment's delivery again is the same build, by its id.
    assert!(chain.origin.received().iter().all(|again| again.body["id"] == build["id"]));

    let output = chain.gate.output();
    for secret in [chain.app.pem.lines().nth(1).unwrap(), "ghs_", SECRET] {
        assert!(!output.contains(secret), "a secret is in the log");
    }
    chain.github.assert_as_described();
}

#[test]
fn eight_successes_at_once_make_one_deployment() {
    let chain =
        Chain::start_as(&As::App, ALL, |setup| setup.var("AUTO_DEPLOY_SETTLE_SECONDS", "15"));
    let sha = chain.github.push(REPOSITORY, "main");
    for number in 0..8 {
        chain.github.status(REPOSITORY, &sha, &format!("ci/{number}"), "success");
    }
    chain.row(&sha, "created");
    chain.settled();
    assert_eq!(chain.deployments().len(), 1);
    assert_eq!(chain.origin.received().len(), 1);
    let asked = chain.github.requests();
    let looks = asked.iter().filter(|asked| asked.ends_with("/statuses")).count();
    // One look for those that came together, and one more when they have settled; not one for each.
    assert!(looks <= 6, "{looks} looks: {asked:?}");
    // Without named contexts it waited.
    chain.gate.log_line(|line| {
        line["log"] == "github"
            && line["found"][0]["reason"].as_str().is_some_and(|why| why.contains("start late"))
    });
    chain.github.assert_as_described();
}

#[test]
fn what_is_red_waits_for_a_new_run_and_what_is_nothing_is_answered_so() {
    let chain = Chain::start(ALL);
    let sha = chain.github.push(REPOSITORY, "main");
    let row = chain.row(&sha, "waiting");
    assert_eq!(row["reason"], "waits for a status or a check: there is none yet");
    chain.github.check_run(REPOSITORY, &sha, "github-actions", "test", "in_progress", None);
    chain.github.check_run(
        REPOSITORY,
        &sha,
        "github-actions",
        "test",
        "completed",
        Some("cancelled"),
    );
    let row = chain.row(&sha, "red");
    assert_eq!(row["reason"], "red: test (cancelled)");
    // Run again, it is green.
    chain.github.check_run(
        REPOSITORY,
        &sha,
        "github-actions",
        "test",
        "completed",
        Some("success"),
    );
    chain.row(&sha, "created");
    let codes = chain.codes("check_run");
    assert!(codes.contains(&"not-a-success".to_owned()), "{codes:?}");

    // Another branch's push and its success are nothing, and no look at GitHub.
    let fix = chain.github.push(REPOSITORY, "fix");
    chain.github.status(REPOSITORY, &fix, "ci", "success");
    assert_eq!(chain.codes("push")[1], "trigger-is-deployment");
    assert_eq!(chain.codes("status"), ["branch-not-enabled"]);
    // A repository without auto_deploy is as before.
    let other = chain.github.push("octocat/Spoon-Knife", "main");
    chain.github.status("octocat/Spoon-Knife", &other, "ci", "success");
    chain.gate.set(&[("octocat/spoon-knife", "deployment")]);
    chain.github.status("octocat/Spoon-Knife", &other, "ci", "success");
    let codes = chain.codes("status");
    assert_eq!(codes[1..], ["event-not-used", "event-not-used"]);
    assert_eq!(chain.deployments().len(), 1);
    chain.github.assert_as_described();
}

#[test]
fn nothing_goes_backwards_and_no_forks_commit_is_deployed() {
    let chain = Chain::start(NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]").as_str());
    let green = |sha: &str| chain.github.status(REPOSITORY, sha, "build", "success");
    let first = chain.github.push(REPOSITORY, "main");
    let second = chain.github.push(REPOSITORY, "main");
    let third = chain.github.push(REPOSITORY, "main");
    green(&second);
    chain.row(&second, "created");
    // A late green of an older push never overtakes; a newer one does.
    green(&first);
    let row = chain.row(&first, "superseded");
    let newer = format!("{} is deployed, which is newer", &second[..7]);
    assert_eq!(row["reason"], newer);
    green(&third);
    chain.row(&third, "created");

    // A fork's commit never lies on a branch here, whatever is said of it.
    let forks = chain.github.commit(REPOSITORY, &[&third]);
    let suite = chain.github.check_suite(REPOSITORY, &forks, "github-actions", Some("main"));
    chain.github.check_run_in(REPOSITORY, suite, "build", "completed", Some("success"));
    chain.job("not-on-a-branch");

    // Nor is a hash a branch, whatever matches it.
    let suite = chain.github.check_suite(REPOSITORY, &forks, "github-actions", Some(&forks));
    let any = r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"],"branches":["**"]}}"#;
    chain.gate.set(&[(KEY, any)]);
    chain.github.check_run_in(REPOSITORY, suite, "build", "completed", Some("success"));
    chain.settled();
    assert_eq!(chain.deployments().len(), 2);
    let named = NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]");
    chain.gate.set(&[(KEY, &named)]);

    // Pushed by force: the branch's newest commit is deployed, though it does not come after what was deployed.
    let aside = chain.github.commit(REPOSITORY, &[&first]);
    chain.github.set_branch(REPOSITORY, "main", &aside);
    green(&aside);
    chain.row(&aside, "created");
    // What is no longer on the branch is not.
    let lost = chain.github.commit(REPOSITORY, &[&second]);
    green(&lost);
    chain.settled();
    let deployed: Vec<Value> =
        chain.deployments().iter().map(|deployment| deployment["sha"].clone()).collect();
    assert_eq!(deployed.len(), 3, "{deployed:?}");
    for sha in [&second, &third, &aside] {
        assert!(deployed.contains(&json!(sha)));
    }
    assert!(chain.rows().iter().all(|row| row["sha"] != forks.as_str()));
    chain.github.assert_as_described();
}

#[test]
fn each_environment_and_enabled_branch_has_its_own_and_the_policys_branches_see_the_branch() {
    let policy = r#"{"trigger":"deployment","environments":["production","staging"],
        "branches":["release/*"],"auto_deploy":{"contexts":["build"],"branches":["release/*"]}}"#;
    let chain = Chain::start(policy);
    let main = chain.github.push(REPOSITORY, "main");
    chain.github.status(REPOSITORY, &main, "build", "success");
    chain.github.set_branch(REPOSITORY, "release/1", &main);
    chain.row_in(&main, "created", "production");
    chain.row_in(&main, "created", "staging");
    assert_eq!(chain.origin.settled(2).len(), 2);
    assert_eq!(chain.codes("deployment"), ["deployment-queued", "deployment-queued"]);
    assert!(chain.rows().iter().all(|row| row["branch"] == "release/1"));
    // A person's deployment of the same kind is looked at by its ref.
    chain.github.assert_as_described();
}

#[test]
fn what_github_refuses_for_a_while_is_made_once_and_what_it_forbids_says_what_is_missing() {
    let chain = Chain::start(NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]").as_str());
    let green = || {
        let sha = chain.github.push(REPOSITORY, "main");
        chain.github.status(REPOSITORY, &sha, "build", "success");
        sha
    };
    let made = |expected: usize| {
        let count = chain.deployments().len();
        assert_eq!(count, expected);
    };
    // GitHub is down, limits, or takes a moment to know a token.
    chain.fault("*", "*", 3, Kind::Status(502));
    let sha = green();
    chain.row(&sha, "created");
    chain.job("github-broken");
    made(1);
    chain.fault(
        "GET",
        "/repos/{owner}/{repo}/commits/{ref}/statuses",
        1,
        Kind::RateLimited { reset_in: 5 },
    );
    chain.fault(
        "GET",
        "/repos/{owner}/{repo}/commits/{ref}/check-runs",
        1,
        Kind::Secondary { retry_after: 2 },
    );
    let sha = green();
    chain.row(&sha, "created");
    let limited = chain.job("github-limited");
    assert!(limited["retry_in"].as_u64().unwrap() >= 2, "{limited}");
    made(2);

    // The answer to the creation is lost: it is looked for, and not made again.
    chain.fault("POST", DEPLOYMENTS, 1, Kind::LostAnswer);
    let sha = green();
    let row = chain.row(&sha, "created");
    made(3);
    assert_eq!(row["deployment"], chain.deployments()[2]["id"]);
    let asked = chain.github.requests();
    assert!(asked.contains(&format!("GET {DEPLOYMENTS}")), "{asked:?}");

    // Not permitted: the row says so until somebody permits it.
    chain.fault("POST", DEPLOYMENTS, 2, Kind::Status(403));
    let sha = green();
    let row = chain.row(&sha, "refused");
    assert!(row["reason"].as_str().unwrap().starts_with("GitHub forbids it"), "{row}");
    chain.row(&sha, "created");
    made(4);
    // It will not do it at all: that is the end, until the operator has it tried again.
    chain.fault("POST", DEPLOYMENTS, 1, Kind::Status(422));
    let sha = green();
    let row = chain.row(&sha, "refused");
    assert!(row["reason"].as_str().unwrap().starts_with("GitHub answers 422"), "{row}");
    let (exit, text) = chain.run(&["auto-deployments", "retry", &format!("{REPOSITORY}@{sha}")]);
    assert!(exit == Some(0) && text.contains("is looked at again for production"), "{text}");
    chain.row(&sha, "created");
    made(5);
    assert_eq!(chain.origin.settled(5).len(), 5);
}

#[test]
fn tokens_are_kept_until_they_end_and_tried_again_while_they_are_new() {
    let chain = Chain::start(NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]").as_str());
    let green = || {
        let sha = chain.github.push(REPOSITORY, "main");
        chain.github.status(REPOSITORY, &sha, "build", "success");
        let id = chain.row(&sha, "created")["deployment"].as_u64().unwrap();
        chain.gate.wait_until(|| !chain.github.deployment_statuses(REPOSITORY, id).is_empty());
        let asked = chain.github.requests();
        asked.iter().filter(|asked| asked.ends_with("/access_tokens")).count()
    };
    // The new one is not known everywhere at once.
    chain.fault("GET", "*", 2, Kind::FreshTokenRefused);
    // One to look at the commit and to deploy it, and one to say what becomes of the build.
    assert_eq!(green(), 2);
    chain.github.clear_faults();
    // Each is good for an hour.
    assert_eq!(green(), 0);
    // Taken away and installed anew, they are not.
    chain.github.uninstall(&chain.app.slug);
    chain.github.install(&chain.app.slug, &[REPOSITORY]);
    assert!(green() >= 1);
    chain.github.assert_as_described();
}

#[test]
fn a_fine_grained_token_reads_statuses_alone_and_nobody_is_told_to_be_somebody() {
    let named = NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]");
    let chain = Chain::start_as(&As::Token(FINE_GRAINED_TOKEN), &named, |setup| setup);
    let sha = chain.github.push(REPOSITORY, "main");
    let row = chain.row(&sha, "refused");
    assert!(row["reason"].as_str().unwrap().contains("cannot read check runs"), "{row}");
    chain.github.status(REPOSITORY, &sha, "build", "success");
    let row = chain.row(&sha, "created");
    assert!(row["reason"].as_str().unwrap().contains("by commit statuses alone"), "{row}");
    assert_eq!(chain.gate.operator("GET", "app")["kind"], "token");

    // A classic one reads everything; nobody can do nothing.
    let setup = |setup: Setup| setup;
    let chain = Chain::start_as(&As::Token(TOKEN), ALL, setup);
    let sha = chain.github.push(REPOSITORY, "main");
    chain.github.check_run(REPOSITORY, &sha, "github-actions", "t", "completed", Some("success"));
    chain.row(&sha, "created");
    chain.github.assert_as_described();
    let chain = Chain::start_as(&As::Nobody, ALL, setup);
    let sha = chain.github.push(REPOSITORY, "main");
    let row = chain.row(&sha, "refused");
    assert!(row["reason"].as_str().unwrap().contains("app create"), "{row}");
    assert_eq!(chain.gate.operator("GET", "app")["kind"], "nobody");
}

#[test]
fn what_the_app_lacks_is_named() {
    let chain = Chain::start(ALL);
    let app = chain.gate.operator("GET", &format!("app?repository={REPOSITORY}"));
    assert_eq!(app["kind"], "app");
    assert_eq!(app["app"]["lacks_permissions"], json!([]));
    assert_eq!(app["installations"][0]["lacks_events"], json!([]));
    let none = chain.gate.operator("GET", "app?repository=octo-org/Recipes");
    assert_eq!(none["installations"], json!([]));
    assert_eq!(chain.gate.operator("GET", "app?colour=red")["code"], "malformed-query");

    chain.github.uninstall(&chain.app.slug);
    chain.hook();
    let sha = chain.github.push(REPOSITORY, "main");
    let row = chain.row(&sha, "refused");
    assert!(row["reason"].as_str().unwrap().contains("is not installed"), "{row}");
    chain.github.install(&chain.app.slug, &[REPOSITORY]);
    chain.row(&sha, "waiting");
    chain.github.assert_as_described();
}

#[test]
fn the_cron_trigger_looks_again_at_what_waits_and_gives_it_up_after_a_day() {
    let chain = Chain::start(NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]").as_str());
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    // The event that says that it is green gets lost.
    chain.github.settle();
    chain.github.lose_webhooks(true);
    chain.github.status(REPOSITORY, &sha, "build", "success");
    chain.github.settle();
    chain.github.lose_webhooks(false);
    chain.gate.cron("* * * * *");
    thread::sleep(Duration::from_secs(2));
    chain.row(&sha, "waiting");
    // It is five minutes old: a quarter of that is no whole number.
    chain
        .gate
        .sql("UPDATE auto_deployments SET look_at = 1, first_seen_at = first_seen_at - 300001");
    chain.gate.cron("* * * * *");
    chain.row(&sha, "created");

    // A day later.
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    chain.gate.sql("UPDATE auto_deployments SET since = 1 WHERE state = 'waiting'");
    chain.gate.cron("*/10 * * * *");
    let row = chain.row(&sha, "timed-out");
    assert_eq!(
        row["reason"],
        "given up after 24 hours; until then it waits for build (not there yet)"
    );
    // A late success is one all the same.
    chain.github.status(REPOSITORY, &sha, "build", "success");
    chain.row(&sha, "created");
    chain.github.assert_as_described();
}

#[test]
fn a_crash_between_claim_and_creation_is_taken_up_again() {
    let chain = Chain::start(NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]").as_str());
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    // As somebody leaves it who has claimed it, and is gone.
    let until = "CAST(strftime('%s', 'now') AS INTEGER) * 1000 + 8000";
    chain.gate.sql(&format!("UPDATE auto_deployments SET claims = 1, lease_until = {until}"));
    chain.github.status(REPOSITORY, &sha, "build", "success");
    chain.github.settle();
    thread::sleep(Duration::from_secs(4));
    assert_eq!(chain.deployments().len(), 0);
    chain.row(&sha, "created");
    assert_eq!(chain.deployments().len(), 1);
    chain.github.assert_as_described();
}

#[test]
fn no_older_commit_overtakes_one_whose_deployment_was_made_by_somebody_who_is_gone() {
    let chain = Chain::start(NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]").as_str());
    let first = chain.github.push(REPOSITORY, "main");
    chain.github.status(REPOSITORY, &first, "build", "success");
    chain.row(&first, "created");
    let [older, unmade, made] = [(); 3].map(|()| chain.github.push(REPOSITORY, "main"));
    for sha in [&older, &unmade, &made] {
        chain.row(sha, "waiting");
    }
    // As somebody leaves them who claimed each at its time, and was gone before or after the deployment.
    chain.gate.sql(&format!(
        "UPDATE auto_deployments SET claims = 1, lease_until = 1 WHERE sha IN ('{unmade}', '{made}')"
    ));
    let deployment = json!({
        "ref": made,
        "task": "deploy",
        "auto_merge": false,
        "required_contexts": [],
        "environment": "production",
        "payload": {"branch": "main"},
        "description": "Auto-Deployment by buildgate: main is green by build",
    });
    chain.person("POST", "deployments", &deployment);
    chain.github.status(REPOSITORY, &older, "build", "success");
    let row = chain.row(&made, "created");
    let deployments = chain.deployments();
    let deployment = deployments.iter().find(|deployment| deployment["sha"] == made).unwrap();
    assert_eq!(row["deployment"], deployment["id"]);
    assert_eq!(row["reason"], "green; its deployment was found at GitHub");
    let newer = format!("{} is deployed, which is newer", &made[..7]);
    assert_eq!(chain.row(&older, "superseded")["reason"], newer);
    // The claim of what was not made is in nobody's way.
    chain.github.status(REPOSITORY, &unmade, "build", "success");
    assert_eq!(chain.row(&unmade, "superseded")["reason"], newer);
    let next = chain.github.push(REPOSITORY, "main");
    chain.github.status(REPOSITORY, &next, "build", "success");
    chain.row(&next, "created");
    assert_eq!(chain.deployments().len(), 3);
    assert_eq!(chain.origin.settled(3).len(), 3);
    chain.github.assert_as_described();
}

#[test]
fn what_is_out_of_retries_is_a_dead_letter_that_can_be_redriven() {
    let chain = Chain::start_as(
        &As::App,
        &NAMED.replace("[\"build\",\"docker-hub\"]", "[\"build\"]"),
        |setup| setup.var("MAX_RETRIES", "1"),
    );
    chain.fault("GET", "/repos/{owner}/{repo}", 3, Kind::Status(500));
    let sha = chain.github.push(REPOSITORY, "main");
    let letters = chain.gate.wait_for_dead_letters(1);
    assert_eq!(letters[0]["queue"], "github");
    assert_eq!(letters[0]["reason"], "github-broken");
    assert_eq!(letters[0]["repository"], REPOSITORY);
    chain.github.clear_faults();
    chain.gate.dead_letters(&["redrive", "1"]);
    chain.row(&sha, "waiting");
    chain.github.assert_as_described();
}

#[test]
fn link_and_check_know_the_whole_chain() {
    // With an App, no webhook is needed.
    let chain = Chain::start("deployment");
    let (exit, text) = chain.of_repository("link", &["--auto-deploy", "build"]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("webhook   not needed: the gate's GitHub App"), "{text}");
    let policy =
        r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"]},"repository_id":1296269}"#;
    assert!(text.contains(policy), "{text}");
    assert_eq!(chain.github.hooks(), Vec::<Value>::new());
    let sha = chain.github.push(REPOSITORY, "main");
    chain.row(&sha, "waiting");
    let (exit, text) = chain.of_repository("check", &[]);
    assert_eq!(exit, Some(0), "{text}");
    let short = &sha[..7];
    for part in [
        "ok    webhook   none of its own: the gate's GitHub App delivers its events".to_owned(),
        "lacks nothing".to_owned(),
        format!("note  commit    {short}, the newest of main: waits for build (not there yet)"),
        format!("note  deploy    {short} to production: waiting since"),
    ] {
        assert!(text.contains(&part), "{part} is not in: {text}");
    }
    chain.github.status(REPOSITORY, &sha, "build", "success");
    chain.row(&sha, "created");
    let (exit, text) = chain.of_repository("check", &[]);
    assert!(exit == Some(0) && text.contains("green by build"), "{text}");
    assert!(text.contains(&format!("ok    deploy    {short} to production: created")), "{text}");
    // Not installed, it is said, and a webhook is made.
    chain.github.uninstall(&chain.app.slug);
    let (exit, text) = chain.of_repository("check", &[]);
    assert!(exit == Some(1) && text.contains("is not installed on the repository"), "{text}");
    let (exit, text) = chain.of_repository("link", &[]);
    assert!(exit == Some(0) && text.contains("webhook   created"), "{text}");
    let events = &chain.github.hooks()[0]["events"];
    for event in EVENTS {
        assert!(events.as_array().unwrap().contains(&json!(event)), "{event}");
    }
    chain.github.change_hook(0, "/events", json!(["push", "deployment", "deployment_status"]));
    let (_, text) = chain.of_repository("check", &[]);
    assert!(text.contains("status, check_run, check_suite are not among the events"), "{text}");
    chain.github.assert_as_described();
}

//! What became of a build is said on GitHub: from the queue to what the origin reports, in order, once, and never a state that
//! nothing would end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::auto_deploy::{As, Chain, KEY, REPOSITORY};
use crate::support::delivery::Delivery;
use crate::support::described;
use crate::support::fixtures::fixture;
use crate::support::gate::Setup;
use crate::support::github::TOKEN;
use crate::support::github::faults::Kind;
use crate::support::origin;

/// Where statuses are set.
const STATUSES: &str = "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// Posts a report as a build service does: the answer's status and JSON.
fn post(chain: &Chain, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.post(format!("{}-/reports", chain.gate.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.send(body).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let status = answer.status().as_u16();
    described::hold("POST", "/-/reports", status, &text);
    (status, serde_json::from_str(&text).unwrap())
}

fn report_at(chain: &Chain, body: &str, at: i64) -> (u16, Value) {
    let signature = Webhook::new(origin::SECRET).unwrap().sign("r1", at, body.as_bytes()).unwrap();
    let at = at.to_string();
    let headers =
        [("webhook-id", "r1"), ("webhook-timestamp", &*at), ("webhook-signature", &*signature)];
    post(chain, body, &headers)
}

/// Reports: the answer's status and code.
pub fn report(chain: &Chain, body: &Value) -> (u16, String) {
    let (status, answer) = report_at(chain, &body.to_string(), now());
    (status, answer["code"].as_str().unwrap().to_owned())
}

#[test]
fn reports_that_come_at_the_same_moment_are_all_taken() {
    let chain = Chain::start_as(&As::App, "deployment", |setup| setup);
    let (id, build) = deploy(&chain);
    wait_until_told(&chain, id, &["queued"]);
    let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
        let send = |layer: u32| {
            let words = format!("layer {layer} of 20");
            let body = json!({"build": build, "state": "in_progress", "description": words});
            let chain = &chain;
            scope.spawn(move || report(chain, &body))
        };
        let threads: Vec<_> = (1..=20).map(send).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers, vec![(202, "report-queued".to_owned()); 20]);
    chain.settled();
    let said = chain.github.deployment_statuses(REPOSITORY, id);
    let last = said.last().unwrap();
    assert_eq!(
        (&last["state"], &last["description"]),
        (&json!("in_progress"), &row(&chain, &build)["description"])
    );
    chain.github.assert_as_described();
}

/// A deployment that a person makes: its id, and that of its build.
fn deploy(chain: &Chain) -> (u64, String) {
    let sha = chain.github.push(REPOSITORY, "main");
    let body = json!({
        "ref": sha, "required_contexts": [], "auto_merge": false, "environment": "production",
    });
    let id = chain.person("POST", "deployments", &body)["id"].as_u64().unwrap();
    (id, format!("deployment:{KEY}:{id}"))
}

/// What GitHub was told of a deployment: the states, in their order.
fn told(chain: &Chain, deployment: u64) -> Vec<String> {
    let all = chain.github.deployment_statuses(REPOSITORY, deployment);
    all.iter().map(|status| status["state"].as_str().unwrap().to_owned()).collect()
}

fn wait_until_told(chain: &Chain, deployment: u64, states: &[&str]) {
    let start = std::time::Instant::now();
    while told(chain, deployment) != states {
        if start.elapsed() > Duration::from_secs(60) {
            panic!("{:?}, not {states:?}\n{}", told(chain, deployment), chain.gate.output());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn row(chain: &Chain, build: &str) -> Value {
    chain.gate.operator("GET", &format!("builds/{build}"))
}

#[test]
fn a_build_is_told_from_the_queue_to_its_end_and_nothing_is_built_anew() {
    let chain = Chain::start(r#"{"trigger":"deployment","auto_deploy":{"contexts":["build"]}}"#);
    let sha = chain.github.push(REPOSITORY, "main");
    chain.github.status(REPOSITORY, &sha, "build", "success");
    let request = chain.origin.wait_for(1).remove(0).body;
    let id = request["deployment"]["id"].as_u64().unwrap();
    let build = format!("deployment:{KEY}:{id}");
    wait_until_told(&chain, id, &["queued"]);

    let log = "https://builds.example/42";
    let begun = json!({"build": build, "state": "in_progress", "description": "layer 3 of 9", "log_url": log});
    let image = "https://images.example/octocat/hello-world";
    let done = json!({"build": build, "state": "success", "environment_url": image});
    assert_eq!(report(&chain, &begun), (202, "report-queued".into()));
    wait_until_told(&chain, id, &["queued", "in_progress"]);
    assert_eq!(report(&chain, &begun), (200, "report-not-used".into()));
    assert_eq!(report(&chain, &done), (202, "report-queued".into()));
    let all = ["queued", "in_progress", "success"];
    wait_until_told(&chain, id, &all);
    for late in [&done, &begun] {
        assert_eq!(report(&chain, late), (200, "report-not-used".into()));
    }

    let said = chain.github.deployment_statuses(REPOSITORY, id);
    assert_eq!(said[0]["description"], "queued for the build service");
    assert_eq!(
        (&said[1]["description"], &said[1]["log_url"]),
        (&json!("layer 3 of 9"), &json!(log))
    );
    assert_eq!((&said[2]["log_url"], &said[2]["environment_url"]), (&json!(log), &json!(image)));

    // What the gate says comes back as events, and the deployment is delivered once more.
    chain.github.redeliver("deployment");
    chain.settled();
    assert!(
        chain.codes("deployment_status").iter().all(|code| code == "deployment-status-not-used"),
        "{:?}",
        chain.codes("deployment_status")
    );
    let received = chain.origin.received();
    assert!(received.iter().all(|request| request.body["id"] == build), "{received:?}");
    assert_eq!(told(&chain, id), all);
    assert_eq!(chain.deployments().len(), 1);

    let row = row(&chain, &build);
    for (field, value) in [
        ("state", json!("success")),
        ("description", json!("built")),
        ("on_github", json!("success")),
        ("github_error", Value::Null),
        ("log_url", json!(log)),
        ("environment_url", json!(image)),
        ("attempts", json!(1)),
        ("answer", json!("202")),
        ("sha", json!(sha)),
        ("deployment", json!(id)),
        ("environment", json!("production")),
        ("repository", json!(REPOSITORY)),
    ] {
        assert_eq!(row[field], value, "{field} of {row}");
    }
    let asked: Value = serde_json::from_str(row["request"].as_str().unwrap()).unwrap();
    assert_eq!(asked, request);
    let (exit, text) = chain.run(&["builds", "list", "--state", "success"]);
    assert!(exit == Some(0) && text.contains(&build) && text.contains("built"), "{text}");
    let (exit, text) = chain.run(&["builds", "show", &build]);
    assert!(exit == Some(0) && text.contains(&format!("log          {log}")), "{text}");
    let (exit, text) = chain.run(&["builds", "show", "deployment:a/b:1"]);
    assert!(exit == Some(1) && text.contains("knows of no build deployment:a/b:1"), "{text}");
    chain.github.assert_as_described();
}

#[test]
fn each_report_has_its_answer() {
    let chain = Chain::start("deployment");
    let (id, build) = deploy(&chain);
    wait_until_told(&chain, id, &["queued"]);
    let body = json!({"build": build, "state": "in_progress"}).to_string();
    let code = |(status, answer): (u16, Value)| {
        (
            status,
            answer["code"].as_str().unwrap().to_owned(),
            answer["message"].as_str().unwrap().to_owned(),
        )
    };
    for at in [now() - 400, now() + 400] {
        let (status, code, message) = code(report_at(&chain, &body, at));
        assert_eq!((status, &*code), (401, "bad-signature"));
        assert!(message.contains("within 5 minutes"), "{message}");
    }
    let at = now().to_string();
    for headers in [
        &[][..],
        &[("webhook-id", "r1"), ("webhook-timestamp", &*at)],
        &[("webhook-id", "r1"), ("webhook-timestamp", &*at), ("webhook-signature", "v1,AAAA")],
    ] {
        let (status, code, _) = code(post(&chain, &body, headers));
        assert_eq!((status, &*code), (401, "bad-signature"), "{headers:?}");
    }
    for (body, status, expected, words) in [
        ("{", 400, "malformed-report", "This is no report"),
        (r#"{"state":"success"}"#, 400, "malformed-report", "`build`"),
        (r#"{"build":"x","state":"built"}"#, 400, "malformed-report", "`state` is `built`"),
        (
            r#"{"build":"x","state":"success","log_url":"javascript:x"}"#,
            400,
            "malformed-report",
            "no http or https URL",
        ),
        (r#"{"build":"x","state":"success"}"#, 404, "no-such-build", "knows of no build x"),
    ] {
        let answer = code(report_at(&chain, body, now()));
        assert_eq!((answer.0, &*answer.1), (status, expected), "{body}");
        assert!(answer.2.contains(words), "{}", answer.2);
    }
    let large = json!({"build": build, "state": "success", "description": "x".repeat(70_000)});
    assert_eq!(report(&chain, &large), (413, "payload-too-large".into()));
    let long = json!({"build": build, "state": "failure", "description": "ü".repeat(500)});
    assert_eq!(report(&chain, &long), (202, "report-queued".into()));
    wait_until_told(&chain, id, &["queued", "failure"]);
    let said = chain.github.deployment_statuses(REPOSITORY, id)[1]["description"].clone();
    assert_eq!(said.as_str().unwrap().chars().count(), 140);
    assert!(!chain.gate.output().contains(origin::SECRET));
    chain.github.assert_as_described();
}

/// What GitHub was told of a commit in the gate's own context: the states, in their order.
fn told_of_commit(chain: &Chain, sha: &str) -> Vec<String> {
    let statuses = chain.person("GET", &format!("commits/{sha}/statuses"), &Value::Null);
    let own =
        statuses.as_array().unwrap().iter().rev().filter(|status| status["context"] == "buildgate");
    own.map(|status| status["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pushs_build_and_that_of_a_jobs_deployment_are_told_of_the_commit() {
    let chain = Chain::start("commit");
    let sha = chain.github.push(REPOSITORY, "main");
    let build = chain.origin.wait_for(1)[0].body["id"].as_str().unwrap().to_owned();
    assert!(build.starts_with("push:"), "{build}");
    chain.gate.wait_until(|| told_of_commit(&chain, &sha) == ["pending"]);
    let done = json!({"build": build, "state": "failure", "log_url": "https://builds.example/1"});
    assert_eq!(report(&chain, &done).0, 202);
    chain.gate.wait_until(|| told_of_commit(&chain, &sha) == ["pending", "failure"]);

    // Actions itself writes the statuses of what its job deploys.
    chain.gate.set(&[(KEY, "deployment")]);
    let sha = chain.github.push(REPOSITORY, "main");
    let payload: Value =
        serde_json::from_str(&fixture("deployment_status.job-in-progress")).unwrap();
    let old = payload["deployment"]["sha"].as_str().unwrap().to_owned();
    let payload = payload.to_string().replace(&old, &sha);
    let answer = Delivery::json("deployment_status", payload).send(&chain.gate);
    assert_eq!(answer.status, 202, "{answer:?}");
    let build = answer.json()["build"].as_str().unwrap().to_owned();
    chain.gate.wait_until(|| told_of_commit(&chain, &sha) == ["pending"]);
    let done = json!({"build": build, "state": "success"});
    assert_eq!(report(&chain, &done).0, 202);
    chain.gate.wait_until(|| told_of_commit(&chain, &sha) == ["pending", "success"]);
    let asked = chain.github.requests();
    assert!(!asked.iter().any(|request| request == &format!("POST {STATUSES}")), "{asked:?}");
    chain.github.assert_as_described();
}

#[test]
fn what_the_gate_says_builds_nothing_where_a_status_would() {
    let chain = Chain::start(r#"{"trigger":"deployment","build_when":"in_progress"}"#);
    let (id, build) = deploy(&chain);
    chain.settled();
    assert_eq!(chain.codes("deployment"), ["deployment-not-started"]);
    let path = format!("deployments/{id}/statuses");
    chain.person("POST", &path, &json!({"state": "in_progress"}));
    wait_until_told(&chain, id, &["in_progress", "queued"]);
    assert_eq!(report(&chain, &json!({"build": build, "state": "in_progress"})).0, 202);
    wait_until_told(&chain, id, &["in_progress", "queued", "in_progress"]);
    chain.settled();
    let mut codes = chain.codes("deployment_status");
    assert_eq!(codes.remove(0), "deployment-queued");
    assert_eq!(codes, ["deployment-status-not-used"; 2]);
    // The delivery that it was built at, once more, is answered as it was.
    assert_eq!(chain.origin.received().len(), 1);
    chain.github.assert_as_described();
}

#[test]
fn a_dead_letter_is_an_error_on_github_and_a_redrive_opens_it_anew() {
    use crate::support::origin::{Origin, Reply};
    let origin = Origin::start_with(|_, number| Reply::Status(if number == 0 { 410 } else { 202 }));
    let chain =
        Chain::start_as(&As::App, "deployment", |setup| setup.var("ORIGIN_URL", &origin.url));
    let (id, build) = deploy(&chain);
    wait_until_told(&chain, id, &["queued", "error"]);
    let said = chain.github.deployment_statuses(REPOSITORY, id);
    assert_eq!(said[1]["description"], "not built: the build service refused it (410)");
    assert_eq!(row(&chain, &build)["answer"], "410");
    chain.gate.dead_letters(&["redrive", "1"]);
    wait_until_told(&chain, id, &["queued", "error", "queued"]);
    chain.gate.wait_until(|| row(&chain, &build)["handed_over_at"].is_string());
    assert_eq!(report(&chain, &json!({"build": build, "state": "success"})).0, 202);
    wait_until_told(&chain, id, &["queued", "error", "queued", "success"]);
    chain.github.assert_as_described();
}

#[test]
fn no_state_stays_open_for_ever() {
    let chain = Chain::start("deployment");
    let (silent, build) = deploy(&chain);
    wait_until_told(&chain, silent, &["queued"]);
    chain.gate.wait_until(|| row(&chain, &build)["handed_over_at"].is_string());
    // Seven hours pass. This origin has never reported anything.
    let pass = |hours: u64| {
        let milliseconds = hours * 3_600_000;
        chain.gate.sql(&format!(
            "UPDATE builds SET queued_at = queued_at - {milliseconds}, since = since - {milliseconds}, \
             reported_at = reported_at - {milliseconds}"
        ));
        chain.gate.cron("* * * * *");
    };
    pass(5);
    chain.settled();
    assert_eq!(told(&chain, silent), ["queued"]);
    pass(2);
    wait_until_told(&chain, silent, &["queued", "inactive"]);
    let said = chain.github.deployment_statuses(REPOSITORY, silent);
    assert_eq!(said[1]["description"], "handed over; this build service does not report");

    // One that reports is waited for as long as the gate tries to hand over, and six hours from each report on.
    let (begun, of_begun) = deploy(&chain);
    let (queued, of_queued) = deploy(&chain);
    chain.gate.wait_until(|| row(&chain, &of_queued)["handed_over_at"].is_string());
    chain.gate.wait_until(|| row(&chain, &of_begun)["handed_over_at"].is_string());
    assert_eq!(report(&chain, &json!({"build": of_begun, "state": "in_progress"})).0, 202);
    wait_until_told(&chain, begun, &["queued", "in_progress"]);
    pass(7);
    wait_until_told(&chain, begun, &["queued", "in_progress", "error"]);
    let said = chain.github.deployment_statuses(REPOSITORY, begun);
    assert_eq!(said[2]["description"], "the build service began it and went silent for 6 hours");
    assert_eq!(told(&chain, queued), ["queued"]);
    pass(90);
    wait_until_told(&chain, queued, &["queued", "error"]);
    // It is not dead after all.
    assert_eq!(report(&chain, &json!({"build": of_begun, "state": "success"})).0, 202);
    wait_until_told(&chain, begun, &["queued", "in_progress", "error", "success"]);
    assert_eq!(report(&chain, &json!({"build": build, "state": "success"})).0, 202);
    wait_until_told(&chain, silent, &["queued", "inactive", "success"]);
    chain.github.assert_as_described();
}

#[test]
fn github_is_told_once_and_in_order_whatever_it_answers() {
    let chain = Chain::start("deployment");
    chain.fault("POST", STATUSES, 1, Kind::LostAnswer);
    chain.fault("POST", STATUSES, 1, Kind::Status(502));
    let (id, build) = deploy(&chain);
    chain.origin.wait_for(1);
    chain.gate.wait_until(|| row(&chain, &build)["handed_over_at"].is_string());
    for state in ["in_progress", "success"] {
        assert_eq!(report(&chain, &json!({"build": build, "state": state})).0, 202);
    }
    wait_until_told(&chain, id, &["queued", "in_progress", "success"]);
    chain.settled();
    assert_eq!(told(&chain, id), ["queued", "in_progress", "success"]);

    // A job that got lost, as with a queue that does not take it: the cron trigger asks again.
    let (id, build) = deploy(&chain);
    wait_until_told(&chain, id, &["queued"]);
    chain.gate.wait_until(|| row(&chain, &build)["handed_over_at"].is_string());
    chain.gate.sql(&format!(
        "UPDATE builds SET state = 'success', unsaid = '[{{\"state\":\"success\",\"description\":\"built\"}}]', \
         tell_at = 1 WHERE id = '{build}'"
    ));
    chain.gate.cron("* * * * *");
    wait_until_told(&chain, id, &["queued", "success"]);
    chain.github.assert_as_described();
}

#[test]
fn where_github_lets_nothing_be_said_that_is_logged_once_and_holds_nothing_up() {
    let chain = Chain::start("deployment");
    chain.fault("POST", STATUSES, 100, Kind::Status(403));
    let (_, first) = deploy(&chain);
    chain.gate.log_line(|line| line["log"] == "github" && line["code"] == "github-forbidden");
    let (_, second) = deploy(&chain);
    chain.origin.wait_for(2);
    chain.settled();
    let lines = chain.gate.output().matches("github-forbidden").count();
    assert_eq!(lines, 1, "{}", chain.gate.output());
    for build in [&first, &second] {
        let row = row(&chain, build);
        assert_eq!((&row["state"], &row["on_github"]), (&json!("queued"), &Value::Null));
        assert!(row["github_error"].as_str().unwrap().contains("GitHub forbids it"), "{row}");
    }
    // Where GitHub shows that it goes on, it is told the end, however long that takes.
    chain.github.clear_faults();
    let (third, build) = deploy(&chain);
    wait_until_told(&chain, third, &["queued"]);
    chain.fault("POST", STATUSES, 3, Kind::Status(403));
    assert_eq!(report(&chain, &json!({"build": build, "state": "error"})).0, 202);
    wait_until_told(&chain, third, &["queued", "error"]);
}

#[test]
fn without_an_app_or_a_token_nothing_is_said_and_a_token_will_do() {
    let nobody = Chain::start_as(&As::Nobody, "deployment", |setup| setup);
    let (id, build) = deploy(&nobody);
    nobody.origin.wait_for(1);
    assert_eq!(report(&nobody, &json!({"build": build, "state": "success"})).0, 202);
    nobody.settled();
    assert!(told(&nobody, id).is_empty());
    assert_eq!(row(&nobody, &build)["state"], "success");
    assert!(!nobody.gate.output().contains("\"log\":\"github\""), "{}", nobody.gate.output());
    let missing = |chain: &Chain| -> Vec<String> {
        let items = chain.gate.operator("GET", "health")["items"].as_array().unwrap().clone();
        let missing = items.iter().filter(|item| item["ok"] == false);
        missing.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(missing(&nobody), ["github", "BUILDGATE_URL"]);
    let (_, text) = nobody.of_repository("check", &["--url", &nobody.gate.url]);
    assert!(text.contains("note  reports   on GitHub nothing is said of builds"), "{text}");

    let token = Chain::start_as(&As::Token(TOKEN), "deployment", |setup: Setup| setup);
    let (id, build) = deploy(&token);
    wait_until_told(&token, id, &["queued"]);
    assert_eq!(missing(&token), ["reports", "BUILDGATE_URL"]);
    let (_, text) = token.of_repository("check", &["--url", &token.gate.url]);
    assert!(text.contains("note  reports   the build service has never reported"), "{text}");
    assert_eq!(report(&token, &json!({"build": build, "state": "success"})).0, 202);
    wait_until_told(&token, id, &["queued", "success"]);
    token.github.assert_as_described();
}

#[test]
fn what_github_does_not_take_of_a_report_keeps_no_state_from_being_said() {
    let chain = Chain::start("deployment");
    let (id, build) = deploy(&chain);
    wait_until_told(&chain, id, &["queued"]);
    chain.fault("POST", STATUSES, 1, Kind::Status(422));
    let begun = json!({"build": build, "state": "in_progress", "description": "🚀 layer 3 of 9"});
    assert_eq!(report(&chain, &begun).0, 202);
    wait_until_told(&chain, id, &["queued", "in_progress"]);
    let ended = json!({"build": build, "state": "success", "description": "🎉 done ✓"});
    assert_eq!(report(&chain, &ended).0, 202);
    wait_until_told(&chain, id, &["queued", "in_progress", "success"]);
    let said = chain.github.deployment_statuses(REPOSITORY, id);
    let words: Vec<&str> = said.iter().map(|said| said["description"].as_str().unwrap()).collect();
    assert_eq!(words, ["queued for the build service", "being built", "done ✓"]);
    chain.github.assert_as_described();
}

#[test]
fn reports_that_come_while_github_takes_nothing_pile_up_no_jobs() {
    let chain = Chain::start_as(&As::App, "deployment", |setup| setup.var("MAX_RETRIES", "3"));
    let (id, build) = deploy(&chain);
    wait_until_told(&chain, id, &["queued"]);
    chain.fault("POST", STATUSES, 1_000, Kind::Status(404));
    for layer in 0..10 {
        let text = format!("layer {layer}");
        let report =
            report(&chain, &json!({"build": build, "state": "in_progress", "description": text}));
        assert_eq!(report.0, 202);
    }
    let letters = chain.gate.wait_for_dead_letters(1);
    assert_eq!(letters[0]["reason"], "github-not-found");
    chain.settled();
    assert_eq!(chain.gate.dead_letters(&["list"])["dead_letters"].as_array().unwrap().len(), 1);
}

//! No delivery is missed: what GitHub could not deliver it delivers again, because the gate asks for it.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::auto_deploy::{As, Chain, KEY, REPOSITORY};
use crate::support::github::TOKEN;
use crate::support::github::faults::Kind;

/// The cron trigger of the sweep.
const EVERY_TEN_MINUTES: &str = "*/10 * * * *";

fn deploy(chain: &Chain, environment: &str) -> String {
    let body = json!({
        "ref": "main", "required_contexts": [], "auto_merge": false, "environment": environment,
    });
    format!("deployment:{KEY}:{}", chain.person("POST", "deployments", &body)["id"])
}

fn builds(chain: &Chain) -> Vec<String> {
    let received = chain.origin.received();
    received.iter().map(|request| request.body["id"].as_str().unwrap().to_owned()).collect()
}

fn last_sweep(chain: &Chain) -> Value {
    chain.gate.operator("GET", "sweeps?limit=1")["items"][0].clone()
}

/// Makes those that are missed due now.
fn time_passes(chain: &Chain) {
    chain.gate.sql("UPDATE missed SET redeliver_at = 1 WHERE redeliver_at IS NOT NULL");
    chain.gate.cron(EVERY_TEN_MINUTES);
}

#[test]
fn after_an_outage_with_300_events_each_build_that_should_be_there_is_at_the_origin_once() {
    let policy = r#"{"trigger":"deployment","environments":["production"]}"#;
    let mut chain = Chain::start(policy);
    chain.github.push(REPOSITORY, "main");
    chain.github.settle();
    // A sweep before it: all is well until now.
    chain.gate.cron(EVERY_TEN_MINUTES);
    chain.gate.stop();
    let mut expected = BTreeSet::new();
    for _ in 0..75 {
        let sha = chain.github.push(REPOSITORY, "main");
        chain.github.status(REPOSITORY, &sha, "build", "success");
        expected.insert(deploy(&chain, "production"));
        deploy(&chain, "staging");
    }
    chain.github.settle();
    assert!(builds(&chain).is_empty());
    chain.gate.restart_as_it_is();

    chain.gate.cron(EVERY_TEN_MINUTES);
    let sweep = last_sweep(&chain);
    assert_eq!((&sweep["missed"], &sweep["redelivering"]), (&json!(300), &json!(300)), "{sweep}");
    let deadline = Instant::now() + Duration::from_secs(480);
    while builds(&chain).len() < expected.len() {
        assert!(Instant::now() < deadline, "{} of {}", builds(&chain).len(), expected.len());
        thread::sleep(Duration::from_secs(1));
    }
    // The last ones are not among those that build.
    while chain.gate.output().matches("\"code\":\"redelivered\"").count() < 300 {
        assert!(Instant::now() < deadline, "{}", chain.gate.output());
        thread::sleep(Duration::from_secs(1));
    }
    chain.settled();
    let arrived = builds(&chain);
    assert_eq!(arrived.len(), expected.len(), "one came twice");
    assert_eq!(arrived.into_iter().collect::<BTreeSet<String>>(), expected);
    // The next sweep finds that all of them have come.
    chain.gate.cron(EVERY_TEN_MINUTES);
    let sweep = last_sweep(&chain);
    let counts =
        ["missed", "delivered", "redelivering", "given_up"].map(|name| sweep[name].clone());
    assert_eq!(counts, [0, 300, 0, 0].map(|count| json!(count)), "{sweep}");
    chain.github.assert_as_described();
}

#[test]
fn where_nothing_failed_it_is_one_call_and_what_fails_is_asked_for_three_times_ever_further_apart()
{
    let mut chain = Chain::start("deployment");
    let url = chain.gate.url.clone();
    chain.gate.set_var("BUILDGATE_URL", &url);
    chain.github.push(REPOSITORY, "main");
    chain.github.settle();
    // Once a day it is asked whether the App may see repositories' own webhooks, too.
    chain.gate.cron(EVERY_TEN_MINUTES);
    assert!(chain.github.requests().contains(&"GET /app".to_owned()));
    chain.gate.cron(EVERY_TEN_MINUTES);
    assert_eq!(chain.github.requests(), ["GET /app/hook/deliveries"]);

    // Events that the gate does not use are nobody's loss.
    chain.github.lose_webhooks(true);
    let build = deploy(&chain, "production");
    chain.gate.cron(EVERY_TEN_MINUTES);
    assert_eq!(last_sweep(&chain)["missed"], 1);
    let due = || {
        chain.settled();
        chain.github.requests().iter().filter(|asked| asked.ends_with("/attempts")).count()
    };
    assert_eq!(due(), 1);
    let failed_again = || {
        let health = chain.gate.operator("GET", "health");
        let mut items = health["items"].as_array().unwrap().iter();
        !items.any(|item| item["name"] == "missed deliveries" && item["ok"] == true)
    };
    assert!(!failed_again());
    // It fails again, and is not asked for before its time.
    chain.gate.cron(EVERY_TEN_MINUTES);
    assert!(failed_again());
    assert_eq!((due(), last_sweep(&chain)["missed"].clone()), (0, json!(0)));
    for _ in 0..2 {
        time_passes(&chain);
        assert_eq!(due(), 1);
    }
    time_passes(&chain);
    assert_eq!((due(), last_sweep(&chain)["given_up"].clone()), (0, json!(1)));
    let (exit, text) = chain.run(&["sweep", "--last"]);
    assert!(exit == Some(0) && text.contains("GIVEN UP"), "{text}");
    assert!(builds(&chain).is_empty(), "{build}");

    // Somebody has it delivered by hand: then it has come, and a failure after that is nothing.
    chain.github.lose_webhooks(false);
    chain.github.redeliver("deployment");
    chain.origin.wait_for(1);
    chain.github.lose_webhooks(true);
    chain.github.redeliver("deployment");
    let (exit, text) = chain.run(&["sweep"]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("    1  that were missed earlier have arrived since"), "{text}");
    assert!(text.contains("    0  are delivered again now"), "{text}");
    chain.github.assert_as_described();
}

#[test]
fn a_repositorys_own_webhook_is_swept_too_where_the_gate_may_see_it() {
    let mut chain = Chain::start_as(&As::Token(TOKEN), "deployment", |setup| setup);
    let url = chain.gate.url.clone();
    chain.gate.set_var("BUILDGATE_URL", &url);
    chain.github.lose_webhooks(true);
    chain.github.push(REPOSITORY, "main");
    let build = deploy(&chain, "production");
    chain.github.lose_webhooks(false);
    chain.fault("GET", "/repos/{owner}/{repo}/hooks", 1, Kind::Status(403));
    let (exit, text) = chain.run(&["sweep"]);
    assert!(exit == Some(1) && text.contains("GitHub forbids it"), "{text}");
    let (exit, text) = chain.run(&["sweep"]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("    2  events were missed"), "{text}");
    chain.origin.wait_for(1);
    assert_eq!(builds(&chain), [build]);
    chain.github.assert_as_described();
}

#[test]
fn a_list_that_breaks_off_is_gone_on_with_and_begun_anew_where_github_has_lost_the_place() {
    let chain = Chain::start("deployment");
    chain.github.push(REPOSITORY, "main");
    chain.github.settle();
    chain.gate.cron(EVERY_TEN_MINUTES);
    let found = || {
        chain.gate.cron(EVERY_TEN_MINUTES);
        let sweep = last_sweep(&chain);
        ["missed", "redelivering", "is_cut"].map(|name| sweep[name].clone())
    };
    let lose = |events: u64| {
        chain.github.lose_webhooks(true);
        for _ in 0..events {
            deploy(&chain, "production");
        }
        chain.github.settle();
        chain.github.lose_webhooks(false);
    };
    // The second page fails: what the first has is not thrown away.
    lose(130);
    chain.fault("GET", "/app/hook/deliveries", 1, Kind::Nothing);
    chain.fault("GET", "/app/hook/deliveries", 1, Kind::Status(502));
    assert_eq!(found(), [json!(100), json!(100), json!(true)]);
    assert_eq!(last_sweep(&chain)["problems"], json!(["app/hook: GitHub answers 502"]));
    assert_eq!(found(), [json!(30), json!(30), json!(false)]);
    assert_eq!(last_sweep(&chain)["problems"], json!([]));

    // GitHub does not know any more where it went on.
    lose(3);
    chain.gate.sql("UPDATE places SET cursor = '/app/hook/gone?cursor=1', cursor_until = 1");
    assert_eq!(found(), [json!(3), json!(3), json!(false)]);
    let problems = last_sweep(&chain)["problems"].to_string();
    assert!(
        problems.contains("some of it was not") && problems.contains("begins anew"),
        "{problems}"
    );
    lose(1);
    assert_eq!(found(), [json!(1), json!(1), json!(false)]);
    assert_eq!(last_sweep(&chain)["problems"], json!([]));
    chain.github.assert_as_described();
}

#[test]
fn github_may_fail_meanwhile_and_who_is_nobody_there_is_told_so() {
    let chain = Chain::start("deployment");
    chain.github.lose_webhooks(true);
    let build = deploy(&chain, "production");
    chain.github.lose_webhooks(false);
    chain.fault("GET", "/app/hook/deliveries", 1, Kind::Status(502));
    let (exit, text) = chain.run(&["sweep"]);
    assert!(exit == Some(1) && text.contains("WRONG  app/hook: GitHub answers 502"), "{text}");
    chain.fault(
        "POST",
        "/app/hook/deliveries/{delivery_id}/attempts",
        2,
        Kind::Secondary { retry_after: 1 },
    );
    let (exit, text) = chain.run(&["sweep"]);
    assert_eq!(exit, Some(0), "{text}");
    chain.origin.wait_for(1);
    assert_eq!(builds(&chain), [build]);

    // What GitHub refuses once, it is asked for again.
    chain.github.lose_webhooks(true);
    let other = deploy(&chain, "production");
    chain.github.lose_webhooks(false);
    chain.fault("POST", "/app/hook/deliveries/{delivery_id}/attempts", 1, Kind::Status(403));
    chain.gate.cron(EVERY_TEN_MINUTES);
    chain.settled();
    assert_eq!(builds(&chain).len(), 1);
    time_passes(&chain);
    chain.origin.wait_for(2);
    assert_eq!(builds(&chain)[1], other);

    // Where its answer is lost, it is looked first whether it has done it: here it has, and the event has come.
    chain.github.lose_webhooks(true);
    let third = deploy(&chain, "production");
    chain.github.lose_webhooks(false);
    chain.github.requests();
    chain.fault("POST", "/app/hook/deliveries/{delivery_id}/attempts", 1, Kind::LostAnswer);
    chain.gate.cron(EVERY_TEN_MINUTES);
    chain.origin.wait_for(3);
    assert_eq!(builds(&chain)[2], third);
    chain.settled();
    // Another time, GitHub's list cannot be read: then nothing is asked for that may have come.
    chain.fault("GET", "/app/hook/deliveries", 1, Kind::Status(502));
    for _ in 0..2 {
        time_passes(&chain);
        chain.settled();
    }
    let asked = chain.github.requests();
    let asked = asked.iter().filter(|asked| asked.ends_with("/attempts")).count();
    assert_eq!((asked, builds(&chain).len()), (1, 3));

    let nobody = Chain::start_as(&As::Nobody, "deployment", |setup| setup);
    let (exit, text) = nobody.run(&["sweep"]);
    assert!(exit == Some(1) && text.contains("nobody at GitHub"), "{text}");
}

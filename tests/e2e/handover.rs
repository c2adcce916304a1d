//! The road to the origin: whatever the origin does, each build request arrives, and arrives signed.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::delivery::Delivery;
use crate::support::fixtures::fixture;
use crate::support::gate::{Gate, Setup};
use crate::support::origin::{self, Origin, Received, Reply, breaking};

/// Delivers the deployment of `fixtures/deployment.created.json` under ids from 1 on, and gives the
/// ids of the build requests.
pub fn deliver(gate: &Gate, count: usize) -> Vec<String> {
    let accepted: Vec<String> = (1..=count)
        .map(|id| {
            let payload = fixture("deployment.created").replace("145988746", &id.to_string());
            let answer = Delivery::json("deployment", payload).send(gate);
            assert_eq!(answer.status, 202, "{answer:?}");
            answer.json()["build"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(accepted.len(), count);
    accepted
}

pub fn start(setup: Setup) -> Gate {
    let gate = Gate::start(&setup);
    gate.set(&[("octocat/hello-world", "deployment")]);
    gate
}

fn ids(received: &[Received]) -> Vec<String> {
    let mut ids: Vec<String> =
        received.iter().map(|request| request.body["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn handover_lines(gate: &Gate, code: &str) -> usize {
    gate.output().matches(&format!("\"code\":\"{code}\"")).count()
}

#[test]
fn an_origin_that_fails_in_every_way_gets_the_build_request_in_the_end() {
    let origin = Origin::start_with(|_, number| match number {
        0..=2 => Reply::Status(500),
        3 => Reply::Status(429),
        4 => Reply::Hang,
        5 => Reply::With {
            status: 302,
            headers: vec![("Location", "/elsewhere".into())],
            body: String::new(),
        },
        6 => Reply::Status(401),
        7 => Reply::With { status: 200, headers: vec![], body: "thank you".into() },
        _ => Reply::Status(202),
    });
    let gate =
        start(Setup::with_origin(&origin.url).impatient().var("ORIGIN_TIMEOUT_SECONDS", "2"));
    let accepted = deliver(&gate, 1);
    let received = origin.settled(8);

    // Once more than it failed, each time the same to the letter; the redirect was not followed.
    assert_eq!(received.len(), 8);
    assert!(received.iter().all(|request| request.body == received[0].body));
    assert!(received.iter().all(|request| request.headers["webhook-id"] == accepted[0].as_str()));
    // A hanging origin is waited for no longer than it is given.
    let hung = received[5].at - received[4].at;
    assert!(hung >= Duration::from_secs(2) && hung < Duration::from_secs(30), "{hung:?}");

    for (attempt, status, outcome, code) in [
        (1, json!(500), "retried", "origin-did-not-accept"),
        (2, json!(500), "retried", "origin-did-not-accept"),
        (3, json!(500), "retried", "origin-did-not-accept"),
        (4, json!(429), "retried", "origin-did-not-accept"),
        (5, Value::Null, "retried", "origin-unreachable"),
        (6, json!(302), "retried", "origin-did-not-accept"),
        (7, json!(401), "retried", "origin-did-not-accept"),
        (8, json!(200), "accepted", "origin-accepted"),
    ] {
        let line = gate.log_line(|line| line["log"] == "handover" && line["attempt"] == attempt);
        assert_eq!(
            (&line["status"], &line["outcome"], &line["code"]),
            (&status, &json!(outcome), &json!(code)),
            "{line}"
        );
        if attempt == 5 {
            assert_eq!(line["detail"], "no answer within 2 s");
        }
    }
    assert!(!gate.output().contains(origin::SECRET));
}

#[test]
fn an_origin_that_is_not_there_gets_everything_when_it_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gate = start(Setup::with_origin(&format!("http://{address}/builds")).impatient());
    let mut accepted = deliver(&gate, 12);
    // After five of them it is asked no more.
    gate.wait_until(|| handover_lines(&gate, "origin-held") >= 12);
    assert!(handover_lines(&gate, "origin-unreachable") < 12);

    let origin = Origin::start_on(TcpListener::bind(address).unwrap(), |_, _| Reply::Status(202));
    gate.wait_until(|| {
        // Each minute, at Cloudflare; here, a second goes by.
        gate.cron("* * * * *");
        std::thread::sleep(Duration::from_secs(1));
        origin.received().len() >= 12
    });
    accepted.sort();
    assert_eq!(ids(&origin.settled(12)), accepted);
}

#[test]
fn a_connection_that_breaks_half_way_loses_nothing() {
    let origin = Origin::start();
    let (url, broken) = breaking(&origin, 4);
    let gate = start(Setup::with_origin(&url).impatient());
    let mut accepted = deliver(&gate, 3);
    accepted.sort();
    assert_eq!(ids(&origin.settled(3)), accepted);
    assert_eq!(broken.load(Ordering::SeqCst), 4);
    gate.wait_until(|| handover_lines(&gate, "origin-unreachable") == 4);
}

#[test]
fn a_slow_message_holds_up_no_other_and_repeats_none() {
    let slow = "deployment:octocat/hello-world:3";
    let origin = Origin::start_with(move |request, _| match request.body["id"].as_str() {
        Some(id) if id == slow => Reply::Hang,
        _ => Reply::Status(202),
    });
    let gate =
        start(Setup::with_origin(&origin.url).impatient().var("ORIGIN_TIMEOUT_SECONDS", "8"));
    let began = Instant::now();
    let mut accepted = deliver(&gate, 10);
    // The nine others are there long before the slow one's time is up.
    let received = origin.wait_for(10);
    assert!(received[9].at - began < Duration::from_secs(8), "{:?}", received[9].at - began);
    accepted.sort();
    assert_eq!(ids(&received), accepted);
    gate.wait_until(|| handover_lines(&gate, "origin-unreachable") == 1);
    let received = origin.wait_for(11);
    assert_eq!(received.iter().filter(|request| request.body["id"] != slow).count(), 9);
}

#[test]
fn during_a_rotation_both_secrets_sign() {
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let origin = Origin::start();
    let setup = Setup::with_origin(&origin.url);
    let gate = start(setup.var("ORIGIN_SECRET", &format!("{other} {}", origin::SECRET)));
    deliver(&gate, 1);
    let received = origin.wait_for(1);
    let headers = &received[0].headers;
    assert_eq!(headers["webhook-signature"].to_str().unwrap().split(' ').count(), 2);
    let body = gate_body(&received[0]);
    for secret in [other, origin::SECRET] {
        assert!(Webhook::new(secret).unwrap().verify(&body, headers).is_ok());
    }
}

/// The body as it was sent: the fixture's payload is empty, so nothing but key order could differ.
fn gate_body(received: &Received) -> Vec<u8> {
    received.body.to_string().into_bytes()
}

#[test]
fn without_proper_settings_nothing_is_sent_and_nothing_is_lost() {
    let good = "http://127.0.0.1:9/";
    for (name, value, code, detail) in [
        ("ORIGIN_URL", good, "origin-unreachable", ""),
        ("ORIGIN_URL", "", "origin-not-configured", "ORIGIN_URL is unset"),
        (
            "ORIGIN_URL",
            "http://origin.example/",
            "origin-not-configured",
            "plain http to another machine",
        ),
        ("ORIGIN_SECRET", "", "origin-not-configured", "ORIGIN_SECRET is unset"),
        ("ORIGIN_SECRET", "whsec_%%%", "origin-not-configured", "not whsec_ and base64"),
        (
            "MAX_RETRIES",
            "101",
            "origin-not-configured",
            "MAX_RETRIES is 101, which is not from 1 to 100",
        ),
        ("ORIGIN_TIMEOUT_SECONDS", "0", "origin-not-configured", "not from 1 to 300"),
        (
            "RETRY_FIRST_SECONDS",
            "soon",
            "origin-not-configured",
            "RETRY_FIRST_SECONDS is not a whole number",
        ),
    ] {
        let gate = start(Setup::with_origin(good).impatient().var(name, value));
        deliver(&gate, 1);
        let line = gate.log_line(|line| line["log"] == "handover");
        assert_eq!((&line["outcome"], &line["code"]), (&json!("retried"), &json!(code)), "{line}");
        assert!(line["detail"].as_str().unwrap().contains(detail), "{line}");
        assert!(!gate.output().contains("whsec_%%%"));
    }
}

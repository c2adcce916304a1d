//! Somebody is told what needs a hand: once, and when it is over.

use std::process::Command;

use crate::support::gate::{Gate, SECRET, Setup};
use crate::support::origin::{Origin, Received, Reply};

const EACH_MINUTE: &str = "* * * * *";

/// The key of the gate's alerts, as the command-line tool prints it. (Whatever takes them here verifies each with it.)
fn key() -> String {
    let printed = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .args(["secret", "--alerts"])
        .env("WEBHOOK_SECRET", SECRET)
        .output()
        .unwrap();
    String::from_utf8(printed.stdout).unwrap().trim().to_owned()
}

/// What was posted, in its order: the kind and the state.
fn told(received: &[Received]) -> Vec<(String, String)> {
    let word = |alert: &Received, name: &str| alert.body[name].as_str().unwrap().to_owned();
    received.iter().map(|alert| (word(alert, "kind"), word(alert, "state"))).collect()
}

/// As if ten minutes had gone by.
fn ten_minutes_later(gate: &Gate) {
    gate.sql(
        "UPDATE alerts SET at = at - 600000; UPDATE builds SET queued_at = queued_at - 600000",
    );
    gate.cron(EACH_MINUTE);
}

#[test]
fn each_trouble_is_told_once_and_when_it_is_over() {
    let chat = Origin::for_alerts(&key(), |_, _| Reply::Status(200));
    let setup = Setup::without_origin()
        .var("ALERT_URL", &chat.url)
        .var("BUILDGATE_URL", "https://gate.example");
    let gate = Gate::start(&setup);
    gate.cron(EACH_MINUTE);
    assert_eq!(told(&chat.received()), []);

    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, repository, reason, stored_at, message) \
         VALUES ('builds', 'one', 'o/n', 'origin-refused', '2026-11-25T00:00:00Z', 'x'); \
         INSERT INTO builds (id, repository_id, repository, sha, ref, delivery, request, state, description, queued_at, since, unsaid) \
         VALUES ('push:o/n:r:1:2', 1, 'o/n', 'a', 'main', 'd', '{}', 'queued', 'queued', unixepoch() * 1000 - 660000, 1000, '[]'); \
         INSERT INTO missed (guid, hook, delivery, event, status_code, delivered_at, state, since, attempts, failed_again) \
         VALUES ('g', 'app', 1, 'push', 502, 1000, 'missed', 1000, 1, 1)",
    );
    gate.cron(EACH_MINUTE);
    let pair = |kind: &str, state: &str| (kind.to_owned(), state.to_owned());
    let three = ["dead-letter", "origin", "webhook"].map(|kind| pair(kind, "open"));
    assert_eq!(told(&chat.wait_for(3)), three);

    // In the shape that chat services take.
    let alert = &chat.received()[0];
    let text = alert.body["text"].as_str().unwrap();
    assert!(
        text.starts_with("buildgate: a dead letter waits")
            && text.contains("https://gate.example/-/#/dead-letters")
    );
    assert!(!format!("{:?}", alert.body).contains(SECRET));

    // Old news is none; new trouble is told once ten minutes have gone by.
    gate.cron(EACH_MINUTE);
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, repository, reason, stored_at, message) \
         VALUES ('builds', 'two', 'o/n', 'origin-refused', '2026-11-25T00:00:00Z', 'x')",
    );
    gate.cron(EACH_MINUTE);
    assert_eq!(chat.received().len(), 3);
    ten_minutes_later(&gate);
    assert_eq!(told(&chat.wait_for(4))[3], pair("dead-letter", "open"));

    // Over.
    gate.sql(
        "UPDATE dead_letters SET redriven_at = '2026-11-25T00:00:00Z'; UPDATE builds SET handed_over_at = unixepoch() * 1000; \
         UPDATE missed SET state = 'delivered'",
    );
    ten_minutes_later(&gate);
    let over = ["dead-letter", "origin", "webhook"].map(|kind| pair(kind, "over"));
    assert_eq!(told(&chat.wait_for(7))[4..], over);
    ten_minutes_later(&gate);
    assert_eq!(chat.received().len(), 7);
}

#[test]
fn what_cannot_be_posted_is_posted_later() {
    let chat =
        Origin::for_alerts(&key(), |_, number| Reply::Status(if number == 0 { 500 } else { 200 }));
    let gate = Gate::start(&Setup::without_origin().var("ALERT_URL", &chat.url));
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, repository, reason, stored_at, message) \
         VALUES ('builds', 'one', 'o/n', 'origin-refused', '2026-11-25T00:00:00Z', 'x')",
    );
    gate.cron(EACH_MINUTE);
    let line = gate.log_line(|line| line["log"] == "scheduled");
    assert_eq!(line["detail"], "ALERT_URL answered 500");
    gate.cron(EACH_MINUTE);
    assert_eq!(chat.wait_for(2).len(), 2);
    gate.cron(EACH_MINUTE);
    assert_eq!(chat.received().len(), 2);
}

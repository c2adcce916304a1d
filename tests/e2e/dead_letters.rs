//! Dead letters: what the origin does not take over is kept, found and redriven.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::handover::{deliver, start};
use crate::support::delivery::Delivery;
use crate::support::gate::{Gate, OPERATOR_TOKEN, Setup};
use crate::support::origin::{Origin, Reply};

/// An origin whose status can be changed while it runs.
fn switchable(status: u16) -> (Origin, Arc<AtomicU16>) {
    let switch = Arc::new(AtomicU16::new(status));
    let read = Arc::clone(&switch);
    let origin = Origin::start_with(move |_, _| Reply::With {
        status: read.load(Ordering::SeqCst),
        headers: vec![],
        body: format!("{}\n", "no, é\u{1b}".repeat(300)),
    });
    (origin, switch)
}

/// Lets the queue and the gate grant two retries.
fn two_retries(config: &mut toml::Table) {
    config["queues"]["consumers"][0]["max_retries"] = 2.into();
}

#[test]
fn what_the_origin_refuses_for_good_is_kept_and_not_tried_again() {
    for status in [410, 422] {
        let (origin, _) = switchable(status);
        let gate = start(Setup::with_origin(&origin.url).impatient());
        let accepted = deliver(&gate, 1);
        let letter = gate.wait_for_dead_letters(1).remove(0);
        assert_eq!(letter["reason"], "origin-refused");
        assert_eq!((&letter["status"], &letter["attempts"]), (&json!(status), &json!(1)));
        assert_eq!(
            (&letter["build"], &letter["repository"]),
            (&json!(accepted[0]), &json!("octocat/Hello-World"))
        );
        assert_eq!(letter["redriven_at"], Value::Null);
        assert_eq!(origin.settled(1).len(), 1);

        let shown = gate.dead_letters(&["show", &letter["id"].to_string()]);
        let answer = shown["answer"].as_str().unwrap();
        assert_eq!((answer.chars().count(), &answer[..7]), (1_000, "no, é\u{1b}"));
        // On a terminal, what the origin answered commands nothing.
        let text = gate.run_dead_letters(&["show", &letter["id"].to_string()]).stdout;
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("no, é\\u{1b}no") && !text.contains('\u{1b}'), "{text}");
        let message: Value = serde_json::from_str(shown["message"].as_str().unwrap()).unwrap();
        assert_eq!(message, origin.received()[0].body);
        let line = gate.log_line(|line| line["log"] == "handover");
        assert_eq!(
            (&line["outcome"], &line["code"]),
            (&json!("dead-letter"), &json!("origin-refused"))
        );
    }
}

#[test]
fn what_is_out_of_retries_is_kept_and_an_operator_gets_it_to_the_origin_after_all() {
    let (origin, switch) = switchable(503);
    let setup = Setup::with_origin(&origin.url).impatient().var("MAX_RETRIES", "2");
    let gate = start(Setup { config: two_retries, ..setup });
    let accepted = deliver(&gate, 2);
    let letters = gate.wait_for_dead_letters(2);
    for letter in &letters {
        assert_eq!(letter["reason"], "origin-did-not-accept");
        assert_eq!((&letter["status"], &letter["attempts"]), (&json!(503), &json!(3)));
    }
    assert_eq!(origin.received().len(), 6);

    // Redriven while the origin is still down, it dies again: as a new letter, under the same build id.
    let first = letters[0]["id"].to_string();
    let redriven = gate.dead_letters(&["redrive", &first]);
    assert_eq!(redriven["redriven"][0]["build"], letters[0]["build"]);
    let letters = gate.wait_for_dead_letters(3);
    assert!(letters[0]["redriven_at"].is_string(), "{letters:?}");
    assert_eq!(
        (&letters[2]["build"], &letters[2]["redriven_at"]),
        (&letters[0]["build"], &Value::Null)
    );
    assert_eq!(origin.received().len(), 9);

    // Redriven once the origin is back, all arrive, each under the id that it always had.
    switch.store(202, Ordering::SeqCst);
    let redriven = gate.dead_letters(&["redrive", "--all"]);
    assert_eq!(redriven["redriven"].as_array().unwrap().len(), 2);
    let received = origin.settled(11);
    assert_eq!(received.len(), 11);
    let mut arrived: Vec<&str> =
        received[9..].iter().map(|r| r.body["id"].as_str().unwrap()).collect();
    arrived.sort();
    assert_eq!(arrived, accepted);
    assert_eq!(gate.dead_letters(&["redrive", "--all"])["redriven"], json!([]));
    assert_eq!(gate.wait_for_dead_letters(3).len(), 3);

    // Dropped, it is gone.
    assert_eq!(gate.dead_letters(&["drop", &first])["dropped"][0]["id"].to_string(), first);
    assert_eq!(gate.wait_for_dead_letters(2).len(), 2);
}

#[test]
fn what_the_queue_itself_gives_up_is_kept_too() {
    let (origin, _) = switchable(503);
    // The gate expects more retries than the queue grants.
    let gate = start(Setup { config: two_retries, ..Setup::with_origin(&origin.url).impatient() });
    let accepted = deliver(&gate, 1);
    let letter = gate.wait_for_dead_letters(1).remove(0);
    assert_eq!(
        (&letter["reason"], &letter["build"]),
        (&json!("given-up-by-queue"), &json!(accepted[0]))
    );
    assert_eq!(origin.settled(3).len(), 3);
}

#[test]
fn what_is_too_old_is_kept_before_the_queue_deletes_it() {
    let (origin, _) = switchable(503);
    let gate = start(Setup::with_origin(&origin.url).impatient().var("GIVE_UP_AFTER_SECONDS", "5"));
    deliver(&gate, 1);
    let letter = gate.wait_for_dead_letters(1).remove(0);
    assert_eq!(letter["reason"], "origin-did-not-accept");
    let attempts = letter["attempts"].as_u64().unwrap();
    assert!((2..=6).contains(&attempts), "{letter}");
}

#[test]
fn a_message_that_is_no_build_request_is_kept_and_blocks_none() {
    let origin = Origin::start();
    let gate = start(Setup::with_origin(&origin.url).impatient());
    let nonsense = ["nonsense", "{}", "{\"version\": 2}", ""];
    for (number, message) in nonsense.iter().enumerate() {
        gate.sql(&format!(
            "INSERT INTO dead_letters (message_id, reason, stored_at, message) \
             VALUES ('{number}', 'put here by a test', '2026-11-22T20:12:00Z', '{message}')"
        ));
    }
    // Redriving puts them on the queue, among good ones.
    let first = deliver(&gate, 5);
    gate.dead_letters(&["redrive", "--all"]);
    assert_eq!(deliver(&gate, 10).len(), 10);

    let received = origin.settled(15);
    assert_eq!(received.len(), 15);
    for id in first {
        assert_eq!(received.iter().filter(|request| request.body["id"] == id.as_str()).count(), 2);
    }
    let letters = gate.wait_for_dead_letters(8);
    for (number, letter) in letters[4..].iter().enumerate() {
        assert_eq!(
            (&letter["reason"], &letter["attempts"]),
            (&json!("message-unreadable"), &json!(1))
        );
        assert_eq!((&letter["build"], &letter["status"]), (&Value::Null, &Value::Null));
        let shown = gate.dead_letters(&["show", &letter["id"].to_string()]);
        assert!(nonsense.contains(&shown["message"].as_str().unwrap()), "{number}: {shown}");
        assert!(!shown["detail"].as_str().unwrap().is_empty());
    }
}

#[test]
fn while_the_ledger_fails_the_message_stays_on_the_queue() {
    let (origin, _) = switchable(410);
    let gate = start(Setup { ledger: false, ..Setup::with_origin(&origin.url).impatient() });
    let accepted = deliver(&gate, 1);
    let line = gate.log_line(|line| line["log"] == "handover" && line["attempt"] == 2);
    assert_eq!((&line["outcome"], &line["code"]), (&json!("retried"), &json!("origin-refused")));
    assert!(line["ledger_error"].as_str().unwrap().contains("dead_letters"), "{line}");
    let output = gate.run_dead_letters(&["list"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("npx wrangler d1 migrations apply LEDGER"), "{stderr}");

    gate.make_ledger();
    let letter = gate.wait_for_dead_letters(1).remove(0);
    assert_eq!(letter["build"], accepted[0].as_str());
    let came = origin.settled(3).len();
    assert_eq!(origin.settled(3).len(), came, "it is off the queue");
}

#[test]
fn while_the_ledger_fails_for_good_the_message_begins_anew_before_the_queue_deletes_it() {
    let (origin, status) = switchable(410);
    let one_retry = |config: &mut toml::Table| {
        for consumer in config["queues"]["consumers"].as_array_mut().unwrap() {
            consumer.as_table_mut().unwrap().insert("max_retries".into(), 1.into());
        }
    };
    let setup = Setup::with_origin(&origin.url).impatient().var("MAX_RETRIES", "1");
    let gate = start(Setup { config: one_retry, ledger: false, ..setup });
    let accepted = deliver(&gate, 1);
    let line = gate.log_line(|line| line["outcome"] == "queued-again");
    assert!(line["ledger_error"].is_string(), "{line}");
    // Twice round, so that it is as good as new each time.
    gate.wait_until(|| gate.output().matches("\"queued-again\"").count() >= 2);
    status.store(202, Ordering::SeqCst);
    let line = gate.log_line(|line| line["outcome"] == "accepted");
    assert_eq!(line["build"], accepted[0]);
}

#[test]
fn one_that_cannot_be_redriven_keeps_no_other_from_being_redriven() {
    let (origin, status) = switchable(410);
    let gate = start(Setup::with_origin(&origin.url).impatient());
    // One that is too large for the queue, and one that would only come back.
    for (id, reason, message) in [
        (1, "origin-refused", "hex(zeroblob(100000))"),
        (2, "message-unreadable", "'a build, please'"),
    ] {
        gate.sql(&format!(
            "INSERT INTO dead_letters (id, message_id, reason, stored_at, message) \
             VALUES ({id}, 'm{id}', '{reason}', '2026-11-22T20:12:00Z', {message})"
        ));
    }
    let accepted = deliver(&gate, 1);
    gate.wait_for_dead_letters(3);
    status.store(202, Ordering::SeqCst);
    let output = gate.run_dead_letters(&["redrive", "--all"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    for part in ["1 is not redriven: The queue did not take the message", "2 is left out"] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    assert!(told.contains(&format!("3 is back on the queue: {}", accepted[0])), "{told}");
    gate.log_line(|line| line["outcome"] == "accepted" && line["build"] == accepted[0]);
    gate.wait_for_dead_letters(3);
}

#[test]
fn the_operators_routes_need_the_operators_token() {
    let gate = start(Setup::without_origin());
    let ask = |method: &'static str, path: &'static str, authorization: Option<&str>| {
        let request = Delivery { method, path, headers: vec![], body: vec![] };
        request.with("Authorization", authorization).send(&gate)
    };
    let right = format!("Bearer {OPERATOR_TOKEN}");
    let wrong = format!("Bearer {}", &OPERATOR_TOKEN[1..]);
    let unauthorized = (401, "unauthorized".to_owned());
    for (method, path) in [
        ("GET", "-/dead-letters"),
        ("GET", "-/dead-letters/1"),
        ("POST", "-/dead-letters/1/redrive"),
        ("DELETE", "-/dead-letters/1"),
        ("GET", "-/nothing"),
    ] {
        assert_eq!(ask(method, path, None).code(), unauthorized, "{method} {path}");
    }
    // (On one route: each wrong one is answered later than the one before.)
    for authorization in ["", "Bearer", OPERATOR_TOKEN, &wrong] {
        let answer = ask("GET", "-/dead-letters", Some(authorization));
        assert_eq!(answer.code(), unauthorized, "{authorization:?}");
    }
    for (method, path, status, code) in [
        ("GET", "-/dead-letters/1", 404, "no-such-dead-letter"),
        ("GET", "-/dead-letters/x", 404, "no-such-dead-letter"),
        ("POST", "-/dead-letters/1/redrive", 404, "no-such-dead-letter"),
        ("DELETE", "-/dead-letters/1", 404, "no-such-dead-letter"),
        ("GET", "-/nothing", 404, "not-found"),
        ("DELETE", "-/dead-letters", 405, "method-not-allowed"),
    ] {
        assert_eq!(
            ask(method, path, Some(&right)).code(),
            (status, code.to_owned()),
            "{method} {path}"
        );
    }
    assert_eq!(
        ask("GET", "-/dead-letters", Some(&right)).json(),
        json!({"items": [], "next": null, "count": 0, "last": null})
    );
    assert!(!gate.output().contains(OPERATOR_TOKEN));

    // What people see.
    let told = |arguments: &[&str]| {
        let output = gate.run_dead_letters(arguments);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    assert_eq!(told(&["list"]), (Some(0), "There are no dead letters.\n".to_owned()));
    assert_eq!(told(&["show", "7"]), (Some(1), "error: There is no dead letter 7.\n".to_owned()));
    assert_eq!(told(&["redrive", "7"]).0, Some(1));
    assert_eq!(told(&["drop", "7", "--json"]).0, Some(1));
    assert_eq!(told(&["redrive", "--all"]), (Some(0), "There is nothing to redrive.\n".to_owned()));
    assert_eq!(told(&["redrive"]).0, Some(2));
    let mut guess = tempfile::NamedTempFile::new().unwrap();
    guess.write_all(b"guess\n").unwrap();
    let (exit, text) = told(&["list", "--token-file", guess.path().to_str().unwrap()]);
    assert!(exit == Some(1) && text.contains("wrong token"), "{text}");
}

#[test]
fn without_a_token_there_are_no_operators_routes() {
    let gate = Gate::start(&Setup::without_origin().var("OPERATOR_TOKEN", " "));
    for (method, authorization) in
        [("GET", None), ("GET", Some("Bearer  ")), ("POST", Some("Bearer x"))]
    {
        let request = Delivery { method, path: "-/dead-letters", headers: vec![], body: vec![] };
        let answer = request.with("Authorization", authorization).send(&gate);
        assert_eq!(answer.code(), (404, "not-found".to_owned()));
    }
    let output = gate.run_dead_letters(&["list"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1)
            && stderr.contains("npx wrangler secret put OPERATOR_TOKEN"),
        "{stderr}"
    );
}

#[test]
fn a_table_for_people_and_pages_for_many() {
    let gate = start(Setup::without_origin());
    let rows: Vec<String> = (1..=250)
        .map(|n| format!("('m{n}', 'deployment:1:{n}', 'octocat/Hello-World', 'origin-refused', 410, 1, '2026-11-22T20:12:00Z', '{{}}')"))
        .collect();
    gate.sql(&format!(
        "INSERT INTO dead_letters (message_id, build, repository, reason, status, attempts, stored_at, message) VALUES {}",
        rows.join(", ")
    ));
    assert_eq!(gate.wait_for_dead_letters(250)[249]["build"], "deployment:1:250");
    let output = gate.run_dead_letters(&["list"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().count(), 251);
    let words =
        |line: usize| table.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        words(0),
        ["ID", "STORED", "REASON", "STATUS", "ATTEMPTS", "REDRIVEN", "QUEUE", "OF"]
    );
    assert_eq!(
        words(1),
        [
            "1",
            "2026-11-22T20:12:00Z",
            "origin-refused",
            "410",
            "1",
            "-",
            "builds",
            "deployment:1:1"
        ]
    );
    let shown = gate.run_dead_letters(&["show", "7"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("deployment:1:7") && shown.contains("last status"), "{shown}");
}

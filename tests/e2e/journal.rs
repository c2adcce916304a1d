//! The journal: what came in, what it was answered, and how often; in no answer's way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::delivery::Delivery;
use crate::support::fixtures::{event_of, fixture};
use crate::support::gate::{Gate, Setup};

/// The cron trigger for what is old.
const EVERY_TEN_MINUTES: &str = "*/10 * * * *";

/// The first page of a list.
pub fn items(gate: &Gate, route: &str) -> Vec<Value> {
    let page = gate.operator("GET", route);
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

/// All counts, whatever their hour.
fn counts(gate: &Gate) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for hour in items(gate, "counts") {
        for (code, count) in hour["codes"].as_object().unwrap() {
            *all.entry(code.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    all
}

fn column<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap_or("-")).collect()
}

fn send(gate: &Gate, name: &str, full_name: &str) -> (u16, String) {
    let payload = fixture(name).replace("octocat/Hello-World", full_name);
    Delivery::json(event_of(name), payload).send(gate).code()
}

#[test]
fn what_was_verified_is_remembered_and_what_was_not_is_counted() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/hello-world", "commit"), ("other/*", "deployment")]);
    let push = Delivery::json("push", fixture("push"));
    let answer = push.send(&gate);
    assert_eq!(answer.code(), (202, "push-queued".to_owned()));
    let answer = answer.json();
    send(&gate, "push", "other/one");
    send(&gate, "push", "Other/two");
    send(&gate, "push", "others/one");
    send(&gate, "ping", "other/one");
    let forged = Delivery::signed("push", "application/json", fixture("push").into(), "guessed");
    for _ in 0..3 {
        assert_eq!(forged.send(&gate).status, 401);
    }
    gate.wait_until(|| items(&gate, "deliveries").len() >= 5 && counts(&gate).len() >= 5);

    let all = items(&gate, "deliveries");
    assert_eq!(
        column(&all, "code"),
        [
            "pong",
            "repository-not-linked",
            "trigger-is-deployment",
            "trigger-is-deployment",
            "push-queued"
        ]
    );
    assert_eq!(
        counts(&gate),
        BTreeMap::from(
            [
                ("push-queued", 1),
                ("trigger-is-deployment", 2),
                ("repository-not-linked", 1),
                ("pong", 1),
                ("bad-signature", 3)
            ]
            .map(|(code, count)| (code.to_owned(), count))
        )
    );
    // The item is the answer, and when it was given.
    let item = all.last().unwrap();
    for name in
        ["outcome", "code", "message", "delivery", "event", "repository", "trigger", "build"]
    {
        assert_eq!(item[name], answer[name], "{name}");
    }
    assert_eq!((&item["status"], item["delivery"].as_str()), (&json!(202), Some(&*push.guid())));
    let one = gate.operator("GET", &format!("deliveries/{}", item["id"].as_str().unwrap()));
    assert_eq!(&one, item);
    let none = gate.operator("GET", "deliveries/01a204e3-1280-7707-8707-070707070003");
    assert_eq!(none["code"], "no-such-delivery");

    // Each filter, and what none can be.
    let at = item["at"].as_str().unwrap();
    let (build, guid) = (item["build"].as_str().unwrap(), push.guid());
    for (query, expected) in [
        ("repository=OTHER/TWO".to_owned(), vec!["Other/two"]),
        ("owner=Other".to_owned(), vec!["other/one", "Other/two", "other/one"]),
        ("owner=other&event=ping".to_owned(), vec!["other/one"]),
        ("outcome=rejected".to_owned(), vec!["others/one"]),
        ("code=trigger-is-deployment".to_owned(), vec!["Other/two", "other/one"]),
        (format!("build={build}"), vec!["octocat/Hello-World"]),
        (format!("delivery={guid}"), vec!["octocat/Hello-World"]),
        (format!("since={at}&outcome=queued"), vec!["octocat/Hello-World"]),
        (format!("until={at}"), vec![]),
        ("since=2100-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        let found = items(&gate, &format!("deliveries?{query}"));
        assert_eq!(column(&found, "repository"), expected, "{query}");
    }
    for query in ["outcome=built", "code=x", "owner=a/b", "since=now", "limit=101", "colour=red"] {
        let refused = gate.operator("GET", &format!("deliveries?{query}"));
        assert_eq!(refused["code"], "malformed-query", "{query}");
    }

    // Paged by two, while others come.
    let first = gate.operator("GET", "deliveries?limit=2");
    send(&gate, "ping", "other/three");
    gate.wait_until(|| items(&gate, "deliveries").len() == 6);
    let next = format!("deliveries?limit=2&cursor={}", first["next"].as_str().unwrap());
    let second = gate.operator("GET", &next);
    assert_eq!(second["items"].as_array().unwrap()[..], all[2..4]);

    // What is old is forgotten, and nothing else.
    gate.sql(
        "INSERT INTO deliveries (id, at, outcome, code, status, ms, message) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
         SELECT printf('0000000f-0000-7000-8000-%012x', n), 1, 'pong', 'pong', 200, 0, 'old' FROM n; \
         INSERT INTO counts VALUES (3600000, 'push', 'pong', 7)",
    );
    gate.cron(EVERY_TEN_MINUTES);
    assert_eq!(items(&gate, "deliveries?until=2020-01-01T00:00:00Z"), [] as [Value; 0]);
    let old = "counts?since=1970-01-01T00:00:00Z&until=1970-01-02T00:00:00Z";
    assert_eq!(items(&gate, old), [] as [Value; 0]);
    assert_eq!(items(&gate, "deliveries").len(), 6);
}

#[test]
fn the_ledger_is_down_and_nothing_is_lost_nor_counted_twice() {
    let setup = Setup { ledger: false, ..Setup::without_origin() };
    let gate = Gate::start(&setup);
    gate.set(&[("octocat/hello-world", "manual")]);
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(send(&gate, "push", "octocat/Hello-World").1, "trigger-is-manual");
    }
    assert!(started.elapsed().as_secs() < 20, "a delivery waited for the journal");
    let line = gate.log_line(|line| line["log"] == "journal");
    assert!(line["detail"].as_str().unwrap().contains("no such table"), "{line}");
    gate.make_ledger();
    gate.wait_until(|| items(&gate, "deliveries").len() == 20);
    assert_eq!(counts(&gate), BTreeMap::from([("trigger-is-manual".to_owned(), 20)]));
}

#[test]
fn what_is_remembered_is_what_was_asked_for() {
    let mut gate = Gate::start(&Setup::without_origin().var("JOURNAL", "no-ignored"));
    gate.set(&[("octocat/hello-world", "manual")]);
    send(&gate, "push", "octocat/Hello-World");
    send(&gate, "ping", "octocat/Hello-World");
    gate.wait_until(|| counts(&gate).len() == 2);
    assert_eq!(column(&items(&gate, "deliveries"), "event"), ["ping"]);
    gate.restart(&Setup::without_origin().var("JOURNAL", "off"));
    send(&gate, "ping", "octocat/Hello-World");
    // What another gate would have written by now.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!((items(&gate, "deliveries").len(), counts(&gate)["pong"]), (1, 1));
}

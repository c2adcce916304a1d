//! The journal: what came in, what it was answered, and how often; in no answer's way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use buildgate::time::rfc3339;
use serde_json::{Value, json};

use crate::operator::by_token;
use crate::support::delivery::Delivery;
use crate::support::fixtures::{event_of, fixture};
use crate::support::gate::{Gate, Setup};

/// The cron trigger for what is old.
const EVERY_TEN_MINUTES: &str = "*/10 * * * *";

fn items(gate: &Gate, route: &str) -> Vec<Value> {
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

/// What an operator may find after years: a busy hundred thousand of deliveries, and the builds and the rest that go with it.
const MANY_ROWS: &str = "\
INSERT INTO deliveries (id, at, delivery, event, repository, trigger, outcome, code, status, ms, build, message) \
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000), \
     at(n, at) AS (SELECT n, (unixepoch() - 26 * 86400) * 1000 + n * 22000 FROM n) \
SELECT printf('%08x-%04x-7000-8000-%012x', at / 65536, at % 65536, n), at, 'guid-' || n, \
       CASE n % 3 WHEN 0 THEN 'deployment' ELSE 'push' END, 'owner' || (n % 40) || '/repository' || (n % 200), 'deployment', \
       CASE WHEN n % 9999 = 0 THEN 'rejected' WHEN n % 3 = 0 THEN 'queued' ELSE 'ignored' END, \
       CASE WHEN n % 9999 = 0 THEN 'invalid-policy' WHEN n % 3 = 0 THEN 'deployment-queued' ELSE 'trigger-is-deployment' END, \
       200, 3, CASE n % 3 WHEN 0 THEN 'build-' || n END, 'A sentence about delivery ' || n || ', as long as they mostly are.' FROM at; \
INSERT INTO counts (hour, event, code, count) \
WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 720) \
SELECT (unixepoch() / 3600 - n) * 3600000, 'push', code.value, 100 + n FROM n, json_each('[\"push-queued\",\"trigger-is-deployment\",\"bad-signature\",\"branch-not-enabled\"]') AS code; \
INSERT INTO builds (id, repository_id, repository, sha, ref, delivery, request, state, description, queued_at, since, unsaid) \
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 33000) \
SELECT 'build-' || (3 * n), 1, 'owner' || (n % 40) || '/repository' || (n % 200), printf('%040x', n), 'main', 'guid-' || (3 * n), '{}', \
       CASE WHEN n % 500 = 0 THEN 'error' ELSE 'success' END, 'built', n * 60000, n * 60000, '[]' FROM n; \
INSERT INTO auto_deployments (repository_id, repository, sha, environment, branch, state, reason, first_seen_at, since) \
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000) \
SELECT n % 200, 'owner' || (n % 40) || '/repository' || (n % 200), printf('%040x', n), 'production', 'main', \
       CASE WHEN n % 500 = 0 THEN 'refused' ELSE 'created' END, 'a reason', n * 60000, n * 60000 FROM n; \
INSERT INTO dead_letters (queue, message_id, build, repository, reason, stored_at, message) \
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000) \
SELECT 'builds', 'm' || n, 'build-' || n, 'owner' || (n % 40) || '/repository' || (n % 200), 'origin-refused', '2026-11-25T00:00:00Z', 'x' FROM n";

/// Everything that the console asks for, with filters that find much, little and nothing.
#[test]
fn of_a_hundred_thousand_rows_each_page_is_there_within_100_ms() {
    let gate = Gate::start(&Setup::without_origin());
    for n in 0..200 {
        let route = format!("repositories/owner{}/repository{n}", n % 40);
        assert_eq!(by_token(&gate, "PUT", &route, "deployment").status, 200);
    }
    gate.sql(MANY_ROWS);
    let days_ago = |days: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        rfc3339((now - days * 86_400) * 1_000)
    };
    let (month, middle) = (days_ago(30), days_ago(13));
    let of_then = items(&gate, &format!("deliveries?limit=100&until={middle}"));
    let cursor = of_then.last().unwrap()["id"].as_str().unwrap();
    let mut slowest = (0.0, String::new());
    for (route, least) in [
        ("health".to_owned(), 5),
        ("counts".to_owned(), 24),
        (format!("counts?since={month}"), 700),
        ("deliveries?limit=100".to_owned(), 100),
        (format!("deliveries?limit=100&cursor={cursor}"), 100),
        (format!("deliveries?limit=100&until={middle}"), 100),
        ("deliveries?limit=100&repository=owner7/repository7".to_owned(), 100),
        ("deliveries?limit=100&repository=owner7/repository7&outcome=rejected".to_owned(), 0),
        ("deliveries?limit=100&owner=owner7".to_owned(), 100),
        ("deliveries?limit=100&outcome=rejected".to_owned(), 10),
        ("deliveries?limit=100&code=invalid-policy".to_owned(), 10),
        ("deliveries?limit=100&code=push-queued".to_owned(), 0),
        ("deliveries?limit=100&event=ping".to_owned(), 0),
        ("deliveries?limit=100&delivery=guid-300".to_owned(), 1),
        ("deliveries?limit=100&build=build-300".to_owned(), 1),
        ("builds?limit=100".to_owned(), 100),
        ("builds?limit=100&repository=owner7/repository7".to_owned(), 100),
        ("builds?limit=100&state=error".to_owned(), 66),
        ("builds?limit=100&state=in_progress".to_owned(), 0),
        ("builds?limit=100&delivery=guid-300".to_owned(), 1),
        ("auto-deployments?limit=100".to_owned(), 100),
        ("auto-deployments?limit=100&repository=owner7/repository7".to_owned(), 100),
        ("auto-deployments?limit=100&state=waiting".to_owned(), 0),
        ("dead-letters?limit=100".to_owned(), 100),
        ("dead-letters?limit=100&repository=owner7/repository7".to_owned(), 25),
        ("dead-letters?limit=100&reason=message-unreadable".to_owned(), 0),
        ("repositories?limit=100".to_owned(), 100),
        ("repositories?owner=owner7".to_owned(), 5),
    ] {
        // The best of many, and of more from time to time where that is too long, for the machine has other things to do.
        let time = |_| {
            let started = Instant::now();
            let found = items(&gate, &route).len();
            assert!(found >= least, "{route}: {found}");
            started.elapsed().as_secs_f64() * 1_000.0
        };
        let mut best = f64::INFINITY;
        for tries in 0..100 {
            best = best.min(time(tries));
            if tries < 5 {
                continue;
            }
            if best <= 100.0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        println!("{best:6.1} ms  {route}");
        if best > slowest.0 {
            slowest = (best, route);
        }
    }
    assert!(slowest.0 <= 100.0, "{slowest:?}");
}

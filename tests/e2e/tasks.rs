//! The tasks that wait for the runtime, on the real one: a task that waits for anything but one promise at a time
//! ends with an error that says so, and its message is tried again. The worker is tests/tasks.

use crate::support::delivery::Delivery;
use crate::support::fixtures::PROJECT;
use crate::support::gate::{Gate, Setup};

const GOOD: [&str; 3] =
    ["one promise", "two promises, one after the other", "a promise that is rejected"];

/// What a task must not wait for, and what is said of it.
const BAD: [(&str, &str); 3] = [
    ("a promise's own future", "a task waits for something else than `settled`"),
    ("a future that nobody wakes", "a task waits for something else than `settled`"),
    ("two promises at a time", "a task waits for more than one promise at a time"),
];

/// Starts the worker of tests/tasks in place of the gate.
fn start() -> Gate {
    let config = |config: &mut toml::Table| {
        let worker = format!("{PROJECT}/target/tasks/index.js");
        assert!(std::path::Path::new(&worker).exists(), "run the tests with `npm test`");
        config.insert("main".into(), worker.into());
        config["queues"]["producers"][0]["binding"] = "QUEUE".into();
    };
    Gate::start(&Setup { config, ledger: false, ..Setup::without_origin() })
}

#[test]
fn a_request_whose_task_waits_for_what_it_must_not_fails() {
    let gate = start();
    let wait = |what: &str| {
        let answer = Delivery::agent().get(&gate.url).header("X-Wait", what).call().unwrap();
        answer.status().as_u16()
    };
    for what in GOOD {
        assert_eq!(wait(what), 200, "{what}");
    }
    for (what, why) in BAD {
        let said = |gate: &Gate| gate.output().matches(why).count();
        let before = said(&gate);
        assert_eq!(wait(what), 500, "{what}");
        gate.wait_until(|| said(&gate) > before);
    }
    // The instance is as good as ever.
    assert_eq!(wait(GOOD[0]), 200);
}

#[test]
fn a_message_whose_task_waits_for_what_it_must_not_is_tried_again() {
    let gate = start();
    let bad = BAD.map(|(what, _)| what);
    for what in GOOD.iter().chain(&bad) {
        let answer = Delivery::agent().post(&gate.url).send(*what).unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
    let done = |what: &str, attempt: u32| format!("[\"{what}\",{attempt}]");
    for what in bad {
        gate.wait_until(|| gate.output().contains(&done(what, 2)));
        assert!(!gate.output().contains(&done(what, 1)), "{what} was done at the first attempt");
    }
    for what in GOOD {
        // One that comes in a batch with a bad one may be tried again, too; it is never lost.
        gate.wait_until(|| (1..=3).any(|attempt| gate.output().contains(&done(what, attempt))));
    }
    for (_, why) in BAD {
        assert!(gate.output().contains(why), "{why}");
    }
}

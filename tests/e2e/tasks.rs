//! The tasks that wait for the runtime, on the real one: a task that waits for anything but one promise at a time
//! ends with an error that says so, and its message is tried again. The worker is tests/tasks.

use std::thread;
use std::time::Duration;

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
        config["queues"]["consumers"][0]["max_retries"] = 2.into();
    };
    Gate::start(&Setup { config, ledger: false, ..Setup::without_origin() })
}

/// What the log says of a message that was done.
fn done(what: &str, attempt: u32) -> String {
    format!("[\"{what}\",{attempt}]")
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
    for what in bad {
        gate.wait_until(|| gate.output().contains(&done(what, 2)));
        assert!(!gate.output().contains(&done(what, 1)), "{what} was done at the first attempt");
    }
    // One that comes in a batch with a bad one is done once.
    for what in GOOD {
        gate.wait_until(|| gate.output().contains(&done(what, 1)));
        assert!(!gate.output().contains(&done(what, 2)), "{what} was done again");
    }
    for (_, why) in BAD {
        assert!(gate.output().contains(why), "{why}");
    }
}

#[test]
fn a_request_under_way_when_the_instance_breaks_off_fails_and_the_next_is_answered() {
    let gate = start();
    let wait = |what: &str| {
        let request = Delivery::agent().get(&gate.url).header("X-Wait", what);
        request.call().unwrap().status().as_u16()
    };
    assert_eq!(wait("one promise"), 200);
    thread::scope(|scope| {
        let under_way = [(); 4].map(|()| scope.spawn(|| wait("two seconds")));
        thread::sleep(Duration::from_millis(700));
        assert_eq!(wait("a panic"), 500);
        // The new instance is at work, and not for the tasks of the old one.
        let anew = [(); 4].map(|()| scope.spawn(|| wait("two seconds")));
        for request in under_way {
            assert_eq!(request.join().unwrap(), 500);
        }
        for request in anew {
            assert_eq!(request.join().unwrap(), 200);
        }
    });
    assert!(gate.output().contains("on purpose"));
    assert_eq!(wait("two promises, one after the other"), 200);
}

#[test]
fn a_panic_is_nothing_to_the_other_messages_of_its_batch() {
    let gate = start();
    let mut messages = vec!["a panic"];
    messages.extend(GOOD.iter().cycle().take(9));
    for message in messages {
        assert_eq!(Delivery::agent().post(&gate.url).send(message).unwrap().status().as_u16(), 200);
    }
    gate.wait_until(|| gate.output().contains(&done("a panic", 2)));
    for what in GOOD {
        let times = |attempt| gate.output().matches(&done(what, attempt)).count();
        // A message whose task was under way in the instance that broke off is tried again; no other is.
        gate.wait_until(|| times(1) + times(2) == 3);
    }
}

#[test]
fn a_message_that_always_panics_ends_in_the_dead_letter_queue() {
    let gate = start();
    let message = "always a panic";
    assert_eq!(Delivery::agent().post(&gate.url).send(message).unwrap().status().as_u16(), 200);
    gate.wait_until(|| gate.output().contains("[\"builds-dead\",\"always a panic\",1]"));
    assert!(!gate.output().contains(&done(message, 1)));
}

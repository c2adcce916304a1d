//! The name of an event is not signed: what GitHub signed for one event can be sent again under the name of another.
//! GitHub's recorded payloads, each under every name that is acted on.

use std::collections::BTreeSet;

use buildgate::delivery::decision::{Decision, decide};
use buildgate::delivery::event::Event;
use buildgate::policy::Policy;
use serde_json::{Value, json};

use crate::support::fixtures::PROJECT;

/// The events that are acted on.
const USED: [&str; 4] = ["push", "deployment", "deployment_status", "ping"];

/// Each recorded payload with the name of its event.
fn recorded() -> Vec<(String, Value)> {
    let file = "node_modules/@octokit/webhooks-examples/api.github.com/index.json";
    let file = std::fs::read_to_string(format!("{PROJECT}/tests/e2e/{file}")).unwrap();
    let events: Vec<Value> = serde_json::from_str(&file).unwrap();
    let payloads = events.iter().flat_map(|event| {
        let name = event["name"].as_str().unwrap();
        let examples = event["examples"].as_array().unwrap();
        examples.iter().map(move |payload| (name.to_owned(), payload.clone()))
    });
    payloads.collect()
}

/// The policies that build whatever can be built, of any environment and branch that a payload names.
fn policies(payload: &Value) -> Vec<Policy> {
    let mut environments = BTreeSet::from(["production", "github-pages"]);
    for pointer in ["/deployment/environment", "/environment", "/deployment_status/environment"] {
        environments.extend(payload.pointer(pointer).and_then(Value::as_str));
    }
    let policy = |trigger: &str, build_when: &str| {
        let policy = json!({
            "trigger": trigger,
            "build_when": build_when,
            "environments": environments,
            "branches": ["**"],
        });
        Policy::parse(&policy.to_string()).unwrap()
    };
    let mut policies = vec![policy("commit", "created")];
    policies.extend(["created", "in_progress", "success"].map(|when| policy("deployment", when)));
    policies
}

#[test]
fn no_payload_builds_under_the_name_of_another_event() {
    let recorded = recorded();
    assert!(recorded.len() > 300, "{}", recorded.len());
    for (event, payload) in &recorded {
        let body = payload.to_string();
        for name in USED.into_iter().filter(|name| name != event) {
            let Ok(parsed) = Event::parse(name, body.as_bytes()) else { continue };
            for policy in policies(payload) {
                let decision = decide(&parsed, Some(&policy));
                assert!(!matches!(decision, Decision::Build(_)), "{event} as {name}: {decision:?}");
            }
        }
    }
}

#[test]
fn every_recorded_payload_is_read_under_its_own_name() {
    let mut built = BTreeSet::new();
    for (event, payload) in recorded() {
        let parsed = Event::parse(&event, payload.to_string().as_bytes());
        let parsed = parsed.unwrap_or_else(|why| panic!("{event}: {why:?}"));
        for policy in policies(&payload) {
            if let Decision::Build(_) = decide(&parsed, Some(&policy)) {
                built.insert(event.clone());
            }
        }
    }
    let builds = ["deployment", "deployment_status", "push"].map(str::to_owned);
    assert_eq!(built, BTreeSet::from(builds));
}

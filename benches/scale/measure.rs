//! What is measured: the built worker in workerd, with stand-ins that count what it asks of them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::delivery::Delivery;
use crate::support::edge::{Edge, Used};
use crate::support::fixtures::payload;
use crate::support::origin::{self, Origin};

/// How many of each are delivered, after as many that do not count.
const COUNT: u32 = 1_000;

/// What was measured, of one each.
#[derive(Debug)]
pub struct Needs {
    /// A push that is ignored.
    pub ignored: Used,
    /// A deployment, from its delivery to the report of its end.
    pub built: Used,
}

/// Measures it.
pub fn measure() -> Needs {
    let origin = Origin::start();
    // As it is shipped: a policy is remembered for half a minute.
    let edge = Edge::start(&origin.url, &[1], &[("POLICY_CACHE_SECONDS", "30")]);
    edge.set("octocat/*", "deployment");
    let agent = Delivery::agent();
    let send = |delivery: Delivery| {
        let request = delivery
            .headers
            .into_iter()
            .fold(agent.post(&edge.url), |request, header| request.header(header.0, header.1));
        let mut answer = request.send(&delivery.body).expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        let _ = answer.body_mut().read_to_string();
    };
    let journal = || edge.number("SELECT COUNT(*) FROM deliveries");
    let ignored = |from: u32| {
        for number in from..from + COUNT {
            send(Delivery::json("push", of_repository("push", number).to_string()));
        }
        edge.wait_until(|| journal() == u64::from(from + COUNT));
        edge.used()
    };
    let warm = ignored(0);
    let ignored = ignored(COUNT);
    let built = |from: u32| {
        for number in from..from + COUNT {
            let mut payload = of_repository("deployment.created", number);
            payload["deployment"]["id"] = (1_000_000 + number).into();
            send(Delivery::json("deployment", payload.to_string()));
        }
        let handed_over = "SELECT COUNT(*) FROM builds WHERE handed_over_at IS NOT NULL";
        edge.wait_until(|| edge.number(handed_over) == u64::from(from + COUNT));
        for number in from..from + COUNT {
            for state in ["in_progress", "success"] {
                let id = 1_000_000 + number;
                let build = format!("deployment:octocat/repository-{}:{id}", number % 100);
                report(&edge, &agent, &json!({ "build": build, "state": state }).to_string());
            }
        }
        edge.wait_until(|| journal() == u64::from(2 * COUNT + from + COUNT));
        edge.used()
    };
    let warm_built = built(0);
    let built = built(COUNT);
    Needs { ignored: each(ignored, warm), built: each(built, warm_built) }
}

/// A payload of one of a hundred repositories.
fn of_repository(name: &str, number: u32) -> Value {
    let repository = format!("octocat/repository-{}", number % 100);
    let mut payload = payload(name);
    payload["repository"]["clone_url"] = format!("https://github.com/{repository}.git").into();
    payload["repository"]["full_name"] = repository.into();
    payload
}

/// Reports what became of a build.
fn report(edge: &Edge, agent: &ureq::Agent, body: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let id = uuid::Uuid::new_v4().to_string();
    let webhook = Webhook::new(origin::SECRET).expect("a secret");
    let signature = webhook.sign(&id, now as i64, body.as_bytes()).expect("a signature");
    let answer = agent
        .post(format!("{}-/reports", edge.url))
        .header("webhook-id", &id)
        .header("webhook-timestamp", now.to_string())
        .header("webhook-signature", &signature)
        .header("Content-Type", "application/json")
        .send(body)
        .expect("an answer");
    assert_eq!(answer.status(), 202);
}

/// What one of them needed.
fn each(after: Used, before: Used) -> Used {
    let each = |after: f64, before: f64| (after - before) / f64::from(COUNT);
    Used {
        cpu: each(after.cpu, before.cpu),
        statements: each(after.statements, before.statements),
        sqlite: each(after.sqlite, before.sqlite),
        rows: each(after.rows, before.rows),
        bytes: each(after.bytes, before.bytes),
        journal_messages: each(after.journal_messages, before.journal_messages),
        messages: each(after.messages, before.messages),
    }
}

//! The load: deliveries one after the other over each of a few connections, each answer looked at.

use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;

use crate::delivery::Delivery;

const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

/// How long a worker may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// When a connection stops sending.
#[derive(Clone, Copy)]
pub enum Until {
    /// After a time.
    Elapsed(Duration),
    /// After a number of deliveries.
    Sent(usize),
}

/// Sends a delivery again and again over each of `connections`, and gives how long each answer took.
pub fn drive(
    url: &str,
    delivery: &Delivery,
    status: u16,
    connections: usize,
    until: Until,
) -> Vec<Duration> {
    thread::scope(|scope| {
        let connections: Vec<_> =
            (0..connections).map(|_| scope.spawn(|| send(url, delivery, status, until))).collect();
        let latencies = connections.into_iter().map(|connection| connection.join());
        latencies.flat_map(|latencies| latencies.expect("a connection's latencies")).collect()
    })
}

fn send(url: &str, delivery: &Delivery, status: u16, until: Until) -> Vec<Duration> {
    let agent = agent();
    let started = Instant::now();
    let mut latencies = Vec::new();
    while match until {
        Until::Elapsed(duration) => started.elapsed() < duration,
        Until::Sent(count) => latencies.len() < count,
    } {
        let sent = Instant::now();
        let mut answer = agent
            .post(url)
            .header("Content-Type", "application/json")
            .header("X-GitHub-Event", delivery.event)
            .header("X-GitHub-Delivery", DELIVERY)
            .header("X-Hub-Signature-256", &delivery.signature)
            .send(&delivery.body[..])
            .expect("an answer");
        let body = answer.body_mut().read_to_string().expect("the answer's body");
        latencies.push(sent.elapsed());
        assert_eq!(answer.status(), status, "{body}");
    }
    latencies
}

/// Waits until something answers.
pub fn wait_for_an_answer(url: &str) {
    let started = Instant::now();
    let agent = agent();
    while let Err(error) = agent.get(url).call() {
        assert!(started.elapsed() < PATIENCE, "no answer of {url}: {error}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn agent() -> Agent {
    Config::builder().http_status_as_error(false).build().new_agent()
}

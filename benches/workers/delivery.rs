//! The deliveries that are sent: the fixtures, made as large as a case wants them, and signed.

use buildgate::signature::github::sign;
use serde_json::{Value, json};

use crate::fixtures::payload as fixture;

pub const SECRET: &str = "the benchmark's webhook secret";

/// GitHub lists no more commits than this in a push event
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>).
const MOST_COMMITS: usize = 2048;

/// One webhook delivery.
pub struct Delivery {
    pub event: &'static str,
    pub body: Vec<u8>,
    pub signature: String,
}

impl Delivery {
    fn signed(event: &'static str, payload: &Value) -> Self {
        let body = serde_json::to_vec(payload).expect("a payload");
        let signature = sign(&SECRET.to_owned().into(), &body);
        Self { event, body, signature }
    }

    /// A deployment that is queued.
    pub fn deployment() -> Self {
        Self::signed("deployment", &fixture("deployment.created"))
    }

    /// A push of about `bytes`, or of as few as a push has without commits.
    pub fn push(bytes: usize) -> Self {
        let mut payload = fixture("push");
        let commit = payload["head_commit"].clone();
        payload["commits"] = json!([]);
        let missing = bytes.saturating_sub(payload.to_string().len());
        let commits = (missing / 3_000).clamp(1, MOST_COMMITS);
        if missing > 3_000 {
            let room = missing / commits - commit.to_string().len();
            let commits = (0..commits).map(|number| enlarged(&commit, number, room));
            payload["commits"] = commits.collect();
        }
        Self::signed("push", &payload)
    }

    /// The same, signed with another secret.
    pub fn forged(mut self) -> Self {
        self.signature = sign(&"another secret".to_owned().into(), &self.body);
        self
    }
}

/// A commit that changes as many files as their paths have room for.
fn enlarged(commit: &Value, number: usize, room: usize) -> Value {
    let path = |file: usize| format!("containers/recipes/group-{number}/image-{file}/Singularity");
    let files = room / (path(100).len() + 3);
    let mut commit = commit.clone();
    commit["id"] = format!("{number:040x}").into();
    commit["added"] = (0..files / 4).map(path).collect();
    commit["modified"] = (files / 4..files).map(path).collect();
    commit
}

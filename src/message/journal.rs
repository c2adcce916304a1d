//! The journal: what came in, and what it was answered. Each isolate gathers what it has answered, and sends it along the
//! queue `journal`; the console shows it.

use serde::{Deserialize, Serialize};

/// Every code that a delivery can be answered, with its outcome.
pub const CODES: [(&str, &str); 37] = [
    ("auto-deployment-queued", "queued"),
    ("deployment-queued", "queued"),
    ("push-queued", "queued"),
    ("action-not-used", "ignored"),
    ("branch-deleted", "ignored"),
    ("branch-not-enabled", "ignored"),
    ("context-not-used", "ignored"),
    ("deployment-from-fork", "ignored"),
    ("deployment-from-pull-request", "ignored"),
    ("deployment-not-started", "ignored"),
    ("deployment-status-not-used", "ignored"),
    ("environment-not-enabled", "ignored"),
    ("event-not-used", "ignored"),
    ("not-a-branch", "ignored"),
    ("not-a-success", "ignored"),
    ("task-not-deploy", "ignored"),
    ("trigger-is-commit", "ignored"),
    ("trigger-is-deployment", "ignored"),
    ("trigger-is-manual", "ignored"),
    ("hook-misconfigured", "pong"),
    ("pong", "pong"),
    ("bad-signature", "rejected"),
    ("body-too-slow", "rejected"),
    ("busy", "rejected"),
    ("invalid-policy", "rejected"),
    ("malformed-payload", "rejected"),
    ("method-not-allowed", "rejected"),
    ("missing-header", "rejected"),
    ("missing-signature", "rejected"),
    ("not-configured", "rejected"),
    ("not-found", "rejected"),
    ("payload-too-large", "rejected"),
    ("policy-unavailable", "rejected"),
    ("queue-unavailable", "rejected"),
    ("repository-mismatch", "rejected"),
    ("repository-not-linked", "rejected"),
    ("unsupported-content-type", "rejected"),
];

/// The four outcomes of a delivery.
pub const OUTCOMES: [&str; 4] = ["queued", "ignored", "pong", "rejected"];

/// A verified delivery, and what became of it: never its body, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// The GUID under which GitHub delivers.
    pub delivery: Option<String>,
    /// The event, by GitHub's name.
    pub event: Option<String>,
    /// The full name of the repository that the event is about.
    pub repository: Option<String>,
    /// The repository's trigger.
    pub trigger: Option<&'static str>,
    /// `queued`, `ignored`, `pong` or `rejected`.
    pub outcome: &'static str,
    /// The answer's code.
    pub code: &'static str,
    /// The answer's HTTP status.
    pub status: u16,
    /// The answer's sentences.
    pub message: String,
    /// The id of the build request that was queued.
    pub build: Option<String>,
    /// From its arrival to its answer, in milliseconds.
    pub ms: u64,
}

/// How many answers of one code were given in an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// When the hour began, in milliseconds since 1970.
    pub hour: u64,
    /// The event, by GitHub's name; empty where nothing was verified.
    pub event: String,
    /// The answer's code.
    pub code: &'static str,
    /// How many.
    pub count: u64,
}

/// A delivery as the operator is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Its id in the journal.
    pub id: String,
    /// When it came, by RFC 3339.
    pub at: String,
    /// The GUID under which GitHub delivers: a redelivery has the same.
    pub delivery: Option<String>,
    /// The event, by GitHub's name.
    pub event: Option<String>,
    /// The full name of the repository that the event is about.
    pub repository: Option<String>,
    /// The repository's trigger at that time.
    pub trigger: Option<String>,
    /// `queued`, `ignored`, `pong` or `rejected`.
    pub outcome: String,
    /// The answer's code.
    pub code: String,
    /// The answer's HTTP status.
    pub status: u16,
    /// The answer's sentences.
    pub message: String,
    /// The id of the build request that was queued.
    pub build: Option<String>,
    /// From its arrival to its answer, in milliseconds.
    pub ms: u64,
}

/// A repository's last delivery.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LastDelivery {
    /// Its id in the journal.
    pub id: String,
    /// When it came, by RFC 3339.
    pub at: String,
    /// The event.
    pub event: Option<String>,
    /// The outcome.
    pub outcome: String,
    /// The answer's code.
    pub code: String,
}

/// The answers of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// When it began, by RFC 3339.
    pub hour: String,
    /// How many there were of each code.
    pub codes: std::collections::BTreeMap<String, u64>,
}

/// What a list of deliveries is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The repository's full name, in lower case.
    pub repository: Option<String>,
    /// The login of the repository's owner, in lower case.
    pub owner: Option<String>,
    /// The event.
    pub event: Option<String>,
    /// The outcome.
    pub outcome: Option<String>,
    /// The answer's code.
    pub code: Option<String>,
    /// The id of the build request.
    pub build: Option<String>,
    /// The GUID.
    pub delivery: Option<String>,
    /// Only what came at this time or later, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Only what came before this time, in milliseconds since 1970.
    pub until: Option<u64>,
    /// Only what came before the one of this id.
    pub before: Option<String>,
    /// How many at most.
    pub limit: u64,
}

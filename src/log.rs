//! The log: one line of JSON for each delivery, each attempt of a handover and each request of the operator's,
//! searchable by field. The lines have no room for a secret or a body.

use std::borrow::Cow;

use serde::Serialize;

/// A line; what is not known is null.
#[derive(Debug, Serialize)]
#[serde(tag = "log", rename_all = "lowercase")]
pub enum Line<'a> {
    /// What became of a delivery.
    Delivery {
        /// `queued`, `ignored`, `pong` or `rejected`.
        outcome: &'static str,
        /// The answer's code.
        code: &'a str,
        /// The answer's HTTP status.
        status: u16,
        /// From the request's arrival to its answer, in milliseconds.
        ms: u64,
        /// The GUID under which GitHub delivers.
        delivery: Option<&'a str>,
        /// The event, by GitHub's name.
        event: Option<&'a str>,
        /// The full name of the repository that the event is about.
        repository: Option<&'a str>,
        /// The repository's trigger.
        trigger: Option<&'static str>,
        /// The id of the build request that was queued.
        build: Option<&'a str>,
        /// Which secret matched: once no line says `previous`, that one can go.
        secret: Option<&'static str>,
        /// The Payload URL that was called, where nothing is verified: anybody may have called it.
        #[serde(skip_serializing_if = "Option::is_none")]
        unverified_url: Option<String>,
        /// What went wrong inside.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<Cow<'a, str>>,
    },
    /// What became of an attempt to hand a build request over.
    Handover {
        /// `accepted`, `retried`, `held`, `dead-letter` or `queued-again`.
        outcome: &'static str,
        /// The attempt's code.
        code: &'static str,
        /// The origin's status.
        status: Option<u16>,
        /// From the first byte sent to the origin's answer, in milliseconds.
        ms: u64,
        /// Which attempt it was; the first is 1.
        attempt: u32,
        /// How long until the next attempt, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_in: Option<u64>,
        /// The GUID of the delivery that asked for the build first.
        delivery: Option<&'a str>,
        /// What asked for it: `push` or `deployment`.
        event: Option<&'static str>,
        /// The full name of the repository to build.
        repository: Option<&'a str>,
        /// The build request's id.
        build: Option<&'a str>,
        /// What went wrong on this side of the origin, or what its status almost always means.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
        /// Why the message could not be kept as a dead letter.
        #[serde(skip_serializing_if = "Option::is_none")]
        ledger_error: Option<&'a str>,
    },
    /// What an attempt came to could not be kept with the build: GitHub and the operator see it as it was.
    #[serde(rename = "handover")]
    NotKept {
        /// The build request's id.
        build: &'a str,
        /// What went wrong.
        detail: &'a str,
    },
    /// What became of an attempt at something that is to be done at GitHub.
    GitHub {
        /// `done`, `retried`, `dead-letter` or `queued-again`.
        outcome: &'static str,
        /// The attempt's code.
        code: &'static str,
        /// From the attempt's beginning to its end, in milliseconds.
        ms: u64,
        /// Which attempt it was; the first is 1.
        attempt: u32,
        /// How long until the next attempt, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_in: Option<u64>,
        /// The GUID of the delivery that gave the hint.
        delivery: Option<&'a str>,
        /// The full name of the repository.
        repository: Option<&'a str>,
        /// The commit's hash.
        #[serde(skip_serializing_if = "Option::is_none")]
        sha: Option<&'a str>,
        /// The build request's id, where it is about a build.
        #[serde(skip_serializing_if = "Option::is_none")]
        build: Option<&'a str>,
        /// What GitHub was told of the build, in this order.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        told: Vec<&'static str>,
        /// What became of the commit, by environment.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        found: Vec<FoundLine<'a>>,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Why the message could not be kept as a dead letter.
        #[serde(skip_serializing_if = "Option::is_none")]
        ledger_error: Option<&'a str>,
    },
    /// What a cron trigger did.
    Scheduled {
        /// The cron expression.
        cron: &'a str,
        /// How many messages were put on their queue out of the outbox.
        sent: u64,
        /// How many build requests that were held were put on the queue again.
        released: u64,
        /// How many commits are looked at again.
        looks: usize,
        /// How many builds have ended because nothing was heard of them.
        silent: usize,
        /// How many builds GitHub is to be told of that it was not told of in time.
        untold: usize,
        /// How many alerts were posted.
        alerts: usize,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// What a sweep came to.
    Sweep {
        /// How many webhooks' deliveries were looked at.
        hooks: u64,
        /// How many deliveries GitHub listed that were not known yet.
        listed: u64,
        /// How many events were found missed.
        missed: u64,
        /// How many that had been missed were found delivered.
        delivered: u64,
        /// How many GitHub is asked to deliver again now.
        redelivering: u64,
        /// How many are not asked for any more.
        given_up: u64,
        /// Whether a list went on beyond what one sweep looks at.
        is_cut: bool,
        /// What could not be looked at, and why.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        problems: &'a [String],
    },
    /// What could not be written into the journal: nothing is said of what could.
    Journal {
        /// How many deliveries were let go of, because the queue takes nothing.
        lost: u64,
        /// How many of the queue's messages are tried again.
        retried: usize,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// What became of a report of the origin's.
    Report {
        /// `queued`, `ignored` or `rejected`.
        outcome: &'static str,
        /// The answer's code.
        code: &'static str,
        /// The answer's HTTP status.
        status: u16,
        /// The build request's id, where the signature is good.
        build: Option<&'a str>,
        /// What is reported, likewise.
        state: Option<&'static str>,
        /// What went wrong inside.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    },
    /// What became of a request of the operator's.
    Operator {
        /// Its method.
        method: &'a str,
        /// Its path.
        path: &'a str,
        /// The answer's code, or `done`.
        code: &'static str,
        /// The answer's HTTP status.
        status: u16,
    },
}

/// What became of a commit in an environment.
#[derive(Debug, Serialize)]
pub struct FoundLine<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The state.
    pub state: &'static str,
    /// Why, in words.
    pub reason: &'a str,
    /// GitHub's id of the deployment, where it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<u64>,
}

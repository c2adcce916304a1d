//! Dead letters: messages that left the queue without the origin's having taken them over. They are
//! kept in the ledger until an operator redrives or drops them.

use serde::{Deserialize, Serialize};

use crate::handover::attempt::Handover;
use crate::message::build_request::{QueuedRequest, rfc3339};

/// How much of the origin's answer is kept, in characters.
pub const LONGEST_ANSWER: usize = 1_000;

/// A message about to be kept.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// The queue's id of the message.
    pub message_id: &'a str,
    /// The build request's id, where the message could be read.
    pub build: Option<&'a str>,
    /// The repository's full name, where the message could be read.
    pub repository: Option<&'a str>,
    /// Why it is kept: the code of the last handover.
    pub reason: &'static str,
    /// What went wrong, where the origin did not answer.
    pub detail: Option<&'a str>,
    /// The status of the origin's last answer.
    pub status: Option<u16>,
    /// The beginning of the origin's last answer.
    pub answer: Option<&'a str>,
    /// How often it was tried; not known of a message that the queue gave up.
    pub attempts: Option<u32>,
    /// When it was kept, by RFC 3339.
    pub stored_at: String,
    /// The message, to the letter.
    pub message: &'a str,
}

impl<'a> DeadLetter<'a> {
    /// Makes a dead letter of a message whose last attempt was `handover`, at `now`, in milliseconds
    /// since 1970.
    pub fn new(
        message_id: &'a str,
        message: &'a str,
        request: Option<&'a QueuedRequest>,
        handover: &'a Handover,
        attempt: u32,
        now: u64,
    ) -> Self {
        Self {
            message_id,
            build: request.map(|request| request.id.as_str()),
            repository: request.map(|request| request.repository.as_str()),
            reason: handover.code(),
            detail: handover.detail(),
            status: handover.status(),
            answer: handover.answer(),
            attempts: (*handover != Handover::GivenUpByQueue).then_some(attempt),
            stored_at: rfc3339(now),
            message,
        }
    }
}

/// A dead letter as a list shows it.
#[derive(Debug, Deserialize, Serialize)]
pub struct DeadLetterSummary {
    /// Its id in the ledger.
    pub id: u64,
    /// The build request's id; none where the message could not be read.
    pub build: Option<String>,
    /// The repository's full name; none where the message could not be read.
    pub repository: Option<String>,
    /// Why it is kept: the code of the last handover.
    pub reason: String,
    /// The status of the origin's last answer.
    pub status: Option<u16>,
    /// How often it was tried.
    pub attempts: Option<u32>,
    /// When it was kept, by RFC 3339.
    pub stored_at: String,
    /// When it was last put back on the queue, by RFC 3339.
    pub redriven_at: Option<String>,
}

/// A dead letter with everything that is kept of it.
#[derive(Debug, Deserialize, Serialize)]
pub struct StoredDeadLetter {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: DeadLetterSummary,
    /// What went wrong, where the origin did not answer.
    pub detail: Option<String>,
    /// The beginning of the origin's last answer.
    pub answer: Option<String>,
    /// The message, to the letter.
    pub message: String,
}

/// One page of the list.
#[derive(Debug, Deserialize, Serialize)]
pub struct DeadLetterPage {
    /// The dead letters, the oldest first.
    pub dead_letters: Vec<DeadLetterSummary>,
    /// The id to list on after, if there may be more.
    pub next: Option<u64>,
}

//! What comes of handing a build request to the origin.

use serde::Serialize;

use crate::build_request::BuildRequest;

/// The result of one attempt.
#[derive(Debug)]
pub enum Handover {
    /// The origin has taken the build request.
    Accepted {
        /// Its 2xx status.
        status: u16,
    },
    /// The origin answered, but not with 2xx.
    NotAccepted {
        /// Its status.
        status: u16,
    },
    /// The origin did not answer.
    Unreachable {
        /// Why not.
        detail: String,
    },
    /// `ORIGIN_URL` is unset or no URL.
    NotConfigured {
        /// What is wrong with it.
        detail: String,
    },
    /// The message is not a build request.
    Unreadable {
        /// What is wrong with it.
        detail: String,
    },
}

impl Handover {
    /// Judges an origin's answer by its status.
    pub fn from_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Accepted { status },
            _ => Self::NotAccepted { status },
        }
    }

    /// Whether the message is done with; if not, it is tried again.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

/// The line that a handover leaves in the log.
#[derive(Debug, Serialize)]
pub struct HandoverLine<'a> {
    log: &'static str,
    outcome: &'static str,
    code: &'static str,
    /// The origin's status.
    status: Option<u16>,
    /// From the first byte sent to the origin's answer, in milliseconds.
    ms: u64,
    delivery: Option<&'a str>,
    event: Option<&'static str>,
    repository: Option<&'a str>,
    build: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> HandoverLine<'a> {
    /// The line for an attempt that took `ms` milliseconds; `request` is `None` where the message
    /// could not be read.
    pub fn new(handover: &'a Handover, request: Option<&'a BuildRequest>, ms: u64) -> Self {
        let (code, status, detail) = match handover {
            Handover::Accepted { status } => ("origin-accepted", Some(*status), None),
            Handover::NotAccepted { status } => ("origin-did-not-accept", Some(*status), None),
            Handover::Unreachable { detail } => ("origin-unreachable", None, Some(detail.as_str())),
            Handover::NotConfigured { detail } => {
                ("origin-not-configured", None, Some(detail.as_str()))
            }
            Handover::Unreadable { detail } => ("message-unreadable", None, Some(detail.as_str())),
        };
        Self {
            log: "handover",
            outcome: if handover.is_done() { "accepted" } else { "retried" },
            code,
            status,
            ms,
            delivery: request.map(BuildRequest::delivery),
            event: request.map(BuildRequest::event),
            repository: request.map(BuildRequest::repository),
            build: request.map(BuildRequest::id),
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_accepted() {
        for status in 100..=599 {
            assert_eq!(
                Handover::from_status(status).is_done(),
                (200..300).contains(&status),
                "{status}"
            );
        }
    }
}

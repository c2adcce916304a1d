//! One attempt to hand a build request over: what came of it, and what an origin's answer means.

use crate::retry::Try;

/// The result of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The origin has taken the build request over.
    Accepted {
        /// Its 2xx status.
        status: u16,
    },
    /// The origin refused the build request for good.
    Refused {
        /// Its status: 410 or 422.
        status: u16,
        /// The beginning of its answer.
        answer: String,
    },
    /// The origin answered something else.
    NotAccepted {
        /// Its status.
        status: u16,
        /// The beginning of its answer.
        answer: String,
        /// What its `Retry-After` asks to wait, in seconds.
        retry_after: Option<u64>,
    },
    /// The origin did not answer, or not in time.
    Unreachable {
        /// Why not.
        detail: String,
    },
    /// The origin is not asked just then, for it takes nothing, or has asked for a pause.
    Held,
    /// A setting is missing or wrong, so nothing was sent.
    NotConfigured {
        /// Which one, and what is wrong with it.
        detail: String,
    },
    /// The message is not a build request.
    Unreadable {
        /// What is wrong with it.
        detail: String,
    },
    /// The queue gave the message up and moved it to its dead-letter queue.
    GivenUpByQueue,
}

impl Attempt {
    /// Judges an origin's answer. `retry_after` is the header's value and `now` the time; `date` reads an
    /// HTTP date. Both times are in seconds since 1970.
    pub fn from_answer(
        status: u16,
        answer: String,
        retry_after: Option<&str>,
        now: u64,
        date: impl Fn(&str) -> Option<u64>,
    ) -> Self {
        match status {
            200..=299 => Self::Accepted { status },
            410 | 422 => Self::Refused { status, answer },
            _ => {
                let retry_after = retry_after.and_then(|value| seconds_to_wait(value, now, date));
                Self::NotAccepted { status, answer, retry_after }
            }
        }
    }

    /// Whether the origin takes builds: none where it was not asked.
    pub fn is_taking(&self) -> Option<bool> {
        match self {
            Self::Accepted { .. } | Self::Refused { .. } => Some(true),
            Self::NotAccepted { .. } | Self::Unreachable { .. } => Some(false),
            Self::Held
            | Self::NotConfigured { .. }
            | Self::Unreadable { .. }
            | Self::GivenUpByQueue => None,
        }
    }

    /// How long a pause the origin asks for, in seconds, of everybody: a `Retry-After` with a status that is about itself
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>, <https://www.rfc-editor.org/rfc/rfc6585#section-4>).
    pub fn pause(&self) -> Option<u64> {
        match self {
            Self::NotAccepted { status: 429 | 503, retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What it means for the next attempt.
    pub fn tried(&self) -> Try {
        match self {
            Self::Accepted { .. } => Try::Done,
            Self::Refused { .. } | Self::Unreadable { .. } | Self::GivenUpByQueue => Try::Never,
            Self::NotAccepted { retry_after, .. } => {
                Try::Again { no_sooner_than: retry_after.unwrap_or(0) }
            }
            // What cannot be held waits on the queue, and asks there whether the pause is over.
            Self::Held | Self::Unreachable { .. } | Self::NotConfigured { .. } => {
                Try::Again { no_sooner_than: 0 }
            }
        }
    }

    /// The code that stands for it in the log and with a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "origin-accepted",
            Self::Refused { .. } => "origin-refused",
            Self::NotAccepted { .. } => "origin-did-not-accept",
            Self::Unreachable { .. } => "origin-unreachable",
            Self::Held => "origin-held",
            Self::NotConfigured { .. } => "origin-not-configured",
            Self::Unreadable { .. } => "message-unreadable",
            Self::GivenUpByQueue => "given-up-by-queue",
        }
    }

    /// The origin's status, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Accepted { status }
            | Self::Refused { status, .. }
            | Self::NotAccepted { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The beginning of the origin's answer, if it answered and did not accept.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Refused { answer, .. } | Self::NotAccepted { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// What the origin answered, or why there was no answer, as it is kept with the build.
    pub fn told(&self) -> String {
        let hint = |text: String| match self.detail() {
            Some(hint) => format!("{text} ({hint})"),
            None => text,
        };
        match (self.status(), self.answer(), self.detail()) {
            (Some(status), Some(answer), _) if !answer.trim().is_empty() => {
                hint(format!("{status}: {}", answer.trim()))
            }
            (Some(status), ..) => hint(status.to_string()),
            (None, _, Some(detail)) => detail.to_owned(),
            (None, ..) => self.code().to_owned(),
        }
    }

    /// Why a build request is not handed over, in words that the repository's owner may read: what a service behind the gate
    /// said itself is not among them.
    pub fn reason(&self) -> String {
        match self {
            Self::Accepted { status } => format!("the build service answered {status}"),
            Self::Refused { status, .. } => format!("the build service refused it ({status})"),
            Self::NotAccepted { status, .. } => {
                format!("the build service answered {status} until time ran out")
            }
            Self::Unreachable { .. } => {
                "the build service could not be reached until time ran out".to_owned()
            }
            Self::Held => "the build service took nothing until time ran out".to_owned(),
            Self::NotConfigured { .. } => "the gate is not set up to hand it over".to_owned(),
            Self::Unreadable { .. } => "its request cannot be read".to_owned(),
            Self::GivenUpByQueue => "the queue gave it up".to_owned(),
        }
    }

    /// What went wrong on this side of the origin, or what its status almost always means.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::NotAccepted { status, .. } => hint(*status),
            Self::Unreachable { detail }
            | Self::NotConfigured { detail }
            | Self::Unreadable { detail } => Some(detail),
            _ => None,
        }
    }
}

/// What is almost always behind a status of the origin's that it never has for a build request.
fn hint(status: u16) -> Option<&'static str> {
    match status {
        300..=399 => Some(
            "redirects are not followed: set ORIGIN_URL to where it leads, https and slash at the end included",
        ),
        401 => Some("almost always, ORIGIN_SECRET and the origin's secret are not the same"),
        403 => Some(
            "almost always, something before the origin lets nobody in, such as a firewall or a login page",
        ),
        404 => Some(
            "almost always, the path of ORIGIN_URL is not where the origin takes build requests",
        ),
        405 => Some("almost always, the path of ORIGIN_URL is wrong: nothing takes a POST there"),
        _ => None,
    }
}

/// `Retry-After` in seconds from `now`: either a number of them or a date (RFC 9110, section 10.2.3).
fn seconds_to_wait(retry_after: &str, now: u64, date: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let value = retry_after.trim();
    value.parse().ok().or_else(|| Some(date(value)?.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::retry::{Schedule, Step};

    const NOW: u64 = 1_795_378_320; // Sun, 22 Nov 2026 20:12:00 GMT

    fn date(value: &str) -> Option<u64> {
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    #[test]
    fn every_status_is_accepted_refused_or_tried_again() {
        for status in 100..=599 {
            let attempt = Attempt::from_answer(status, String::new(), None, NOW, date);
            let step = Schedule::default().next(attempt.tried(), 1, 0, 0.5);
            let expected = match status {
                200..=299 => Step::Acknowledge,
                410 | 422 => Step::Bury,
                _ => Step::Retry(10),
            };
            assert_eq!(step, expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 22 Nov 2026 20:13:30 GMT", Some(90)),
            ("Sunday, 22-Nov-26 20:13:30 GMT", Some(90)),
            ("Sun, 22 Nov 2026 20:00:00 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(
                Attempt::from_answer(429, String::new(), Some(value), NOW, date),
                Attempt::NotAccepted { status: 429, answer: String::new(), retry_after: seconds },
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_almost_always_wrong_is_said() {
        for (status, part) in [
            (301, Some("ORIGIN_URL")),
            (308, Some("redirects are not followed")),
            (401, Some("ORIGIN_SECRET")),
            (403, Some("before the origin")),
            (404, Some("the path of ORIGIN_URL")),
            (405, Some("POST")),
            (410, None),
            (429, None),
            (500, None),
        ] {
            let attempt = Attempt::from_answer(status, String::new(), None, NOW, date);
            let detail = attempt.detail();
            assert_eq!(detail.is_some(), part.is_some(), "{status}");
            assert!(part.is_none_or(|part| detail.unwrap().contains(part)), "{detail:?}");
        }
    }

    #[test]
    fn only_what_the_origin_may_still_take_is_tried_again() {
        let again = |no_sooner_than| Try::Again { no_sooner_than };
        let detail = String::new;
        for (attempt, tried) in [
            (Attempt::Accepted { status: 204 }, Try::Done),
            (Attempt::Refused { status: 410, answer: String::new() }, Try::Never),
            (
                Attempt::NotAccepted { status: 503, answer: String::new(), retry_after: Some(120) },
                again(120),
            ),
            (
                Attempt::NotAccepted { status: 503, answer: String::new(), retry_after: None },
                again(0),
            ),
            (Attempt::Unreachable { detail: detail() }, again(0)),
            (Attempt::NotConfigured { detail: detail() }, again(0)),
            (Attempt::Unreadable { detail: detail() }, Try::Never),
            (Attempt::GivenUpByQueue, Try::Never),
        ] {
            assert_eq!(attempt.tried(), tried, "{attempt:?}");
        }
    }
}

//! What a report is answered, for the origin's engineer.

use serde::Serialize;

use crate::build::Report;
use crate::signature::standard_webhooks::{InvalidSecret, NotVerified};

/// What became of a report.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is kept, and GitHub will be told.
    Queued,
    /// The same was said before.
    SaidBefore,
    /// A report has ended the build already.
    Ended {
        /// With this state.
        state: &'static str,
    },
    /// It is no POST.
    MethodNotAllowed,
    /// The signature does not say that the origin sent it now.
    BadSignature(NotVerified),
    /// It is no report; what is wrong with it.
    Malformed(String),
    /// There is no such build.
    NoSuchBuild,
    /// The body is too large.
    TooLarge,
    /// The body was not there in time.
    TooSlow,
    /// There is no room for the body.
    Busy,
    /// The gate has no secret that a report could be signed with.
    NotConfigured(InvalidSecret),
    /// The ledger did not answer; what it said instead.
    LedgerUnavailable(String),
}

impl Answer {
    /// The outcome, the code and the HTTP status.
    pub fn codes(&self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Queued => ("queued", "report-queued", 202),
            Self::SaidBefore | Self::Ended { .. } => ("ignored", "report-not-used", 200),
            Self::MethodNotAllowed => ("rejected", "method-not-allowed", 405),
            Self::BadSignature(_) => ("rejected", "bad-signature", 401),
            Self::Malformed(_) => ("rejected", "malformed-report", 400),
            Self::NoSuchBuild => ("rejected", "no-such-build", 404),
            Self::TooLarge => ("rejected", "payload-too-large", 413),
            Self::TooSlow => ("rejected", "body-too-slow", 408),
            Self::Busy => ("rejected", "busy", 503),
            Self::NotConfigured(_) => ("rejected", "not-configured", 503),
            Self::LedgerUnavailable(_) => ("rejected", "ledger-unavailable", 503),
        }
    }

    /// A sentence for the origin's engineer.
    fn message(&self, report: Option<&Report>) -> String {
        let build = report.map_or("", |report| &*report.build);
        let state = report.map_or("", |report| report.status.state.as_str());
        match self {
            Self::Queued => format!(
                "It is kept that {build} is {state}, and GitHub will be told, where the gate may say something there."
            ),
            Self::SaidBefore => format!(
                "The same was said of {build} before, so nothing follows, but that the gate has heard of it now."
            ),
            Self::Ended { state: end } => format!(
                "A report has ended {build} already, as {end}, so `{state}` changes nothing. What is built again is \
                 another build: a new deployment, or a new push. (Only the operator can open this one anew, who puts its \
                 request on the queue again: cargo run -- dead-letters redrive.)"
            ),
            Self::MethodNotAllowed => {
                "Reports of the build service come here, by POST. docs/origin.md says how."
                    .to_owned()
            }
            Self::BadSignature(why) => format!(
                "{why}. A report is signed as Standard Webhooks says, with the secret that build requests are signed with: \
                 webhook-id, webhook-timestamp and webhook-signature, the latter v1 and the HMAC-SHA256 of id, timestamp and \
                 body, exactly as they are sent."
            ),
            Self::Malformed(problem) => format!(
                "This is no report: {problem}. One looks like {{\"build\": ID, \"state\": \"in_progress\"}}, with \
                 `description`, `log_url` and `environment_url` where wanted."
            ),
            Self::NoSuchBuild => format!(
                "The gate knows of no build {build}: `build` has to be the `id` of a build request, to the letter, that the \
                 gate has posted in the last 90 days."
            ),
            Self::TooLarge => "A report has at most 64 KiB.".to_owned(),
            Self::TooSlow => "The body was not there within 8 seconds. Send it again.".to_owned(),
            Self::Busy => "There is no room for the body just now. Send it again.".to_owned(),
            Self::NotConfigured(why) => format!("The gate can verify no report: {why}."),
            Self::LedgerUnavailable(_) => {
                "The gate could not keep the report in its ledger. Send it again.".to_owned()
            }
        }
    }

    /// What went wrong inside, for the log.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::LedgerUnavailable(detail) | Self::Malformed(detail) => Some(detail),
            _ => None,
        }
    }

    /// The header that the answer has beside its content type, if it has one.
    pub fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Busy | Self::LedgerUnavailable(_) => Some(("Retry-After", "10")),
            Self::MethodNotAllowed => Some(("Allow", "POST")),
            _ => None,
        }
    }

    /// The answer's body: one JSON object.
    pub fn body(&self, report: Option<&Report>) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Body<'a> {
            outcome: &'static str,
            code: &'static str,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            build: Option<&'a str>,
        }
        let (outcome, code, _) = self.codes();
        let build = report.map(|report| &*report.build);
        let message = self.message(report);
        serde_json::to_string_pretty(&Body { outcome, code, message, build })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_code_and_says_what_to_do() {
        let report = Report::parse(br#"{"build":"push:o/n:r","state":"success"}"#).unwrap();
        for (answer, codes, words) in [
            (Answer::Queued, ("queued", "report-queued", 202), "push:o/n:r is success"),
            (Answer::SaidBefore, ("ignored", "report-not-used", 200), "said of push:o/n:r before"),
            (
                Answer::Ended { state: "failure" },
                ("ignored", "report-not-used", 200),
                "ended push:o/n:r already, as failure",
            ),
            (
                Answer::BadSignature(NotVerified::Missing),
                ("rejected", "bad-signature", 401),
                "webhook-signature",
            ),
            (
                Answer::Malformed("missing field `build`".into()),
                ("rejected", "malformed-report", 400),
                "missing field `build`",
            ),
            (
                Answer::MethodNotAllowed,
                ("rejected", "method-not-allowed", 405),
                "Reports of the build service come here, by POST",
            ),
            (Answer::NoSuchBuild, ("rejected", "no-such-build", 404), "no build push:o/n:r"),
            (Answer::TooLarge, ("rejected", "payload-too-large", 413), "64 KiB"),
            (Answer::TooSlow, ("rejected", "body-too-slow", 408), "Send it again"),
            (Answer::Busy, ("rejected", "busy", 503), "Send it again"),
            (
                Answer::NotConfigured(InvalidSecret::Unset),
                ("rejected", "not-configured", 503),
                "ORIGIN_SECRET is unset",
            ),
            (
                Answer::LedgerUnavailable("D1_ERROR".into()),
                ("rejected", "ledger-unavailable", 503),
                "Send it again",
            ),
        ] {
            assert_eq!(answer.codes(), codes);
            let body = answer.body(Some(&report)).unwrap();
            assert!(body.contains(words) && body.contains(codes.1), "{body}");
            assert!(!body.contains("D1_ERROR"));
        }
    }
}

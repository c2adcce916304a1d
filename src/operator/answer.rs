//! What an operator's request is answered.

use serde::{Deserialize, Serialize};

use crate::route::NoRoute;

/// Why an operator's request was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is missing or wrong.
    Unauthorized,
    /// There is no such route.
    NotFound,
    /// The route takes other methods.
    MethodNotAllowed {
        /// The methods that it takes, for the header `Allow`.
        allow: &'static str,
    },
    /// There is no dead letter of this id.
    NoSuchLetter(String),
    /// The ledger did not answer; what it said instead.
    LedgerUnavailable(String),
    /// The queue did not take the message; what it said instead.
    QueueUnavailable(String),
    /// The message is on the queue again, but the ledger could not be told; what it said instead.
    NotMarked(String),
}

impl Refusal {
    /// The code and the HTTP status.
    pub fn codes(&self) -> (&'static str, u16) {
        match self {
            Self::Unauthorized => ("unauthorized", 401),
            Self::NotFound => ("not-found", 404),
            Self::NoSuchLetter(_) => ("no-such-dead-letter", 404),
            Self::MethodNotAllowed { .. } => ("method-not-allowed", 405),
            Self::LedgerUnavailable(_) => ("ledger-unavailable", 503),
            Self::QueueUnavailable(_) => ("queue-unavailable", 503),
            Self::NotMarked(_) => ("not-marked", 503),
        }
    }

    /// A sentence for the operator.
    pub fn message(&self) -> String {
        match self {
            Self::Unauthorized => {
                "The operator token is missing or wrong: send Authorization: Bearer and the gate's \
                 OPERATOR_TOKEN."
                    .to_owned()
            }
            Self::NotFound => "There is no such operator route.".to_owned(),
            Self::NoSuchLetter(id) => format!("There is no dead letter {id}."),
            Self::MethodNotAllowed { allow } => format!("This route takes {allow}."),
            Self::LedgerUnavailable(detail) => format!(
                "The ledger did not answer ({detail}). If its tables are missing, run: npx wrangler d1 \
                 migrations apply LEDGER"
            ),
            Self::QueueUnavailable(detail) => {
                format!("The queue did not take the message ({detail}); it stays a dead letter.")
            }
            Self::NotMarked(detail) => format!(
                "The message is on the queue again, but the ledger could not be told ({detail}), so it \
                 still looks undriven. Redriving it once more does no harm: its id is the same."
            ),
        }
    }

    /// The header that the answer has beside its content type, if it has one.
    pub fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Unauthorized => Some(("WWW-Authenticate", "Bearer")),
            Self::MethodNotAllowed { allow } => Some(("Allow", allow)),
            _ => None,
        }
    }

    /// The answer's body: one JSON object.
    pub fn body(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Body {
            outcome: &'static str,
            code: &'static str,
            message: String,
        }
        let (code, _) = self.codes();
        serde_json::to_string_pretty(&Body { outcome: "rejected", code, message: self.message() })
    }
}

impl From<NoRoute> for Refusal {
    fn from(why: NoRoute) -> Self {
        match why {
            NoRoute::NotFound => Self::NotFound,
            NoRoute::MethodNotAllowed { allow } => Self::MethodNotAllowed { allow },
        }
    }
}

/// The answer to a redrive.
#[derive(Debug, Deserialize, Serialize)]
pub struct Redriven {
    /// The dead letter's id.
    pub id: u64,
    /// The build request's id, the same as ever.
    pub build: Option<String>,
}

/// The answer to a drop.
#[derive(Debug, Deserialize, Serialize)]
pub struct Dropped {
    /// The dead letter's id.
    pub id: u64,
}

/// Reads the id of a dead letter out of a path.
pub fn letter_id(segment: &str) -> Result<u64, Refusal> {
    segment.parse::<u32>().map(u64::from).map_err(|_| Refusal::NoSuchLetter(segment.to_owned()))
}

/// An answer's body.
pub fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Refusal::LedgerUnavailable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_a_number_that_a_ledger_can_have() {
        assert_eq!(letter_id("7"), Ok(7));
        for none in ["x", "", "-1", "7 ", "99999999999"] {
            assert_eq!(letter_id(none), Err(Refusal::NoSuchLetter(none.into())), "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_id_panics(id: String) {
            let _ = letter_id(&id);
        }
    }
}

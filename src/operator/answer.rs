//! The operator's routes, under `/-/`: who may use them, what they are, and how they answer.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Where every operator route begins: no GitHub owner can be called `-`.
pub const PREFIX: &str = "/-/";

/// The value of `OPERATOR_TOKEN`: only its digest is kept, which is of no use to anybody.
pub struct OperatorToken([u8; 32]);

impl OperatorToken {
    /// Takes the secret's value. Unset or blank, there is no token, and so there are no routes.
    pub fn new(value: Option<String>) -> Option<Self> {
        let value = value.filter(|value| !value.trim().is_empty())?;
        Some(Self(Sha256::digest(value.trim()).into()))
    }

    /// Whether an `Authorization` header is `Bearer` and this token (RFC 6750, section 2.1), compared in
    /// constant time.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, token)) = authorization.and_then(|header| header.trim().split_once(' '))
        else {
            return false;
        };
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        scheme.eq_ignore_ascii_case("Bearer") && bool::from(self.0.ct_eq(&digest))
    }
}

/// What an operator can ask for. The numbers are the dead letters' ids.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /-/dead-letters?after=ID`
    List {
        /// The id to list on after; 0 for the first page.
        after: u64,
    },
    /// `GET /-/dead-letters/ID`
    Show(u64),
    /// `POST /-/dead-letters/ID/redrive`
    Redrive(u64),
    /// `DELETE /-/dead-letters/ID`
    Drop(u64),
}

impl Route {
    /// Reads a request's method, path and query.
    pub fn parse(method: &str, path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let segments: Vec<&str> =
            path.strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
        let id = |segment: &str| {
            segment
                .parse::<u32>()
                .map(u64::from)
                .map_err(|_| Refusal::NoSuchLetter(segment.to_owned()))
        };
        match (method, segments.as_slice()) {
            ("GET", ["dead-letters"]) => {
                let after = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                    .find(|(name, _)| name == "after")
                    .and_then(|(_, value)| value.parse().ok());
                Ok(Self::List { after: after.unwrap_or(0) })
            }
            ("GET", ["dead-letters", letter]) => id(letter).map(Self::Show),
            ("DELETE", ["dead-letters", letter]) => id(letter).map(Self::Drop),
            ("POST", ["dead-letters", letter, "redrive"]) => id(letter).map(Self::Redrive),
            (_, ["dead-letters"]) => Err(Refusal::MethodNotAllowed("GET")),
            (_, ["dead-letters", _]) => Err(Refusal::MethodNotAllowed("GET, DELETE")),
            (_, ["dead-letters", _, "redrive"]) => Err(Refusal::MethodNotAllowed("POST")),
            _ => Err(Refusal::NotFound),
        }
    }
}

/// Why an operator's request was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is missing or wrong.
    Unauthorized,
    /// There is no such route.
    NotFound,
    /// The route takes other methods: these.
    MethodNotAllowed(&'static str),
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
            Self::MethodNotAllowed(_) => ("method-not-allowed", 405),
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
            Self::MethodNotAllowed(allowed) => format!("This route takes {allowed}."),
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

/// The answer to [`Route::Redrive`].
#[derive(Debug, Deserialize, Serialize)]
pub struct Redriven {
    /// The dead letter's id.
    pub id: u64,
    /// The build request's id, the same as ever.
    pub build: Option<String>,
}

/// The answer to [`Route::Drop`].
#[derive(Debug, Deserialize, Serialize)]
pub struct Dropped {
    /// The dead letter's id.
    pub id: u64,
}

/// An answer's body.
pub fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Refusal::LedgerUnavailable(error.to_string()))
}

/// The line that an operator's request leaves in the log.
#[derive(Debug, Serialize)]
pub struct OperatorLine<'a> {
    log: &'static str,
    method: &'a str,
    path: &'a str,
    code: &'static str,
    status: u16,
}

impl<'a> OperatorLine<'a> {
    /// The line for a request that was refused, or was not.
    pub fn new(method: &'a str, path: &'a str, refusal: Option<&Refusal>) -> Self {
        let (code, status) = refusal.map_or(("done", 200), Refusal::codes);
        Self { log: "operator", method, path, code, status }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = OperatorToken::new(Some("s3cret-token\n".into())).unwrap();
        for good in ["Bearer s3cret-token", "bearer s3cret-token", " Bearer  s3cret-token "] {
            assert!(token.admits(Some(good)), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "s3cret-token",
            "Basic s3cret-token",
            "Bearer s3cret-toke",
            "Bearer s3cret-tokens",
            "Bearer S3cret-token",
            "Bearer s3cret-token x",
        ] {
            assert!(!token.admits(Some(bad)), "{bad}");
        }
        assert!(!token.admits(None));
    }

    #[test]
    fn without_a_token_there_are_no_routes() {
        for blank in [None, Some(""), Some(" \n")] {
            assert!(OperatorToken::new(blank.map(Into::into)).is_none());
        }
    }

    #[test]
    fn every_route() {
        for (method, path, query, route) in [
            ("GET", "/-/dead-letters", None, Ok(Route::List { after: 0 })),
            ("GET", "/-/dead-letters", Some("after=7"), Ok(Route::List { after: 7 })),
            ("GET", "/-/dead-letters", Some("after=x&b"), Ok(Route::List { after: 0 })),
            ("GET", "/-/dead-letters/7", None, Ok(Route::Show(7))),
            ("POST", "/-/dead-letters/7/redrive", None, Ok(Route::Redrive(7))),
            ("DELETE", "/-/dead-letters/7", None, Ok(Route::Drop(7))),
            ("GET", "/-/dead-letters/x", None, Err(Refusal::NoSuchLetter("x".into()))),
            ("GET", "/-/dead-letters/", None, Err(Refusal::NoSuchLetter(String::new()))),
            (
                "DELETE",
                "/-/dead-letters/99999999999",
                None,
                Err(Refusal::NoSuchLetter("99999999999".into())),
            ),
            ("POST", "/-/dead-letters", None, Err(Refusal::MethodNotAllowed("GET"))),
            ("PUT", "/-/dead-letters/7", None, Err(Refusal::MethodNotAllowed("GET, DELETE"))),
            ("GET", "/-/dead-letters/7/redrive", None, Err(Refusal::MethodNotAllowed("POST"))),
            ("GET", "/-/", None, Err(Refusal::NotFound)),
            ("GET", "/-/dead-letters/7/drop", None, Err(Refusal::NotFound)),
        ] {
            assert_eq!(Route::parse(method, path, query), route, "{method} {path}");
        }
    }

    proptest! {
        #[test]
        fn no_request_panics(method: String, path: String, query: Option<String>, header: Option<String>) {
            let _ = Route::parse(&method, &format!("/-/{path}"), query.as_deref());
            OperatorToken::new(Some("token".into())).unwrap().admits(header.as_deref());
        }
    }
}

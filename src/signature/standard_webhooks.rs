//! The signature under what is posted to the origin, by which it can tell that it came from the gate.
//!
//! Source: the Standard Webhooks specification,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64ct::{Base64, Encoding};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::published::is_published;
use crate::signature::hmac_sha256;

/// The header with the message's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of this attempt, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

const SECRET_PREFIX: &str = "whsec_";

/// The fewest bytes that a key may have, by the specification.
const SHORTEST_KEY: usize = 24;

/// What a header cannot carry as it is; `%` is among it so that no two ids look the same. All bytes
/// outside of ASCII are, too.
const NOT_IN_A_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The keys of `ORIGIN_SECRET`, never none and never empty. Nothing of them is in `Debug`.
pub struct OriginSecrets(Vec<Vec<u8>>);

/// Why `ORIGIN_SECRET` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSecret {
    /// It is unset or blank.
    Unset,
    /// A secret does not begin with `whsec_`.
    NoPrefix,
    /// What follows `whsec_` is empty or is not base64.
    NotBase64,
    /// It has fewer bytes than the specification wants.
    TooShort,
    /// It is one that everybody knows, and the origin is not on the gate's own machine.
    Published,
}

/// The headers of a signed message.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// The value of [`ID_HEADER`].
    pub id: String,
    /// The value of [`TIMESTAMP_HEADER`].
    pub timestamp: String,
    /// The value of [`SIGNATURE_HEADER`].
    pub signature: String,
}

impl OriginSecrets {
    /// Reads `whsec_` and base64, or several of them separated by white space, as in a rotation. `is_local` says that
    /// the origin is on the gate's own machine: only there a secret will do that comes with the project.
    pub fn parse(value: Option<&str>, is_local: bool) -> Result<Self, InvalidSecret> {
        let keys = value
            .unwrap_or_default()
            .split_whitespace()
            .map(|secret| {
                let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or(InvalidSecret::NoPrefix)?;
                let key = Base64::decode_vec(encoded).map_err(|_| InvalidSecret::NotBase64)?;
                match key.len() {
                    0 => Err(InvalidSecret::NotBase64),
                    1..SHORTEST_KEY => Err(InvalidSecret::TooShort),
                    _ if !is_local && is_published(secret) => Err(InvalidSecret::Published),
                    _ => Ok(key),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(InvalidSecret::Unset) } else { Ok(Self(keys)) }
    }

    /// Signs a message, once with each key. `timestamp` is in seconds since 1970. The id is put into its
    /// header percent-encoded where a header could not carry it otherwise, and signed like that.
    pub fn sign(&self, id: &str, timestamp: u64, body: &str) -> SignedHeaders {
        let id = utf8_percent_encode(id, NOT_IN_A_HEADER).to_string();
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures: Vec<String> = self
            .0
            .iter()
            .map(|key| {
                let mac = hmac_sha256(key, signed.as_bytes());
                format!("v1,{}", Base64::encode_string(&mac))
            })
            .collect();
        SignedHeaders { id, timestamp: timestamp.to_string(), signature: signatures.join(" ") }
    }
}

impl fmt::Debug for OriginSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginSecrets([REDACTED])")
    }
}

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unset => "ORIGIN_SECRET is unset or blank",
            Self::NoPrefix => "ORIGIN_SECRET does not begin with whsec_",
            Self::NotBase64 => "ORIGIN_SECRET is not whsec_ and base64",
            Self::TooShort => "ORIGIN_SECRET has fewer than 24 bytes",
            Self::Published => {
                "ORIGIN_SECRET is the one of .dev.vars.example, which everybody knows"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use standardwebhooks::{Webhook, WebhookError};

    use super::*;

    // The specification's own example and that of its reference libraries' tests.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = r#"{"test": 2432232314}"#;
    const TIMESTAMP: u64 = 1_614_265_330;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn sign(secret: &str, id: &str, timestamp: u64, body: &str) -> SignedHeaders {
        OriginSecrets::parse(Some(secret), false).unwrap().sign(id, timestamp, body)
    }

    #[test]
    fn the_specifications_vector() {
        assert_eq!(
            sign(SECRET, ID, TIMESTAMP, BODY),
            SignedHeaders {
                id: ID.into(),
                timestamp: TIMESTAMP.to_string(),
                signature: SIGNATURE.into()
            }
        );
    }

    /// Verifies as an origin does, with the specification's own library.
    fn verify(secret: &str, headers: &SignedHeaders, body: &str) -> Result<(), WebhookError> {
        let mut map = ureq::http::HeaderMap::new();
        map.insert(ID_HEADER, headers.id.parse().unwrap());
        map.insert(TIMESTAMP_HEADER, headers.timestamp.parse().unwrap());
        map.insert(SIGNATURE_HEADER, headers.signature.parse().unwrap());
        Webhook::new(secret).unwrap().verify(body.as_bytes(), &map)
    }

    fn now() -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn the_specifications_library_accepts_it() {
        for id in [ID, "deployment:1:2", "push:1:refs/heads/größe/50%:a:b"] {
            let headers = sign(SECRET, id, now(), BODY);
            assert!(verify(SECRET, &headers, BODY).is_ok(), "{headers:?}");
        }
    }

    #[test]
    fn whatever_is_tampered_with_is_refused() {
        let good = || sign(SECRET, ID, now(), BODY);
        assert!(matches!(
            verify(SECRET, &good(), r#"{"test": 2432232315}"#),
            Err(WebhookError::InvalidSignature)
        ));
        let id = SignedHeaders { id: "msg_q5jXN8AQM9LWM0D4loKWxJek".into(), ..good() };
        assert!(matches!(verify(SECRET, &id, BODY), Err(WebhookError::InvalidSignature)));
        let timestamp =
            SignedHeaders { timestamp: (now() - 1).to_string(), ..sign(SECRET, ID, now(), BODY) };
        assert!(matches!(verify(SECRET, &timestamp, BODY), Err(WebhookError::InvalidSignature)));
        assert!(matches!(verify(OTHER, &good(), BODY), Err(WebhookError::InvalidSignature)));
        let old = sign(SECRET, ID, TIMESTAMP, BODY);
        assert!(matches!(verify(SECRET, &old, BODY), Err(WebhookError::TimestampTooOldError)));
    }

    #[test]
    fn two_secrets_sign_twice_and_each_verifies() {
        let both = sign(&format!("{OTHER} {SECRET}"), ID, now(), BODY);
        assert_eq!(both.signature.split(' ').count(), 2);
        assert!(verify(SECRET, &both, BODY).is_ok());
        assert!(verify(OTHER, &both, BODY).is_ok());
        assert_eq!(
            sign(&format!(" {SECRET}\n{SECRET} "), ID, TIMESTAMP, BODY).signature,
            format!("{SIGNATURE} {SIGNATURE}")
        );
    }

    #[test]
    fn a_secret_that_cannot_be_used_says_why_and_not_what_it_is() {
        for (value, why) in [
            (None, InvalidSecret::Unset),
            (Some(""), InvalidSecret::Unset),
            (Some(" \n"), InvalidSecret::Unset),
            (Some("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), InvalidSecret::NoPrefix),
            (Some("whsec_"), InvalidSecret::NotBase64),
            (Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"), InvalidSecret::NotBase64),
            (Some("whsec_not base64!"), InvalidSecret::NotBase64),
            (Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw nonsense"), InvalidSecret::NoPrefix),
        ] {
            let error = OriginSecrets::parse(value, false).unwrap_err();
            assert_eq!(error, why, "{value:?}");
            assert!(!error.to_string().contains("MfKQ"), "{error}");
        }
        assert!(
            !format!("{:?}", OriginSecrets::parse(Some(SECRET), false).unwrap()).contains("MfKQ")
        );
    }
}

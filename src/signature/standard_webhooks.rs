//! The signature under what is posted to the origin, by which it can tell that it came from the gate.
//!
//! Source: the Standard Webhooks specification,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64ct::{Base64, Encoding};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use subtle::ConstantTimeEq;

use crate::published::is_published;
use crate::signature::hmac_sha256;

/// The header with the message's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of this attempt, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// Who it is that posts, as whoever is posted to is told.
const USER_AGENT: &str = concat!("buildgate/", env!("CARGO_PKG_VERSION"));

const SECRET_PREFIX: &str = "whsec_";

/// What the key of alerts is derived with: no repository's secret is derived with a text that begins so.
const ALERTS_LABEL: &[u8] = b"buildgate alerts";

/// How far a timestamp may be from now, in seconds, as the specification's libraries have it.
const TOLERANCE: u64 = 5 * 60;

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

/// Why a message is not known to be the origin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotVerified {
    /// One of the three headers is missing or empty.
    Missing,
    /// The timestamp is no number.
    NoTime,
    /// It was signed too long ago, or in the future.
    OtherTime,
    /// No signature is that of one of the secrets.
    BadSignature,
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

    /// The key of alerts, which is derived from the gate's webhook secret for them alone: whoever is told something can verify
    /// it, and do nothing else with it.
    pub fn for_alerts(webhook_secret: &str) -> Self {
        Self(vec![hmac_sha256(webhook_secret.as_bytes(), ALERTS_LABEL).to_vec()])
    }

    /// The first of the keys, as a library of Standard Webhooks takes it.
    pub fn shown(&self) -> Option<String> {
        let key = self.0.first()?;
        Some(format!("{SECRET_PREFIX}{}", Base64::encode_string(key)))
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

impl OriginSecrets {
    /// The headers of a message of JSON that the gate posts: what it is, and the signature over it by each key. `now` is in
    /// seconds since 1970.
    pub fn headers(&self, id: &str, body: &str, now: u64) -> [(&'static str, String); 5] {
        let signed = self.sign(id, now, body);
        [
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", USER_AGENT.to_owned()),
            (ID_HEADER, signed.id),
            (TIMESTAMP_HEADER, signed.timestamp),
            (SIGNATURE_HEADER, signed.signature),
        ]
    }

    /// Verifies that a message was signed with one of the secrets, less than five minutes from `now`, in seconds since 1970.
    /// Of `signed`, each is the value of a header: the id, the timestamp and the signatures.
    pub fn verify(
        &self,
        (id, timestamp, signatures): (Option<&str>, Option<&str>, Option<&str>),
        body: &[u8],
        now: u64,
    ) -> Result<(), NotVerified> {
        let (Some(id), Some(timestamp), Some(signatures)) = (id, timestamp, signatures) else {
            return Err(NotVerified::Missing);
        };
        if [id, timestamp, signatures].iter().any(|value| value.is_empty()) {
            return Err(NotVerified::Missing);
        }
        let at: u64 = timestamp.parse().map_err(|_| NotVerified::NoTime)?;
        if at.abs_diff(now) > TOLERANCE {
            return Err(NotVerified::OtherTime);
        }
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        let macs: Vec<[u8; 32]> = self.0.iter().map(|key| hmac_sha256(key, &signed)).collect();
        let is_good = signatures
            .split(' ')
            .filter_map(|signature| Base64::decode_vec(signature.strip_prefix("v1,")?).ok())
            .any(|given: Vec<u8>| {
                macs.iter().any(|mac| bool::from(mac.as_slice().ct_eq(given.as_slice())))
            });
        if is_good { Ok(()) } else { Err(NotVerified::BadSignature) }
    }
}

impl fmt::Display for NotVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "One of the headers webhook-id, webhook-timestamp and webhook-signature is missing"
            }
            Self::NoTime => "webhook-timestamp is no number of seconds since 1970",
            Self::OtherTime => {
                "webhook-timestamp is not within 5 minutes of now: sign it anew for each attempt"
            }
            Self::BadSignature => {
                "No signature in webhook-signature is made with the gate's ORIGIN_SECRET"
            }
        })
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
    fn what_the_specifications_library_signs_is_verified_and_nothing_else_is() {
        let secrets = OriginSecrets::parse(Some(&format!("{OTHER} {SECRET}")), false).unwrap();
        let at = i64::try_from(TIMESTAMP).unwrap();
        let good = Webhook::new(SECRET).unwrap().sign(ID, at, BODY.as_bytes()).unwrap();
        assert_eq!(good, SIGNATURE);
        let time = TIMESTAMP.to_string();
        let verify = |id, time, signature, body: &str, now| {
            secrets.verify((id, time, signature), body.as_bytes(), now)
        };
        let (id, time, signature) = (Some(ID), Some(&*time), Some(SIGNATURE));
        let several = format!("v1a,{SIGNATURE} v1, v1,AAAA {SIGNATURE} v2,x");
        for now in [TIMESTAMP - 300, TIMESTAMP, TIMESTAMP + 300] {
            assert_eq!(verify(id, time, signature, BODY, now), Ok(()));
            assert_eq!(verify(id, time, Some(&several), BODY, now), Ok(()));
        }
        let none = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let of_another = none.sign(ID, at, BODY.as_bytes()).unwrap();
        for (id, time, signature, body, now, why) in [
            (None, time, signature, BODY, TIMESTAMP, NotVerified::Missing),
            (id, None, signature, BODY, TIMESTAMP, NotVerified::Missing),
            (id, time, Some(""), BODY, TIMESTAMP, NotVerified::Missing),
            (id, Some("now"), signature, BODY, TIMESTAMP, NotVerified::NoTime),
            (id, time, signature, BODY, TIMESTAMP + 301, NotVerified::OtherTime),
            (id, time, signature, BODY, TIMESTAMP - 301, NotVerified::OtherTime),
            (id, time, signature, "{}", TIMESTAMP, NotVerified::BadSignature),
            (Some("x"), time, signature, BODY, TIMESTAMP, NotVerified::BadSignature),
            (id, Some("1614265331"), signature, BODY, TIMESTAMP, NotVerified::BadSignature),
            (id, time, Some(&of_another), BODY, TIMESTAMP, NotVerified::BadSignature),
            (id, time, Some("v1,"), BODY, TIMESTAMP, NotVerified::BadSignature),
            (id, time, Some("nonsense"), BODY, TIMESTAMP, NotVerified::BadSignature),
        ] {
            assert_eq!(verify(id, time, signature, body, now), Err(why), "{signature:?}");
        }
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

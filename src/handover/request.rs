//! What is posted to the origin: a build request, to the letter as it lay on the queue, and its headers.

use crate::signature::standard_webhooks::{
    ID_HEADER, OriginSecrets, SIGNATURE_HEADER, TIMESTAMP_HEADER,
};

/// Who the origin is told that it hears from.
const USER_AGENT: &str = concat!("buildgate/", env!("CARGO_PKG_VERSION"));

/// The headers of a build request: what it is, and the signature over it by each of the origin's secrets. `now` is
/// in seconds since 1970.
pub fn headers(
    secrets: &OriginSecrets,
    build: &str,
    text: &str,
    now: u64,
) -> [(&'static str, String); 5] {
    let signed = secrets.sign(build, now, text);
    [
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", USER_AGENT.to_owned()),
        (ID_HEADER, signed.id),
        (TIMESTAMP_HEADER, signed.timestamp),
        (SIGNATURE_HEADER, signed.signature),
    ]
}

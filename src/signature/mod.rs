//! Signatures: GitHub's, which says that a delivery is genuine, and the gate's own, which says so of a build
//! request. Both are HMAC-SHA256.

pub mod github;
pub mod standard_webhooks;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The HMAC-SHA256 of a message (RFC 2104).
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length (RFC 2104, section 2)")
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

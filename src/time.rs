//! Times as they are written for others.

use chrono::{DateTime, SecondsFormat};

/// A time in milliseconds since 1970 by RFC 3339, to the second.
pub fn rfc3339(milliseconds: u64) -> String {
    i64::try_from(milliseconds)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

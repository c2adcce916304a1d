//! Times as they are written for others, and by them.

use chrono::{DateTime, SecondsFormat};

/// The first second of the year 10000, which RFC 3339 cannot write, since 1970.
const YEAR_10000: u64 = 253_402_300_800;

/// A time by RFC 3339, such as `2026-11-22T20:12:00Z`, or a number of seconds since 1970: to the second, as all of
/// GitHub's times are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u64);

impl Moment {
    /// Takes a number of seconds since 1970; none in the year 10000 or later.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        (seconds < YEAR_10000).then_some(Self(seconds))
    }

    /// Reads a time by RFC 3339; none where it is no such time, or before 1970.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        milliseconds_of_rfc3339(text).map(|milliseconds| Self(milliseconds / 1_000))
    }

    /// In seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// By RFC 3339, in UTC.
    pub fn rfc3339(self) -> String {
        rfc3339(self.0 * 1_000)
    }
}

/// A time in milliseconds since 1970 by RFC 3339, to the second.
pub fn rfc3339(milliseconds: u64) -> String {
    written(milliseconds, SecondsFormat::Secs)
}

/// A time in milliseconds since 1970 by RFC 3339, to the millisecond.
pub fn rfc3339_to_the_millisecond(milliseconds: u64) -> String {
    written(milliseconds, SecondsFormat::Millis)
}

/// Reads a time by RFC 3339, in milliseconds since 1970; none where it is no such time, or not between 1970 and 9999.
pub fn milliseconds_of_rfc3339(text: &str) -> Option<u64> {
    let milliseconds = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
    milliseconds.try_into().ok().filter(|milliseconds| *milliseconds < YEAR_10000 * 1_000)
}

/// A length of time in milliseconds, in words: `3 hours`.
pub fn length(milliseconds: u64) -> String {
    match milliseconds / 1_000 {
        1 => "1 second".to_owned(),
        seconds if seconds < 120 => format!("{seconds} seconds"),
        seconds if seconds < 7_200 => format!("{} minutes", seconds / 60),
        seconds if seconds < 100 * 3_600 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn written(milliseconds: u64, format: SecondsFormat) -> String {
    i64::try_from(milliseconds)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(format, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_the_unit_that_fits() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (90 * 3_600, "90 hours"),
            (100 * 3_600, "4 days"),
        ] {
            assert_eq!(length(seconds * 1_000 + 999), words);
        }
    }

    #[test]
    fn a_moment_is_what_rfc_3339_can_write() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T20:12:00Z", 1_795_378_320),
            ("2026-11-22T21:12:00.999+01:00", 1_795_378_320),
            ("9999-12-31T23:59:59Z", YEAR_10000 - 1),
        ] {
            let moment = Moment::from_rfc3339(text).unwrap();
            assert_eq!(moment.seconds(), seconds, "{text}");
            assert_eq!(Moment::from_rfc3339(&moment.rfc3339()), Some(moment));
        }
        for none in ["", "yesterday", "2026-11-22", "2026-11-22T20:12:00", "1969-12-31T23:59:59Z"] {
            assert_eq!(Moment::from_rfc3339(none), None, "{none}");
        }
        assert_eq!(milliseconds_of_rfc3339("1970-01-01T01:00:00.25+01:00"), Some(250));
        assert_eq!(rfc3339_to_the_millisecond(250), "1970-01-01T00:00:00.250Z");
        for none in ["", "1969-12-31T23:59:59Z", "2026-11-22"] {
            assert_eq!(milliseconds_of_rfc3339(none), None, "{none}");
        }
        assert_eq!(Moment::from_seconds(YEAR_10000), None);
        assert_eq!(Moment::from_seconds(u64::MAX), None);
    }
}

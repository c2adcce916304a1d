//! Handing a build request to the origin: what an origin's answer means, when the next attempt is due,
//! and when a message is given up and kept as a dead letter.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::message::build_request::QueuedRequest;

/// The longest delay, in seconds, and so the longest that `Retry-After` is obeyed: Queues delays a message
/// by 12 hours at most (<https://developers.cloudflare.com/queues/platform/limits/>).
const LONGEST_DELAY: u64 = 12 * 60 * 60;

/// The most retries that Queues grants, and the longest that it keeps a message, in seconds: 14 days
/// (<https://developers.cloudflare.com/queues/platform/limits/>).
const MOST_RETRIES: u64 = 100;
const LONGEST_RETENTION: u64 = 14 * 24 * 60 * 60;

/// How far a delay is moved at random to either side, so that what failed together is not tried again
/// together: a tenth.
const JITTER: f64 = 0.1;

/// The result of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Handover {
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

impl Handover {
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

    /// The code that stands for it in the log and with a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "origin-accepted",
            Self::Refused { .. } => "origin-refused",
            Self::NotAccepted { .. } => "origin-did-not-accept",
            Self::Unreachable { .. } => "origin-unreachable",
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

    /// What went wrong on this side of the origin.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Unreachable { detail }
            | Self::NotConfigured { detail }
            | Self::Unreadable { detail } => Some(detail),
            _ => None,
        }
    }
}

/// `Retry-After` in seconds from `now`: either a number of them or a date (RFC 9110, section 10.2.3).
fn seconds_to_wait(retry_after: &str, now: u64, date: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let value = retry_after.trim();
    value.parse().ok().or_else(|| Some(date(value)?.saturating_sub(now)))
}

/// When a message is tried again, and when it is given up. All times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The delay after the first attempt; it doubles with each further one.
    pub first_delay: u64,
    /// The delay at which the doubling ends.
    pub longest_delay: u64,
    /// The retries that the queue grants: its `max_retries`.
    pub max_retries: u32,
    /// The age at which a message is given up, so that the queue does not delete it first.
    pub give_up_after: u64,
}

impl Default for Schedule {
    /// What the README's arithmetic is about: at the least 83 hours of attempts.
    fn default() -> Self {
        Self { first_delay: 10, longest_delay: 3_600, max_retries: 100, give_up_after: 90 * 3_600 }
    }
}

impl Schedule {
    /// Takes the settings' values. Errors with what is wrong where a value is out of range: a delay of
    /// nothing would use the retries up at once, and an age beyond what a queue can keep would have the
    /// queue delete what nobody took.
    pub fn new(
        first_delay: u64,
        longest_delay: u64,
        max_retries: u64,
        give_up_after: u64,
    ) -> Result<Self, String> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name} is {value}, which is not from {least} to {most}"))
            }
        };
        within("RETRY_FIRST_SECONDS", first_delay, 1, LONGEST_DELAY)?;
        within("RETRY_LONGEST_SECONDS", longest_delay, first_delay, LONGEST_DELAY)?;
        within("MAX_RETRIES", max_retries, 1, MOST_RETRIES)?;
        within("GIVE_UP_AFTER_SECONDS", give_up_after, 1, LONGEST_RETENTION)?;
        let max_retries = max_retries.try_into().unwrap_or(u32::MAX);
        Ok(Self { first_delay, longest_delay, max_retries, give_up_after })
    }
}

/// What to do with a message after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It is done with.
    Acknowledge,
    /// It is tried again after this many seconds.
    Retry(u64),
    /// It is kept as a dead letter.
    Bury,
}

impl Schedule {
    /// Decides what to do after attempt number `attempt` (the first is 1) of a message that was put on
    /// the queue `age` seconds ago. `random` is anything from 0 to 1.
    pub fn next(&self, handover: &Handover, attempt: u32, age: u64, random: f64) -> Step {
        let retry_after = match handover {
            Handover::Accepted { .. } => return Step::Acknowledge,
            Handover::Refused { .. } | Handover::Unreadable { .. } | Handover::GivenUpByQueue => {
                return Step::Bury;
            }
            Handover::NotAccepted { retry_after, .. } => retry_after.unwrap_or(0),
            Handover::Unreachable { .. } | Handover::NotConfigured { .. } => 0,
        };
        let delay = self.delay(attempt, random).max(retry_after.min(LONGEST_DELAY));
        if attempt > self.max_retries || age.saturating_add(delay) > self.give_up_after {
            Step::Bury
        } else {
            Step::Retry(delay)
        }
    }

    /// The delay after attempt number `attempt`, moved at random by up to a tenth.
    pub fn delay(&self, attempt: u32, random: f64) -> u64 {
        let doublings = attempt.saturating_sub(1).min(32);
        let delay = self.first_delay.saturating_mul(1 << doublings).min(self.longest_delay);
        let jitter = 1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0);
        ((delay as f64 * jitter).round() as u64).min(LONGEST_DELAY)
    }
}

/// Checks `ORIGIN_URL`: `https`, or `http` to a loopback address, because a build request that crosses
/// a network in the clear can be read on its way. Errors with what is wrong.
pub fn check_origin_url(url: &str) -> Result<(), &'static str> {
    if url.trim().is_empty() {
        return Err("ORIGIN_URL is unset or blank");
    }
    match scheme_and_host(url).ok_or("ORIGIN_URL is not a URL")? {
        ("https", _) => Ok(()),
        ("http", host) if is_loopback(host) => Ok(()),
        ("http", _) => Err("ORIGIN_URL is plain http to another machine: use https"),
        _ => Err("ORIGIN_URL is not an https URL"),
    }
}

/// The scheme and the host of an absolute URL (RFC 3986, section 3). None where it is no such URL: a
/// character that has to be percent-encoded, such as the backslash, which some take for a slash, is in none.
pub fn scheme_and_host(url: &str) -> Option<(&str, &str)> {
    if url.bytes().any(|b| !b.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&b)) {
        return None;
    }
    let (scheme, rest) = url.split_once(':')?;
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let host = match host_and_port.find(']') {
        Some(end) => host_and_port.get(..=end)?,
        None => host_and_port.split(':').next()?,
    };
    if scheme.is_empty() || host.is_empty() { None } else { Some((scheme, host)) }
}

/// Whether a host's name or address means the machine itself.
pub fn is_loopback(host: &str) -> bool {
    let is_loopback = |address: Ipv4Addr| address.is_loopback();
    matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(is_loopback)
}

/// The line that an attempt leaves in the log.
#[derive(Debug, Serialize)]
pub struct HandoverLine<'a> {
    log: &'static str,
    outcome: &'static str,
    code: &'static str,
    /// The origin's status.
    status: Option<u16>,
    /// From the first byte sent to the origin's answer, in milliseconds.
    ms: u64,
    attempt: u32,
    /// How long until the next attempt, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in: Option<u64>,
    delivery: Option<&'a str>,
    event: Option<&'static str>,
    repository: Option<&'a str>,
    build: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Why the message could not be kept as a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger_error: Option<&'a str>,
}

impl<'a> HandoverLine<'a> {
    /// The line for an attempt that took `ms` milliseconds; `request` is `None` where the message
    /// could not be read.
    pub fn new(
        handover: &'a Handover,
        step: &Step,
        attempt: u32,
        request: Option<&'a QueuedRequest>,
        ms: u64,
    ) -> Self {
        let (outcome, retry_in) = match step {
            Step::Acknowledge => ("accepted", None),
            Step::Retry(seconds) => ("retried", Some(*seconds)),
            Step::Bury => ("dead-letter", None),
        };
        Self {
            log: "handover",
            outcome,
            code: handover.code(),
            status: handover.status(),
            ms,
            attempt,
            retry_in,
            delivery: request.map(|request| request.delivery.as_str()),
            event: request.map(|request| request.event),
            repository: request.map(|request| request.repository.as_str()),
            build: request.map(|request| request.id.as_str()),
            detail: handover.detail(),
            ledger_error: None,
        }
    }

    /// The same line, with what the ledger said where it did not keep the message.
    pub fn with_ledger_error(self, ledger_error: Option<&'a str>) -> Self {
        Self { ledger_error, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: u64 = 1_795_378_320; // Sun, 22 Nov 2026 20:12:00 GMT

    fn date(value: &str) -> Option<u64> {
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    fn not_accepted(retry_after: Option<u64>) -> Handover {
        Handover::NotAccepted { status: 503, answer: String::new(), retry_after }
    }

    #[test]
    fn every_status_is_accepted_refused_or_tried_again() {
        for status in 100..=599 {
            let step = Schedule::default().next(
                &Handover::from_answer(status, String::new(), None, NOW, date),
                1,
                0,
                0.5,
            );
            let expected = match status {
                200..=299 => Step::Acknowledge,
                410 | 422 => Step::Bury,
                _ => Step::Retry(10),
            };
            assert_eq!(step, expected, "{status}");
        }
    }

    #[test]
    fn the_delay_doubles_from_ten_seconds_to_an_hour_moved_by_a_tenth() {
        let schedule = Schedule::default();
        let middle: Vec<u64> = (1..=12).map(|attempt| schedule.delay(attempt, 0.5)).collect();
        assert_eq!(middle, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
        let endless =
            Schedule { first_delay: u64::MAX, longest_delay: u64::MAX, ..schedule.clone() };
        assert_eq!(endless.delay(u32::MAX, 1.0), 43_200);
        for (attempt, least, most) in
            [(1, 9, 11), (5, 144, 176), (10, 3240, 3960), (u32::MAX, 3240, 3960)]
        {
            assert_eq!((schedule.delay(attempt, 0.0), schedule.delay(attempt, 1.0)), (least, most));
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let default = Schedule::default();
        assert_eq!(Schedule::new(10, 3_600, 100, 324_000), Ok(default));
        assert!(Schedule::new(43_200, 43_200, 1, 1_209_600).is_ok());
        for (values, name) in [
            ((0, 3_600, 100, 324_000), "RETRY_FIRST_SECONDS"),
            ((43_201, 43_201, 100, 324_000), "RETRY_FIRST_SECONDS"),
            ((60, 10, 100, 324_000), "RETRY_LONGEST_SECONDS"),
            ((10, 43_201, 100, 324_000), "RETRY_LONGEST_SECONDS"),
            ((10, 3_600, 0, 324_000), "MAX_RETRIES"),
            ((10, 3_600, 101, 324_000), "MAX_RETRIES"),
            ((10, 3_600, 100, 0), "GIVE_UP_AFTER_SECONDS"),
            ((10, 3_600, 100, 1_209_601), "GIVE_UP_AFTER_SECONDS"),
        ] {
            let (first, longest, retries, give_up) = values;
            let error = Schedule::new(first, longest, retries, give_up).unwrap_err();
            assert!(error.starts_with(name), "{values:?}: {error}");
        }
    }

    #[test]
    fn an_outage_of_three_days_is_survived_and_the_queue_deletes_nothing() {
        let schedule = Schedule::default();
        let four_days = 4 * 24 * 3_600;
        for random in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let (mut age, mut attempt) = (0, 1);
            while let Step::Retry(delay) = schedule.next(
                &Handover::Unreachable { detail: String::new() },
                attempt,
                age,
                random,
            ) {
                age += delay;
                attempt += 1;
            }
            assert!(age >= 83 * 3_600, "given up after {age} s");
            assert!(age < four_days, "the queue keeps a message for 4 days, not {age} s");
        }
    }

    #[test]
    fn the_queues_own_limits_are_the_ones_of_the_schedule() {
        let config: toml::Table =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/wrangler.toml"))
                .unwrap()
                .parse()
                .unwrap();
        let consumers = config["queues"]["consumers"].as_array().unwrap();
        let builds = consumers.iter().find(|c| c["queue"].as_str() == Some("builds")).unwrap();
        assert_eq!(
            builds["max_retries"].as_integer(),
            Some(Schedule::default().max_retries.into())
        );
    }

    #[test]
    fn retry_after_is_obeyed_in_both_forms_up_to_twelve_hours() {
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
                Handover::from_answer(429, String::new(), Some(value), NOW, date),
                Handover::NotAccepted { status: 429, answer: String::new(), retry_after: seconds },
                "{value}"
            );
        }
        let next = |retry_after, attempt| {
            Schedule::default().next(&not_accepted(Some(retry_after)), attempt, 0, 0.5)
        };
        assert_eq!(next(120, 1), Step::Retry(120));
        assert_eq!(next(43_200, 1), Step::Retry(43_200));
        assert_eq!(next(u64::MAX, 1), Step::Retry(43_200));
        // It asks to wait at least that long; a longer delay of our own stays.
        assert_eq!(next(1, 10), Step::Retry(3_600));
    }

    #[test]
    fn what_is_out_of_retries_or_time_is_kept() {
        let schedule = Schedule::default();
        assert_eq!(schedule.next(&not_accepted(None), 100, 0, 0.5), Step::Retry(3_600));
        assert_eq!(schedule.next(&not_accepted(None), 101, 0, 0.5), Step::Bury);
        assert_eq!(
            schedule.next(&not_accepted(None), 50, 90 * 3_600 - 3_600, 0.5),
            Step::Retry(3_600)
        );
        assert_eq!(schedule.next(&not_accepted(None), 50, 90 * 3_600 - 3_599, 0.5), Step::Bury);
        assert_eq!(schedule.next(&not_accepted(Some(43_200)), 1, 80 * 3_600, 0.5), Step::Bury);
        for now in [Handover::Unreadable { detail: String::new() }, Handover::GivenUpByQueue] {
            assert_eq!(schedule.next(&now, 1, 0, 0.5), Step::Bury);
        }
    }

    #[test]
    fn an_origin_is_reached_by_https_or_on_the_machine_itself() {
        for good in [
            "https://origin.example/builds",
            "https://origin.example:8443/?a=b",
            "http://127.0.0.1:8788/builds",
            "http://127.1.2.3/",
            "http://localhost:8788",
            "http://[::1]:8788/builds",
        ] {
            assert_eq!(check_origin_url(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "unset"),
            ("  ", "unset"),
            ("http://origin.example/builds", "plain http"),
            ("http://localhost.example/", "plain http"),
            ("http://10.0.0.1/", "plain http"),
            ("http://127.0.0.1.example/", "plain http"),
            ("ftp://origin.example/", "not an https URL"),
            ("origin.example/builds", "not"),
            ("/builds", "not a URL"),
            ("https://", "not a URL"),
            ("https://:8443/", "not a URL"),
            ("https://two words/", "not a URL"),
            ("http://127.0.0.1\\@origin.example/", "not a URL"),
            ("http://127.0.0.1@origin.example/", "plain http"),
            ("http://[::2]:8788/", "plain http"),
            ("http://origin.example#@127.0.0.1/", "plain http"),
        ] {
            let error = check_origin_url(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}

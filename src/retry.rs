//! When something that failed is tried again, and when it is given up.

/// The longest delay, in seconds, and so the longest that `Retry-After` is obeyed: Queues delays a message
/// by 24 hours at most (<https://developers.cloudflare.com/queues/platform/limits/>).
const LONGEST_DELAY: u64 = 24 * 60 * 60;

/// The most retries that Queues grants, and the longest that it keeps a message, in seconds: 14 days
/// (<https://developers.cloudflare.com/queues/platform/limits/>).
const MOST_RETRIES: u64 = 100;
const LONGEST_RETENTION: u64 = 14 * 24 * 60 * 60;

/// How far a delay is moved at random to either side, so that what failed together is not tried again
/// together: a tenth.
const JITTER: f64 = 0.1;

/// What one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// It is done.
    Done,
    /// It is to be made again.
    Again {
        /// In how many seconds at the earliest.
        no_sooner_than: u64,
    },
    /// It will never be done.
    Never,
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
    /// What the arithmetic in docs/origin.md is about: at the least 83 hours of attempts.
    fn default() -> Self {
        Self { first_delay: 10, longest_delay: 3_600, max_retries: 100, give_up_after: 90 * 3_600 }
    }
}

impl Schedule {
    /// Reads the settings through `get`, which gives the value of a variable by its name, if there is one. Errors with
    /// what is wrong.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, String> {
        let number = |name, default| number(&get, name, default);
        let default = Self::default();
        Self::new(
            number("RETRY_FIRST_SECONDS", default.first_delay)?,
            number("RETRY_LONGEST_SECONDS", default.longest_delay)?,
            number("MAX_RETRIES", default.max_retries.into())?,
            number("GIVE_UP_AFTER_SECONDS", default.give_up_after)?,
        )
    }

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

/// A setting that is a whole number; the default where it is not set. Errors where it is something else.
pub fn number(
    get: impl Fn(&'static str) -> Option<String>,
    name: &'static str,
    default: u64,
) -> Result<u64, String> {
    match get(name) {
        None => Ok(default),
        Some(text) => text.trim().parse().map_err(|_| format!("{name} is not a whole number")),
    }
}

/// What to do with a message after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is done with.
    Acknowledge,
    /// It is tried again after this many seconds.
    Retry(u64),
    /// It is kept as a dead letter.
    Bury,
    /// It is put on the queue anew, because it can neither be kept nor stay.
    BeginAnew,
}

impl Step {
    /// The word that stands for it in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "done",
            Self::Retry(_) => "retried",
            Self::Bury => "dead-letter",
            Self::BeginAnew => "queued-again",
        }
    }

    /// In how many seconds it is tried again, if it is.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Retry(seconds) => Some(seconds),
            Self::Acknowledge | Self::Bury | Self::BeginAnew => None,
        }
    }
}

impl Schedule {
    /// Decides what to do after attempt number `attempt` (the first is 1) of a message that was put on
    /// the queue `age` seconds ago. `random` is anything from 0 to 1.
    pub fn next(&self, tried: Try, attempt: u32, age: u64, random: f64) -> Step {
        let no_sooner_than = match tried {
            Try::Done => return Step::Acknowledge,
            Try::Never => return Step::Bury,
            Try::Again { no_sooner_than } => no_sooner_than,
        };
        let delay = self.delay(attempt, random).max(no_sooner_than.min(LONGEST_DELAY));
        if attempt > self.max_retries || age.saturating_add(delay) > self.give_up_after {
            Step::Bury
        } else {
            Step::Retry(delay)
        }
    }

    /// Whether a message that is retried once more after attempt number `attempt`, `age` seconds after it was put on
    /// the queue, may be deleted by the queue.
    pub fn is_ending(&self, attempt: u32, age: u64) -> bool {
        attempt >= self.max_retries || age >= self.give_up_after
    }

    /// The delay after attempt number `attempt`, moved at random by up to a tenth.
    pub fn delay(&self, attempt: u32, random: f64) -> u64 {
        let doublings = attempt.saturating_sub(1).min(32);
        let delay = self.first_delay.saturating_mul(1 << doublings).min(self.longest_delay);
        let jitter = 1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0);
        ((delay as f64 * jitter).round() as u64).min(LONGEST_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(no_sooner_than: u64) -> Try {
        Try::Again { no_sooner_than }
    }

    #[test]
    fn the_delay_doubles_from_ten_seconds_to_an_hour_moved_by_a_tenth() {
        let schedule = Schedule::default();
        let middle: Vec<u64> = (1..=12).map(|attempt| schedule.delay(attempt, 0.5)).collect();
        assert_eq!(middle, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
        let endless =
            Schedule { first_delay: u64::MAX, longest_delay: u64::MAX, ..schedule.clone() };
        assert_eq!(endless.delay(u32::MAX, 1.0), 86_400);
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
        assert!(Schedule::new(86_400, 86_400, 1, 1_209_600).is_ok());
        for (values, name) in [
            ((0, 3_600, 100, 324_000), "RETRY_FIRST_SECONDS"),
            ((86_401, 86_401, 100, 324_000), "RETRY_FIRST_SECONDS"),
            ((60, 10, 100, 324_000), "RETRY_LONGEST_SECONDS"),
            ((10, 86_401, 100, 324_000), "RETRY_LONGEST_SECONDS"),
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
            while let Step::Retry(delay) =
                schedule.next(Try::Again { no_sooner_than: 0 }, attempt, age, random)
            {
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
    fn what_asks_for_more_time_gets_it_up_to_a_day() {
        let next = |no_sooner_than, attempt| {
            Schedule::default().next(again(no_sooner_than), attempt, 0, 0.5)
        };
        assert_eq!(next(120, 1), Step::Retry(120));
        assert_eq!(next(86_400, 1), Step::Retry(86_400));
        assert_eq!(next(u64::MAX, 1), Step::Retry(86_400));
        // It asks to wait at least that long; a longer delay of our own stays.
        assert_eq!(next(1, 10), Step::Retry(3_600));
    }

    #[test]
    fn a_message_ends_with_its_last_retry_or_with_its_time() {
        let schedule = Schedule::default();
        assert!(!schedule.is_ending(99, 90 * 3_600 - 1));
        assert!(schedule.is_ending(100, 0) && schedule.is_ending(1, 90 * 3_600));
    }

    #[test]
    fn what_is_out_of_retries_or_time_is_kept() {
        let schedule = Schedule::default();
        assert_eq!(schedule.next(again(0), 100, 0, 0.5), Step::Retry(3_600));
        assert_eq!(schedule.next(again(0), 101, 0, 0.5), Step::Bury);
        assert_eq!(schedule.next(again(0), 50, 90 * 3_600 - 3_600, 0.5), Step::Retry(3_600));
        assert_eq!(schedule.next(again(0), 50, 90 * 3_600 - 3_599, 0.5), Step::Bury);
        assert_eq!(schedule.next(again(86_400), 1, 80 * 3_600, 0.5), Step::Bury);
        assert_eq!(schedule.next(Try::Never, 1, 0, 0.5), Step::Bury);
        assert_eq!(schedule.next(Try::Done, u32::MAX, u64::MAX, 0.5), Step::Acknowledge);
    }
}

//! How long a build may be silent until it is taken for ended.

use crate::retry::{Schedule, number};

/// How long a build service may be silent about a build that it has begun, in seconds.
const PATIENCE: u64 = 6 * 60 * 60;

/// How long it can be let, in seconds: 30 days.
const LONGEST_PATIENCE: u64 = 30 * 24 * 60 * 60;

/// The shortest and the longest of `REPORT_PATIENCE_SECONDS`, and its default.
///
/// Errors with what is wrong with it; then the default counts.
pub fn patience(get: impl Fn(&'static str) -> Option<String>) -> Result<u64, String> {
    const NAME: &str = "REPORT_PATIENCE_SECONDS";
    match number(&get, NAME, PATIENCE)? {
        patience @ 1..=LONGEST_PATIENCE => Ok(patience),
        other => Err(format!("{NAME} is {other}, which is not from 1 to {LONGEST_PATIENCE}")),
    }
}

/// How long the last attempt to hand over may take, in milliseconds, with its way over the queue.
const LAST_ATTEMPT: u64 = 10 * 60_000;

/// How long the gate tries to hand a build request over, and how long a build that was begun may be silent: in milliseconds.
pub fn read(get: impl Fn(&'static str) -> Option<String>) -> (u64, u64) {
    let schedule = Schedule::read(&get).unwrap_or_default();
    (schedule.give_up_after * 1_000 + LAST_ATTEMPT, patience(&get).unwrap_or(PATIENCE) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_or_wrong_is_as_the_docs_say() {
        let read = |value: Option<&str>| {
            super::read(|name| {
                value.filter(|_| name == "REPORT_PATIENCE_SECONDS").map(str::to_owned)
            })
        };
        assert_eq!(read(None), (324_600_000, 21_600_000));
        assert_eq!(read(Some("60")).1, 60_000);
        for wrong in ["0", "soon", "2592001"] {
            assert_eq!(read(Some(wrong)).1, 21_600_000);
            assert!(patience(|_| Some(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}

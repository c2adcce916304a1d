//! What the journal remembers, and for how long.

use crate::retry::number;

/// How many days are remembered where nothing else is said.
const DAYS: u64 = 30;

/// The most that can be asked for: ten years.
const MOST_DAYS: u64 = 3_650;

/// What is remembered: `JOURNAL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remembers {
    /// Every verified delivery.
    #[default]
    All,
    /// Those that were not ignored; the others are counted.
    NotIgnored,
    /// Nothing, and nothing is counted.
    Nothing,
}

impl Remembers {
    /// Reads the setting through `get`, which gives the value of a variable by its name, if there is one.
    ///
    /// Errors with what is wrong with it; then everything is remembered.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, String> {
        match get("JOURNAL").as_deref().map(str::trim) {
            None | Some("" | "all") => Ok(Self::All),
            Some("no-ignored") => Ok(Self::NotIgnored),
            Some("off") => Ok(Self::Nothing),
            Some(_) => Err("JOURNAL is none of all, no-ignored, off".to_owned()),
        }
    }
}

/// How many days are remembered: `JOURNAL_DAYS`.
///
/// Errors with what is wrong with it; then the default counts.
pub fn days(get: impl Fn(&'static str) -> Option<String>) -> Result<u64, String> {
    const NAME: &str = "JOURNAL_DAYS";
    match number(&get, NAME, DAYS)? {
        days @ 1..=MOST_DAYS => Ok(days),
        other => Err(format!("{NAME} is {other}, which is not from 1 to {MOST_DAYS}")),
    }
}

/// What is remembered, in words; `has_queue` says whether there is the queue on which it is sent.
///
/// Errors with what is wrong.
pub fn in_words(
    get: impl Fn(&'static str) -> Option<String>,
    has_queue: bool,
) -> Result<String, String> {
    let (remembers, days) = (Remembers::read(&get)?, days(&get)?);
    match remembers {
        Remembers::Nothing => Ok("off: nothing is remembered of what comes in".to_owned()),
        _ if !has_queue => {
            Err("there is no queue JOURNAL_QUEUE, so nothing is remembered of what comes in"
                .to_owned())
        }
        Remembers::All => Ok(format!("every delivery is remembered, for {days} days")),
        Remembers::NotIgnored => {
            Ok(format!("deliveries that are not ignored are remembered, for {days} days"))
        }
    }
}

/// How long is remembered, in milliseconds.
pub fn memory(get: impl Fn(&'static str) -> Option<String>) -> u64 {
    days(get).unwrap_or(DAYS) * 24 * 60 * 60 * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_or_wrong_is_as_the_docs_say() {
        let read = |value: Option<&str>| Remembers::read(|_| value.map(str::to_owned));
        for (value, remembers) in [
            (None, Ok(Remembers::All)),
            (Some(""), Ok(Remembers::All)),
            (Some(" all "), Ok(Remembers::All)),
            (Some("no-ignored"), Ok(Remembers::NotIgnored)),
            (Some("off"), Ok(Remembers::Nothing)),
        ] {
            assert_eq!(read(value), remembers, "{value:?}");
        }
        assert!(read(Some("none")).is_err());
        let days = |value: Option<&str>| memory(|_| value.map(str::to_owned)) / 86_400_000;
        assert_eq!([None, Some("1"), Some("3650")].map(days), [30, 1, 3_650]);
        for wrong in ["0", "3651", "a week"] {
            assert_eq!(days(Some(wrong)), 30);
            assert!(super::days(|_| Some(wrong.to_owned())).is_err());
        }
    }

    #[test]
    fn what_is_remembered_is_told_or_what_keeps_it_from_being() {
        let told = |journal: &str, days: &str, has_queue| {
            let value = |name: &str| if name == "JOURNAL" { journal } else { days }.to_owned();
            in_words(|name| Some(value(name)), has_queue)
        };
        let all = "every delivery is remembered, for 7 days".to_owned();
        assert_eq!(told("all", "7", true), Ok(all));
        assert!(told("no-ignored", "7", true).unwrap().contains("not ignored"));
        assert!(told("off", "7", false).unwrap().contains("off"));
        for (journal, days, has_queue, problem) in [
            ("some", "7", true, "JOURNAL is none of"),
            ("all", "a week", true, "JOURNAL_DAYS"),
            ("all", "7", false, "JOURNAL_QUEUE"),
        ] {
            assert!(told(journal, days, has_queue).unwrap_err().contains(problem));
        }
    }
}

//! What deployments are made with.

/// How long after the newest status or check the first verdict waits where no contexts are named, in seconds.
const SETTLE: u64 = 60;

/// The longest that it can wait, in seconds.
const LONGEST_SETTLE: u64 = 24 * 60 * 60;

/// `AUTO_DEPLOY_SETTLE_SECONDS`: the default where it is unset or no number, at most a day.
pub fn settle(value: Option<&str>) -> u64 {
    let seconds = value.and_then(|value| value.trim().parse().ok());
    seconds.unwrap_or(SETTLE).min(LONGEST_SETTLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_as_if_it_were_not_set() {
        for (value, seconds) in [
            (None, 60),
            (Some("0"), 0),
            (Some(" 5 "), 5),
            (Some("soon"), 60),
            (Some("-1"), 60),
            (Some("999999"), 86_400),
        ] {
            assert_eq!(settle(value), seconds, "{value:?}");
        }
    }
}

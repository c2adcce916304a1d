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

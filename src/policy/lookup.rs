//! Which stored policy is a repository's.

use crate::policy::{InvalidPolicy, Policy};
use crate::repository::RepositoryName;

/// The longest that a policy is remembered, in milliseconds.
const LONGEST_MEMORY: u64 = 30_000;

/// Why a repository has no policy.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPolicy {
    /// Nothing is stored for it.
    NotLinked,
    /// What is stored cannot be used.
    Invalid {
        /// The key that it lies under.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The keys under which a repository's policy may lie in KV, the most exact first: its name as GitHub
/// spells it and in lower case, then `owner/*` likewise.
pub fn keys(repository: &RepositoryName) -> Vec<String> {
    let whole_owner = |full_name: &str| match full_name.split_once('/') {
        Some((owner, _)) => format!("{owner}/*"),
        None => full_name.to_owned(),
    };
    let mut keys = vec![
        repository.as_spelt().to_owned(),
        repository.as_lower().to_owned(),
        whole_owner(repository.as_spelt()),
        whole_owner(repository.as_lower()),
    ];
    keys.dedup();
    keys
}

/// Chooses a repository's policy: of the `keys` that have a value, the first one's counts. The `values` are in
/// the order of the keys.
///
/// Errors where none has one, and where that one's value cannot be read: a less exact key is never taken in
/// its place, for that would be a guess.
pub fn choose(keys: Vec<String>, values: Vec<Option<String>>) -> Result<Policy, NoPolicy> {
    let (key, value) = stored(keys, values).ok_or(NoPolicy::NotLinked)?;
    Policy::parse(&value).map_err(|InvalidPolicy(problem)| NoPolicy::Invalid { key, problem })
}

/// The first of the `keys` that has a value, and that value.
pub fn stored(keys: Vec<String>, values: Vec<Option<String>>) -> Option<(String, String)> {
    keys.into_iter().zip(values).find_map(|(key, value)| value.map(|value| (key, value)))
}

/// How long a policy is remembered, in milliseconds: `POLICY_CACHE_SECONDS`, and never for longer than a change may
/// take to be seen; not at all where that says nothing.
pub fn memory(seconds: Option<&str>) -> u64 {
    let seconds: Option<u64> = seconds.and_then(|seconds| seconds.trim().parse().ok());
    seconds.unwrap_or(0).saturating_mul(1_000).min(LONGEST_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_remembered_for_thirty_seconds_at_most() {
        for (seconds, milliseconds) in [
            (None, 0),
            (Some(""), 0),
            (Some("a while"), 0),
            (Some("0"), 0),
            (Some("-1"), 0),
            (Some(" 7 "), 7_000),
            (Some("30"), 30_000),
            (Some("3600"), 30_000),
            (Some("18446744073709551615"), 30_000),
        ] {
            assert_eq!(memory(seconds), milliseconds, "{seconds:?}");
        }
    }
}

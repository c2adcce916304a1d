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
    /// It is stored under a key with capitals, which is never used.
    Capitals {
        /// The key.
        key: String,
        /// The policy that lies under it.
        policy: String,
    },
}

/// The keys to look a repository's policy up by, the most exact first: its name and then `owner/*`, each in lower
/// case, and as GitHub spells it. A policy under the latter is never used, for then the spelling of a name would
/// choose the policy; but nobody should wonder why.
pub fn keys(repository: &RepositoryName) -> Vec<String> {
    let whole_owner = |full_name: &str| match full_name.split_once('/') {
        Some((owner, _)) => format!("{owner}/*"),
        None => full_name.to_owned(),
    };
    let mut keys = vec![
        repository.as_lower().to_owned(),
        repository.as_spelt().to_owned(),
        whole_owner(repository.as_lower()),
        whole_owner(repository.as_spelt()),
    ];
    keys.dedup();
    keys
}

/// Chooses a repository's policy: of the `keys` that have a value, the first one's counts. The `values` are in
/// the order of the keys.
///
/// Errors where none has one, and where that one cannot be used: a less exact key is never taken in its place, for
/// that would be a guess.
pub fn choose(keys: Vec<String>, values: Vec<Option<String>>) -> Result<Policy, NoPolicy> {
    let (key, value) = stored(keys, values).ok_or(NoPolicy::NotLinked)?;
    judge(key, &value)
}

/// Judges what is stored under a key.
pub fn judge(key: String, value: &str) -> Result<Policy, NoPolicy> {
    match Policy::parse(value) {
        Err(InvalidPolicy(problem)) => Err(NoPolicy::Invalid { key, problem }),
        Ok(_) if key.bytes().any(|b| b.is_ascii_uppercase()) => {
            Err(NoPolicy::Capitals { key, policy: value.trim().to_owned() })
        }
        Ok(Policy { repository_id: Some(_), .. }) if key.ends_with("/*") => {
            let problem =
                "`repository_id` is one repository's, and this key is for all of an owner".into();
            Err(NoPolicy::Invalid { key, problem })
        }
        Ok(policy) => Ok(policy),
    }
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
    fn only_keys_in_lower_case_count_and_the_most_exact_first() {
        let repository: RepositoryName = "Octocat/Hello-World".parse().unwrap();
        let chosen = |stored: &[(&str, &str)]| {
            let keys = keys(&repository);
            let values = keys.iter().map(|key| {
                let value = stored.iter().find(|(stored, _)| stored == key);
                value.map(|(_, value)| (*value).to_owned())
            });
            let values = values.collect();
            choose(keys, values).map(|policy| policy.trigger.as_str())
        };
        let capitals =
            |key: &str| Err(NoPolicy::Capitals { key: key.into(), policy: "manual".into() });
        let (own, spelt) = ("octocat/hello-world", "Octocat/Hello-World");
        let (all, all_spelt) = ("octocat/*", "Octocat/*");
        assert_eq!(chosen(&[]), Err(NoPolicy::NotLinked));
        assert_eq!(
            chosen(&[(own, "commit"), (spelt, "manual"), (all, "deployment")]),
            Ok("commit")
        );
        assert_eq!(chosen(&[(all, "deployment")]), Ok("deployment"));
        assert_eq!(chosen(&[(all, "deployment"), (all_spelt, "manual")]), Ok("deployment"));
        assert_eq!(chosen(&[(spelt, " manual\n"), (all, "deployment")]), capitals(spelt));
        assert_eq!(chosen(&[(all_spelt, "manual")]), capitals(all_spelt));
        assert_eq!(chosen(&[("octocat/Hello-world", "manual")]), Err(NoPolicy::NotLinked));
        assert!(
            matches!(chosen(&[(spelt, "mnaual")]), Err(NoPolicy::Invalid { key, .. }) if key == spelt)
        );
    }

    #[test]
    fn a_repositorys_id_is_pinned_for_one_repository_only() {
        let policy = r#"{"trigger":"commit","repository_id":1296269}"#;
        let pinned = judge("octocat/hello-world".into(), policy).unwrap();
        assert_eq!(pinned.repository_id, Some(1_296_269));
        assert!(matches!(judge("octocat/*".into(), policy), Err(NoPolicy::Invalid { .. })));
    }

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

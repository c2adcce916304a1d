//! The repositories that policies are set for: what is shown of each, and what changes with another policy.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::build::LastBuild;
use crate::message::journal::LastDelivery;
use crate::operator::answer::Refusal;
use crate::policy::Policy;
use crate::policy::lookup::{NoPolicy, judge};
use crate::policy::told::{Change, Told, changes, told};
use crate::repository::RepositoryName;

/// What a policy is set for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key in KV.
    pub key: String,
    /// The key as the path spelt it: one with capitals never counts, but may lie there.
    pub spelt: String,
    /// The repository; none where the key is for all of an owner's.
    pub repository: Option<RepositoryName>,
}

impl Key {
    /// Takes what stands in a path; errors where that is neither a repository nor all of an owner's.
    pub fn of(owner: &str, name: &str) -> Result<Self, Refusal> {
        let spelt = format!("{owner}/{name}");
        let none = || Refusal::NoSuchRepository(spelt.clone());
        // What makes a repository's name with any other part is an owner.
        let checked = if name == "*" { format!("{owner}/x") } else { spelt.clone() };
        let parsed: RepositoryName = checked.parse().map_err(|_| none())?;
        let repository = (name != "*").then_some(parsed);
        Ok(Self { key: spelt.to_ascii_lowercase(), spelt, repository })
    }

    /// The key for all of the owner's repositories.
    pub fn of_owner(&self) -> String {
        let owner = self.key.split('/').next().unwrap_or_default();
        format!("{owner}/*")
    }
}

/// A policy that is set.
#[derive(Debug, Deserialize, Serialize)]
pub struct Stored {
    /// The repository that was asked for, or the key, in lower case.
    pub repository: String,
    /// The key that the policy lies under: `owner/*` where the repository has none of its own.
    pub key: String,
    /// The policy as JSON; none where it cannot be used.
    pub policy: Option<Box<RawValue>>,
    /// What is wrong with it, where it cannot be used.
    pub problem: Option<String>,
    /// What becomes of what happens in the repository.
    pub comes_to: Option<Told>,
    /// The last delivery of it, or of one of the owner's.
    pub last_delivery: Option<LastDelivery>,
    /// The last build of it, or of one of the owner's.
    pub last_build: Option<LastBuild>,
}

/// A page of the list.
#[derive(Debug, Deserialize, Serialize)]
pub struct StoredPage {
    /// What is on it, in the order of the keys.
    pub items: Vec<Stored>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// The answer to a policy that is set or deleted.
#[derive(Debug, Deserialize, Serialize)]
pub struct Changed {
    /// The key.
    pub repository: String,
    /// The policy as JSON; none where there is none any more.
    pub policy: Option<Box<RawValue>>,
    /// The policy that counted before, as JSON; none where there was none that can be used.
    pub before: Option<Box<RawValue>>,
    /// What becomes different by it.
    pub changes: Vec<Change>,
    /// Whether that is done; not where it was only asked what would be different.
    pub saved: bool,
    /// When that is seen.
    pub message: String,
}

/// What is shown of the policy that lies under a key, for the repository that was asked for.
pub fn shown(repository: String, key: String, value: &str) -> Stored {
    let is_name = key.split_once('/').is_some_and(|(owner, name)| Key::of(owner, name).is_ok());
    let judged = match judge(key.clone(), value) {
        Ok(_) if !is_name => {
            Err(format!("`{key}` is no repository's name, so it is never used: delete it"))
        }
        judged => judged.map_err(|why| problem(&why)),
    };
    let problem = judged.as_ref().err().cloned();
    let policy = judged.is_ok().then(|| as_json(value)).flatten();
    let comes_to = judged.as_ref().ok().map(|policy| told(Some(policy)));
    Stored { repository, key, policy, problem, comes_to, last_delivery: None, last_build: None }
}

fn problem(why: &NoPolicy) -> String {
    match why {
        NoPolicy::NotLinked => "there is none".to_owned(),
        NoPolicy::Invalid { problem, .. } => problem.clone(),
        NoPolicy::Capitals { key, .. } => format!(
            "`{key}` has capitals, so it is never used: set the policy for {} anew, and delete this one",
            key.to_ascii_lowercase()
        ),
    }
}

/// A stored policy as JSON: a word is an object with that trigger.
fn as_json(value: &str) -> Option<Box<RawValue>> {
    let value = value.trim();
    let text = if value.starts_with('{') {
        value.to_owned()
    } else {
        // A word, with nothing in it that JSON would escape.
        format!("{{\"trigger\":\"{value}\"}}")
    };
    RawValue::from_string(text).ok()
}

/// Reads a policy that is to be set under a key. Errors with what is wrong with it.
pub fn to_set(key: &str, body: &[u8]) -> Result<String, Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::InvalidPolicy("it is not UTF-8".to_owned()))?;
    let value = text.trim();
    match judge(key.to_owned(), value) {
        Ok(_) => Ok(value.to_owned()),
        Err(why) => Err(Refusal::InvalidPolicy(problem(&why))),
    }
}

/// What becomes different where one stored policy counts in place of another; none is where none does.
pub fn changed(key: &str, before: Option<&str>, after: Option<&str>, saved: bool) -> Changed {
    let usable = |value: Option<&str>| value.and_then(|value| Policy::parse(value).ok());
    let (old, new) = (usable(before), usable(after));
    let message = match (saved, &after) {
        (false, _) => "Nothing is changed yet.",
        (true, _) => "Deliveries obey it within 60 seconds.",
    };
    Changed {
        repository: key.to_owned(),
        policy: new.as_ref().and(after).and_then(as_json),
        before: old.as_ref().and(before).and_then(as_json),
        changes: changes(old.as_ref(), new.as_ref()),
        saved,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_repository_or_all_of_an_owners() {
        let key = Key::of("Octocat", "Hello-World").unwrap();
        assert_eq!((&*key.key, &*key.spelt), ("octocat/hello-world", "Octocat/Hello-World"));
        assert!(key.repository.is_some());
        assert_eq!(key.of_owner(), "octocat/*");
        let all = Key::of("Octocat", "*").unwrap();
        assert_eq!((&*all.key, all.repository), ("octocat/*", None));
        for (owner, name) in [("*", "*"), ("", "x"), ("o", ""), ("o", "a b"), ("o", "*x")] {
            assert!(Key::of(owner, name).is_err(), "{owner}/{name}");
        }
    }

    #[test]
    fn a_stored_policy_is_shown_as_json_or_with_what_is_wrong() {
        let shown = |key: &str, value: &str| {
            let stored = shown(key.into(), key.into(), value);
            (stored.policy.map(|policy| policy.get().to_owned()), stored.problem)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown("a/b", " commit\n"), (some(r#"{"trigger":"commit"}"#), None));
        let policy = r#"{"trigger":"deployment","environments":["é"]}"#;
        assert_eq!(shown("a/b", policy), (some(policy), None));
        let (none, problem) = shown("a/b", "comit");
        assert!(none.is_none() && problem.unwrap().contains("not a trigger"));
        let (none, problem) = shown("A/b", "commit");
        assert!(none.is_none() && problem.unwrap().contains("set the policy for a/b anew"));
    }

    #[test]
    fn what_is_set_is_a_policy_and_what_changes_is_said() {
        assert_eq!(to_set("a/b", b" commit\n"), Ok("commit".to_owned()));
        for wrong in [&b"\xff"[..], b"", b"{}", b"\"commit\"", br#"{"trigger":"x"}"#] {
            assert!(matches!(to_set("a/b", wrong), Err(Refusal::InvalidPolicy(_))), "{wrong:?}");
        }
        let pinned = br#"{"trigger":"commit","repository_id":7}"#;
        assert!(to_set("a/b", pinned).is_ok() && to_set("a/*", pinned).is_err());

        let changed = changed("a/b", Some("broken"), Some("manual"), false);
        assert!(changed.before.is_none() && !changed.saved && changed.changes.len() == 3);
        assert_eq!(changed.policy.unwrap().get(), r#"{"trigger":"manual"}"#);
    }
}

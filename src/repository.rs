//! Repositories, their names and their commits, and the GitHub that they are on.
//!
//! A name GitHub spells as its owner does but compares without regard to case: one type holds both spellings, so
//! that no comparison and no key can forget that.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::json::fields::{FromJson, Json, Wrong};
use crate::url::{is_loopback, scheme_and_host};

/// Longest owner or name accepted, in bytes. GitHub allows 39 and 100
/// (<https://docs.github.com/en/enterprise-cloud@latest/admin/identity-and-access-management/iam-configuration-reference/username-considerations-for-external-authentication>);
/// the bound keeps every key far below the 512 bytes that Workers KV takes.
const LONGEST_PART: usize = 100;

/// The full name of a repository, `owner/name`.
///
/// Equal to another one that differs only in case; shown as it was spelt.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct RepositoryName {
    spelt: String,
    lower: String,
}

/// What was given is not `owner/name` of letters, digits, `-`, `_` and `.`.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidRepositoryName;

impl RepositoryName {
    /// The full name as its owner spells it.
    pub fn as_spelt(&self) -> &str {
        &self.spelt
    }

    /// The name as it is spelt without `.git` at its end, where it has that: no repository's name ends so, but that of its
    /// clone URL does.
    pub fn without_git(&self) -> Option<&str> {
        let without = self.lower.strip_suffix(".git")?;
        self.spelt.get(..without.len())
    }

    /// The full name in lower case: the same for every spelling.
    pub fn as_lower(&self) -> &str {
        &self.lower
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidRepositoryName;

    fn from_str(full_name: &str) -> Result<Self, Self::Err> {
        let (owner, name) = full_name.split_once('/').ok_or(InvalidRepositoryName)?;
        // No owner begins otherwise, so whatever lies under `/-/` is no repository's.
        let starts_well = owner.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && is_part(owner) && is_part(name) {
            Ok(Self { spelt: full_name.to_owned(), lower: full_name.to_ascii_lowercase() })
        } else {
            Err(InvalidRepositoryName)
        }
    }
}

fn is_part(part: &str) -> bool {
    (1..=LONGEST_PART).contains(&part.len())
        && part != "."
        && part != ".."
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl TryFrom<String> for RepositoryName {
    type Error = InvalidRepositoryName;

    fn try_from(full_name: String) -> Result<Self, Self::Error> {
        full_name.parse()
    }
}

impl<'a> FromJson<'a> for RepositoryName {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let full_name = String::from_json(json)?;
        full_name.parse().map_err(|problem: InvalidRepositoryName| Wrong::new(problem.to_string()))
    }
}

impl PartialEq for RepositoryName {
    fn eq(&self, other: &Self) -> bool {
        self.lower == other.lower
    }
}

impl Eq for RepositoryName {}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelt)
    }
}

impl fmt::Display for InvalidRepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a repository's full name, such as octocat/Hello-World")
    }
}

impl std::error::Error for InvalidRepositoryName {}

impl Serialize for RepositoryName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.spelt)
    }
}

/// The base URL of the GitHub that a gate serves, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHubUrl(String);

/// `GITHUB_URL` is not the base URL of a GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidGitHubUrl;

impl GitHubUrl {
    /// Takes the value of `GITHUB_URL`: `https`, or `http` to the machine itself; unset or blank, it is
    /// `https://github.com`.
    pub fn parse(value: Option<&str>) -> Result<Self, InvalidGitHubUrl> {
        let url = value.map(str::trim).filter(|url| !url.is_empty());
        let url = url.unwrap_or("https://github.com").trim_end_matches('/');
        match scheme_and_host(url).ok_or(InvalidGitHubUrl)? {
            _ if url.contains(['@', '?', '#']) => Err(InvalidGitHubUrl),
            ("https", _) => Ok(Self(url.to_owned())),
            ("http", host) if is_loopback(host) => Ok(Self(url.to_owned())),
            _ => Err(InvalidGitHubUrl),
        }
    }

    /// The base URL of its REST API, without a slash at its end: github.com's, that of an enterprise at ghe.com, or an
    /// Enterprise Server's
    /// (<https://docs.github.com/en/enterprise-server@latest/rest/using-the-rest-api/getting-started-with-the-rest-api#making-a-request>).
    pub fn api(&self) -> String {
        match self.0.split_once("://") {
            Some((_, "github.com")) => "https://api.github.com".to_owned(),
            Some((scheme, host)) if host.ends_with(".ghe.com") => format!("{scheme}://api.{host}"),
            _ => format!("{}/api/v3", self.0),
        }
    }

    /// The URL at which a repository is cloned. GitHub compares it without regard to case, as it does the name.
    pub fn clone_url(&self, repository: &RepositoryName) -> String {
        format!("{}/{repository}.git", self.0)
    }
}

impl fmt::Display for GitHubUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The repository of an event, as far as a build needs it.
#[derive(Clone, Debug, Serialize)]
pub struct Repository {
    /// The numeric id: survives a rename or a transfer.
    pub id: u64,
    /// The name: changes with a rename or a transfer.
    pub full_name: RepositoryName,
    /// The `https` URL to clone from.
    pub clone_url: String,
    /// The name of the default branch.
    pub default_branch: String,
    /// Whether a clone needs credentials.
    pub private: bool,
}

/// A commit's hash: 40 hexadecimal digits (SHA-1) or 64 (SHA-256), in lower case, as git writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sha(String);

impl Sha {
    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as GitHub shows commits to people.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// Whether this is the hash that stands for "no commit".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

/// What was given is no commit's hash.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidSha;

impl FromStr for Sha {
    type Err = InvalidSha;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidSha)
        }
    }
}

impl fmt::Display for InvalidSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a commit's hash: 40 or 64 hexadecimal digits")
    }
}

impl std::error::Error for InvalidSha {}

impl<'a> FromJson<'a> for Sha {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        String::from_json(json)?.parse().map_err(|error: InvalidSha| Wrong::new(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differing_in_case_are_one_repository_shown_as_spelt() {
        let spelt: RepositoryName = "Octocat/Hello-World".parse().unwrap();
        let lower: RepositoryName = "octocat/hello-world".parse().unwrap();
        assert_eq!(spelt, lower);
        assert_eq!(spelt.to_string(), "Octocat/Hello-World");
        assert_eq!(spelt.as_lower(), "octocat/hello-world");
        assert_ne!(spelt, "octocat/hello-worlds".parse().unwrap());
    }

    #[test]
    fn a_github_is_reached_by_https_or_on_the_machine_itself() {
        let repository = "octocat/Hello-World".parse().unwrap();
        for (value, clone_url) in [
            (None, "https://github.com/octocat/Hello-World.git"),
            (Some(" "), "https://github.com/octocat/Hello-World.git"),
            (Some("https://ghe.example/"), "https://ghe.example/octocat/Hello-World.git"),
            (Some("http://127.0.0.1:8789"), "http://127.0.0.1:8789/octocat/Hello-World.git"),
        ] {
            let github = GitHubUrl::parse(value).unwrap();
            assert_eq!(github.clone_url(&repository), clone_url, "{value:?}");
        }
        for bad in [
            "github.com",
            "http://ghe.example",
            "file:///srv",
            "https://user:password@ghe.example",
            "https://ghe.example?x",
            "https://",
        ] {
            assert_eq!(GitHubUrl::parse(Some(bad)), Err(InvalidGitHubUrl), "{bad}");
        }
    }

    #[test]
    fn only_owner_slash_name_is_a_name() {
        for good in [
            "a/b",
            "octo_corp/x",
            "octocat/.github",
            "o/a.b-c_d",
            &format!("o/{}", "n".repeat(100)),
        ] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a b/c",
            "a/*",
            "*/b",
            "a/..",
            "-/b",
            "-/dead-letters",
            ".a/b",
            "./b",
            "ä/b",
            "a/b\n",
            &format!("o/{}", "n".repeat(101)),
        ] {
            assert_eq!(bad.parse::<RepositoryName>(), Err(InvalidRepositoryName), "{bad}");
        }
    }
}

//! What became of a commit that the gate may deploy, as it is kept in the ledger and told to the operator.

use serde::{Deserialize, Serialize};

/// The most rows of a page.
pub const PAGE: u64 = 100;

/// What became of a commit in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It may be deployed yet.
    Waiting,
    /// A status or a check of it is red; a new run may make it green.
    Red,
    /// What is deployed is newer, or the same.
    Superseded,
    /// Its deployment is made.
    Created,
    /// GitHub will not have it deployed, or will not tell what has to be known.
    Refused,
    /// It waited for too long.
    TimedOut,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Red, Self::Superseded, Self::Created, Self::Refused, Self::TimedOut];

    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Red => "red",
            Self::Superseded => "superseded",
            Self::Created => "created",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A row, as it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AutoDeployment {
    /// Its id in the ledger.
    pub id: u64,
    /// GitHub's id of the repository.
    pub repository_id: u64,
    /// The repository's full name.
    pub repository: String,
    /// The commit's hash.
    pub sha: String,
    /// The environment.
    pub environment: String,
    /// The branch that the commit lies on; empty where that is not known.
    pub branch: String,
    /// What became of it.
    pub state: State,
    /// Why, in words.
    pub reason: String,
    /// GitHub's id of the deployment, once it is made.
    pub deployment: Option<u64>,
    /// The GUID of the delivery that gave the last hint.
    pub delivery: Option<String>,
    /// When the gate first heard of it, by RFC 3339.
    pub first_seen_at: String,
    /// Since when it is in its state, by RFC 3339.
    pub since: String,
    /// When it is looked at again, by RFC 3339.
    pub look_at: Option<String>,
}

/// What a list of them is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The repository's full name, without regard to case.
    pub repository: Option<String>,
    /// The login of the repository's owner, without regard to case.
    pub owner: Option<String>,
    /// The commit's hash, or how it begins.
    pub sha: Option<String>,
    /// The state.
    pub state: Option<State>,
    /// The environment.
    pub environment: Option<String>,
    /// Only what was first seen at this time or later, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Only what was first seen before this time, in milliseconds since 1970.
    pub until: Option<u64>,
    /// Only what has a smaller id.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u64,
}

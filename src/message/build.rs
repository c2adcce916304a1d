//! A build, as it is kept in the ledger and told to the operator.

use serde::{Deserialize, Serialize};

/// What is known of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its request is on its way to the build service, or there, and nothing more is known.
    Queued,
    /// The build service has said that it builds it.
    InProgress,
    /// It is built.
    Success,
    /// It could not be built.
    Failure,
    /// Something else went wrong: the build service says so, never took it, or went silent.
    Error,
    /// It was handed over to a build service that does not report.
    Inactive,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::InProgress, Self::Success, Self::Failure, Self::Error, Self::Inactive];

    /// The word that stands for it, which is that of GitHub's deployment statuses
    /// (<https://docs.github.com/en/rest/deployments/statuses?apiVersion=2022-11-28#create-a-deployment-status>).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Inactive => "inactive",
        }
    }

    /// The word of GitHub's commit statuses for it, of which there are fewer: what was handed over and is not told of any
    /// more is done, as far as anybody will ever know
    /// (<https://docs.github.com/en/rest/commits/statuses?apiVersion=2022-11-28#create-a-commit-status>).
    pub fn of_a_commit(self) -> &'static str {
        match self {
            Self::Queued | Self::InProgress => "pending",
            Self::Success | Self::Inactive => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }

    /// What a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A row, as it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BuildRow {
    /// The build request's id.
    pub id: String,
    /// The repository's full name.
    pub repository: String,
    /// The commit's hash.
    pub sha: String,
    /// What was pushed to or deployed: a branch, a tag or a hash.
    #[serde(rename = "ref")]
    pub reference: String,
    /// GitHub's id of the deployment; none of a push.
    pub deployment: Option<u64>,
    /// The deployment's environment.
    pub environment: Option<String>,
    /// What is known of it.
    pub state: State,
    /// The same in words.
    pub description: String,
    /// Where its log is.
    pub log_url: Option<String>,
    /// Where what was built is.
    pub environment_url: Option<String>,
    /// The GUID of the delivery that asked for it first.
    pub delivery: String,
    /// When the gate queued it, or the operator redrove it, by RFC 3339.
    pub queued_at: String,
    /// Whether it waits in the ledger, for the build service takes nothing or has asked for a pause.
    pub is_held: bool,
    /// When the build service took it, by RFC 3339.
    pub handed_over_at: Option<String>,
    /// When the build service reported last, by RFC 3339.
    pub reported_at: Option<String>,
    /// Since when it is in its state, by RFC 3339.
    pub since: String,
    /// How often it was posted.
    pub attempts: u32,
    /// When it was posted last, by RFC 3339.
    pub attempted_at: Option<String>,
    /// What the build service answered last, or why there was no answer.
    pub answer: Option<String>,
    /// The state that GitHub was told last.
    pub on_github: Option<State>,
    /// Why GitHub could not be told what it was to be told last.
    pub github_error: Option<String>,
    /// The build request, to the letter: of one build, and not in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// How the handovers go. All times are in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handovers {
    /// How many builds wait to be taken.
    pub waiting: u64,
    /// When the oldest of them was queued.
    pub waiting_since: Option<u64>,
    /// What the build service answered last, or why there was no answer, and when that was.
    pub last_answer: Option<(String, u64)>,
    /// When it reported last of one of the newest builds.
    pub reported_at: Option<u64>,
}

/// A repository's last build.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LastBuild {
    /// The build request's id.
    pub id: String,
    /// What is known of it.
    pub state: String,
    /// Since when, by RFC 3339.
    pub since: String,
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
    /// The GUID of the delivery that asked for it first.
    pub delivery: Option<String>,
    /// Only what was queued at this time or later, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Only what was queued before this time, in milliseconds since 1970.
    pub until: Option<u64>,
    /// Only what came before the one of this number.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u64,
}

//! What is to be done at GitHub: put on the queue `github`, out of the way of a delivery's answer.

use serde::Serialize;

use crate::json::fields::{Fields, Want, Wanted};
use crate::repository::{RepositoryName, Sha};

/// The shape's version.
const VERSION: u64 = 1;

/// The words for the jobs.
const AUTO_DEPLOY: &str = "auto-deploy";
const TELL_STATUS: &str = "tell-status";
const REDELIVER: &str = "redeliver";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// To look whether a commit is to be deployed.
    AutoDeploy(AutoDeploy),
    /// To say what has become of a build.
    TellStatus(TellStatus),
    /// To have something delivered again.
    Redeliver(Redeliver),
}

/// To have GitHub deliver something again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeliver {
    /// The event's GUID.
    pub guid: String,
    /// The webhook, by its path in GitHub's API.
    pub hook: String,
    /// GitHub's id of the repository, where the webhook is one's own and the gate an App.
    pub repository_id: Option<u64>,
    /// GitHub's id of the delivery.
    pub delivery: u64,
    /// The how many-eth time it is that the event is asked for.
    pub attempt: u64,
}

impl Redeliver {
    /// The text to put on the queue.
    pub fn into_message(self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Message<'a> {
            version: u64,
            job: &'static str,
            guid: &'a str,
            hook: &'a str,
            repository_id: Option<u64>,
            id: u64,
            attempt: u64,
        }
        serde_json::to_string(&Message {
            version: VERSION,
            job: REDELIVER,
            guid: &self.guid,
            hook: &self.hook,
            repository_id: self.repository_id,
            id: self.delivery,
            attempt: self.attempt,
        })
    }
}

/// To say on GitHub what has become of a build, as far as it was not said yet. What is to be said is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TellStatus {
    /// The build request's id.
    pub build: String,
}

impl TellStatus {
    /// The text to put on the queue.
    pub fn into_message(self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Message<'a> {
            version: u64,
            job: &'static str,
            build: &'a str,
        }
        serde_json::to_string(&Message { version: VERSION, job: TELL_STATUS, build: &self.build })
    }
}

impl Job {
    /// Reads the text of a queue message.
    ///
    /// Errors, with what is wrong, where the text is not a job of this version.
    pub fn from_message(message: &str) -> Result<Self, String> {
        const WANTED: Wanted = &[
            ("version", Want::Scalar),
            ("job", Want::Scalar),
            ("delivery", Want::Scalar),
            ("received_at", Want::Scalar),
            ("repository_id", Want::Scalar),
            ("repository", Want::Scalar),
            ("sha", Want::Scalar),
            ("branches", Want::List(&Want::Scalar)),
            ("installation", Want::Scalar),
            ("build", Want::Scalar),
            ("guid", Want::Scalar),
            ("hook", Want::Scalar),
            ("id", Want::Scalar),
            ("attempt", Want::Scalar),
        ];
        let mut fields = Fields::read(message.as_bytes(), Want::Object(WANTED))?;
        let version: u64 = fields.take("version")?;
        if version != VERSION {
            return Err(format!("a job of version {version}, not {VERSION}"));
        }
        let job: String = fields.take("job")?;
        match job.as_str() {
            AUTO_DEPLOY => Ok(Self::AutoDeploy(AutoDeploy {
                delivery: fields.take("delivery")?,
                received_at: fields.take("received_at")?,
                repository_id: fields.take("repository_id")?,
                repository: fields.take("repository")?,
                sha: fields.take("sha")?,
                branches: fields.take("branches")?,
                installation: fields.take("installation")?,
            })),
            TELL_STATUS => Ok(Self::TellStatus(TellStatus { build: fields.take("build")? })),
            REDELIVER => Ok(Self::Redeliver(Redeliver {
                guid: fields.take("guid")?,
                hook: fields.take("hook")?,
                repository_id: fields.take("repository_id")?,
                delivery: fields.take("id")?,
                attempt: fields.take("attempt")?,
            })),
            _ => Err("a job that this gate does not know".to_owned()),
        }
    }
}

/// To look whether a commit is to be deployed. It is a hint and no more: what decides is what GitHub says when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoDeploy {
    /// The GUID of the delivery that gave the hint; none where the gate itself looks again.
    pub delivery: Option<String>,
    /// When the hint came, in milliseconds since 1970.
    pub received_at: u64,
    /// GitHub's id of the repository.
    pub repository_id: u64,
    /// The repository's full name.
    pub repository: RepositoryName,
    /// The commit.
    pub sha: Sha,
    /// The branches that it is said to lie on.
    pub branches: Vec<String>,
    /// The installation of the App by which the hint came, if it came so.
    pub installation: Option<u64>,
}

impl AutoDeploy {
    /// To look at a commit again, of which the gate itself knows: no delivery hints at it. `branch` is what the ledger has,
    /// and empty where that is not known; `now` is in milliseconds since 1970.
    pub fn again(
        repository_id: u64,
        repository: RepositoryName,
        sha: Sha,
        branch: &str,
        now: u64,
    ) -> Self {
        let branches = Some(branch.to_owned()).filter(|branch| !branch.is_empty());
        Self {
            delivery: None,
            received_at: now,
            repository_id,
            repository,
            sha,
            branches: branches.into_iter().collect(),
            installation: None,
        }
    }

    /// The text to put on the queue.
    pub fn into_message(self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Message<'a> {
            version: u64,
            job: &'static str,
            delivery: Option<&'a str>,
            received_at: u64,
            repository_id: u64,
            repository: &'a RepositoryName,
            sha: &'a Sha,
            branches: &'a [String],
            installation: Option<u64>,
        }
        serde_json::to_string(&Message {
            version: VERSION,
            job: AUTO_DEPLOY,
            delivery: self.delivery.as_deref(),
            received_at: self.received_at,
            repository_id: self.repository_id,
            repository: &self.repository,
            sha: &self.sha,
            branches: &self.branches,
            installation: self.installation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let job = AutoDeploy {
            delivery: Some("guid".into()),
            received_at: 1_795_378_320_123,
            repository_id: 7,
            repository: "Octocat/Hello-World".parse().unwrap(),
            sha: SHA.parse().unwrap(),
            branches: vec!["main".into(), "größe/\"1\"".into()],
            installation: None,
        };
        let message = job.clone().into_message().unwrap();
        let Job::AutoDeploy(read) = Job::from_message(&message).unwrap() else { panic!() };
        assert_eq!((read.repository.as_spelt(), &read), ("Octocat/Hello-World", &job));
        let job = TellStatus { build: "push:o/n:refs/heads/\"ü".into() };
        let message = job.clone().into_message().unwrap();
        assert_eq!(Job::from_message(&message), Ok(Job::TellStatus(job)));
        let job = Redeliver {
            guid: "guid".into(),
            hook: "app/hook".into(),
            repository_id: None,
            delivery: 24_081_517_883,
            attempt: 2,
        };
        let message = job.clone().into_message().unwrap();
        assert_eq!(Job::from_message(&message), Ok(Job::Redeliver(job)));
    }

    #[test]
    fn what_is_no_job_says_why() {
        for (message, problem) in [
            ("", "EOF"),
            ("{}", "missing field `version`"),
            (r#"{"version":2}"#, "a job of version 2, not 1"),
            (r#"{"version":1,"job":"dance"}"#, "does not know"),
            (r#"{"version":1,"job":"auto-deploy"}"#, "missing field `received_at`"),
            (r#"{"version":1,"job":"tell-status"}"#, "missing field `build`"),
        ] {
            let error = Job::from_message(message).unwrap_err();
            assert!(error.contains(problem), "{message}: {error}");
        }
    }
}

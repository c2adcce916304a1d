//! The build request: what is put on the queue and handed to the origin. Its identity comes only from what the
//! signature of a delivery vouches for, so however often an event is delivered, it asks for the same build.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::json::fields::{Fields, Want, Wanted};
use crate::policy::Trigger;
use crate::repository::{Repository, Sha};

/// The shape's version.
pub const VERSION: u64 = 1;

/// Largest text put on the queue, in bytes. A message may have 128,000, of which the queue uses some
/// 100 itself (<https://developers.cloudflare.com/queues/platform/limits/>).
pub const LARGEST_MESSAGE: usize = 127_800;

/// How much is kept of a description that is too long for a message, in characters.
const LONGEST_DESCRIPTION: usize = 1_000;

/// A request to build one commit of one repository.
#[derive(Debug, Serialize)]
pub struct BuildRequest {
    /// [`VERSION`]
    pub version: u64,
    /// The same for every delivery of the same event, and another for each other event: made of what the delivery's
    /// signature vouches for, and led by the repository's name, so that nobody who knows the secret of one repository
    /// can make an id of another's.
    pub id: String,
    /// What asked for it: under `commit` a push, under `deployment` a deployment.
    pub trigger: Trigger,
    /// The GUID of the delivery that asked for it.
    pub delivery: String,
    /// When that came, by RFC 3339.
    pub received_at: String,
    /// When GitHub says that the event happened, by RFC 3339: unlike `received_at`, it tells which of two events is
    /// newer, for a redelivered one comes late. None where GitHub does not say.
    pub occurred_at: Option<String>,
    /// What is to be built.
    pub repository: Repository,
    /// Which commit of it.
    pub commit: Commit,
    /// The deployment that asked for it, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentRequest>,
}

/// The commit to build.
#[derive(Debug, Serialize)]
pub struct Commit {
    /// Its hash.
    pub sha: Sha,
    /// The branch that was pushed to, or the deployment's ref.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// The deployment that asked for a build.
#[derive(Debug, Serialize)]
pub struct DeploymentRequest {
    /// GitHub's id of it.
    pub id: u64,
    /// `deploy`
    pub task: String,
    /// Such as `production`.
    pub environment: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// The login of whoever made it.
    pub creator: Option<String>,
    /// What its maker passed along, to the letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
    /// Whether the payload was too large for a message.
    pub payload_omitted: bool,
}

impl BuildRequest {
    /// The text to put on the queue, at most [`LARGEST_MESSAGE`] bytes: what is too large is left out,
    /// the deployment's payload first and then the tail of its description, for the build itself
    /// needs neither.
    pub fn into_message(mut self) -> serde_json::Result<String> {
        let mut message = serde_json::to_string(&self)?;
        if message.len() > LARGEST_MESSAGE
            && let Some(deployment) = &mut self.deployment
        {
            deployment.payload = None;
            deployment.payload_omitted = true;
            message = serde_json::to_string(&self)?;
        }
        if message.len() > LARGEST_MESSAGE
            && let Some(description) = self.deployment.as_mut().and_then(|d| d.description.as_mut())
        {
            *description = description.chars().take(LONGEST_DESCRIPTION).chain(['…']).collect();
            message = serde_json::to_string(&self)?;
        }
        Ok(message)
    }
}

/// What the gate has to know of a request that lies on the queue. The origin gets the message to the letter.
#[derive(Debug)]
pub struct QueuedRequest {
    /// The request's id.
    pub id: String,
    /// The GUID of the delivery that asked for it first.
    pub delivery: String,
    /// What asked for it: `push` or `deployment`.
    pub event: &'static str,
    /// The full name of the repository to build.
    pub repository: String,
    /// GitHub's id of it.
    pub repository_id: u64,
    /// The hash of the commit to build.
    pub sha: String,
    /// What was pushed to or deployed.
    pub reference: String,
    /// The deployment that asked for it, if it was one.
    pub deployment: Option<QueuedDeployment>,
}

/// The deployment that asked for a build.
#[derive(Debug)]
pub struct QueuedDeployment {
    /// GitHub's id of it.
    pub id: u64,
    /// Its environment.
    pub environment: String,
}

impl QueuedRequest {
    /// Reads the text of a queue message.
    ///
    /// Errors, with what is wrong, where the text is not a build request of this [`VERSION`].
    pub fn from_message(message: &str) -> Result<Self, String> {
        const WANTED: Wanted = &[
            ("version", Want::Scalar),
            ("id", Want::Scalar),
            ("delivery", Want::Scalar),
            ("repository", Want::Object(&[("id", Want::Scalar), ("full_name", Want::Scalar)])),
            ("commit", Want::Object(&[("sha", Want::Scalar), ("ref", Want::Scalar)])),
            ("deployment", Want::Object(&[("id", Want::Scalar), ("environment", Want::Scalar)])),
        ];
        let mut fields = Fields::read(message.as_bytes(), Want::Object(WANTED))?;
        let version: u64 = fields.take("version")?;
        if version != VERSION {
            return Err(format!("build request of version {version}, not {VERSION}"));
        }
        let deployment = match fields.optional_object("deployment")? {
            Some(mut fields) => Some(QueuedDeployment {
                id: fields.take("id")?,
                environment: fields.take("environment")?,
            }),
            None => None,
        };
        let (mut repository, mut commit) = (fields.object("repository")?, fields.object("commit")?);
        Ok(Self {
            id: fields.take("id")?,
            delivery: fields.take("delivery")?,
            event: if deployment.is_some() { "deployment" } else { "push" },
            repository: repository.take("full_name")?,
            repository_id: repository.take("id")?,
            sha: commit.take("sha")?,
            reference: commit.take("ref")?,
            deployment,
        })
    }
}

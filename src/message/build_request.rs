//! The build request: what is put on the queue and posted to the origin. Its identity comes only
//! from what GitHub signed, so however often an event is delivered, it asks for the same build.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use crate::delivery::decision::Build;
use crate::delivery::event::{DeploymentDetails, Repository, Sha};
use crate::json::fields::{Fields, Want, Wanted};
use crate::policy::Trigger;

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
    version: u64,
    id: String,
    trigger: Trigger,
    delivery: String,
    received_at: String,
    repository: Repository,
    commit: Commit,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<DeploymentRequest>,
}

#[derive(Debug, Serialize)]
struct Commit {
    sha: Sha,
    #[serde(rename = "ref")]
    reference: String,
}

#[derive(Debug, Serialize)]
struct DeploymentRequest {
    id: u64,
    task: String,
    environment: String,
    description: Option<String>,
    creator: Option<String>,
    /// JSON, which [`BuildRequest::into_message`] puts in to the letter.
    #[serde(skip)]
    payload: String,
    payload_omitted: bool,
}

impl BuildRequest {
    /// Makes the request for a build that was decided on. `delivery` is the GUID of the delivery that
    /// asked for it, `received_at` the time it came, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn new(build: &Build, delivery: &str, received_at: u64) -> Self {
        let delivery = delivery.to_owned();
        let received_at = rfc3339(received_at);
        match build {
            Build::Push { push, branch } => Self {
                version: VERSION,
                id: format!(
                    "push:{}:{}:{}:{}",
                    push.repository.id,
                    push.reference,
                    push.before.as_str(),
                    push.after.as_str()
                ),
                trigger: Trigger::Commit,
                delivery,
                received_at,
                repository: push.repository.clone(),
                commit: Commit { sha: push.after.clone(), reference: (*branch).to_owned() },
                deployment: None,
            },
            Build::Deployment(event) => Self {
                version: VERSION,
                id: format!("deployment:{}:{}", event.repository.id, event.deployment.id),
                trigger: Trigger::Deployment,
                delivery,
                received_at,
                repository: event.repository.clone(),
                commit: Commit {
                    sha: event.deployment.sha.clone(),
                    reference: event.deployment.reference.clone(),
                },
                deployment: Some(DeploymentRequest::new(&event.deployment)),
            },
        }
    }

    /// The request's id: the same for every delivery of the same event.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The text to put on the queue, at most [`LARGEST_MESSAGE`] bytes: what is too large is left out,
    /// the deployment's payload first and then the tail of its description, for the build itself
    /// needs neither.
    pub fn into_message(mut self) -> serde_json::Result<String> {
        // What every request of a deployment ends with.
        const END: &str = "\"payload_omitted\":false}}";
        let message = serde_json::to_string(&self)?;
        let Some(deployment) = &mut self.deployment else {
            return Ok(message);
        };
        if let Some(head) = message.strip_suffix(END) {
            let message = format!("{head}\"payload\":{},{END}", deployment.payload);
            if message.len() <= LARGEST_MESSAGE {
                return Ok(message);
            }
        }
        deployment.payload_omitted = true;
        let mut message = serde_json::to_string(&self)?;
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
    /// The event that it was made of, by GitHub's name.
    pub event: &'static str,
    /// The full name of the repository to build.
    pub repository: String,
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
            ("repository", Want::Object(&[("full_name", Want::Scalar)])),
            ("deployment", Want::Object(&[])),
        ];
        let mut fields = Fields::read(message.as_bytes(), Want::Object(WANTED))?;
        let version: u64 = fields.take("version")?;
        if version != VERSION {
            return Err(format!("build request of version {version}, not {VERSION}"));
        }
        let of_deployment = fields.optional_object("deployment")?.is_some();
        Ok(Self {
            id: fields.take("id")?,
            delivery: fields.take("delivery")?,
            event: if of_deployment { "deployment" } else { "push" },
            repository: fields.object("repository")?.take("full_name")?,
        })
    }
}

impl DeploymentRequest {
    fn new(deployment: &DeploymentDetails) -> Self {
        Self {
            id: deployment.id,
            task: deployment.task.clone(),
            environment: deployment.environment.clone(),
            description: deployment.description.clone(),
            creator: deployment.creator.clone(),
            payload: deployment.payload.clone(),
            payload_omitted: false,
        }
    }
}

/// A time in milliseconds since 1970 by RFC 3339, to the second.
pub fn rfc3339(milliseconds: u64) -> String {
    i64::try_from(milliseconds)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

//! The events that buildgate acts on, with just the fields that it uses.
//!
//! Source: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use serde_json::value::RawValue;

use crate::delivery::rejection::Rejection;
use crate::json::fields::{Fields, FromJson, Json, Want, Wanted, Wrong};
use crate::repository::{Repository, RepositoryName, Sha};

/// Longest text taken for a ref, an environment, a task, a login or a URL, in bytes. Far above what
/// GitHub sends, and so low that a build request made of them always fits in a queue message.
const LONGEST_TEXT: usize = 1024;

/// A delivery's event.
#[derive(Debug)]
pub enum Event {
    /// A webhook was made, or its owner pressed "Test".
    /// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping>
    Ping(Ping),
    /// Commits were pushed to a branch or tag, or a ref was made or deleted.
    /// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>
    Push(Push),
    /// A deployment was made.
    /// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment>
    Deployment(Deployment),
    /// Any other event. The repository is kept for the answer, where there is one.
    Other(Option<RepositoryName>),
}

/// A `ping` event.
#[derive(Debug)]
pub struct Ping {
    /// The webhook's own settings.
    pub hook: Hook,
    /// The webhook's repository. An organisation's or app's webhook has none.
    pub repository: Option<RepositoryName>,
}

/// A webhook's settings, as its ping tells them.
#[derive(Debug)]
pub struct Hook {
    /// Whether GitHub delivers at all.
    pub active: bool,
    /// The events that the webhook gets; `*` is all of them.
    pub events: Vec<String>,
    /// `Repository`, `Organization` or `App`.
    pub kind: Option<String>,
}

/// A `push` event.
#[derive(Debug)]
pub struct Push {
    /// The full ref: `refs/heads/…` or `refs/tags/…`.
    pub reference: String,
    /// The commit that the ref pointed to before.
    pub before: Sha,
    /// The commit that the ref points to now.
    pub after: Sha,
    /// Whether the ref was deleted.
    pub deleted: bool,
    /// Where it happened.
    pub repository: Repository,
}

/// A `deployment` event.
#[derive(Debug)]
pub struct Deployment {
    /// `created`; older GitHub Enterprise Server versions send none.
    pub action: Option<String>,
    /// What is to be deployed.
    pub deployment: DeploymentDetails,
    /// Where it happened.
    pub repository: Repository,
}

/// The `deployment` object of a `deployment` event.
#[derive(Debug)]
pub struct DeploymentDetails {
    /// GitHub's id of the deployment.
    pub id: u64,
    /// The commit to be deployed.
    pub sha: Sha,
    /// The branch, tag or SHA that the deployment was made for.
    pub reference: String,
    /// `deploy`, unless whoever made the deployment chose another word.
    pub task: String,
    /// Such as `production`.
    pub environment: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// Whatever JSON the deployment's maker wants passed on, to the letter; `null` where there is none.
    pub payload: Box<RawValue>,
    /// The login of whoever made the deployment.
    pub creator: Option<String>,
}

/// A text of at most [`LONGEST_TEXT`] bytes.
struct Text(String);

impl<'a> FromJson<'a> for Text {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let text = String::from_json(json)?;
        if text.len() <= LONGEST_TEXT {
            Ok(Self(text))
        } else {
            Err(Wrong::new(format!("longer than {LONGEST_TEXT} bytes")))
        }
    }
}

const NAMED_REPOSITORY: Wanted = &[("full_name", Want::Scalar)];

const REPOSITORY: Wanted = &[
    ("id", Want::Scalar),
    ("full_name", Want::Scalar),
    ("clone_url", Want::Scalar),
    ("default_branch", Want::Scalar),
    ("private", Want::Scalar),
];

const PING: Wanted = &[
    (
        "hook",
        Want::Object(&[("active", Want::Scalar), ("events", Want::List), ("type", Want::Scalar)]),
    ),
    ("repository", Want::Object(NAMED_REPOSITORY)),
];

const PUSH: Wanted = &[
    ("ref", Want::Scalar),
    ("before", Want::Scalar),
    ("after", Want::Scalar),
    ("deleted", Want::Scalar),
    ("repository", Want::Object(REPOSITORY)),
];

const DEPLOYMENT: Wanted = &[
    ("action", Want::Scalar),
    (
        "deployment",
        Want::Object(&[
            ("id", Want::Scalar),
            ("sha", Want::Scalar),
            ("ref", Want::Scalar),
            ("task", Want::Scalar),
            ("environment", Want::Scalar),
            ("description", Want::Scalar),
            ("payload", Want::Raw),
            ("creator", Want::Object(&[("login", Want::Scalar)])),
        ]),
    ),
    ("repository", Want::Object(REPOSITORY)),
];

const OTHER: Wanted = &[("repository", Want::Object(NAMED_REPOSITORY))];

fn text(fields: &mut Fields, name: &str) -> Result<String, String> {
    fields.take(name).map(|Text(text)| text)
}

impl Ping {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let mut hook = fields.object("hook")?;
        let hook = Hook {
            active: hook.take("active")?,
            events: hook.take("events")?,
            kind: hook.take("type")?,
        };
        let repository = fields.optional_object("repository")?;
        let repository = repository.map(|mut fields| fields.take("full_name")).transpose()?;
        Ok(Self { hook, repository })
    }
}

impl Push {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            reference: text(&mut fields, "ref")?,
            before: fields.take("before")?,
            after: fields.take("after")?,
            deleted: fields.take::<Option<bool>>("deleted")?.unwrap_or(false),
            repository: Repository::from_fields(fields.object("repository")?)?,
        })
    }
}

impl Deployment {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            action: fields.take("action")?,
            deployment: DeploymentDetails::from_fields(fields.object("deployment")?)?,
            repository: Repository::from_fields(fields.object("repository")?)?,
        })
    }
}

impl DeploymentDetails {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            sha: fields.take("sha")?,
            reference: text(&mut fields, "ref")?,
            task: text(&mut fields, "task")?,
            environment: text(&mut fields, "environment")?,
            description: fields.take("description")?,
            payload: fields
                .take::<Option<&RawValue>>("payload")?
                .unwrap_or(RawValue::NULL)
                .to_owned(),
            creator: fields
                .optional_object("creator")?
                .map(|mut creator| text(&mut creator, "login"))
                .transpose()?,
        })
    }
}

impl Repository {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            full_name: fields.take("full_name")?,
            clone_url: text(&mut fields, "clone_url")?,
            default_branch: text(&mut fields, "default_branch")?,
            private: fields.take("private")?,
        })
    }
}

impl Event {
    /// Reads the payload of the event `name`.
    ///
    /// Errors with [`Rejection::MalformedPayload`], which names the field, where the payload is not
    /// a JSON object of that event's shape.
    pub fn parse(name: &str, payload: &[u8]) -> Result<Self, Rejection> {
        let read = |wanted| Fields::read(payload, Want::Object(wanted));
        let event = match name {
            "ping" => read(PING).and_then(Ping::from_fields).map(Self::Ping),
            "push" => read(PUSH).and_then(Push::from_fields).map(Self::Push),
            "deployment" => {
                read(DEPLOYMENT).and_then(Deployment::from_fields).map(Self::Deployment)
            }
            _ => read(OTHER).map(|mut fields| {
                let repository = fields.optional_object("repository").ok().flatten();
                Self::Other(repository.and_then(|mut fields| fields.take("full_name").ok()))
            }),
        };
        event.map_err(|problem| Rejection::MalformedPayload { problem })
    }

    /// The repository that the event is about, if it is about one.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Ping(ping) => ping.repository.as_ref(),
            Self::Push(push) => Some(&push.repository.full_name),
            Self::Deployment(deployment) => Some(&deployment.repository.full_name),
            Self::Other(repository) => repository.as_ref(),
        }
    }

    /// The repository whose policy decides on the event. None where no policy is needed: for the ping of
    /// an organisation or app, and for an event that is not acted on.
    pub fn governed_by(&self) -> Option<&RepositoryName> {
        match self {
            Self::Other(_) => None,
            Self::Ping(_) | Self::Push(_) | Self::Deployment(_) => self.repository(),
        }
    }
}

//! The events that buildgate acts on, with just the fields that it uses.
//!
//! Source: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use serde_json::value::RawValue;

use crate::delivery::rejection::Rejection;
use crate::delivery::sign::{CHECK_RUN, CHECK_SUITE, INSTALLATION, STATUS, Sign, installation};
use crate::json::fields::{Fields, FromJson, Json, Want, Wanted, Wrong};
use crate::message::build_request::LARGEST_MESSAGE;
use crate::repository::{Repository, RepositoryName, Sha};
use crate::time::Moment;

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
    /// A deployment was made, or got a status.
    /// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment>,
    /// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#deployment_status>
    Deployment(Deployment),
    /// A status or a check says something of a commit: CI may be done with it.
    Sign(Sign),
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
    /// The repository's id.
    pub repository_id: Option<u64>,
    /// The organization's login, of an organization's webhook.
    pub organization: Option<String>,
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
    /// GitHub's id of it.
    pub id: Option<u64>,
}

/// A `push` event.
#[derive(Debug)]
pub struct Push {
    /// The full ref: `refs/heads/…` or `refs/tags/…`.
    pub reference: String,
    /// The commit that the ref points to now.
    pub after: Sha,
    /// Whether the ref was deleted.
    pub deleted: bool,
    /// When it happened.
    pub pushed_at: Option<Moment>,
    /// Where it happened.
    pub repository: Repository,
    /// The installation of the App by which it came.
    pub installation: Option<u64>,
}

/// A `deployment` or a `deployment_status` event: the same deployment comes by both.
#[derive(Debug)]
pub struct Deployment {
    /// `created`; older GitHub Enterprise Server versions send none.
    pub action: Option<String>,
    /// The state of the status that the deployment got, such as `in_progress`; none of a `deployment` event.
    pub status: Option<String>,
    /// The GitHub Actions run whose job made the deployment; none where it was made through the API.
    pub run: Option<WorkflowRun>,
    /// The branch that the gate made it for; none where it did not make it. No payload tells.
    pub made_for: Option<String>,
    /// What is to be deployed.
    pub deployment: DeploymentDetails,
    /// Where it happened.
    pub repository: Repository,
}

/// The `workflow_run` object of a deployment's event.
#[derive(Debug)]
pub struct WorkflowRun {
    /// The event that started the run, such as `push` or `pull_request`.
    pub event: String,
    /// The id of the repository that the run's commit is of, where GitHub tells it.
    pub head_repository: Option<u64>,
}

/// The `deployment` object of a deployment's event.
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
    ///
    /// None where it is larger than any message of a queue.
    pub payload: Option<Box<RawValue>>,
    /// The login of whoever made the deployment.
    pub creator: Option<String>,
    /// When it was made.
    pub created_at: Option<Moment>,
}

/// A text of at most [`LONGEST_TEXT`] bytes on one line, and so without a character that commands a terminal.
struct Text(String);

impl<'a> FromJson<'a> for Text {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let text = String::from_json(json)?;
        if text.len() > LONGEST_TEXT {
            Err(Wrong::new(format!("longer than {LONGEST_TEXT} bytes")))
        } else if text.chars().any(char::is_control) {
            Err(Wrong::new("holds a control character"))
        } else {
            Ok(Self(text))
        }
    }
}

/// A [`Text`] that nobody takes for an option of a command: the name of an environment or a login.
struct Name(String);

impl<'a> FromJson<'a> for Name {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let Text(name) = Text::from_json(json)?;
        if name.starts_with('-') { Err(Wrong::new("begins with a dash")) } else { Ok(Self(name)) }
    }
}

/// The name of a ref, full or not, as git lets it be (<https://git-scm.com/docs/git-check-ref-format>).
struct RefName(String);

impl<'a> FromJson<'a> for RefName {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let Text(name) = Text::from_json(json)?;
        let full = ["refs/heads/", "refs/tags/"].iter().find_map(|kind| name.strip_prefix(kind));
        if full.unwrap_or(&name).starts_with('-') {
            return Err(Wrong::new("begins with a dash"));
        }
        match gix_validate::reference::name_partial(name.as_bytes().into()) {
            Ok(_) => Ok(Self(name)),
            Err(_) => Err(Wrong::new("not a name that git lets a ref have")),
        }
    }
}

/// A time as GitHub gives it: by RFC 3339, or the number of seconds since 1970.
struct Time(Moment);

impl<'a> FromJson<'a> for Time {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let moment = match &json {
            Json::Whole(seconds) => Moment::from_seconds(*seconds),
            Json::Text(text) => Moment::from_rfc3339(text),
            _ => None,
        };
        moment.map(Self).ok_or_else(|| Wrong::new(format!("expected a time, found {json}")))
    }
}

const NAMED_REPOSITORY: Wanted = &[("full_name", Want::Scalar)];

const REPOSITORY: Wanted = &[
    ("id", Want::Scalar),
    ("full_name", Want::Scalar),
    ("clone_url", Want::Scalar),
    ("default_branch", Want::Scalar),
    ("private", Want::Scalar),
    ("pushed_at", Want::Scalar),
];

const PING: Wanted = &[
    (
        "hook",
        Want::Object(&[
            ("active", Want::Scalar),
            ("events", Want::List(&Want::Scalar)),
            ("type", Want::Scalar),
            ("id", Want::Scalar),
        ]),
    ),
    ("repository", Want::Object(&[("full_name", Want::Scalar), ("id", Want::Scalar)])),
    ("organization", Want::Object(&[("login", Want::Scalar)])),
];

const PUSH: Wanted = &[
    ("ref", Want::Scalar),
    ("after", Want::Scalar),
    ("deleted", Want::Scalar),
    ("repository", Want::Object(REPOSITORY)),
    ("installation", INSTALLATION),
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
            ("created_at", Want::Scalar),
        ]),
    ),
    ("deployment_status", Want::Object(&[("state", Want::Scalar)])),
    (
        "workflow_run",
        Want::Object(&[
            ("event", Want::Scalar),
            ("head_repository", Want::Object(&[("id", Want::Scalar)])),
        ]),
    ),
    ("repository", Want::Object(REPOSITORY)),
];

const OTHER: Wanted = &[("repository", Want::Object(NAMED_REPOSITORY))];

fn text(fields: &mut Fields, name: &str) -> Result<String, String> {
    fields.take(name).map(|Text(text)| text)
}

fn ref_name(fields: &mut Fields, name: &str) -> Result<String, String> {
    fields.take(name).map(|RefName(ref_name)| ref_name)
}

fn moment(fields: &mut Fields, name: &str) -> Result<Option<Moment>, String> {
    fields.take::<Option<Time>>(name).map(|time| time.map(|Time(moment)| moment))
}

impl Ping {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let mut hook = fields.object("hook")?;
        let hook = Hook {
            active: hook.take("active")?,
            events: hook.take("events")?,
            kind: hook.take("type")?,
            id: hook.take("id")?,
        };
        let organization = match fields.optional_object("organization")? {
            Some(mut organization) => organization.take::<Option<Name>>("login")?,
            None => None,
        };
        let organization = organization.map(|Name(login)| login);
        let repository = fields.optional_object("repository")?;
        let (repository, repository_id) = match repository {
            Some(mut fields) => (Some(fields.take("full_name")?), fields.take("id")?),
            None => (None, None),
        };
        Ok(Self { hook, repository, repository_id, organization })
    }
}

impl Push {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let reference = ref_name(&mut fields, "ref")?;
        let after = fields.take("after")?;
        let deleted = fields.take::<Option<bool>>("deleted")?.unwrap_or(false);
        let mut repository = fields.object("repository")?;
        let pushed_at = moment(&mut repository, "pushed_at")?;
        let repository = Repository::from_fields(repository)?;
        let installation = installation(&mut fields)?;
        Ok(Self { reference, after, deleted, pushed_at, repository, installation })
    }
}

impl Deployment {
    /// Reads the payload of a `deployment_status` event.
    fn with_status(mut fields: Fields) -> Result<Self, String> {
        let status = text(&mut fields.object("deployment_status")?, "state")?;
        Ok(Self { status: Some(status), ..Self::from_fields(fields)? })
    }

    /// Reads the payload of a `deployment` event.
    ///
    /// The event's name is not signed. What is signed of a `deployment_status` event could else be sent again as the
    /// deployment's creation, long after it.
    fn without_status(mut fields: Fields) -> Result<Self, String> {
        match fields.optional_object("deployment_status")? {
            None => Self::from_fields(fields),
            Some(_) => Err("`deployment_status`: no deployment event has it".to_owned()),
        }
    }

    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let run = fields.optional_object("workflow_run")?;
        Ok(Self {
            action: fields.take::<Option<Text>>("action")?.map(|Text(action)| action),
            status: None,
            made_for: None,
            run: run.map(WorkflowRun::from_fields).transpose()?,
            deployment: DeploymentDetails::from_fields(fields.object("deployment")?)?,
            repository: Repository::from_fields(fields.object("repository")?)?,
        })
    }
}

impl WorkflowRun {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        let head_repository = fields.optional_object("head_repository")?;
        Ok(Self {
            event: fields.take::<Option<Text>>("event")?.map_or(String::new(), |Text(event)| event),
            head_repository: match head_repository {
                Some(mut repository) => repository.take("id")?,
                None => None,
            },
        })
    }
}

impl DeploymentDetails {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            sha: fields.take("sha")?,
            reference: ref_name(&mut fields, "ref")?,
            task: text(&mut fields, "task")?,
            environment: fields.take("environment").map(|Name(environment)| environment)?,
            description: fields.take("description")?,
            payload: Some(fields.take::<Option<&RawValue>>("payload")?.unwrap_or(RawValue::NULL))
                .filter(|payload| payload.get().len() <= LARGEST_MESSAGE)
                .map(ToOwned::to_owned),
            creator: fields
                .optional_object("creator")?
                .map(|mut creator| creator.take("login").map(|Name(login)| login))
                .transpose()?,
            created_at: moment(&mut fields, "created_at")?,
        })
    }
}

impl Repository {
    fn from_fields(mut fields: Fields) -> Result<Self, String> {
        Ok(Self {
            id: fields.take("id")?,
            full_name: fields.take("full_name")?,
            clone_url: text(&mut fields, "clone_url")?,
            default_branch: ref_name(&mut fields, "default_branch")?,
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
                read(DEPLOYMENT).and_then(Deployment::without_status).map(Self::Deployment)
            }
            "deployment_status" => {
                read(DEPLOYMENT).and_then(Deployment::with_status).map(Self::Deployment)
            }
            "status" => read(STATUS).map(|fields| Self::Sign(Sign::of_status(fields))),
            "check_run" => read(CHECK_RUN).map(|fields| Self::Sign(Sign::of_check_run(fields))),
            "check_suite" => {
                read(CHECK_SUITE).map(|fields| Self::Sign(Sign::of_check_suite(fields)))
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
            Self::Sign(sign) => sign.repository.as_ref(),
            Self::Other(repository) => repository.as_ref(),
        }
    }

    /// The id of that repository, as far as the payload tells it.
    pub fn repository_id(&self) -> Option<u64> {
        match self {
            Self::Ping(ping) => ping.repository_id,
            Self::Push(push) => Some(push.repository.id),
            Self::Deployment(deployment) => Some(deployment.repository.id),
            Self::Sign(sign) => sign.repository_id,
            Self::Other(_) => None,
        }
    }

    /// Whether it is a sign that CI may be done.
    pub fn is_sign(&self) -> bool {
        matches!(self, Self::Sign(_))
    }

    /// The repository as a build would get it: of an event that can start one.
    pub fn to_build(&self) -> Option<&Repository> {
        match self {
            Self::Push(push) => Some(&push.repository),
            Self::Deployment(deployment) => Some(&deployment.repository),
            Self::Ping(_) | Self::Sign(_) | Self::Other(_) => None,
        }
    }

    /// Puts the URL that the repository is cloned from in place of the one that its payload spells.
    pub fn clone_from(&mut self, clone_url: String) {
        match self {
            Self::Push(push) => push.repository.clone_url = clone_url,
            Self::Deployment(deployment) => deployment.repository.clone_url = clone_url,
            Self::Ping(_) | Self::Sign(_) | Self::Other(_) => {}
        }
    }

    /// The repository whose policy decides on the event. None where no policy is needed: for the ping of
    /// an organisation or app, and for an event that is not acted on.
    pub fn governed_by(&self) -> Option<&RepositoryName> {
        match self {
            Self::Other(_) => None,
            Self::Ping(_) | Self::Push(_) | Self::Deployment(_) | Self::Sign(_) => {
                self.repository()
            }
        }
    }
}

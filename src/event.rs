//! The events that buildgate acts on, with just the fields that it uses.
//!
//! Source: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::answer::Rejection;
use crate::repository::RepositoryName;

/// Longest text taken for a ref, an environment, a task, a login or a URL, in bytes. Far above what
/// GitHub sends, and so low that a build request made of them always fits in a queue message.
const LONGEST_TEXT: usize = 1024;

/// Longest description of what is wrong with a payload, in characters.
const LONGEST_PROBLEM: usize = 300;

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
#[derive(Debug, Deserialize)]
pub struct Ping {
    /// The webhook's own settings.
    #[serde(deserialize_with = "object")]
    pub hook: Hook,
    /// The webhook's repository. An organisation's or app's webhook has none.
    #[serde(default, deserialize_with = "object_or_null")]
    pub repository: Option<NamedRepository>,
}

/// A webhook's settings, as its ping tells them.
#[derive(Debug, Deserialize)]
pub struct Hook {
    /// Whether GitHub delivers at all.
    pub active: bool,
    /// The events that the webhook gets; `*` is all of them.
    pub events: Vec<String>,
    /// `Repository`, `Organization` or `App`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// A repository of which only the name is used.
#[derive(Debug, Deserialize)]
pub struct NamedRepository {
    /// `repository.full_name`
    pub full_name: RepositoryName,
}

/// A `push` event.
#[derive(Debug, Deserialize)]
pub struct Push {
    /// The full ref: `refs/heads/…` or `refs/tags/…`.
    #[serde(rename = "ref", deserialize_with = "text")]
    pub reference: String,
    /// The commit that the ref pointed to before.
    pub before: Sha,
    /// The commit that the ref points to now.
    pub after: Sha,
    /// Whether the ref was deleted.
    #[serde(default)]
    pub deleted: bool,
    /// Where it happened.
    #[serde(deserialize_with = "object")]
    pub repository: Repository,
}

/// A `deployment` event.
#[derive(Debug, Deserialize)]
pub struct Deployment {
    /// `created`; older GitHub Enterprise Server versions send none.
    #[serde(default)]
    pub action: Option<String>,
    /// What is to be deployed.
    #[serde(deserialize_with = "object")]
    pub deployment: DeploymentDetails,
    /// Where it happened.
    #[serde(deserialize_with = "object")]
    pub repository: Repository,
}

/// The `deployment` object of a `deployment` event.
#[derive(Debug, Deserialize)]
pub struct DeploymentDetails {
    /// GitHub's id of the deployment.
    pub id: u64,
    /// The commit to be deployed.
    pub sha: Sha,
    /// The branch, tag or SHA that the deployment was made for.
    #[serde(rename = "ref", deserialize_with = "text")]
    pub reference: String,
    /// `deploy`, unless whoever made the deployment chose another word.
    #[serde(deserialize_with = "text")]
    pub task: String,
    /// Such as `production`.
    #[serde(deserialize_with = "text")]
    pub environment: String,
    /// A sentence for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Whatever JSON the deployment's maker wants passed on, to the letter.
    #[serde(default)]
    pub payload: Box<RawValue>,
    /// Who made the deployment.
    #[serde(default, deserialize_with = "object_or_null")]
    pub creator: Option<Creator>,
}

/// The account that made a deployment.
#[derive(Debug, Deserialize)]
pub struct Creator {
    /// Its login.
    #[serde(deserialize_with = "text")]
    pub login: String,
}

/// The repository of an event, as far as a build needs it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Repository {
    /// Survives a rename or a transfer.
    pub id: u64,
    /// Does not.
    pub full_name: RepositoryName,
    /// The `https` URL to clone from.
    #[serde(deserialize_with = "text")]
    pub clone_url: String,
    /// The name of the default branch.
    #[serde(deserialize_with = "text")]
    pub default_branch: String,
    /// Whether a clone needs credentials.
    pub private: bool,
}

/// A commit's hash: 40 hexadecimal digits (SHA-1) or 64 (SHA-256).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
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

impl TryFrom<String> for Sha {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err("expected a commit's hash: 40 or 64 hexadecimal digits")
        }
    }
}

/// An event that is not acted on, looked at for its repository only.
#[derive(Deserialize)]
struct OtherPayload {
    #[serde(default)]
    repository: Option<Box<RawValue>>,
}

impl Event {
    /// Reads the payload of the event `name`.
    ///
    /// Errors with [`Rejection::MalformedPayload`], which names the field, where the payload is not
    /// a JSON object of that event's shape.
    pub fn parse(name: &str, payload: &[u8]) -> Result<Self, Rejection> {
        match name {
            "ping" => from_json(payload).map(Self::Ping),
            "push" => from_json(payload).map(Self::Push),
            "deployment" => from_json(payload).map(Self::Deployment),
            _ => {
                let other: OtherPayload = from_json(payload)?;
                let repository = other.repository.and_then(|json| {
                    serde_json::from_str::<Object<NamedRepository>>(json.get()).ok()
                });
                Ok(Self::Other(repository.map(|Object(named)| named.full_name)))
            }
        }
    }

    /// The repository that the event is about, if it is about one.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Ping(ping) => ping.repository.as_ref().map(|repository| &repository.full_name),
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

fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Rejection> {
    match serde_json::from_slice(payload) {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(Rejection::MalformedPayload { problem: problem::<T>(payload, &error) }),
    }
}

/// Says what is wrong and where. Only a payload that is refused is read this second, slower time.
fn problem<T: DeserializeOwned>(payload: &[u8], error: &serde_json::Error) -> String {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let problem = match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
        Err(located) if located.path().iter().next().is_some() => {
            format!("`{}`: {}", located.path(), located.inner())
        }
        _ => error.to_string(),
    };
    problem.chars().take(LONGEST_PROBLEM).collect()
}

/// A value that is read from a JSON object only. (serde's derive would read it from an array too.)
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

fn object_or_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.map(|Object(value)| value))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= LONGEST_TEXT {
        Ok(text)
    } else {
        Err(D::Error::custom(format_args!("longer than {LONGEST_TEXT} bytes")))
    }
}

//! Why a delivery is refused: each reason with its code, its status and what the operator alone is told. Its
//! sentence is in `answer.rs`.

use std::borrow::Cow;

use crate::policy::lookup::NoPolicy;
use crate::repository::{GitHubUrl, InvalidGitHubUrl, RepositoryName};
use crate::route::NoRoute;
use crate::signature::github::{BadSignature, NoSecret};

/// Why a delivery was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejection {
    /// `X-GitHub-Event` or `X-GitHub-Delivery` is missing or ill formed.
    MissingHeader {
        /// All that is wrong with the headers.
        problems: Vec<String>,
    },
    /// `X-Hub-Signature-256` is missing.
    MissingSignature {
        /// All that is wrong with the headers.
        problems: Vec<String>,
    },
    /// `X-Hub-Signature-256` is ill formed.
    IllFormedSignature {
        /// All that is wrong with the headers.
        problems: Vec<String>,
    },
    /// The body was not signed with the webhook secret.
    BadSignature,
    /// The payload is not of its event's shape.
    MalformedPayload {
        /// What is wrong, with the field's name.
        problem: String,
    },
    /// The delivery came by one repository's own route and is about another one, or about none.
    OtherRepository {
        /// The route's repository.
        route: RepositoryName,
    },
    /// The repository has another id than the one that the policy is for.
    OtherRepositoryId {
        /// Its id.
        id: u64,
        /// The policy's.
        expected: u64,
    },
    /// The repository would be cloned from somewhere else than where GitHub has a repository of its name.
    OtherCloneUrl {
        /// The only URL that would do.
        expected: String,
        /// The GitHub that the gate serves.
        github: GitHubUrl,
    },
    /// There is no policy for the repository.
    RepositoryNotLinked,
    /// There is no such route.
    NotFound,
    /// The route takes other methods.
    MethodNotAllowed {
        /// The methods that it takes, for the header `Allow`.
        allow: &'static str,
    },
    /// The body has more bytes than GitHub ever sends.
    PayloadTooLarge,
    /// The body was not there in time.
    BodyTooSlow,
    /// Too much of other deliveries' bodies is being read.
    Busy,
    /// The body is neither JSON nor a form.
    UnsupportedContentType {
        /// What it is said to be.
        content_type: Option<String>,
    },
    /// A setting is missing or cannot be used.
    NotConfigured {
        /// Which one, and what to do: for the log only.
        detail: &'static str,
    },
    /// The policy that is stored cannot be used.
    InvalidPolicy {
        /// The key that it lies under.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The policy is stored under a key that is never used, because it has capitals.
    PolicyKeyHasCapitals {
        /// The key.
        key: String,
        /// The policy.
        policy: String,
    },
    /// KV did not answer.
    PolicyUnavailable {
        /// What it said instead: for the log only.
        detail: String,
    },
    /// The queue did not take the build request.
    QueueUnavailable {
        /// What it said instead: for the log only.
        detail: String,
    },
}

impl Rejection {
    /// The code: settled, others rely on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingHeader { .. } => "missing-header",
            Self::MalformedPayload { .. } => "malformed-payload",
            Self::MissingSignature { .. } => "missing-signature",
            Self::IllFormedSignature { .. } | Self::BadSignature => "bad-signature",
            Self::OtherRepository { .. }
            | Self::OtherRepositoryId { .. }
            | Self::OtherCloneUrl { .. } => "repository-mismatch",
            Self::RepositoryNotLinked => "repository-not-linked",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UnsupportedContentType { .. } => "unsupported-content-type",
            Self::BodyTooSlow => "body-too-slow",
            Self::Busy => "busy",
            Self::NotConfigured { .. } => "not-configured",
            Self::InvalidPolicy { .. } | Self::PolicyKeyHasCapitals { .. } => "invalid-policy",
            Self::PolicyUnavailable { .. } => "policy-unavailable",
            Self::QueueUnavailable { .. } => "queue-unavailable",
        }
    }

    /// The HTTP status: settled, others rely on it.
    pub fn status(&self) -> u16 {
        match self {
            Self::MissingHeader { .. } | Self::MalformedPayload { .. } => 400,
            Self::MissingSignature { .. }
            | Self::IllFormedSignature { .. }
            | Self::BadSignature => 401,
            Self::OtherRepository { .. }
            | Self::OtherRepositoryId { .. }
            | Self::OtherCloneUrl { .. } => 403,
            Self::RepositoryNotLinked | Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::BodyTooSlow => 408,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedContentType { .. } => 415,
            Self::NotConfigured { .. }
            | Self::InvalidPolicy { .. }
            | Self::PolicyKeyHasCapitals { .. } => 500,
            Self::Busy | Self::PolicyUnavailable { .. } | Self::QueueUnavailable { .. } => 503,
        }
    }

    /// What the operator should know and an outsider should not: for the log only.
    pub fn detail(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::PolicyUnavailable { detail } | Self::QueueUnavailable { detail } => {
                Some(detail.into())
            }
            Self::NotConfigured { detail } => Some((*detail).into()),
            Self::InvalidPolicy { key, problem } => Some(format!("{key}: {problem}").into()),
            Self::PolicyKeyHasCapitals { key, .. } => {
                Some(format!("{key}: the key has capitals, and keys are in lower case").into())
            }
            _ => None,
        }
    }
}

impl From<NoRoute> for Rejection {
    fn from(why: NoRoute) -> Self {
        match why {
            NoRoute::NotFound => Self::NotFound,
            NoRoute::MethodNotAllowed { allow } => Self::MethodNotAllowed { allow },
        }
    }
}

impl From<NoPolicy> for Rejection {
    fn from(why: NoPolicy) -> Self {
        match why {
            NoPolicy::NotLinked => Self::RepositoryNotLinked,
            NoPolicy::Invalid { key, problem } => Self::InvalidPolicy { key, problem },
            NoPolicy::Capitals { key, policy } => Self::PolicyKeyHasCapitals { key, policy },
        }
    }
}

impl From<NoSecret> for Rejection {
    fn from(why: NoSecret) -> Self {
        let detail = match why {
            NoSecret::Unset => {
                "WEBHOOK_SECRET is unset or blank; set it with: npx wrangler secret put WEBHOOK_SECRET"
            }
            NoSecret::Published => {
                "WEBHOOK_SECRET or WEBHOOK_SECRET_PREVIOUS is the one of .dev.vars.example, which everybody \
                 knows, and this gate is not reached by a loopback address; set one of your own with: npx \
                 wrangler secret put WEBHOOK_SECRET"
            }
        };
        Self::NotConfigured { detail }
    }
}

impl From<&InvalidGitHubUrl> for Rejection {
    fn from(InvalidGitHubUrl: &InvalidGitHubUrl) -> Self {
        let detail =
            "GITHUB_URL is not an https URL such as https://github.com; it is set in wrangler.toml";
        Self::NotConfigured { detail }
    }
}

impl From<BadSignature> for Rejection {
    fn from(BadSignature: BadSignature) -> Self {
        Self::BadSignature
    }
}

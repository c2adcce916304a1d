//! Why a delivery is refused: each reason with its code, its status and what the operator alone is told. Its
//! sentence is in `answer.rs`.

use crate::policy::lookup::NoPolicy;
use crate::repository::RepositoryName;
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
    RepositoryMismatch {
        /// The route's repository.
        route: RepositoryName,
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
    /// The body is neither JSON nor a form.
    UnsupportedContentType {
        /// What it is said to be.
        content_type: Option<String>,
    },
    /// There is no webhook secret.
    NotConfigured,
    /// The policy that is stored cannot be used.
    InvalidPolicy {
        /// The key that it lies under.
        key: String,
        /// What is wrong with it.
        problem: String,
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
            Self::RepositoryMismatch { .. } => "repository-mismatch",
            Self::RepositoryNotLinked => "repository-not-linked",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UnsupportedContentType { .. } => "unsupported-content-type",
            Self::NotConfigured => "not-configured",
            Self::InvalidPolicy { .. } => "invalid-policy",
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
            Self::RepositoryMismatch { .. } => 403,
            Self::RepositoryNotLinked | Self::NotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedContentType { .. } => 415,
            Self::NotConfigured | Self::InvalidPolicy { .. } => 500,
            Self::PolicyUnavailable { .. } | Self::QueueUnavailable { .. } => 503,
        }
    }

    /// What the operator should know and an outsider should not: for the log only.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::PolicyUnavailable { detail } | Self::QueueUnavailable { detail } => Some(detail),
            Self::NotConfigured => Some(
                "WEBHOOK_SECRET is unset or blank; set it with: npx wrangler secret put WEBHOOK_SECRET",
            ),
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
        }
    }
}

impl From<NoSecret> for Rejection {
    fn from(NoSecret: NoSecret) -> Self {
        Self::NotConfigured
    }
}

impl From<BadSignature> for Rejection {
    fn from(BadSignature: BadSignature) -> Self {
        Self::BadSignature
    }
}

//! What an operator's request is answered.

use serde::{Deserialize, Serialize};

use crate::github::api::{AppFacts, Installation, NEEDED};
use crate::json::fields::quote;
use crate::message::auto_deployment::AutoDeployment;
use crate::policy::ALLOWED;
use crate::route::NoRoute;

/// Why an operator's request was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is missing or wrong.
    Unauthorized,
    /// What was given to sign in is not the token.
    WrongToken,
    /// Another page than the console asks for a change, by the console's session.
    CrossOrigin,
    /// There is no such route.
    NotFound,
    /// The route takes other methods.
    MethodNotAllowed {
        /// The methods that it takes, for the header `Allow`.
        allow: &'static str,
    },
    /// The query of the URL cannot be used; what is wrong with it.
    MalformedQuery(String),
    /// There is no dead letter of this id.
    NoSuchLetter(String),
    /// There is no build of this id.
    NoSuchBuild(String),
    /// There is no delivery of this id in the journal.
    NoSuchDelivery(String),
    /// There is no policy for this repository, or it is none; its name.
    NoSuchRepository(String),
    /// What is to be set is no policy; what is wrong with it.
    InvalidPolicy(String),
    /// The body of the request cannot be read; why not.
    MalformedBody(&'static str),
    /// KV did not answer; what it said instead.
    PolicyUnavailable(String),
    /// The message cannot be read, so nothing could be made of it on the queue.
    Unreadable(u64),
    /// There is nothing of this commit that could be tried again.
    NothingToRetry,
    /// The gate is no App at GitHub; why not.
    NoApp(String),
    /// GitHub did not do what it was asked; why not.
    GitHubUnavailable(String),
    /// The gate's webhook secret cannot be used.
    NoSecret,
    /// The ledger did not answer; what it said instead.
    LedgerUnavailable(String),
    /// The queue did not take the message; what it said instead.
    QueueUnavailable(String),
    /// The message is on the queue again, but the ledger could not be told; what it said instead.
    NotMarked(String),
}

impl Refusal {
    /// The code and the HTTP status.
    pub fn codes(&self) -> (&'static str, u16) {
        match self {
            Self::Unauthorized | Self::WrongToken => ("unauthorized", 401),
            Self::CrossOrigin => ("cross-origin", 403),
            Self::NotFound => ("not-found", 404),
            Self::MalformedQuery(_) => ("malformed-query", 400),
            Self::NoSuchLetter(_) => ("no-such-dead-letter", 404),
            Self::NoSuchBuild(_) => ("no-such-build", 404),
            Self::NoSuchDelivery(_) => ("no-such-delivery", 404),
            Self::NoSuchRepository(_) => ("repository-not-linked", 404),
            Self::InvalidPolicy(_) => ("invalid-policy", 400),
            Self::MalformedBody(_) => ("malformed-body", 400),
            Self::PolicyUnavailable(_) => ("policy-unavailable", 503),
            Self::Unreadable(_) => ("message-unreadable", 409),
            Self::NothingToRetry => ("nothing-to-retry", 404),
            Self::NoApp(_) => ("no-app", 409),
            Self::NoSecret => ("not-configured", 500),
            Self::GitHubUnavailable(_) => ("github-unavailable", 503),
            Self::MethodNotAllowed { .. } => ("method-not-allowed", 405),
            Self::LedgerUnavailable(_) => ("ledger-unavailable", 503),
            Self::QueueUnavailable(_) => ("queue-unavailable", 503),
            Self::NotMarked(_) => ("not-marked", 503),
        }
    }

    /// A sentence for the operator.
    pub fn message(&self) -> String {
        match self {
            Self::Unauthorized => {
                "The operator token is missing or wrong: send Authorization: Bearer and the gate's \
                 OPERATOR_TOKEN, or sign in at /-/ with a browser."
                    .to_owned()
            }
            Self::WrongToken => "That is not the gate's OPERATOR_TOKEN.".to_owned(),
            Self::CrossOrigin => {
                "A change has to come from the console itself: its header Origin has to be the gate's own URL. (With \
                 Authorization: Bearer there is no such condition.)"
                    .to_owned()
            }
            Self::NotFound => "There is no such operator route.".to_owned(),
            Self::MalformedQuery(problem) => format!("The query cannot be used: {problem}."),
            Self::NoSuchRepository(name) => format!(
                "No policy is set for `{}`, so deliveries of it are refused. Set one with PUT, whose body is commit, \
                 deployment, manual or a policy in JSON.",
                quote(name)
            ),
            Self::InvalidPolicy(problem) => {
                format!("That is no policy: {problem}. A policy is {ALLOWED}.")
            }
            Self::MalformedBody(problem) => format!("The body cannot be read: {problem}."),
            Self::PolicyUnavailable(detail) => {
                format!("Workers KV, where the policies lie, did not answer ({detail}). Try again.")
            }
            Self::Unreadable(id) => format!(
                "Dead letter {id} cannot be read, so it would only come back as another one: drop it."
            ),
            Self::NothingToRetry => {
                "There is nothing of this commit to try again: the gate has never looked at it for that repository, or its \
                 deployments are made."
                    .to_owned()
            }
            Self::NoApp(why) => format!("The gate cannot do that at GitHub: {why}."),
            Self::NoSecret => {
                "The gate has no WEBHOOK_SECRET of its own: set it with npx wrangler secret put WEBHOOK_SECRET".to_owned()
            }
            Self::GitHubUnavailable(why) => format!("GitHub did not do it: {why}."),
            Self::NoSuchLetter(id) => format!("There is no dead letter {}.", quote(id)),
            Self::NoSuchBuild(id) => format!(
                "The gate knows of no build {}: its request was never on the queue, or that is more than 90 days ago.",
                quote(id)
            ),
            Self::NoSuchDelivery(id) => format!(
                "The journal has no delivery {}: it is no longer remembered, or has not been written yet. (This is the \
                 journal's own id; by GitHub's GUID, ask for the list with ?delivery=GUID.)",
                quote(id)
            ),
            Self::MethodNotAllowed { allow } => format!("This route takes {allow}."),
            Self::LedgerUnavailable(detail) => format!(
                "The ledger did not answer ({detail}). If its tables are missing, run: npx wrangler d1 \
                 migrations apply LEDGER"
            ),
            Self::QueueUnavailable(detail) => {
                format!("The queue did not take the message ({detail}); it stays a dead letter.")
            }
            Self::NotMarked(detail) => format!(
                "The message is on the queue again, but the ledger could not be told ({detail}), so it \
                 still looks undriven. Redriving it once more does no harm: its id is the same."
            ),
        }
    }

    /// The header that the answer has beside its content type, if it has one.
    pub fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Unauthorized | Self::WrongToken => Some(("WWW-Authenticate", "Bearer")),
            Self::MethodNotAllowed { allow } => Some(("Allow", allow)),
            _ => None,
        }
    }

    /// The answer's body: one JSON object.
    pub fn body(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Body {
            outcome: &'static str,
            code: &'static str,
            message: String,
        }
        let (code, _) = self.codes();
        serde_json::to_string_pretty(&Body { outcome: "rejected", code, message: self.message() })
    }
}

impl From<NoRoute> for Refusal {
    fn from(why: NoRoute) -> Self {
        match why {
            NoRoute::NotFound => Self::NotFound,
            NoRoute::MethodNotAllowed { allow } => Self::MethodNotAllowed { allow },
        }
    }
}

/// A page of a list.
#[derive(Debug, Deserialize, Serialize)]
pub struct ListPage<T, C = u64> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next page, if there may be one.
    pub next: Option<C>,
}

impl<T, C> ListPage<T, C> {
    /// A page of at most so many, of which the last one gives the cursor of the next page.
    pub fn of(items: Vec<T>, limit: u64, cursor: impl FnOnce(&T) -> C) -> Self {
        let next = next_of(&items, limit, cursor);
        Self { items, next }
    }
}

/// The cursor of the page after one of at most so many: there may be one where it is full.
pub fn next_of<T, C>(items: &[T], limit: u64, cursor: impl FnOnce(&T) -> C) -> Option<C> {
    let is_full = items.len() as u64 == limit;
    items.last().filter(|_| is_full).map(cursor)
}

/// Who the gate is at GitHub.
#[derive(Debug, Deserialize, Serialize)]
pub struct Identity {
    /// `app`, `token` or `nobody`.
    pub kind: String,
    /// The App, where it is one.
    pub app: Option<AppAnswer>,
    /// Where the App is installed: only there, where a repository was asked about.
    pub installations: Vec<InstallationAnswer>,
}

/// An App.
#[derive(Debug, Deserialize, Serialize)]
pub struct AppAnswer {
    /// The name that its URLs have.
    pub slug: Option<String>,
    /// Its page.
    pub html_url: String,
    /// The permissions that it does not ask for and the gate needs.
    pub lacks_permissions: Vec<String>,
    /// The events that it does not get and the gate needs.
    pub lacks_events: Vec<String>,
}

/// An installation of an App.
#[derive(Debug, Deserialize, Serialize)]
pub struct InstallationAnswer {
    /// GitHub's id of it.
    pub id: u64,
    /// The login of whose account it is on.
    pub account: Option<String>,
    /// Whether it is on `all` of the account's repositories, or on `selected` ones.
    pub repositories: String,
    /// Whether it is suspended.
    pub is_suspended: bool,
    /// The permissions that it is not granted and the gate needs.
    pub lacks_permissions: Vec<String>,
    /// The events that it does not get and the gate needs.
    pub lacks_events: Vec<String>,
}

/// The events that an App has to get: those that build, and those by which the gate hears that a commit may be green.
pub const EVENTS: [&str; 6] =
    ["push", "deployment", "deployment_status", "status", "check_run", "check_suite"];

/// The events that are not among those that are sent.
fn lacking(events: &[String]) -> Vec<String> {
    let lacking = EVENTS.iter().filter(|event| !events.iter().any(|sent| sent == *event));
    lacking.map(|event| (*event).to_owned()).collect()
}

impl From<AppFacts> for AppAnswer {
    fn from(app: AppFacts) -> Self {
        Self {
            lacks_permissions: NEEDED.missing(&app.permissions),
            lacks_events: lacking(&app.events),
            slug: app.slug,
            html_url: app.html_url,
        }
    }
}

impl From<Installation> for InstallationAnswer {
    fn from(installation: Installation) -> Self {
        Self {
            id: installation.id,
            is_suspended: installation.suspended_at.is_some(),
            lacks_permissions: NEEDED.missing(&installation.permissions),
            lacks_events: lacking(&installation.events),
            account: installation.account,
            repositories: installation.repositories,
        }
    }
}

/// The answer to the setting of an App's webhook.
#[derive(Debug, Deserialize, Serialize)]
pub struct AppHookSet {
    /// Where the App's events are delivered from now on.
    pub url: String,
}

/// Who is signed in.
#[derive(Debug, Deserialize, Serialize)]
pub struct SignedIn {
    /// By what: `token`, `session` or `access`; `nobody` where nobody is.
    pub by: String,
    /// Until when, by RFC 3339, where the gate knows that.
    pub until: Option<String>,
    /// The email address, where Cloudflare Access knows it.
    pub email: Option<String>,
    /// Whether the gate is a local one, of somebody's own machine.
    pub local: bool,
    /// The GitHub that the gate serves: its base URL.
    pub github: String,
    /// The gate's version.
    pub version: String,
}

/// The answer to a signing out.
#[derive(Debug, Deserialize, Serialize)]
pub struct SignedOut {
    /// What there is to do yet, where Cloudflare Access would let them in again: the URL that ends its session.
    pub go_to: Option<String>,
}

/// The answer to a retry.
#[derive(Debug, Deserialize, Serialize)]
pub struct Retried {
    /// What is looked at again, as it is now.
    pub items: Vec<AutoDeployment>,
}

/// The answer to a redrive.
#[derive(Debug, Deserialize, Serialize)]
pub struct Redriven {
    /// The dead letter's id.
    pub id: u64,
    /// The build request's id, the same as ever.
    pub build: Option<String>,
    /// When it was redriven before, by RFC 3339.
    pub redriven_at: Option<String>,
}

/// The answer to a redrive or a drop of all that a filter means.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct DoneToAll {
    /// How many it was done to, this time.
    pub done: u64,
    /// Those that it was not done to, this time.
    pub failed: Vec<NotDone>,
    /// The cursor to go on with, if there is more to do.
    pub next: Option<u64>,
}

/// What could not be done.
#[derive(Debug, Deserialize, Serialize)]
pub struct NotDone {
    /// The dead letter's id.
    pub id: u64,
    /// The build request's id, where there is one.
    pub build: Option<String>,
    /// Why not: a code.
    pub code: String,
    /// Why not, in words.
    pub message: String,
}

impl NotDone {
    /// Says why something was not done to a dead letter.
    pub fn because(id: u64, build: Option<String>, why: &Refusal) -> Self {
        let (code, _) = why.codes();
        Self { id, build, code: code.to_owned(), message: why.message() }
    }
}

/// The answer to a drop.
#[derive(Debug, Deserialize, Serialize)]
pub struct Dropped {
    /// The dead letter's id.
    pub id: u64,
}

/// Reads the id of a dead letter out of a path.
pub fn letter_id(segment: &str) -> Result<u64, Refusal> {
    segment.parse::<u32>().map(u64::from).map_err(|_| Refusal::NoSuchLetter(segment.to_owned()))
}

/// An answer's body.
pub fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Refusal::LedgerUnavailable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_a_number_that_a_ledger_can_have() {
        assert_eq!(letter_id("7"), Ok(7));
        for none in ["x", "", "-1", "7 ", "99999999999"] {
            assert_eq!(letter_id(none), Err(Refusal::NoSuchLetter(none.into())), "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_id_panics(id: String) {
            let _ = letter_id(&id);
        }
    }
}

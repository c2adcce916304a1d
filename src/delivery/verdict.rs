//! What became of a delivery, and what is known of it.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Serialize;

use crate::delivery::decision::{
    Build, EnabledBranches, HookCheck, Ignored, built_when, is_built_at,
};
use crate::delivery::event::Event;
use crate::delivery::rejection::Rejection;
use crate::delivery::request::WebhookHeaders;
use crate::delivery::settings::Guidance;
use crate::delivery::sign::WorthALook;
use crate::log;
use crate::message::journal::Entry;
use crate::policy::auto_deploy::AutoDeploy;
use crate::policy::command::Kv;
use crate::policy::{BuildWhen, Policy, Trigger};
use crate::repository::RepositoryName;
use crate::route::Entrance;
use crate::signature::github::SecretUsed;
use crate::url::is_local;

/// When to come back to a gate that is busy, in seconds: by then, what it was reading is there or refused.
const BUSY_SECONDS: &str = "10";

/// What became of a delivery.
#[derive(Debug)]
pub enum Verdict {
    /// A build request is on the queue.
    Queued(Queued),
    /// All is well, and nothing is built.
    Ignored(Ignored),
    /// The answer to a ping.
    Pong(HookCheck),
    /// The delivery was not accepted.
    Rejected(Rejection),
}

/// What was put on a queue.
#[derive(Debug)]
pub enum Queued {
    /// The commit that a branch was pushed to.
    Push {
        /// The branch.
        branch: String,
        /// The commit, abbreviated.
        commit: String,
    },
    /// The commit of a deployment.
    Deployment {
        /// GitHub's id of the deployment.
        id: u64,
        /// Its environment.
        environment: String,
        /// The commit, abbreviated.
        commit: String,
    },
    /// A look at a commit that may be green.
    AutoDeployment {
        /// The commit, abbreviated.
        commit: String,
        /// The branches whose commits are deployed.
        enabled: EnabledBranches,
        /// What is deployed, and when.
        policy: AutoDeploy,
    },
}

impl From<&WorthALook<'_>> for Queued {
    fn from(look: &WorthALook) -> Self {
        Self::AutoDeployment {
            commit: look.sha.short().to_owned(),
            enabled: look.enabled.clone(),
            policy: look.policy.clone(),
        }
    }
}

impl From<&Build<'_>> for Queued {
    fn from(build: &Build) -> Self {
        match build {
            Build::Push { push, branch } => {
                Self::Push { branch: (*branch).to_owned(), commit: push.after.short().to_owned() }
            }
            Build::Deployment(event) => Self::Deployment {
                id: event.deployment.id,
                environment: event.deployment.environment.clone(),
                commit: event.deployment.sha.short().to_owned(),
            },
        }
    }
}

impl Queued {
    /// The code: settled, others rely on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Push { .. } => "push-queued",
            Self::Deployment { .. } => "deployment-queued",
            Self::AutoDeployment { .. } => "auto-deployment-queued",
        }
    }
}

/// The four kinds of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A build request is on the queue.
    Queued,
    /// Nothing is built, and nothing is wrong.
    Ignored,
    /// A ping was answered.
    Pong,
    /// The delivery was not accepted.
    Rejected,
}

impl Outcome {
    /// The word that stands for it in answers and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ignored => "ignored",
            Self::Pong => "pong",
            Self::Rejected => "rejected",
        }
    }
}

/// What is known of a delivery; it grows as the delivery is read.
#[derive(Debug, Default)]
pub struct Known {
    /// The URL that the gate is reached at, without a path.
    pub gate: String,
    /// By which route the delivery came in. Anybody can call any.
    pub entrance: Option<Entrance>,
    /// Whom an owner can ask.
    pub guidance: Rc<Guidance>,
    /// `X-GitHub-Delivery`
    pub delivery: Option<String>,
    /// `X-GitHub-Event`
    pub event: Option<String>,
    /// The secret that verified the body; none before that is done.
    pub secret: Option<SecretUsed>,
    /// The repository that the event is about.
    pub repository: Option<RepositoryName>,
    /// The repository's trigger.
    pub trigger: Option<Trigger>,
    /// The id of the build request.
    pub build: Option<String>,
    /// Why the message is in the outbox, and not on its queue yet.
    pub kept: Option<String>,
    /// What to redeliver, once another setting is asked for.
    pub to_redeliver: ToRedeliver,
    /// The branch of a deployment, and the policy's branches, where it is not among them, and something else keeps it from
    /// being built before that.
    pub nor_branch: Option<(String, Vec<String>)>,
}

/// What an owner redelivers, once another setting would have something built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToRedeliver {
    /// This delivery.
    #[default]
    This,
    /// The `deployment` delivery of this deployment.
    Creation,
    /// The `deployment_status` delivery of this deployment that has this state; where a GitHub Actions job made it, the job
    /// can be run again, too.
    Status {
        /// The state.
        state: BuildWhen,
        /// Whether a job made it.
        of_a_job: bool,
    },
}

impl Known {
    /// Where the gate was reached, and whom an owner can ask, is known of each request; of a delivery, its route, too.
    pub fn at(gate: &str, entrance: Option<&Entrance>, guidance: Rc<Guidance>) -> Self {
        Self { gate: gate.to_owned(), entrance: entrance.cloned(), guidance, ..Self::default() }
    }

    /// The Payload URL that was called.
    pub fn called(&self) -> Option<String> {
        Some(match self.entrance.as_ref()? {
            Entrance::Shared => format!("{}/", self.gate),
            Entrance::Repository(repository) => format!("{}/{repository}", self.gate),
        })
    }

    /// What the headers say; it is told to nobody before the body is verified.
    pub fn announced(&mut self, headers: &WebhookHeaders) {
        self.delivery = Some(headers.delivery.clone());
        self.event = Some(headers.event.clone());
    }

    /// That the body is verified, and by which secret.
    pub fn verified(&mut self, secret: SecretUsed) {
        self.secret = Some(secret);
    }

    /// Which repository the event is about.
    pub fn learn_repository(&mut self, event: &Event) {
        self.repository = event.repository().cloned();
    }

    /// Which trigger the repository has.
    pub fn learn_trigger(&mut self, policy: Option<&Policy>) {
        self.trigger = policy.map(|policy| policy.trigger);
    }

    /// Whether this is the delivery that its deployment is built at, under a policy or by itself.
    pub fn learn_deployment(&mut self, event: &Event, policy: Option<&Policy>) {
        let Event::Deployment(deployment) = event else { return };
        self.to_redeliver = match built_when(deployment, policy) {
            when if is_built_at(deployment, when) => ToRedeliver::This,
            BuildWhen::Created => ToRedeliver::Creation,
            state => ToRedeliver::Status { state, of_a_job: deployment.run.is_some() },
        };
    }

    /// Whether the gate runs in the local simulator: only that is reached by a loopback name.
    pub fn is_local(&self) -> bool {
        is_local(&self.gate)
    }

    /// Where the gate's policies lie.
    pub fn kv(&self) -> Kv {
        if self.is_local() { Kv::Local } else { Kv::Remote }
    }
}

impl Verdict {
    /// The outcome, the code and the HTTP status: settled, others rely on them.
    pub fn codes(&self) -> (Outcome, &'static str, u16) {
        match self {
            Self::Queued(queued) => (Outcome::Queued, queued.code(), 202),
            Self::Ignored(ignored) => (Outcome::Ignored, ignored.code(), 200),
            Self::Pong(check) => (Outcome::Pong, check.code(), 200),
            Self::Rejected(rejection) => (Outcome::Rejected, rejection.code(), rejection.status()),
        }
    }

    /// What the operator should know and an outsider should not: for the log only.
    pub fn detail(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Rejected(rejection) => rejection.detail(),
            _ => None,
        }
    }

    /// The header that the answer has beside its content type, if it has one.
    pub fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Rejected(Rejection::MethodNotAllowed { allow }) => Some(("Allow", allow)),
            Self::Rejected(Rejection::Busy) => Some(("Retry-After", BUSY_SECONDS)),
            _ => None,
        }
    }

    /// What the journal remembers of a verified delivery that came at `at`, in milliseconds since 1970, and was answered these
    /// sentences `ms` milliseconds later.
    pub fn entry(&self, known: Known, message: String, at: u64, ms: u64) -> Entry {
        let (outcome, code, status) = self.codes();
        Entry {
            at,
            delivery: known.delivery,
            event: known.event,
            repository: known.repository.map(|repository| repository.as_spelt().to_owned()),
            trigger: known.trigger.map(Trigger::as_str),
            outcome: outcome.as_str(),
            code,
            status,
            message,
            build: known.build,
            ms,
        }
    }

    /// The line that the delivery leaves in the log; it was answered `ms` milliseconds after it came.
    pub fn line<'a>(&'a self, known: &'a Known, ms: u64) -> log::Line<'a> {
        let (outcome, code, status) = self.codes();
        log::Line::Delivery {
            outcome: outcome.as_str(),
            code,
            status,
            ms,
            delivery: known.delivery.as_deref(),
            event: known.event.as_deref(),
            repository: known.repository.as_ref().map(RepositoryName::as_spelt),
            trigger: known.trigger.map(Trigger::as_str),
            build: known.build.as_deref(),
            secret: known.secret.map(SecretUsed::as_str),
            unverified_url: if known.secret.is_none() { known.called() } else { None },
            detail: self.detail().or_else(|| known.kept.as_deref().map(Into::into)),
        }
    }
}

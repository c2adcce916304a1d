//! Whether an event starts a build, and if not, why. A pure function of the event and the policy:
//! this table is what buildgate is for.

use crate::delivery::event::{Deployment, Event, Hook, Push};
use crate::message::build_request::{BuildRequest, Commit, DeploymentRequest, VERSION};
use crate::policy::{Policy, Trigger};
use crate::time::rfc3339;

/// The action of a deployment that was just made, the only one that builds.
const CREATED: &str = "created";
/// The task of a deployment that asks for a build.
const DEPLOY: &str = "deploy";

/// What becomes of an event.
#[derive(Debug)]
pub enum Decision<'a> {
    /// It is built.
    Build(Build<'a>),
    /// It is not.
    Ignore(Ignored),
    /// It is a ping, and tells how its webhook is set up.
    Pong(HookCheck),
}

/// An event that is to be built; only [`decide`] says so.
#[derive(Debug)]
pub enum Build<'a> {
    /// The commit that a branch was pushed to.
    Push {
        /// The event.
        push: &'a Push,
        /// The branch, without `refs/heads/`.
        branch: &'a str,
    },
    /// The commit of a deployment.
    Deployment(&'a Deployment),
}

/// Why an event was not built, though nothing is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// A push to a repository that builds on deployments.
    TriggerIsDeployment {
        /// What was pushed to: a branch or a full ref.
        pushed: String,
        /// Whether the push deleted it, so that there is nothing to build.
        deleted: bool,
    },
    /// A deployment of a repository that builds on pushes.
    TriggerIsCommit,
    /// Any event of a repository that no webhook builds.
    TriggerIsManual,
    /// An event that is none of `push`, `deployment` and `ping`.
    EventNotUsed,
    /// A deployment event with another action than `created`.
    ActionNotUsed {
        /// The action.
        action: String,
    },
    /// A deployment with another task than `deploy`.
    TaskNotDeploy {
        /// The task.
        task: String,
    },
    /// A deployment to an environment that the policy leaves out.
    EnvironmentNotEnabled {
        /// The environment.
        environment: String,
        /// The policy's own list, where it has one.
        enabled: Option<Vec<String>>,
    },
    /// A push to, or a deployment of, a branch that the policy leaves out.
    BranchNotEnabled {
        /// The branch; for a deployment, whatever its ref is.
        branch: String,
        /// The policy's own list, or the default branch where it has none.
        enabled: EnabledBranches,
    },
    /// A push to a tag or to another ref outside `refs/heads/`.
    NotABranch {
        /// The full ref.
        reference: String,
    },
    /// A push that deleted the branch.
    BranchDeleted {
        /// The branch.
        branch: String,
    },
}

impl Ignored {
    /// The code: settled, others rely on it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TriggerIsDeployment { .. } => "trigger-is-deployment",
            Self::TriggerIsCommit => "trigger-is-commit",
            Self::TriggerIsManual => "trigger-is-manual",
            Self::EventNotUsed => "event-not-used",
            Self::ActionNotUsed { .. } => "action-not-used",
            Self::TaskNotDeploy { .. } => "task-not-deploy",
            Self::EnvironmentNotEnabled { .. } => "environment-not-enabled",
            Self::BranchNotEnabled { .. } => "branch-not-enabled",
            Self::NotABranch { .. } => "not-a-branch",
            Self::BranchDeleted { .. } => "branch-deleted",
        }
    }
}

impl Build<'_> {
    /// The request for this build. `delivery` is the GUID of the delivery that asked for it, `received_at` the
    /// time it came, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn request(&self, delivery: &str, received_at: u64) -> BuildRequest {
        let delivery = delivery.to_owned();
        let received_at = rfc3339(received_at);
        match self {
            Self::Push { push, branch } => BuildRequest {
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
            Self::Deployment(Deployment { deployment, repository, .. }) => BuildRequest {
                version: VERSION,
                id: format!("deployment:{}:{}", repository.id, deployment.id),
                trigger: Trigger::Deployment,
                delivery,
                received_at,
                repository: repository.clone(),
                commit: Commit {
                    sha: deployment.sha.clone(),
                    reference: deployment.reference.clone(),
                },
                deployment: Some(DeploymentRequest {
                    id: deployment.id,
                    task: deployment.task.clone(),
                    environment: deployment.environment.clone(),
                    description: deployment.description.clone(),
                    creator: deployment.creator.clone(),
                    payload: Some(deployment.payload.clone()),
                    payload_omitted: false,
                }),
            },
        }
    }
}

/// The branches that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnabledBranches {
    /// Those that match the policy's patterns.
    Listed(Vec<String>),
    /// The policy lists none: the default branch, by its name.
    Default(String),
}

/// Decides on an event under the policy of its repository ([`Event::governed_by`]). Where a policy would
/// be needed and is not given, nothing is built.
pub fn decide<'a>(event: &'a Event, policy: Option<&Policy>) -> Decision<'a> {
    match (event, policy) {
        (Event::Push(push), Some(policy)) => decide_push(push, policy),
        (Event::Deployment(deployment), Some(policy)) => decide_deployment(deployment, policy),
        (Event::Push(_) | Event::Deployment(_), None) => Decision::Ignore(Ignored::TriggerIsManual),
        (Event::Ping(ping), policy) => {
            Decision::Pong(check_hook(&ping.hook, policy.map(|policy| policy.trigger)))
        }
        (Event::Other(_), _) => Decision::Ignore(Ignored::EventNotUsed),
    }
}

/// Decides on a push.
fn decide_push<'a>(push: &'a Push, policy: &Policy) -> Decision<'a> {
    let reference = push.reference.as_str();
    let branch = reference.strip_prefix("refs/heads/");
    let deleted = push.deleted || push.after.is_zero();
    match policy.trigger {
        Trigger::Manual => return Decision::Ignore(Ignored::TriggerIsManual),
        Trigger::Deployment => {
            let pushed = branch.unwrap_or(reference).to_owned();
            return Decision::Ignore(Ignored::TriggerIsDeployment { pushed, deleted });
        }
        Trigger::Commit => {}
    }
    let Some(branch) = branch else {
        return Decision::Ignore(Ignored::NotABranch { reference: reference.to_owned() });
    };
    if deleted {
        return Decision::Ignore(Ignored::BranchDeleted { branch: branch.to_owned() });
    }
    let default_branch = &push.repository.default_branch;
    let enabled = match &policy.branches {
        Some(listed) if listed.matches(branch) => None,
        Some(listed) => Some(EnabledBranches::Listed(listed.patterns())),
        None if branch == default_branch => None,
        None => Some(EnabledBranches::Default(default_branch.clone())),
    };
    match enabled {
        None => Decision::Build(Build::Push { push, branch }),
        Some(enabled) => {
            Decision::Ignore(Ignored::BranchNotEnabled { branch: branch.to_owned(), enabled })
        }
    }
}

/// Decides on a deployment.
fn decide_deployment<'a>(event: &'a Deployment, policy: &Policy) -> Decision<'a> {
    let deployment = &event.deployment;
    match policy.trigger {
        Trigger::Manual => return Decision::Ignore(Ignored::TriggerIsManual),
        Trigger::Commit => return Decision::Ignore(Ignored::TriggerIsCommit),
        Trigger::Deployment => {}
    }
    if let Some(action) = event.action.as_deref().filter(|action| *action != CREATED) {
        return Decision::Ignore(Ignored::ActionNotUsed { action: action.to_owned() });
    }
    if deployment.task != DEPLOY {
        return Decision::Ignore(Ignored::TaskNotDeploy { task: deployment.task.clone() });
    }
    if !policy.enables_environment(&deployment.environment) {
        return Decision::Ignore(Ignored::EnvironmentNotEnabled {
            environment: deployment.environment.clone(),
            enabled: policy.environments.clone(),
        });
    }
    let branch = deployment.reference.strip_prefix("refs/heads/").unwrap_or(&deployment.reference);
    match &policy.branches {
        Some(listed) if !listed.matches(branch) => Decision::Ignore(Ignored::BranchNotEnabled {
            branch: branch.to_owned(),
            enabled: EnabledBranches::Listed(listed.patterns()),
        }),
        _ => Decision::Build(Build::Deployment(event)),
    }
}

/// What a ping tells of the webhook that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCheck {
    /// Where on GitHub the webhook is set up.
    pub owner: HookOwner,
    /// What keeps it from working; empty if nothing does.
    pub faults: Vec<HookFault>,
}

impl HookCheck {
    /// The code: settled, others rely on it.
    pub fn code(&self) -> &'static str {
        if self.faults.is_empty() { "pong" } else { "hook-misconfigured" }
    }
}

/// Whose a webhook is, which says where its settings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOwner {
    /// A repository's.
    Repository,
    /// An organisation's.
    Organization,
    /// A GitHub App's.
    App,
}

/// Something that keeps a webhook from working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookFault {
    /// GitHub delivers nothing.
    NotActive,
    /// The event that the trigger needs is not sent.
    EventNotSent(&'static str),
    /// Neither of the events that any trigger needs is sent.
    NothingSent,
}

/// Checks whether a webhook can work for its repository's trigger; for an organisation's or app's,
/// which has no repository and so no trigger, whether it can work for any.
fn check_hook(hook: &Hook, trigger: Option<Trigger>) -> HookCheck {
    let owner = match hook.kind.as_deref() {
        Some("Organization") => HookOwner::Organization,
        Some("App") => HookOwner::App,
        _ => HookOwner::Repository,
    };
    let sends = |wanted: &str| hook.events.iter().any(|event| event == wanted || event == "*");
    let mut faults = Vec::new();
    if !hook.active {
        faults.push(HookFault::NotActive);
    }
    match trigger {
        Some(Trigger::Deployment) if !sends("deployment") => {
            faults.push(HookFault::EventNotSent("deployment"));
        }
        Some(Trigger::Commit) if !sends("push") => faults.push(HookFault::EventNotSent("push")),
        None if !sends("deployment") && !sends("push") => faults.push(HookFault::NothingSent),
        _ => {}
    }
    HookCheck { owner, faults }
}

//! Whether an event starts a build, and if not, why. A pure function of the event and the policy:
//! this table is what buildgate is for.

use crate::delivery::event::{Deployment, Event, Ping, Push, WorkflowRun};
use crate::delivery::sign::WorthALook;
use crate::message::build_request::{BuildRequest, Commit, DeploymentRequest, VERSION};
use crate::policy::{BranchPatterns, BuildWhen, Policy, Trigger};
use crate::time::{Moment, rfc3339};

/// The action of a deployment, or of a deployment's status, that was just made: the only one that builds.
const CREATED: &str = "created";
/// The task of a deployment that asks for a build.
const DEPLOY: &str = "deploy";
/// The environment of a deployment that names none
/// (<https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#create-a-deployment>).
const PRODUCTION: &str = "production";

/// The events whose runs are of the repository's own commits: whoever starts them may write to the repository.
/// (Recorded payloads of theirs do not name the repository of the commit.)
const EVENTS_OF_ITS_OWN: [&str; 8] = [
    "push",
    "schedule",
    "workflow_dispatch",
    "repository_dispatch",
    "release",
    "create",
    "merge_group",
    "dynamic",
];
/// How the events begin that a pull request starts runs by.
const PULL_REQUEST: &str = "pull_request";

/// What becomes of an event.
#[derive(Debug)]
pub enum Decision<'a> {
    /// It is built.
    Build(Build<'a>),
    /// It is a sign that a commit may be deployed: that is looked into.
    Look(WorthALook<'a>),
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

/// What a push changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// A branch.
    Branch {
        /// Its name.
        name: String,
        /// Whether it is the default branch.
        is_default: bool,
    },
    /// A tag, by its name.
    Tag(String),
    /// Another ref, by its full name.
    Other(String),
}

impl Pushed {
    fn of(push: &Push) -> Self {
        let reference = push.reference.as_str();
        let name = |kind| reference.strip_prefix(kind).map(str::to_owned);
        if let Some(name) = name("refs/heads/") {
            let is_default = name == push.repository.default_branch;
            return Self::Branch { name, is_default };
        }
        name("refs/tags/").map_or_else(|| Self::Other(reference.to_owned()), Self::Tag)
    }
}

/// Why an event was not built, though nothing is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// A push to a repository that builds on deployments.
    TriggerIsDeployment {
        /// What was pushed to.
        pushed: Pushed,
        /// Whether the push deleted it, so that there is nothing to build.
        deleted: bool,
        /// The branches whose commits the gate deploys, where it does.
        deploys: Option<EnabledBranches>,
        /// The policy's branches, where a deployment of what was pushed would not be built, either.
        not_among: Option<Vec<String>>,
        /// The environment to deploy to, where GitHub's default would not be built.
        environment: Option<String>,
    },
    /// A deployment of a repository that builds on pushes.
    TriggerIsCommit {
        /// Why it would not be built under `deployment`, either, if so.
        either: Option<Box<Ignored>>,
    },
    /// Any event of a repository that no webhook builds.
    TriggerIsManual {
        /// What was pushed to, of a push, and whether it was deleted.
        push: Option<(Pushed, bool)>,
        /// Why a deployment would not be built under `deployment`, either, if so.
        either: Option<Box<Ignored>>,
    },
    /// An event that nothing follows from, in this repository.
    EventNotUsed,
    /// A status or a check that is no sign of success.
    NotASuccess {
        /// What says so, with its name.
        of: String,
        /// What it says.
        state: String,
        /// The commit, abbreviated.
        commit: String,
        /// What has to be green; none where all is.
        named: Option<Vec<String>>,
    },
    /// A status or a check that the policy does not name.
    ContextNotUsed {
        /// Its name.
        context: String,
        /// Those that it names.
        named: Vec<String>,
    },
    /// A check that has not come to an end.
    CheckNotCompleted {
        /// The action.
        action: String,
    },
    /// A status or a check of a commit that lies on no branch that is deployed.
    CommitOfAnotherBranch {
        /// The branch.
        branch: String,
        /// The policy's own list, or the default branch where it has none.
        enabled: EnabledBranches,
        /// The policy's `branches`, where it is they that leave the branch out.
        builds_nothing_under: Option<Vec<String>>,
        /// Whether it would be a sign of success.
        is_success: bool,
    },
    /// A deployment's event with another action than `created`.
    ActionNotUsed {
        /// The action.
        action: String,
    },
    /// A deployment with another task than `deploy`.
    TaskNotDeploy {
        /// The task.
        task: String,
    },
    /// A deployment that a job made which ran for a fork, or may have.
    DeploymentFromFork {
        /// The event that started the job's run.
        event: String,
        /// Whether GitHub says that the run's commit is a fork's, and not only fails to say that it is none.
        is_certain: bool,
    },
    /// A deployment that a job made which ran for a pull request, and the policy lists no environments.
    DeploymentFromPullRequest {
        /// Its environment.
        environment: String,
    },
    /// A deployment that is built, but not yet.
    DeploymentNotStarted {
        /// Its environment.
        environment: String,
        /// The status that it is built at.
        when: BuildWhen,
        /// Whether that is because of the job that made it, and not of the policy.
        of_a_job: bool,
    },
    /// A status of a deployment that is built at another one, or was when it was created.
    DeploymentStatusNotUsed {
        /// The status's state.
        state: String,
        /// When the deployment is built.
        when: BuildWhen,
        /// GitHub's id of the deployment.
        id: u64,
        /// Its environment.
        environment: String,
        /// Whether a GitHub Actions job made it.
        of_a_job: bool,
    },
    /// A status of a deployment that is being built already: the gate, or the build service, has said so itself.
    DeploymentBegun {
        /// The status's state.
        state: String,
        /// GitHub's id of the deployment.
        id: u64,
        /// The id of the build request.
        build: String,
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
        /// What was pushed to.
        pushed: Pushed,
        /// Whether the push deleted it.
        deleted: bool,
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
            Self::TriggerIsCommit { .. } => "trigger-is-commit",
            Self::TriggerIsManual { .. } => "trigger-is-manual",
            Self::EventNotUsed => "event-not-used",
            Self::NotASuccess { .. } => "not-a-success",
            Self::ContextNotUsed { .. } => "context-not-used",
            Self::ActionNotUsed { .. } | Self::CheckNotCompleted { .. } => "action-not-used",
            Self::TaskNotDeploy { .. } => "task-not-deploy",
            Self::DeploymentFromFork { .. } => "deployment-from-fork",
            Self::DeploymentFromPullRequest { .. } => "deployment-from-pull-request",
            Self::DeploymentNotStarted { .. } => "deployment-not-started",
            Self::DeploymentStatusNotUsed { .. } | Self::DeploymentBegun { .. } => {
                "deployment-status-not-used"
            }
            Self::EnvironmentNotEnabled { .. } => "environment-not-enabled",
            Self::BranchNotEnabled { .. } | Self::CommitOfAnotherBranch { .. } => {
                "branch-not-enabled"
            }
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
                    push.repository.full_name.as_lower(),
                    push.reference,
                    push.after.as_str(),
                    push.pushed_at.map_or(0, Moment::seconds)
                ),
                trigger: Trigger::Commit,
                delivery,
                received_at,
                occurred_at: push.pushed_at.map(Moment::rfc3339),
                repository: push.repository.clone(),
                commit: Commit { sha: push.after.clone(), reference: (*branch).to_owned() },
                deployment: None,
            },
            Self::Deployment(Deployment { deployment, repository, .. }) => BuildRequest {
                version: VERSION,
                id: format!("deployment:{}:{}", repository.full_name.as_lower(), deployment.id),
                trigger: Trigger::Deployment,
                delivery,
                received_at,
                occurred_at: deployment.created_at.map(Moment::rfc3339),
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
                    payload: deployment.payload.clone(),
                    payload_omitted: deployment.payload.is_none(),
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

impl EnabledBranches {
    /// Those that a policy lists, or else the default branch.
    pub fn of(listed: Option<&BranchPatterns>, default_branch: &str) -> Self {
        match listed {
            Some(listed) => Self::Listed(listed.patterns()),
            None => Self::Default(default_branch.to_owned()),
        }
    }
}

/// Decides on an event under the policy of its repository ([`Event::governed_by`]). Where a policy would
/// be needed and is not given, nothing is built.
pub fn decide<'a>(event: &'a Event, policy: Option<&Policy>) -> Decision<'a> {
    match (event, policy) {
        (Event::Push(push), Some(policy)) => decide_push(push, policy),
        (Event::Deployment(deployment), Some(policy)) => decide_deployment(deployment, policy),
        (Event::Push(_) | Event::Deployment(_), None) => {
            Decision::Ignore(Ignored::TriggerIsManual { push: None, either: None })
        }
        (Event::Ping(ping), policy) => Decision::Pong(check_hook(ping, policy)),
        (Event::Sign(sign), Some(Policy { auto_deploy: Some(policy), .. })) => {
            sign.judge(policy).map_or_else(Decision::Ignore, Decision::Look)
        }
        (Event::Sign(_) | Event::Other(_), _) => Decision::Ignore(Ignored::EventNotUsed),
    }
}

/// Decides on a push.
fn decide_push<'a>(push: &'a Push, policy: &Policy) -> Decision<'a> {
    let reference = push.reference.as_str();
    let branch = reference.strip_prefix("refs/heads/");
    let deleted = push.deleted || push.after.is_zero();
    match policy.trigger {
        Trigger::Manual => {
            let push = Some((Pushed::of(push), deleted));
            return Decision::Ignore(Ignored::TriggerIsManual { push, either: None });
        }
        Trigger::Deployment => {
            // What was pushed may have been tested before, and then no sign follows.
            if let (Some(auto_deploy), Some(branch), false) = (&policy.auto_deploy, branch, deleted)
                && auto_deploy.enables_branch(branch, &push.repository.default_branch)
            {
                return Decision::Look(WorthALook {
                    repository: &push.repository.full_name,
                    repository_id: push.repository.id,
                    sha: &push.after,
                    branches: vec![branch.to_owned()],
                    installation: push.installation,
                    enabled: EnabledBranches::of(
                        auto_deploy.branches.as_ref(),
                        &push.repository.default_branch,
                    ),
                    policy: auto_deploy.clone(),
                });
            }
            let default_branch = &push.repository.default_branch;
            let name = reference.strip_prefix("refs/tags/").or(branch).unwrap_or(reference);
            let is_built = |listed: &&BranchPatterns| !listed.matches(name);
            let listed = policy.environments.as_ref().and_then(|listed| listed.first());
            return Decision::Ignore(Ignored::TriggerIsDeployment {
                pushed: Pushed::of(push),
                deleted,
                not_among: policy.branches.as_ref().filter(is_built).map(BranchPatterns::patterns),
                environment: listed.filter(|_| !policy.enables_environment(PRODUCTION)).cloned(),
                deploys: policy.auto_deploy.as_ref().map(|auto_deploy| {
                    EnabledBranches::of(auto_deploy.branches.as_ref(), default_branch)
                }),
            });
        }
        Trigger::Commit => {}
    }
    let Some(branch) = branch else {
        return Decision::Ignore(Ignored::NotABranch { pushed: Pushed::of(push), deleted });
    };
    if deleted {
        return Decision::Ignore(Ignored::BranchDeleted { branch: branch.to_owned() });
    }
    let default_branch = &push.repository.default_branch;
    let enabled = match &policy.branches {
        Some(listed) if listed.matches(branch) => None,
        None if branch == default_branch => None,
        listed => Some(EnabledBranches::of(listed.as_ref(), default_branch)),
    };
    match enabled {
        None => Decision::Build(Build::Push { push, branch }),
        Some(enabled) => {
            Decision::Ignore(Ignored::BranchNotEnabled { branch: branch.to_owned(), enabled })
        }
    }
}

/// Decides on a deployment's creation or status.
fn decide_deployment<'a>(event: &'a Deployment, policy: &Policy) -> Decision<'a> {
    let deployment = &event.deployment;
    match policy.trigger {
        Trigger::Manual => {
            let either = either(event, policy);
            return Decision::Ignore(Ignored::TriggerIsManual { push: None, either });
        }
        Trigger::Commit => {
            return Decision::Ignore(Ignored::TriggerIsCommit { either: either(event, policy) });
        }
        Trigger::Deployment => {}
    }
    if let Some(action) = event.action.as_deref().filter(|action| *action != CREATED) {
        return Decision::Ignore(Ignored::ActionNotUsed { action: action.to_owned() });
    }
    if deployment.task != DEPLOY {
        return Decision::Ignore(Ignored::TaskNotDeploy { task: deployment.task.clone() });
    }
    if let Some(run) = event.run.as_ref().filter(|run| is_of_a_fork(run, event.repository.id)) {
        return Decision::Ignore(Ignored::DeploymentFromFork {
            event: run.event.clone(),
            is_certain: run.head_repository.is_some(),
        });
    }
    if !policy.enables_environment(&deployment.environment) {
        return Decision::Ignore(Ignored::EnvironmentNotEnabled {
            environment: deployment.environment.clone(),
            enabled: policy.environments.clone(),
        });
    }
    let of_a_pull_request = |run: &WorkflowRun| run.event.starts_with(PULL_REQUEST);
    if policy.environments.is_none() && event.run.as_ref().is_some_and(of_a_pull_request) {
        let environment = deployment.environment.clone();
        return Decision::Ignore(Ignored::DeploymentFromPullRequest { environment });
    }
    if let Some((branch, listed)) = not_among_branches(event, policy) {
        let enabled = EnabledBranches::Listed(listed);
        return Decision::Ignore(Ignored::BranchNotEnabled { branch, enabled });
    }
    let when = built_when(event, Some(policy));
    match &event.status {
        _ if is_built_at(event, when) => Decision::Build(Build::Deployment(event)),
        None => Decision::Ignore(Ignored::DeploymentNotStarted {
            environment: deployment.environment.clone(),
            when,
            of_a_job: policy.build_when.is_none(),
        }),
        Some(state) => Decision::Ignore(Ignored::DeploymentStatusNotUsed {
            state: state.clone(),
            when,
            id: deployment.id,
            environment: deployment.environment.clone(),
            of_a_job: event.run.is_some(),
        }),
    }
}

/// The branch of a deployment, and the policy's branches, where it is not among them.
pub fn not_among_branches(event: &Deployment, policy: &Policy) -> Option<(String, Vec<String>)> {
    // The ref of a deployment that the gate has made is the commit's hash.
    let branch = event.made_for.as_ref().unwrap_or(&event.deployment.reference);
    let branch = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let listed = policy.branches.as_ref().filter(|listed| !listed.matches(branch))?;
    Some((branch.to_owned(), listed.patterns()))
}

/// Why a deployment would not be built under the trigger `deployment`, either: for what no redelivery changes.
fn either(event: &Deployment, policy: &Policy) -> Option<Box<Ignored>> {
    let policy = Policy { trigger: Trigger::Deployment, ..policy.clone() };
    match decide_deployment(event, &policy) {
        Decision::Ignore(
            Ignored::DeploymentNotStarted { .. } | Ignored::DeploymentStatusNotUsed { .. },
        ) => None,
        Decision::Ignore(why) => Some(Box::new(why)),
        Decision::Build(_) | Decision::Look(_) | Decision::Pong(_) => None,
    }
}

/// When a deployment is built, under a policy or, where none is known, by itself.
pub fn built_when(event: &Deployment, policy: Option<&Policy>) -> BuildWhen {
    let by_itself = if event.run.is_some() { BuildWhen::InProgress } else { BuildWhen::Created };
    policy.and_then(|policy| policy.build_when).unwrap_or(by_itself)
}

/// Whether this event of a deployment is the one that it is built at.
pub fn is_built_at(event: &Deployment, when: BuildWhen) -> bool {
    match &event.status {
        None => when == BuildWhen::Created,
        // No status has the state `created`.
        Some(state) => when != BuildWhen::Created && state == when.as_str(),
    }
}

/// Whether a run is, or may be, of a commit that the repository of this id did not take in.
fn is_of_a_fork(run: &WorkflowRun, repository: u64) -> bool {
    match run.head_repository {
        Some(head_repository) => head_repository != repository,
        None => !EVENTS_OF_ITS_OWN.contains(&run.event.as_str()),
    }
}

/// What a ping tells of the webhook that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCheck {
    /// Where on GitHub the webhook is set up.
    pub owner: HookOwner,
    /// What keeps it from working; empty if nothing does.
    pub faults: Vec<HookFault>,
    /// What it leaves out, where it works for a part of the deployments only.
    pub part: Option<DeploymentPart>,
    /// The events that it does not send by which the gate would hear at once that a commit is green, where the gate is to
    /// deploy.
    pub lacks_signs: Vec<&'static str>,
    /// Where GitHub's API takes the wish for a new ping, if it does.
    pub pings: Option<String>,
}

/// The events by which the gate hears that a commit may be green.
pub const SIGNS: [&str; 4] = ["push", "status", "check_run", "check_suite"];

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
    /// None of the events that the policy needs is sent.
    EventNotSent(&'static [&'static str]),
    /// None of the events that any policy needs is sent.
    NothingSent,
}

/// The deployments that a webhook has built, where it does not send all that is needed for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentPart {
    /// Those made through the API: `deployment_status` events are not sent.
    ThroughTheApi,
    /// Those that GitHub Actions jobs made: `deployment` events are not sent.
    OfJobs,
}

/// What the events that a webhook sends are enough for, under a policy or, where there is none, under any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnoughFor {
    /// For all that is to be built.
    All,
    /// For a part of the deployments.
    Part(DeploymentPart),
    /// For nothing; it takes all of these, or one of them where there is no policy.
    Nothing(&'static [&'static str]),
}

/// Tells what the events of a webhook are enough for; `sends` says whether it sends one.
pub fn enough_for(policy: Option<&Policy>, sends: impl Fn(&str) -> bool) -> EnoughFor {
    let all_of = |events: &'static [&'static str]| match events.iter().all(|event| sends(event)) {
        true => EnoughFor::All,
        false => EnoughFor::Nothing(events),
    };
    let (created, status) = (sends("deployment"), sends("deployment_status"));
    match (policy.map(|policy| policy.trigger), policy.and_then(|policy| policy.build_when)) {
        (Some(Trigger::Manual), _) => EnoughFor::All,
        (Some(Trigger::Commit), _) => all_of(&["push"]),
        (Some(Trigger::Deployment), Some(BuildWhen::Created)) => all_of(&["deployment"]),
        (Some(Trigger::Deployment), Some(_)) => all_of(&["deployment_status"]),
        (_, _) if created && status => EnoughFor::All,
        (_, _) if created => EnoughFor::Part(DeploymentPart::ThroughTheApi),
        (_, _) if status => EnoughFor::Part(DeploymentPart::OfJobs),
        (None, _) if sends("push") => EnoughFor::All,
        (None, _) => EnoughFor::Nothing(&["push", "deployment", "deployment_status"]),
        (Some(_), None) => EnoughFor::Nothing(&["deployment", "deployment_status"]),
    }
}

/// Checks whether a webhook can work under its repository's policy; for an organisation's or app's, which has no
/// repository and so no policy, whether it can work under any.
fn check_hook(ping: &Ping, policy: Option<&Policy>) -> HookCheck {
    let hook = &ping.hook;
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
    let part = match enough_for(policy, sends) {
        EnoughFor::All => None,
        EnoughFor::Part(part) => Some(part),
        EnoughFor::Nothing(events) => {
            let nothing = HookFault::EventNotSent(events);
            faults.push(if policy.is_some() { nothing } else { HookFault::NothingSent });
            None
        }
    };
    let deploys = policy.is_some_and(|policy| policy.auto_deploy.is_some());
    let lacks_signs = SIGNS.into_iter().filter(|event| deploys && !sends(event)).collect();
    let of = match (&ping.repository, &ping.organization, owner) {
        (Some(repository), _, HookOwner::Repository) => Some(format!("repos/{repository}")),
        (_, Some(organization), HookOwner::Organization) => Some(format!("orgs/{organization}")),
        _ => None,
    };
    let pings = of.zip(hook.id).map(|(of, id)| format!("{of}/hooks/{id}/pings"));
    HookCheck { owner, faults, part, lacks_signs, pings }
}

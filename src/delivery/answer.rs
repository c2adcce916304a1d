//! What a delivery is answered. The answer stands under Settings > Webhooks > Recent Deliveries and
//! is all that a repository's owner ever sees of buildgate, so each one says why, and what to do.

use std::fmt;

use serde::Serialize;

use crate::delivery::decision::{
    DeploymentPart, EnabledBranches, HookCheck, HookFault, HookOwner, Ignored, Pushed,
};
use crate::delivery::rejection::Rejection;
use crate::delivery::request::LARGEST_BODY;
use crate::delivery::verdict::{Known, Outcome, Queued, ToRedeliver, Verdict};
use crate::policy::auto_deploy::Context;
use crate::policy::auto_deploy::OWN_CONTEXT;
use crate::policy::{ALLOWED, BuildWhen, Trigger, command};
use crate::repository::{RepositoryName, Sha};
use crate::route::{Entrance, HELP};
use crate::signature::github::SecretUsed;

/// How long a change in KV can take to be seen everywhere
/// (<https://developers.cloudflare.com/kv/concepts/how-kv-works/#consistency>).
const SEEN_WITHIN: &str = "Such a change is seen within 60 seconds; then ";

/// The page that explains the answers, for somebody who has the project and no gate.
const HELP_OF_THE_PROJECT: &str = "docs/answers.md";

impl Verdict {
    /// A few sentences for the person who reads Recent Deliveries, the last of which says where to read more.
    pub fn message(&self, known: &Known) -> String {
        let message = match self {
            Self::Queued(queued) => queued_message(queued, known),
            Self::Ignored(ignored) => ignored_message(ignored, known),
            Self::Pong(check) => pong_message(check, known),
            Self::Rejected(rejection) => rejected_message(rejection, known),
        };
        let (_, code, _) = self.codes();
        format!("{message} Read more: <{}>.", help(known, code))
    }

    /// The answer's body, one JSON object, with its sentences.
    pub fn body(&self, known: &Known, message: &str) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Body<'a> {
            outcome: Outcome,
            code: &'a str,
            message: &'a str,
            #[serde(flatten)]
            verified: Option<Verified<'a>>,
        }
        /// What is told only to somebody who knows the secret.
        #[derive(Serialize)]
        struct Verified<'a> {
            delivery: Option<&'a str>,
            event: Option<&'a str>,
            repository: Option<&'a RepositoryName>,
            trigger: Option<Trigger>,
            /// Which secret matched: said where somebody asks, and where it is one that will not do for long.
            #[serde(skip_serializing_if = "Option::is_none")]
            secret: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            build: Option<&'a str>,
        }
        let (outcome, code, _) = self.codes();
        let tells_secret =
            |used: SecretUsed| outcome == Outcome::Pong || used == SecretUsed::Previous;
        let verified = known.secret.map(|used| Verified {
            delivery: known.delivery.as_deref(),
            event: known.event.as_deref(),
            repository: known.repository.as_ref(),
            trigger: known.trigger,
            secret: tells_secret(used).then(|| used.as_str()),
            build: known.build.as_deref(),
        });
        serde_json::to_string_pretty(&Body { outcome, code, message, verified })
    }
}

/// Where to read more of a code.
fn help(known: &Known, code: &str) -> String {
    let page = match &known.guidance.help_url {
        Some(url) if url.contains('#') => return url.clone(),
        Some(url) => url.clone(),
        None if known.gate.is_empty() => HELP_OF_THE_PROJECT.to_owned(),
        None => format!("{}{HELP}", known.gate),
    };
    format!("{page}#{code}")
}

/// Whom an owner can ask, in the middle of a sentence.
struct Operator<'a>(&'a Known);

impl fmt::Display for Operator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operator of the build service")?;
        match &self.0.guidance.contact {
            Some(contact) => write!(f, " ({contact})"),
            None => Ok(()),
        }
    }
}

fn queued_message(queued: &Queued, known: &Known) -> String {
    let (repository, operator) = (Name(known), Operator(known));
    let queued = match queued {
        Queued::AutoDeployment { commit, enabled, policy } => {
            let what =
                green(policy.contexts.as_ref().map(|named| named.iter().map(Context::shown)));
            return format!(
                "Nothing is built yet. The gate now asks GitHub whether {what} green at commit {commit} of {repository}. If \
                 so, or once it is so, and the commit lies on {}, it makes a deployment of it to {}, whose own deliveries \
                 say what became of it. If none comes, look at the checks of the commit on GitHub first. If they are green, \
                 ask {operator}, and send this line along, which is theirs to enter: `cargo run -- auto-deployments show \
                 {repository}@{commit} --url {}`.",
                Branches(enabled),
                policy.environments.join(" and "),
                known.gate
            );
        }
        Queued::Push { branch, commit } => {
            format!("The push to {branch} of {repository} is queued: commit {commit}")
        }
        Queued::Deployment { id, environment, commit } => {
            format!("Deployment {id} of {repository} to {environment} is queued: commit {commit}")
        }
    };
    format!(
        "{queued} goes to the build service. If there is no container after a while, ask {operator}, and give the \
         `build` of this answer. To redeliver starts no second build."
    )
}

/// What has to be green, with the verb.
fn green(named: Option<impl Iterator<Item = String>>) -> String {
    let Some(named) = named else { return "every status and check is".to_owned() };
    let named: Vec<String> = named.collect();
    format!("{} {}", named.join(" and "), if named.len() == 1 { "is" } else { "are" })
}

/// The branches that count, in the middle of a sentence.
struct Branches<'a>(&'a EnabledBranches);

impl fmt::Display for Branches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EnabledBranches::Listed(listed) => f.write_str(&listed.join(" or ")),
            EnabledBranches::Default(default) => write!(f, "the default branch, {default}"),
        }
    }
}

/// The command that makes a deployment. Without `auto_merge=false`, GitHub merges the default branch into the ref in place
/// of deploying it
/// (<https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#create-a-deployment>).
fn create(known: &Known, reference: &str, environment: Option<&str>) -> String {
    let environment = environment.map(|name| format!(" -f environment={}", command::quoted(name)));
    format!(
        "`gh api repos/{}/deployments -f ref={} -F auto_merge=false{}`",
        Name(known),
        // Whoever may push chooses the name, and the owner runs the command.
        command::quoted(reference),
        environment.unwrap_or_default()
    )
}

/// What is left to do once another setting is asked for: a delivery can be redelivered whatever it was answered. But one
/// that tells of a deployment may not be the one that it is built at.
struct ThenRedeliver<'a>(&'a Known);

impl fmt::Display for ThenRedeliver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SEEN_WITHIN)?;
        match self.0.to_redeliver {
            ToRedeliver::This => f.write_str("redeliver this delivery.")?,
            ToRedeliver::Creation => f.write_str(
                "redeliver the `deployment` delivery of this deployment: at a status of it, nothing is built.",
            )?,
            ToRedeliver::Status { state, of_a_job: true } => write!(
                f,
                "a job that has not started yet is built by itself, at its status {state}. If it has started, redeliver \
                 the `deployment_status` delivery of this deployment whose state is {state}; if there is none, run the \
                 job again. To redeliver this one builds nothing."
            )?,
            ToRedeliver::Status { state, of_a_job: false } => write!(
                f,
                "redeliver the `deployment_status` delivery of this deployment whose state is {state}. To redeliver this \
                 one builds nothing."
            )?,
        }
        write!(f, "{}", Nor(self.0))
    }
}

/// What else keeps a deployment from being built, once what is said first is put right: the policy's branches.
struct Nor<'a>(&'a Known);

impl fmt::Display for Nor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((branch, listed)) = &self.0.nor_branch else { return Ok(()) };
        let listed = listed.join(", ");
        write!(
            f,
            " It would still not be built then, for {branch} is not among the policy's `branches`, {listed}."
        )
    }
}

/// What stands where a push was made, in the middle of a sentence.
struct To<'a>(&'a Pushed);

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Pushed::Branch { name, .. } => write!(f, "to {name}"),
            Pushed::Tag(name) => write!(f, "of the tag {name}"),
            Pushed::Other(reference) => write!(f, "to {reference}"),
        }
    }
}

/// Says of a push what is built of a repository that builds on deployments, and how.
fn trigger_is_deployment(
    pushed: &Pushed,
    deploys: Option<&EnabledBranches>,
    not_among: Option<&[String]>,
    environment: Option<&str>,
    known: &Known,
) -> String {
    let (repository, operator) = (Name(known), Operator(known));
    let then_redeliver = ThenRedeliver(known);
    let so =
        format!("{repository} builds on deployments, so this push {} was not built.", To(pushed));
    let deploys = deploys.map(|enabled| {
        format!(" (The gate itself deploys green commits of {} only.)", Branches(enabled))
    });
    let deploys = deploys.unwrap_or_default();
    let name = match pushed {
        Pushed::Branch { name, .. } | Pushed::Tag(name) => name,
        Pushed::Other(_) => {
            return format!("{so} Only branches and tags are built. There is nothing to do.");
        }
    };
    let create = create(known, name, environment);
    if let Some(listed) = not_among {
        let listed = listed.join(", ");
        return format!(
            "{so} Deployments of {name} are not built, either, for the policy's `branches` are {listed}. To build it, ask \
             {operator} to add {name}{} to them; a minute later, create a deployment of it: {create}.",
            if matches!(pushed, Pushed::Tag(_)) { ", or a pattern of such tags," } else { "" }
        );
    }
    let made = "the answers to its own deliveries (`deployment`, `deployment_status`) say what became of it";
    match pushed {
        Pushed::Branch { is_default: true, .. } => format!(
            "{so} If a deployment of the commit was made, {made}. If none was, create one: with an Actions job that has an \
             `environment`, or {create}.{deploys} To build pushes to enabled branches instead, ask {operator} for the trigger \
             `commit`. {then_redeliver}"
        ),
        Pushed::Branch { .. } => format!(
            "{so} If a deployment of the commit was made, {made}. If none was, create one: with an Actions job that has an \
             `environment`, or {create}.{deploys} To build pushes instead, ask {operator} for the trigger `commit`, with \
             {name} and every other branch that is to build in `branches`. {then_redeliver}"
        ),
        _ => format!(
            "{so} To build it, create a deployment of it: {create}. If one was made, {made}. No trigger builds pushes of tags."
        ),
    }
}

/// Says of a push that it deleted what was pushed to.
fn deleted(pushed: &Pushed, known: &Known) -> String {
    let trigger = match known.trigger {
        Some(Trigger::Deployment) => format!(" ({} builds on deployments.)", Name(known)),
        _ => String::new(),
    };
    format!(
        "This push {} deleted {}, so there is nothing to build.{trigger} There is nothing to do.",
        To(pushed),
        if matches!(pushed, Pushed::Branch { .. }) { "the branch" } else { "it" }
    )
}

/// Says of a push what would build it, in a repository that no webhook builds.
fn manual_push(pushed: &Pushed, known: &Known) -> String {
    let (operator, then_redeliver) = (Operator(known), ThenRedeliver(known));
    match pushed {
        Pushed::Branch { is_default: true, .. } => format!(
            "Start it there; or, to build each push, ask {operator} for the trigger `commit`. {then_redeliver} Under \
             `deployment`, deployments are built instead."
        ),
        Pushed::Branch { name, .. } => format!(
            "Start it there; or, to build each push, ask {operator} for the trigger `commit`, with {name} and every other \
             branch that is to build in `branches`. {then_redeliver}"
        ),
        Pushed::Tag(tag) => format!(
            "Start it there; or ask {operator} for the trigger `deployment`, and create a deployment of the tag: {}. No \
             trigger builds pushes of tags.",
            create(known, tag, None)
        ),
        Pushed::Other(_) => "Only branches and tags are built. There is nothing to do.".to_owned(),
    }
}

/// What is left to do once a deployment's repository builds on deployments: nothing, where this one would not be built then,
/// either.
fn then(either: Option<&Ignored>, known: &Known) -> String {
    let nor = Nor(known);
    match either {
        Some(Ignored::DeploymentFromFork { .. }) => {
            "This one would not be built then, either: it is of a fork, or may be.".to_owned()
        }
        Some(Ignored::TaskNotDeploy { task }) => format!(
            "This one would not be built then, either, for its task is {task}: create another one, with the task deploy (the \
             default).{nor}"
        ),
        Some(
            Ignored::DeploymentFromPullRequest { environment }
            | Ignored::EnvironmentNotEnabled { environment, .. },
        ) => format!(
            "This one would be built only if `environments` list {environment}, together with every other environment that is \
             to build. {}",
            ThenRedeliver(known)
        ),
        Some(Ignored::BranchNotEnabled { branch, .. }) => {
            format!(
                "This one would be built only if `branches` list {branch}, too. {}",
                ThenRedeliver(known)
            )
        }
        _ => ThenRedeliver(known).to_string(),
    }
}

fn ignored_message(ignored: &Ignored, known: &Known) -> String {
    let (repository, operator) = (Name(known), Operator(known));
    let then_redeliver = ThenRedeliver(known);
    let event = match known.event.as_deref() {
        // What is built, or not, is the deployment.
        Some("deployment_status") => "deployment",
        event => event.unwrap_or("event"),
    };
    match ignored {
        Ignored::TriggerIsDeployment { pushed, deleted: true, .. } => deleted(pushed, known),
        Ignored::TriggerIsDeployment { pushed, deploys, not_among, environment, .. } => {
            trigger_is_deployment(
                pushed,
                deploys.as_ref(),
                not_among.as_deref(),
                environment.as_deref(),
                known,
            )
        }
        Ignored::TriggerIsCommit { either: Some(why) }
            if matches!(**why, Ignored::DeploymentFromFork { is_certain: true, .. }) =>
        {
            format!(
                "This deployment is of a fork's commit, which is never built. Once that is merged into an enabled branch of \
                 {repository}, which builds on pushes, it is built: see the answer to that `push` delivery. There is nothing \
                 else to do."
            )
        }
        Ignored::TriggerIsCommit { either } => format!(
            "{repository} builds on pushes to enabled branches, so this deployment was not built. Its commit is built when \
             it is pushed to an enabled branch: see the answer to that `push` delivery. To build on deployments instead, ask \
             {operator} for the trigger `deployment`. {}",
            then(either.as_deref(), known)
        ),
        Ignored::TriggerIsManual { push: Some((pushed, true)), .. } => deleted(pushed, known),
        Ignored::TriggerIsManual { push: Some((pushed, false)), .. } => format!(
            "{repository} builds only when somebody starts a build at the build service, so this push {} was not built. {}",
            To(pushed),
            manual_push(pushed, known)
        ),
        Ignored::TriggerIsManual { push: None, either: Some(why) }
            if matches!(**why, Ignored::DeploymentFromFork { .. }) =>
        {
            let certain = matches!(**why, Ignored::DeploymentFromFork { is_certain: true, .. });
            format!(
                "This deployment {}, which no webhook ever builds. Review it and merge it into a branch of {repository}, then \
                 start a build of that branch at the build service: {repository} builds only what is started there. To \
                 redeliver does not help.",
                if certain {
                    "is of a fork's commit"
                } else {
                    "may be of a fork's commit (GitHub does not say that it is not)"
                }
            )
        }
        Ignored::TriggerIsManual { push: None, either } => format!(
            "{repository} builds only when somebody starts a build at the build service, so this deployment was not built. \
             Start it there; or, to build deployments, ask {operator} for the trigger `deployment`. {}",
            then(either.as_deref(), known)
        ),
        Ignored::EventNotUsed if matches!(event, "status" | "check_run" | "check_suite") => {
            format!(
                "Nothing follows from {event} events here: {repository} is built on pushes or on deployments, as its trigger \
             says. To build a green commit of a repository that builds on deployments, create a deployment of it: with an \
             Actions job that has an `environment`, or {}. To have the gate do that by itself, ask {operator} for \
             `auto_deploy` in the policy. You can leave this event ticked in the webhook's settings or untick it.",
                create(known, "BRANCH", None)
            )
        }
        Ignored::EventNotUsed => format!(
            "Builds start from push, deployment and deployment_status events; {event} events are not used here, \
             so there was nothing to do. You can leave this event ticked in the webhook's settings or untick it."
        ),
        Ignored::NotASuccess { of, state, commit, named } => format!(
            "{of} of commit {commit} says {state}. The gate deploys {repository} once {} green. {}",
            green(named.as_ref().map(|named| named.iter().cloned())),
            if state == "pending" {
                "There is nothing to do but to wait: a success is delivered by itself."
            } else {
                "Run it again, or push a correction: the next success starts the next look."
            }
        ),
        Ignored::ContextNotUsed { context, .. } if context.eq_ignore_ascii_case(OWN_CONTEXT) => {
            format!(
                "{context} is what the gate itself says of a build, so nothing follows from it. There is nothing to do."
            )
        }
        Ignored::ContextNotUsed { context, named } => format!(
            "{repository} is deployed once {} green, and {context} is not needed for that, so nothing follows from it. To \
             require it as well, ask {operator} to add it to the policy's `auto_deploy.contexts`; its next success then \
             starts a look.",
            green(Some(named.iter().cloned()))
        ),
        Ignored::CheckNotCompleted { action } => format!(
            "A commit may be deployed once its checks are completed; this event's action is {action}, so nothing follows \
             from it. There is nothing to do."
        ),
        Ignored::CommitOfAnotherBranch {
            branch,
            builds_nothing_under: Some(patterns),
            is_success,
            ..
        } => format!(
            "Deployments of {branch} are not built, for the policy's `branches` are {}, so the gate makes none of its \
             commits, and nothing follows from this. To have {branch} deployed, ask {operator} to add it to them. {}",
            patterns.join(", "),
            if *is_success {
                then_redeliver.to_string()
            } else {
                "After that, the next success starts a look.".to_owned()
            }
        ),
        Ignored::CommitOfAnotherBranch { branch, enabled, is_success, .. } => {
            let says = if event == "status" { "status" } else { "check" };
            let list = match enabled {
                EnabledBranches::Listed(_) => {
                    "add it to the policy's `auto_deploy.branches`".to_owned()
                }
                EnabledBranches::Default(default) => format!(
                    "list it in the policy's `auto_deploy.branches`, and {default}, too, for then only the listed ones count"
                ),
            };
            format!(
                "This {says} is of a commit on {branch}, and the gate deploys only commits on {}, so nothing follows from \
                 it. There is nothing to do: once it is merged, the push starts a look at what is the newest commit then. To \
                 have {branch} deployed, ask {operator} to {list}. {}",
                Branches(enabled),
                if *is_success {
                    then_redeliver.to_string()
                } else {
                    "After that, the next success starts a look.".to_owned()
                }
            )
        }
        Ignored::ActionNotUsed { action } => format!(
            "A build starts when a deployment or a status of it is created; this event's action is {action}, so nothing \
             was built. There is nothing to do."
        ),
        Ignored::TaskNotDeploy { task } => format!(
            "Only deployments with the task deploy are built; the task of this one is {task}, so it \
             was not built. To build its commit, create another deployment of it, with the task deploy (the \
             default).{}",
            Nor(known)
        ),
        Ignored::DeploymentFromFork { event, is_certain } => {
            let event = if event.is_empty() { "an event that GitHub does not name" } else { event };
            let deploy = format!(
                "with a job that a push or workflow_dispatch starts, or {}",
                create(known, "BRANCH", None)
            );
            if *is_certain {
                format!(
                    "This deployment was made by a GitHub Actions job whose run was started by {event}, for a commit of a \
                     fork. Those are never built: no setting changes that, and to redeliver does not help. To build it, \
                     merge it into a branch of {repository}, and deploy that branch: {deploy}."
                )
            } else {
                format!(
                    "This deployment was made by a GitHub Actions job whose run was started by {event}, and of such a run \
                     GitHub does not say whether its commit is a fork's. So it was not built: no setting changes that, and \
                     to redeliver does not help. Deploy {deploy}."
                )
            }
        }
        Ignored::DeploymentFromPullRequest { environment } => format!(
            "This deployment to {environment} was made for a pull request, so it was not built: where the policy lists no \
             `environments`, no deployments of pull requests are built. Deploy from a branch, or ask {operator} to list \
             {environment} together with every other environment that is to build. {then_redeliver}"
        ),
        Ignored::DeploymentNotStarted { environment, when, of_a_job } => format!(
            "This deployment to {environment} is not built yet: {}, so it is built when its status is {when}. \
             There is nothing to do but to wait for that deployment_status delivery, whose answer says what became \
             of it. If none comes, tick \"Deployment statuses\" in this webhook's settings, and have the deployment \
             made again. To redeliver this one builds nothing.",
            if *of_a_job {
                "a GitHub Actions job made it, which may still wait for an approval".to_owned()
            } else {
                format!("the policy of {repository} has `build_when` {when}")
            }
        ),
        Ignored::DeploymentStatusNotUsed {
            state,
            when: BuildWhen::Created,
            id,
            environment,
            ..
        } => {
            format!(
                "The status {state} of deployment {id} to {environment} builds nothing: it is built when it is created, and \
                 the answer to its `deployment` delivery says what became of it. There is nothing to do."
            )
        }
        Ignored::DeploymentStatusNotUsed { state, when, id, environment, of_a_job } => {
            let status =
                format!("The status {state} of deployment {id} to {environment} builds nothing");
            if matches!(state.as_str(), "waiting" | "queued" | "pending" | "in_progress") {
                format!(
                    "{status}: it is built once its status is {when}. {}Wait for that delivery; its answer says what became \
                     of it.",
                    if state == "waiting" {
                        "If it waits for an approval, somebody gives that on the page of the run, under Review deployments. "
                    } else {
                        ""
                    }
                )
            } else {
                format!(
                    "{status}: it is built at the status {when} only. If it had that before, the answer to that delivery \
                     says what became of it. If it never had, it was not built: {}.",
                    if *of_a_job { "run the job again" } else { "make the deployment again" }
                )
            }
        }
        Ignored::DeploymentBegun { state, id, build } => format!(
            "Deployment {id} is being built already, as {build}, so its status {state} builds nothing anew: it comes from the \
             gate or from the build service. There is nothing to do."
        ),
        Ignored::EnvironmentNotEnabled { environment, enabled: None } => format!(
            "This deployment to {environment} was not built, and mostly that is as it should be: GitHub Pages makes \
             deployments of its own, which build only where the policy's `environments` list {environment}. To build them, \
             ask {operator} to list it, together with every other environment that is to build. {then_redeliver}"
        ),
        Ignored::EnvironmentNotEnabled { environment, enabled: Some(enabled) }
            if environment == "github-pages" && !enabled.is_empty() =>
        {
            format!(
                "This deployment to {environment} was not built, and mostly that is as it should be: GitHub Pages makes \
                 deployments of its own. {repository} builds only for {}. To build this one, too, ask {operator} to add \
                 {environment} to them. {then_redeliver}",
                listed(enabled, "environments")
            )
        }
        Ignored::EnvironmentNotEnabled { environment, enabled: Some(enabled) } => format!(
            "This deployment to {environment} was not built: {repository} builds only for {}. {} ask {operator} \
             to add {environment} to the policy's `environments`. {then_redeliver}",
            listed(enabled, "environments"),
            if enabled.is_empty() { "To build it," } else { "Deploy to one of these, or" }
        ),
        Ignored::BranchNotEnabled { branch, enabled: EnabledBranches::Default(default) } => {
            format!(
                "This {event} of {branch} was not built: where the policy lists no `branches`, {repository} \
             builds its default branch, {default}. Push to {default}, or ask {operator} to list {branch} in the \
             policy's `branches`, and {default}, too, for then only the listed ones count. {then_redeliver}"
            )
        }
        Ignored::BranchNotEnabled { branch, enabled: EnabledBranches::Listed(enabled) }
            if event != "push" && branch.parse::<Sha>().is_ok() =>
        {
            format!(
                "This deployment was made with a commit's hash as its ref, and {repository} builds only {}, which are \
                 compared with the ref. Create another one with the name of the branch as its ref: {}.",
                listed(enabled, "branches"),
                create(known, "BRANCH", None)
            )
        }
        Ignored::BranchNotEnabled { branch, enabled: EnabledBranches::Listed(enabled) } => format!(
            "This {event} of {branch} was not built: {repository} builds only {}. {} ask {operator} to add \
             {branch} to the policy's `branches`. {then_redeliver}",
            listed(enabled, "branches"),
            if enabled.is_empty() { "To build it," } else { "Use one of these, or" }
        ),
        Ignored::NotABranch { pushed, deleted: true } => deleted(pushed, known),
        Ignored::NotABranch { pushed: Pushed::Tag(tag), .. } => format!(
            "{repository} builds on pushes to branches, so this push of the tag {tag} was not built. To build its commit, \
             push it to a branch that builds. To build tags, ask {operator} for the trigger `deployment`, under which \
             pushes build nothing, and create a deployment of each: {} (where the policy lists `branches`, the tags have \
             to be among them). To redeliver this push does not help.",
            create(known, tag, None)
        ),
        Ignored::NotABranch { pushed, .. } => format!(
            "{repository} builds on pushes to branches, so this push {} was not built. There is nothing to do.",
            To(pushed)
        ),
        Ignored::BranchDeleted { branch } => format!(
            "This push deleted the branch {branch}, so there is no commit to build. There is nothing \
             to do."
        ),
    }
}

/// The names in a list of the policy's, or that there are none in it.
fn listed(names: &[String], list: &str) -> String {
    if names.is_empty() {
        format!("what the policy lists, and its list `{list}` is empty")
    } else {
        format!("{} (the policy's `{list}`)", names.join(", "))
    }
}

fn pong_message(check: &HookCheck, known: &Known) -> String {
    let settings = match check.owner {
        HookOwner::Repository => "the repository's Settings > Webhooks > Edit",
        HookOwner::Organization => "the organization's Settings > Webhooks > Edit",
        HookOwner::App => "the app's settings",
    };
    // What a ping tells of its webhook GitHub tells again, to the letter, when it is redelivered.
    let again = match &check.pings {
        Some(path) => format!(
            "To check again, have GitHub send a new ping: `gh api -X POST {path}`. To redeliver this one \
             repeats what it says."
        ),
        None => {
            "The next event shows whether it does. To redeliver this ping repeats what it says."
                .to_owned()
        }
    };
    let subject = match (&known.repository, known.trigger) {
        (Some(repository), Some(trigger)) => format!("{repository} has the trigger `{trigger}`"),
        _ => "This webhook belongs to no single repository".to_owned(),
    };
    let signature = match known.secret {
        Some(SecretUsed::Previous) => {
            "The signature is good, but made with the secret that is going out of use: enter the new one (the \
             operator of the build service sets it with `link`), before this one is taken away."
        }
        _ => "The signature is good.",
    };
    if check.faults.is_empty() {
        let manual = format!(
            "so no event of this webhook will be built. If that is not what you want, ask {} for the trigger `commit` or \
             `deployment`.",
            Operator(known)
        );
        let so = match known.trigger {
            Some(Trigger::Commit) => {
                "and this webhook sends push events: pushes to enabled branches will be built."
            }
            Some(Trigger::Deployment) => match check.part {
                None => {
                    "and this webhook sends the events from which builds start: deployments to enabled \
                     environments will be built."
                }
                Some(_) => "but with this webhook only a part of its deployments is built.",
            },
            Some(Trigger::Manual) => &manual,
            None => {
                "and sends events that can start builds. Whether a repository builds depends on its trigger, which the \
                 operator of the build service sets, for each repository or for all of an owner."
            }
        };
        let part = check.part.map_or(String::new(), |part| {
            let (built, others, tick) = part_words(part);
            format!(
                " It sends no {} events, so only deployments that {built} will be built. To build those \
                 that {others}, too, tick \"{tick}\" in {settings}.",
                missing_event(part)
            )
        });
        let signs = match check.lacks_signs.as_slice() {
            [] => String::new(),
            lacking => format!(
                " It does not send {} events, so the gate may learn late, or not at all, that a commit is green: tick {} \
                 in {settings}.",
                lacking.join(" and "),
                lacking.iter().map(|event| box_of(event)).collect::<Vec<_>>().join(" and ")
            ),
        };
        let again = match part.is_empty() && signs.is_empty() {
            true => String::new(),
            false => format!(" {again}"),
        };
        return format!("{signature} {subject}, {so}{part}{signs}{again}");
    }
    let faults: Vec<String> = check
        .faults
        .iter()
        .map(|fault| match fault {
            HookFault::NotActive => {
                format!("This webhook is not active, so GitHub delivers no events: tick \"Active\" in {settings}.")
            }
            HookFault::EventNotSent(events) => format!(
                "It does not send the {} events that this policy needs: in {settings}, choose \
                 \"Let me select individual events\" and tick {}.",
                events.join(" and "),
                events.iter().map(|event| box_of(event)).collect::<Vec<_>>().join(" and ")
            ),
            HookFault::NothingSent => format!(
                "It sends neither push nor deployment nor deployment_status events: tick \"Pushes\", \
                 \"Deployments\" and \"Deployment statuses\" in {settings}."
            ),
        })
        .collect();
    if known.trigger == Some(Trigger::Manual) {
        return format!(
            "{signature} {subject}, so no event of this webhook is built. It is not active, either. There is nothing to do, \
             unless builds are wanted: then ask {} for the trigger `commit` or `deployment`, and tick \"Active\" in {settings}.",
            Operator(known)
        );
    }
    // All that is to be ticked, so that one new ping is enough.
    let part = check.part.map(missing_event);
    let also: Vec<&str> =
        part.iter().chain(&check.lacks_signs).map(|event| box_of(event)).collect();
    let also = match also.as_slice() {
        [] => String::new(),
        also => format!(" Tick {}, too.", also.join(" and ")),
    };
    format!(
        "{signature} But this webhook cannot start builds. {subject}. {}{also} {again}",
        faults.join(" ")
    )
}

/// The box of GitHub's page that stands for an event.
fn box_of(event: &str) -> &'static str {
    match event {
        "push" => "\"Pushes\"",
        "deployment_status" => "\"Deployment statuses\"",
        "status" => "\"Statuses\"",
        "check_run" => "\"Check runs\"",
        "check_suite" => "\"Check suites\"",
        _ => "\"Deployments\"",
    }
}

/// What a webhook that has only a part of the deployments built does not send.
fn missing_event(part: DeploymentPart) -> &'static str {
    match part {
        DeploymentPart::ThroughTheApi => "deployment_status",
        DeploymentPart::OfJobs => "deployment",
    }
}

/// Who made the deployments that such a webhook has built, who the others, and the box to tick for those.
fn part_words(part: DeploymentPart) -> (&'static str, &'static str, &'static str) {
    let (api, jobs) = ("were made through the API", "GitHub Actions jobs made");
    match part {
        DeploymentPart::ThroughTheApi => (api, jobs, "Deployment statuses"),
        DeploymentPart::OfJobs => (jobs, api, "Deployments"),
    }
}

fn rejected_message(rejection: &Rejection, known: &Known) -> String {
    let (repository, operator) = (Name(known), Operator(known));
    let then_redeliver = ThenRedeliver(known);
    match rejection {
        Rejection::MissingHeader { problems } => format!(
            "This is not a delivery as GitHub sends it: {}. Deliver through a GitHub webhook, or with \
             all of its headers.",
            problems.join("; ")
        ),
        Rejection::MissingSignature { problems } => format!(
            "The delivery is not signed: {}. {}",
            problems.join("; "),
            which_secret(known, "The webhook has no secret")
        ),
        Rejection::IllFormedSignature { problems } => format!(
            "The signature cannot be read: {}. GitHub never sends one like that, \
             so something else sent this delivery or changed it on its way.",
            problems.join("; ")
        ),
        Rejection::BadSignature => bad_signature_message(known),
        Rejection::MalformedPayload { problem } => format!(
            "The payload cannot be used: {problem}. GitHub sends a JSON object of the event's shape; \
             if this delivery came from GitHub, tell {operator}."
        ),
        Rejection::OtherRepositoryId { id, expected } => format!(
            "The policy of {repository} is for the repository whose id is {expected}, and this delivery is \
             about one of the same name whose id is {id}: probably the name was given up and registered anew, or else the \
             policy has a wrong id. {}",
            send_along(known, "POLICY", "POLICY is the trigger or policy that is wanted for this one")
        ),
        Rejection::OtherCloneUrl { expected, github } => format!(
            "This gate serves the repositories of {github}, where {repository} is cloned from {expected}; \
             the payload's repository.clone_url is another one. Deliver through a webhook of {github}."
        ),
        Rejection::OtherRepository { route } => match &known.repository {
            Some(repository) => format!(
                "This webhook's Payload URL and secret are those of {route}, but the delivery is about {repository}. If the \
                 webhook was copied from there, set its Payload URL to {gate}/{repository}, with that repository's own \
                 secret. If {route} was renamed or transferred, it has to be linked under its new name. {}",
                send_along(known, "POLICY", "POLICY is the trigger or policy that it had"),
                gate = known.gate
            ),
            None => format!(
                "This webhook's Payload URL is that of {route}, but the delivery names no repository. An \
                 organization's or app's webhook belongs at {gate}/, with the shared secret; ask {operator} for it.",
                gate = known.gate
            ),
        },
        Rejection::RepositoryNotLinked => {
            let (trigger, meaning) = match known.event.as_deref() {
                Some("push") => ("commit", "which builds pushes to branches; with `deployment` in its place, deployments, also of tags"),
                _ => ("deployment", "which builds deployments; with `commit` in its place, pushes"),
            };
            format!(
                "{repository} is not linked to the build service, so nothing of it is built. {}",
                send_along(known, trigger, meaning)
            )
        }
        Rejection::NotFound => format!(
            "There is nothing at this path. Set the webhook's Payload URL to the repository's own: \
             {gate}/ and its full name, such as octocat/Hello-World; for an organization's or app's webhook, to \
             {gate}/ alone.",
            gate = known.gate
        ),
        Rejection::MethodNotAllowed { allow } if !allow.contains("POST") => format!(
            "This page takes no deliveries. Set the webhook's Payload URL to the repository's own: {gate}/ and its full \
             name, such as octocat/Hello-World.",
            gate = known.gate
        ),
        Rejection::MethodNotAllowed { .. } => {
            "Use POST to deliver a webhook, or GET to see what this is.".to_owned()
        }
        Rejection::PayloadTooLarge => format!(
            "The body has more than {LARGEST_BODY} bytes (25 MiB), which is GitHub's own limit. Push \
             less at once."
        ),
        Rejection::BodyTooSlow => {
            "The body was not there within 8 seconds, so nothing was done. Redeliver.".to_owned()
        }
        Rejection::Busy => {
            "The gate is reading as much of other deliveries as it has room for, so nothing was done. Wait \
             a minute, then redeliver."
                .to_owned()
        }
        Rejection::UnsupportedContentType { content_type } => format!(
            "{} Choose application/json under Settings > Webhooks > Edit > Content type \
             (application/x-www-form-urlencoded works too), then redeliver.",
            match content_type {
                Some(content_type) => format!("The content type {content_type} cannot be read."),
                None => "The delivery has no Content-Type.".to_owned(),
            }
        ),
        Rejection::NotConfigured { .. } => format!(
            "The build service's gate is not set up yet, so nothing is accepted. \
             Tell {operator}, who finds the reason in the gate's log; then redeliver."
        ),
        Rejection::InvalidPolicy { key, problem } => format!(
            "What the build service has stored for {repository} cannot be used, so nothing of it is built; that is \
             no fault of the repository's. Send this message to {operator}, to be corrected. The policy under the \
             key {key}: {problem}. Allowed is {ALLOWED}. {then_redeliver}"
        ),
        Rejection::PolicyKeyHasCapitals { key, policy } => {
            let lower = key.to_ascii_lowercase();
            format!(
                "The policy stored for {repository} under the key {key} is not used: keys are in lower case. \
                 Ask {operator} to put it right, and send these lines along: `{}`, and then `{}`. \
                 {then_redeliver}",
                command::shown(&command::put(known.kv(), &lower, policy)),
                command::shown(&command::delete(known.kv(), key))
            )
        }
        Rejection::PolicyUnavailable { .. } => format!(
            "The trigger of {repository} could not be looked up just now, so nothing was done. Wait a \
             minute, then redeliver."
        ),
        Rejection::QueueUnavailable { .. } => format!(
            "The build of {repository} could not be queued just now, so it will not be built. Wait a \
             minute, then redeliver."
        ),
    }
}

/// Asks the owner to have the repository linked, with the operator's command as the line to send along.
fn send_along(known: &Known, trigger: &str, meaning: &str) -> String {
    let repository = known.repository.as_ref().map_or("OWNER/NAME", RepositoryName::as_spelt);
    format!(
        "Ask {} to link it, and send this line along, which is theirs to enter: `cargo run -- link {repository} \
         --trigger {trigger} --url {}{}` ({meaning}). {}",
        Operator(known),
        known.gate,
        if known.is_local() { " --local" } else { "" },
        ThenRedeliver(known)
    )
}

/// Says which secret the Payload URL wants that was called, and which it may have got instead: what anybody can know.
fn bad_signature_message(known: &Known) -> String {
    let (gate, operator) = (&known.gate, Operator(known));
    let enter = "under Settings > Webhooks > Edit, then redeliver.";
    match &known.entrance {
        Some(Entrance::Repository(repository)) if repository.without_git().is_some() => {
            let name = repository.without_git().unwrap_or_default();
            format!(
                "No Payload URL ends with .git, so no signature is good at {gate}/{repository}. Set it to \
                 {gate}/{name} {enter} If that is refused, too, ask {operator} for the secret of {name}."
            )
        }
        Some(Entrance::Repository(repository)) => format!(
            "The signature was not made with the secret of this Payload URL, {gate}/{repository}, which is \
             that repository's own. If the Payload URL is right, ask {operator} for the secret of {repository}, and \
             enter it {enter} (The usual mistakes: another repository's secret or Payload URL, an older secret, or \
             the shared one, which belongs to {gate}/ alone.)"
        ),
        _ => format!(
            "This Payload URL, {gate}/, is for the webhooks of organizations and apps, and the signature was not made \
             with their shared secret. {}",
            which_secret(known, "")
        ),
    }
}

/// Says which secret the Payload URL wants that was called; `why` leads the sentence, where nothing else does.
fn which_secret(known: &Known, why: &str) -> String {
    let (gate, operator) = (&known.gate, Operator(known));
    let so = if why.is_empty() { String::new() } else { format!("{why}: ") };
    match &known.entrance {
        Some(Entrance::Repository(repository)) => format!(
            "{so}ask {operator} for the secret of {repository}, and enter it under Settings > Webhooks > Edit > Secret; \
             then redeliver."
        ),
        _ => format!(
            "{so}{} this is one repository's webhook, set its Payload URL to {gate}/OWNER/NAME (without .git), and enter \
             that repository's own secret, which {operator} gives you. If it is an organization's or app's, enter the \
             shared secret, which the operator has. Then redeliver.",
            if why.is_empty() { "If" } else { "if" }
        ),
    }
}

/// The repository's name, or what stands for it where there is none.
struct Name<'a>(&'a Known);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.repository {
            Some(repository) => repository.fmt(f),
            None => f.write_str("this repository"),
        }
    }
}

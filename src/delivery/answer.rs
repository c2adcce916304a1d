//! What a delivery is answered. The answer stands under Settings > Webhooks > Recent Deliveries and
//! is all that a repository's owner ever sees of buildgate, so each one says why, and what to do.

use std::fmt;

use serde::Serialize;

use crate::delivery::decision::{
    DeploymentPart, EnabledBranches, HookCheck, HookFault, HookOwner, Ignored,
};
use crate::delivery::rejection::Rejection;
use crate::delivery::request::LARGEST_BODY;
use crate::delivery::verdict::{Known, Outcome, Queued, Verdict};
use crate::policy::{BuildWhen, Trigger, command};
use crate::repository::RepositoryName;
use crate::signature::github::SIGNATURE_HEADER;

/// How long a change in KV can take to be seen everywhere
/// (<https://developers.cloudflare.com/kv/concepts/how-kv-works/#consistency>).
const SEEN_WITHIN: &str = "Such a change is seen within 60 seconds.";

impl Verdict {
    /// A sentence or two for the person who reads Recent Deliveries.
    pub fn message(&self, known: &Known) -> String {
        match self {
            Self::Queued(queued) => queued_message(queued, known),
            Self::Ignored(ignored) => ignored_message(ignored, known),
            Self::Pong(check) => pong_message(check, known),
            Self::Rejected(rejection) => rejected_message(rejection, known),
        }
    }

    /// The answer's body: one JSON object.
    pub fn body(&self, known: &Known) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Body<'a> {
            outcome: Outcome,
            code: &'a str,
            message: String,
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
            #[serde(skip_serializing_if = "Option::is_none")]
            build: Option<&'a str>,
        }
        let (outcome, code, _) = self.codes();
        let verified = known.secret.map(|_| Verified {
            delivery: known.delivery.as_deref(),
            event: known.event.as_deref(),
            repository: known.repository.as_ref(),
            trigger: known.trigger,
            build: known.build.as_deref(),
        });
        serde_json::to_string_pretty(&Body {
            outcome,
            code,
            message: self.message(known),
            verified,
        })
    }
}

fn queued_message(queued: &Queued, known: &Known) -> String {
    let repository = Name(known);
    match queued {
        Queued::Push { branch, commit } => format!(
            "The push to {branch} of {repository} is queued: commit {commit} goes to the build service."
        ),
        Queued::Deployment { id, environment, commit } => format!(
            "Deployment {id} of {repository} to {environment} is queued: commit {commit} goes to the \
             build service."
        ),
    }
}

fn ignored_message(ignored: &Ignored, known: &Known) -> String {
    let repository = Name(known);
    let event = known.event.as_deref().unwrap_or("event");
    match ignored {
        Ignored::TriggerIsDeployment { pushed, deleted } => {
            let to_build_it = if *deleted {
                "It deleted the branch or tag, so there is nothing to build.".to_owned()
            } else {
                format!(
                    "To build it, create a deployment (with an Actions job that has an `environment`, \
                     or POST /repos/{repository}/deployments)."
                )
            };
            format!(
                "{repository} builds on deployments, so this push to {pushed} was ignored. \
                 {to_build_it} To build on pushes to enabled branches instead, ask the operator of the \
                 build service for the trigger `commit`. {SEEN_WITHIN}"
            )
        }
        Ignored::TriggerIsCommit => format!(
            "{repository} builds on pushes to enabled branches, so this deployment was ignored. To \
             build on deployments instead, ask the operator of the build service for the trigger \
             `deployment`. {SEEN_WITHIN}"
        ),
        Ignored::TriggerIsManual => format!(
            "{repository} builds only when somebody starts a build at the build service, so this \
             {event} was ignored. To build on pushes or deployments, ask the operator of the build \
             service for the trigger `commit` or `deployment`. {SEEN_WITHIN}"
        ),
        Ignored::EventNotUsed => format!(
            "Builds start from push, deployment and deployment_status events; {event} events are not used, \
             so there was nothing to do. You can leave this event ticked in the webhook's settings or untick it."
        ),
        Ignored::ActionNotUsed { action } => format!(
            "A build starts when a deployment or a status of it is created; this event's action is \
             {action}, so it was ignored. There is nothing to do."
        ),
        Ignored::TaskNotDeploy { task } => format!(
            "Only deployments with the task deploy are built; the task of this one is {task}, so it \
             was ignored. To build it, create the deployment with the task deploy (the default)."
        ),
        Ignored::DeploymentFromFork { event } => format!(
            "This deployment was made by a GitHub Actions job whose run was started by {} and is, or may \
             be, of a fork: its commit is none that {repository} has taken in, so it is never built. To \
             build it, merge it, and deploy it from a branch of {repository}.",
            if event.is_empty() { "an event that GitHub does not name" } else { event }
        ),
        Ignored::DeploymentFromPullRequest { environment } => format!(
            "This deployment to {environment} was made for a pull request. Where the policy lists no \
             `environments`, {repository} builds none of those. To build it, ask the operator of the build \
             service to list {environment} together with every other environment that is to build. \
             {SEEN_WITHIN}"
        ),
        Ignored::DeploymentNotStarted { environment, when, of_a_job } => format!(
            "This deployment to {environment} is not built yet: {}, so it is built when its status is {when}. \
             There is nothing to do, if this webhook sends deployment_status events: \"Deployment statuses\" \
             has to be ticked in its settings.",
            if *of_a_job {
                "a GitHub Actions job made it, which may still wait for an approval".to_owned()
            } else {
                format!("the policy of {repository} has `build_when` {when}")
            }
        ),
        Ignored::DeploymentStatusNotUsed { state, when } => format!(
            "The status {state} of a deployment builds nothing: this deployment is built when {}. There is \
             nothing to do.",
            match when {
                BuildWhen::Created => "it is created".to_owned(),
                later => format!("its status is {later}"),
            }
        ),
        Ignored::EnvironmentNotEnabled { environment, enabled: None } => format!(
            "This deployment to {environment} was ignored: where the policy lists no `environments`, \
             {repository} builds for every one but github-pages, because GitHub Pages makes \
             deployments of its own. To build it, ask the operator of the build service to list \
             {environment} together with every other environment that is to build. {SEEN_WITHIN}"
        ),
        Ignored::EnvironmentNotEnabled { environment, enabled: Some(enabled) } => format!(
            "This deployment to {environment} was ignored: for {repository}, the policy's \
             `environments` are {}. To build it, ask the operator of the build service to add \
             {environment}. {SEEN_WITHIN}",
            listed(enabled)
        ),
        Ignored::BranchNotEnabled { branch, enabled: EnabledBranches::Default(default) } => {
            format!(
                "This {event} of {branch} was ignored: where the policy lists no `branches`, {repository} \
             builds its default branch, {default}. To build both, ask the operator of the build \
             service to list {branch} and {default}. {SEEN_WITHIN}"
            )
        }
        Ignored::BranchNotEnabled { branch, enabled: EnabledBranches::Listed(enabled) } => format!(
            "This {event} of {branch} was ignored: for {repository}, the policy's `branches` are {}. \
             To build it, ask the operator of the build service to add {branch}. {SEEN_WITHIN}",
            listed(enabled)
        ),
        Ignored::NotABranch { reference } => format!(
            "{repository} builds on pushes to branches, and {reference} is not a branch, so this push \
             was ignored. There is nothing to do."
        ),
        Ignored::BranchDeleted { branch } => format!(
            "This push deleted the branch {branch}, so there is no commit to build. There is nothing \
             to do."
        ),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { names.join(", ") }
}

fn pong_message(check: &HookCheck, known: &Known) -> String {
    let settings = match check.owner {
        HookOwner::Repository => "the repository's Settings > Webhooks > Edit",
        HookOwner::Organization => "the organization's Settings > Webhooks > Edit",
        HookOwner::App => "the app's settings",
    };
    let subject = match (&known.repository, known.trigger) {
        (Some(repository), Some(trigger)) => format!("{repository} has the trigger `{trigger}`"),
        _ => "This webhook belongs to no single repository".to_owned(),
    };
    if check.faults.is_empty() {
        let so = match known.trigger {
            Some(Trigger::Commit) => {
                "and this webhook sends push events: pushes to enabled branches will be built."
            }
            Some(Trigger::Deployment) => match check.part {
                None => {
                    "and this webhook sends the events that it needs: deployments to enabled environments \
                     will be built."
                }
                Some(_) => "of whose deployments this webhook has only a part built.",
            },
            Some(Trigger::Manual) => "so no event of this webhook will be built.",
            None => {
                "and sends events that can start builds. Whether a repository builds depends on its \
                 trigger: each must be linked, by itself or all of an owner at once."
            }
        };
        let part = check.part.map_or(String::new(), |part| {
            let (built, others, tick) = part_words(part);
            format!(
                " It sends no {} events, so only deployments that {built} will be built. To build those \
                 that {others}, too, tick \"{tick}\" in {settings}, then redeliver this ping to check again.",
                missing_event(part)
            )
        });
        return format!("The signature is good. {subject}, {so}{part}");
    }
    let faults: Vec<String> = check
        .faults
        .iter()
        .map(|fault| match fault {
            HookFault::NotActive => {
                format!("It is not active, so GitHub delivers nothing: tick \"Active\" in {settings}.")
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
    let manual = match known.trigger {
        Some(Trigger::Manual) => ", so nothing is built in any case",
        _ => "",
    };
    format!(
        "The signature is good, but this webhook cannot start builds. {subject}{manual}. {} Then \
         redeliver this ping to check again.",
        faults.join(" ")
    )
}

/// The box of GitHub's page that stands for an event.
fn box_of(event: &str) -> &'static str {
    match event {
        "push" => "\"Pushes\"",
        "deployment_status" => "\"Deployment statuses\"",
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
    let repository = Name(known);
    match rejection {
        Rejection::MissingHeader { problems } => format!(
            "This is not a delivery as GitHub sends it: {}. Deliver through a GitHub webhook, or with \
             all of its headers.",
            problems.join("; ")
        ),
        Rejection::MissingSignature { problems } => format!(
            "The delivery is not signed: {}. Enter the webhook secret under Settings > Webhooks > Edit \
             > Secret, so that GitHub signs each delivery with {SIGNATURE_HEADER}; then redeliver.",
            problems.join("; ")
        ),
        Rejection::IllFormedSignature { problems } => format!(
            "The signature cannot be read: {}. A GitHub webhook that has a secret sends it well formed, \
             so something else sent this delivery or changed it on its way.",
            problems.join("; ")
        ),
        Rejection::BadSignature => {
            "The signature does not match the body. Enter the webhook secret that \
             the operator of the build service gave you under Settings > Webhooks > Edit > Secret, \
             then redeliver."
                .to_owned()
        }
        Rejection::MalformedPayload { problem } => format!(
            "The payload cannot be used: {problem}. GitHub sends a JSON object of the event's shape; \
             if this delivery came from GitHub, tell the operator of the build service."
        ),
        Rejection::OtherRepositoryId { id, expected } => format!(
            "The policy of {repository} is for the repository whose id is {expected}, and this delivery is \
             about one of the same name whose id is {id}: the name was given up and registered anew. If it \
             is to be built, its owner asks the operator of the build service to link it."
        ),
        Rejection::OtherCloneUrl { expected, github } => format!(
            "This gate serves the repositories of {github}, where {repository} is cloned from {expected}; \
             the payload's repository.clone_url is another one. Deliver through a webhook of {github}."
        ),
        Rejection::OtherRepository { route } => match &known.repository {
            Some(repository) => format!(
                "This webhook's Payload URL and secret are those of {route}, but the delivery is about \
                 {repository}. If {route} was renamed or transferred, ask the operator of the build \
                 service to link it under its new name: `cargo run -- link {repository} --trigger \
                 deployment --url {gate}{place}` (or with the trigger that it had).",
                gate = known.gate,
                place = if known.is_local() { " --local" } else { "" }
            ),
            None => format!(
                "This webhook's Payload URL is that of {route}, but the delivery names no repository. An \
                 organization's or app's webhook belongs at {gate}/, with the operator's own secret.",
                gate = known.gate
            ),
        },
        Rejection::RepositoryNotLinked => {
            let key = known.repository.as_ref().map_or("owner/name", RepositoryName::as_lower);
            let command = command::shown(&command::put(known.kv(), key, "deployment"));
            format!(
                "{repository} is not linked to the build service, so nothing is built. Its operator \
                 links it with `{command}` (or with `commit` or `manual` as the last word). The link is \
                 seen within 60 seconds; then redeliver."
            )
        }
        Rejection::NotFound => format!(
            "There is nothing at this path. Set the webhook's Payload URL to {gate}/, or to the \
             repository's own: {gate}/ and its full name, such as octocat/Hello-World.",
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
        Rejection::NotConfigured { .. } => {
            "The build service's gate is not set up yet, so nothing is accepted. \
             Tell its operator, who finds the reason in the gate's log; then redeliver."
                .to_owned()
        }
        Rejection::InvalidPolicy { key, problem } => {
            let triggers = Trigger::ALL.map(|trigger| format!("`{trigger}`")).join(", ");
            format!(
                "The policy stored for {repository} under the key {key} cannot be used: {problem}. \
                 Allowed are the words {triggers}, or a JSON object with the field `trigger` and, if \
                 wanted, the lists `environments` and `branches`, `repository_id` and `build_when`. The \
                 operator of the build service must correct it, which is seen within 60 seconds; then \
                 redeliver."
            )
        }
        Rejection::PolicyKeyHasCapitals { key, policy } => {
            let lower = key.to_ascii_lowercase();
            format!(
                "The policy stored for {repository} under the key {key} is not used: keys are in lower case. \
                 The operator of the build service puts it right with `{}`, and then `{}`. That is seen \
                 within 60 seconds; then redeliver.",
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

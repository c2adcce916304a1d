//! Every code: its outcome and status are settled, and its message helps the person who reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use buildgate::delivery::decision::{
    DeploymentPart, EnabledBranches, HookCheck, HookFault, HookOwner, Ignored, Pushed,
};
use buildgate::delivery::rejection::Rejection;
use buildgate::delivery::settings::Guidance;
use buildgate::delivery::verdict::{Known, Outcome, Queued, ToRedeliver, Verdict};
use buildgate::message::journal::{CODES, OUTCOMES};
use buildgate::policy::auto_deploy::AutoDeploy;
use buildgate::policy::{BuildWhen, Policy, Trigger};
use buildgate::repository::GitHubUrl;
use buildgate::route::Entrance;
use buildgate::signature::github::SecretUsed;
use serde_json::Value;

/// All that there is to know of a verified delivery.
fn verified(event: &str, trigger: Option<Trigger>) -> Known {
    Known {
        gate: "https://gate.example".into(),
        entrance: Some(Entrance::Shared),
        guidance: Rc::default(),
        delivery: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
        event: Some(event.into()),
        secret: Some(SecretUsed::Current),
        repository: Some("octocat/Hello-World".parse().unwrap()),
        trigger,
        build: None,
        to_redeliver: ToRedeliver::This,
        kept: None,
        nor_branch: None,
    }
}

fn answer(verdict: &Verdict, known: &Known) -> Value {
    serde_json::from_str(&verdict.body(known, &verdict.message(known)).unwrap()).unwrap()
}

fn check(faults: &[HookFault]) -> HookCheck {
    HookCheck {
        owner: HookOwner::Repository,
        faults: faults.to_vec(),
        part: None,
        lacks_signs: vec![],
        pings: Some("repos/octocat/Hello-World/hooks/7/pings".into()),
    }
}

fn pong(faults: &[HookFault]) -> Verdict {
    Verdict::Pong(check(faults))
}

fn partial_pong(part: DeploymentPart) -> Verdict {
    Verdict::Pong(HookCheck { part: Some(part), ..check(&[]) })
}

fn branch(name: &str, is_default: bool) -> Pushed {
    Pushed::Branch { name: name.into(), is_default }
}

/// A policy's `auto_deploy`.
fn auto_deploy(json: &str) -> AutoDeploy {
    let policy = format!("{{\"trigger\":\"deployment\",\"auto_deploy\":{json}}}");
    Policy::parse(&policy).unwrap().auto_deploy.unwrap()
}

/// A verdict, its event and trigger, its codes, and what its message says.
type Row =
    (Verdict, &'static str, Option<Trigger>, (u16, Outcome, &'static str), Vec<&'static str>);

/// Each verdict with the trigger it comes under, its status, outcome and code, and what its message
/// must not fail to say.
fn table() -> Vec<Row> {
    use Outcome::{Ignored as Ign, Pong, Queued as Que, Rejected as Rej};
    let (commit, deployment, manual) =
        (Some(Trigger::Commit), Some(Trigger::Deployment), Some(Trigger::Manual));
    let queued = |queued| Verdict::Queued(queued);
    let ignored = |ignored| Verdict::Ignored(ignored);
    let rejected = |rejection| Verdict::Rejected(rejection);
    let problems =
        || vec!["X-GitHub-Event is missing".to_owned(), "X-GitHub-Delivery is missing".to_owned()];
    vec![
        (
            queued(Queued::Deployment {
                id: 7,
                environment: "production".into(),
                commit: "f95f852".into(),
            }),
            "deployment",
            deployment,
            (202, Que, "deployment-queued"),
            vec!["Deployment 7", "octocat/Hello-World", "production", "f95f852"],
        ),
        (
            queued(Queued::Push { branch: "main".into(), commit: "f95f852".into() }),
            "push",
            commit,
            (202, Que, "push-queued"),
            vec!["main", "octocat/Hello-World", "f95f852"],
        ),
        (
            queued(Queued::AutoDeployment {
                commit: "f95f852".into(),
                enabled: EnabledBranches::Default("main".into()),
                policy: auto_deploy(r#"{"contexts":["build","docker-hub"]}"#),
            }),
            "status",
            deployment,
            (202, Que, "auto-deployment-queued"),
            vec![
                "whether build and docker-hub are green at commit f95f852 of octocat/Hello-World",
                "lies on the default branch, main, it makes a deployment of it to production",
                "`cargo run -- auto-deployments show octocat/Hello-World@f95f852 --url https://gate.example`",
            ],
        ),
        (
            queued(Queued::AutoDeployment {
                commit: "f95f852".into(),
                enabled: EnabledBranches::Listed(vec!["main".into(), "release/*".into()]),
                policy: auto_deploy("{}"),
            }),
            "push",
            deployment,
            (202, Que, "auto-deployment-queued"),
            vec!["whether every status and check is green", "lies on main or release/*"],
        ),
        (
            ignored(Ignored::NotASuccess {
                of: "The status build".into(),
                state: "pending".into(),
                commit: "f95f852".into(),
                named: Some(vec!["build".into()]),
            }),
            "status",
            deployment,
            (200, Ign, "not-a-success"),
            vec![
                "The status build of commit f95f852 says pending",
                "once build is green",
                "to wait",
            ],
        ),
        (
            ignored(Ignored::NotASuccess {
                of: "The check test".into(),
                state: "failure".into(),
                commit: "f95f852".into(),
                named: None,
            }),
            "check_run",
            deployment,
            (200, Ign, "not-a-success"),
            vec!["says failure", "once every status and check is green", "Run it again"],
        ),
        (
            ignored(Ignored::ContextNotUsed {
                context: "lint".into(),
                named: vec!["build".into(), "docker-hub".into()],
            }),
            "status",
            deployment,
            (200, Ign, "context-not-used"),
            vec![
                "once build and docker-hub are green, and lint is not needed",
                "auto_deploy.contexts",
            ],
        ),
        (
            ignored(Ignored::ContextNotUsed { context: "buildgate".into(), named: vec![] }),
            "status",
            deployment,
            (200, Ign, "context-not-used"),
            vec!["the gate itself says of a build"],
        ),
        (
            ignored(Ignored::CheckNotCompleted { action: "created".into() }),
            "check_run",
            deployment,
            (200, Ign, "action-not-used"),
            vec!["created", "once its checks are completed"],
        ),
        (
            ignored(Ignored::CommitOfAnotherBranch {
                branch: "fix".into(),
                enabled: EnabledBranches::Default("main".into()),
                builds_nothing_under: None,
                is_success: true,
            }),
            "status",
            deployment,
            (200, Ign, "branch-not-enabled"),
            vec!["of a commit on fix", "the default branch, main", "and main, too, for then only"],
        ),
        (
            ignored(Ignored::CommitOfAnotherBranch {
                branch: "main".into(),
                enabled: EnabledBranches::Default("main".into()),
                builds_nothing_under: Some(vec!["release/*".into()]),
                is_success: true,
            }),
            "status",
            deployment,
            (200, Ign, "branch-not-enabled"),
            vec!["Deployments of main are not built", "`branches` are release/*", "add it to them"],
        ),
        (
            ignored(Ignored::TriggerIsDeployment {
                pushed: branch("main", true),
                deleted: false,
                deploys: None,
                not_among: None,
                environment: None,
            }),
            "push",
            deployment,
            (200, Ign, "trigger-is-deployment"),
            vec![
                "octocat/Hello-World builds on deployments, so this push to main was not built.",
                "`gh api repos/octocat/Hello-World/deployments -f ref=main -F auto_merge=false`",
                "If a deployment of the commit was made",
                "`commit`",
                "60 seconds",
            ],
        ),
        (
            ignored(Ignored::TriggerIsDeployment {
                pushed: branch("fix", false),
                deleted: false,
                deploys: Some(EnabledBranches::Listed(vec!["main".into()])),
                not_among: None,
                environment: Some("staging".into()),
            }),
            "push",
            deployment,
            (200, Ign, "trigger-is-deployment"),
            vec![
                "The gate itself deploys green commits of main only",
                "with fix and every other branch that is to build in `branches`",
                "-f ref=fix -F auto_merge=false -f environment=staging`",
            ],
        ),
        (
            ignored(Ignored::TriggerIsDeployment {
                pushed: Pushed::Tag("v1".into()),
                deleted: false,
                deploys: None,
                not_among: Some(vec!["main".into(), "release/*".into()]),
                environment: None,
            }),
            "push",
            deployment,
            (200, Ign, "trigger-is-deployment"),
            vec![
                "Deployments of v1 are not built, either, for the policy's `branches` are main, release/*",
                "to add v1, or a pattern of such tags, to them; a minute later",
            ],
        ),
        (
            ignored(Ignored::TriggerIsDeployment {
                pushed: Pushed::Tag("v1".into()),
                deleted: false,
                deploys: None,
                not_among: None,
                environment: None,
            }),
            "push",
            deployment,
            (200, Ign, "trigger-is-deployment"),
            vec!["this push of the tag v1 was not built", "-f ref=v1 ", "No trigger builds"],
        ),
        (
            ignored(Ignored::TriggerIsDeployment {
                pushed: Pushed::Other("refs/notes/commits".into()),
                deleted: false,
                deploys: None,
                not_among: None,
                environment: None,
            }),
            "push",
            deployment,
            (200, Ign, "trigger-is-deployment"),
            vec!["refs/notes/commits", "There is nothing to do"],
        ),
        (
            ignored(Ignored::TriggerIsDeployment {
                pushed: branch("fix", false),
                deleted: true,
                deploys: None,
                not_among: None,
                environment: None,
            }),
            "push",
            deployment,
            (200, Ign, "trigger-is-deployment"),
            vec!["This push to fix deleted the branch", "there is nothing to build"],
        ),
        (
            ignored(Ignored::EnvironmentNotEnabled {
                environment: "qa".into(),
                enabled: Some(vec![]),
            }),
            "deployment",
            deployment,
            (200, Ign, "environment-not-enabled"),
            vec!["its list `environments` is empty"],
        ),
        (
            ignored(Ignored::TriggerIsCommit {
                either: Some(Box::new(Ignored::TaskNotDeploy { task: "migrate".into() })),
            }),
            "deployment",
            commit,
            (200, Ign, "trigger-is-commit"),
            vec!["would not be built then, either, for its task is migrate"],
        ),
        (
            ignored(Ignored::TriggerIsCommit { either: None }),
            "deployment",
            commit,
            (200, Ign, "trigger-is-commit"),
            vec![
                "octocat/Hello-World builds on pushes to enabled branches, so this deployment was not built",
                "see the answer to that `push` delivery",
                "`deployment`",
                "60 seconds",
            ],
        ),
        (
            ignored(Ignored::TriggerIsManual {
                push: Some((branch("main", true), false)),
                either: None,
            }),
            "push",
            manual,
            (200, Ign, "trigger-is-manual"),
            vec!["this push to main was not built", "for the trigger `commit`", "then redeliver"],
        ),
        (
            ignored(Ignored::TriggerIsManual {
                push: Some((branch("fix", false), false)),
                either: None,
            }),
            "push",
            manual,
            (200, Ign, "trigger-is-manual"),
            vec!["with fix and every other branch that is to build in `branches`"],
        ),
        (
            ignored(Ignored::TriggerIsManual {
                push: Some((Pushed::Tag("v1".into()), false)),
                either: None,
            }),
            "push",
            manual,
            (200, Ign, "trigger-is-manual"),
            vec!["No trigger builds pushes of tags", "-f ref=v1 "],
        ),
        (
            ignored(Ignored::TriggerIsManual {
                push: Some((branch("fix", false), true)),
                either: None,
            }),
            "push",
            manual,
            (200, Ign, "trigger-is-manual"),
            vec!["This push to fix deleted the branch"],
        ),
        (
            ignored(Ignored::TriggerIsManual {
                push: None,
                either: Some(Box::new(Ignored::DeploymentFromFork {
                    event: "pull_request".into(),
                    is_certain: true,
                })),
            }),
            "deployment",
            manual,
            (200, Ign, "trigger-is-manual"),
            vec!["is of a fork's commit", "which no webhook ever builds", "merge it into a branch"],
        ),
        (
            ignored(Ignored::TriggerIsManual {
                push: None,
                either: Some(Box::new(Ignored::EnvironmentNotEnabled {
                    environment: "github-pages".into(),
                    enabled: None,
                })),
            }),
            "deployment",
            manual,
            (200, Ign, "trigger-is-manual"),
            vec![
                "this deployment was not built",
                "only if `environments` list github-pages, together with",
            ],
        ),
        (
            ignored(Ignored::EventNotUsed),
            "status",
            None,
            (200, Ign, "event-not-used"),
            vec!["Nothing follows from status events here", "for `auto_deploy` in the policy"],
        ),
        (
            ignored(Ignored::ActionNotUsed { action: "edited".into() }),
            "deployment",
            deployment,
            (200, Ign, "action-not-used"),
            vec!["edited"],
        ),
        (
            ignored(Ignored::TaskNotDeploy { task: "migrate".into() }),
            "deployment",
            deployment,
            (200, Ign, "task-not-deploy"),
            vec!["migrate", "task deploy"],
        ),
        (
            ignored(Ignored::DeploymentFromFork { event: "issues".into(), is_certain: false }),
            "deployment",
            deployment,
            (200, Ign, "deployment-from-fork"),
            vec!["does not say whether its commit is a fork's", "workflow_dispatch"],
        ),
        (
            ignored(Ignored::DeploymentFromFork { event: "pull_request".into(), is_certain: true }),
            "deployment",
            deployment,
            (200, Ign, "deployment-from-fork"),
            vec![
                "pull_request",
                "a commit of a fork",
                "never built",
                "merge it into a branch of octocat/Hello-World",
            ],
        ),
        (
            ignored(Ignored::DeploymentFromPullRequest { environment: "preview".into() }),
            "deployment",
            deployment,
            (200, Ign, "deployment-from-pull-request"),
            vec![
                "preview",
                "pull request",
                "`environments`",
                "together with every other environment",
            ],
        ),
        (
            ignored(Ignored::DeploymentNotStarted {
                environment: "production".into(),
                when: BuildWhen::InProgress,
                of_a_job: true,
            }),
            "deployment",
            deployment,
            (200, Ign, "deployment-not-started"),
            vec![
                "not built yet",
                "approval",
                "when its status is in_progress",
                "\"Deployment statuses\"",
            ],
        ),
        (
            ignored(Ignored::DeploymentNotStarted {
                environment: "production".into(),
                when: BuildWhen::Success,
                of_a_job: false,
            }),
            "deployment",
            deployment,
            (200, Ign, "deployment-not-started"),
            vec!["`build_when` success", "when its status is success"],
        ),
        (
            ignored(Ignored::DeploymentStatusNotUsed {
                state: "queued".into(),
                when: BuildWhen::InProgress,
                id: 7,
                environment: "production".into(),
                of_a_job: true,
            }),
            "deployment_status",
            deployment,
            (200, Ign, "deployment-status-not-used"),
            vec!["status queued of deployment 7 to production", "once its status is in_progress"],
        ),
        (
            ignored(Ignored::DeploymentStatusNotUsed {
                state: "failure".into(),
                when: BuildWhen::InProgress,
                id: 7,
                environment: "production".into(),
                of_a_job: true,
            }),
            "deployment_status",
            deployment,
            (200, Ign, "deployment-status-not-used"),
            vec!["If it had that before", "If it never had, it was not built: run the job again"],
        ),
        (
            ignored(Ignored::DeploymentStatusNotUsed {
                state: "success".into(),
                when: BuildWhen::Created,
                id: 7,
                environment: "production".into(),
                of_a_job: false,
            }),
            "deployment_status",
            deployment,
            (200, Ign, "deployment-status-not-used"),
            vec!["status success", "the answer to its `deployment` delivery"],
        ),
        (
            ignored(Ignored::EnvironmentNotEnabled {
                environment: "staging".into(),
                enabled: Some(vec!["production".into(), "qa".into()]),
            }),
            "deployment",
            deployment,
            (200, Ign, "environment-not-enabled"),
            vec!["staging", "production, qa (the policy's `environments`)", "then redeliver"],
        ),
        (
            ignored(Ignored::EnvironmentNotEnabled {
                environment: "github-pages".into(),
                enabled: None,
            }),
            "deployment",
            deployment,
            (200, Ign, "environment-not-enabled"),
            vec!["github-pages", "mostly that is as it should be", "together with every other"],
        ),
        (
            ignored(Ignored::BranchNotEnabled {
                branch: "fix".into(),
                enabled: EnabledBranches::Default("main".into()),
            }),
            "push",
            commit,
            (200, Ign, "branch-not-enabled"),
            vec!["fix", "builds its default branch, main", "60 seconds"],
        ),
        (
            ignored(Ignored::BranchNotEnabled {
                branch: "fix".into(),
                enabled: EnabledBranches::Listed(vec!["main".into(), "release/*".into()]),
            }),
            "deployment",
            deployment,
            (200, Ign, "branch-not-enabled"),
            vec![
                "This deployment of fix was not built",
                "main, release/* (the policy's `branches`)",
                "redeliver",
            ],
        ),
        (
            ignored(Ignored::BranchNotEnabled {
                branch: "f95f852bd8fca8fcc58a9a2d6c842781e32a215e".into(),
                enabled: EnabledBranches::Listed(vec!["main".into()]),
            }),
            "deployment",
            deployment,
            (200, Ign, "branch-not-enabled"),
            vec!["a commit's hash as its ref", "with the name of the branch as its ref"],
        ),
        (
            ignored(Ignored::NotABranch { pushed: Pushed::Tag("v1".into()), deleted: false }),
            "push",
            commit,
            (200, Ign, "not-a-branch"),
            vec!["this push of the tag v1", "trigger `deployment`", "-f ref=v1 "],
        ),
        (
            ignored(Ignored::NotABranch {
                pushed: Pushed::Other("refs/notes/x".into()),
                deleted: false,
            }),
            "push",
            commit,
            (200, Ign, "not-a-branch"),
            vec!["this push to refs/notes/x was not built", "There is nothing to do"],
        ),
        (
            ignored(Ignored::BranchDeleted { branch: "fix".into() }),
            "push",
            commit,
            (200, Ign, "branch-deleted"),
            vec!["deleted the branch fix"],
        ),
        (
            pong(&[]),
            "ping",
            deployment,
            (200, Pong, "pong"),
            vec!["signature is good", "sends the events from which builds start"],
        ),
        (
            partial_pong(DeploymentPart::ThroughTheApi),
            "ping",
            deployment,
            (200, Pong, "pong"),
            vec![
                "sends no deployment_status events",
                "only deployments that were made through the API will be built",
                "tick \"Deployment statuses\" in the repository's Settings",
            ],
        ),
        (
            partial_pong(DeploymentPart::OfJobs),
            "ping",
            deployment,
            (200, Pong, "pong"),
            vec![
                "sends no deployment events",
                "only deployments that GitHub Actions jobs made will be built",
                "tick \"Deployments\"",
            ],
        ),
        (
            Verdict::Pong(HookCheck { lacks_signs: vec!["status", "check_suite"], ..check(&[]) }),
            "ping",
            deployment,
            (200, Pong, "pong"),
            vec![
                "tick \"Statuses\" and \"Check suites\"",
                "`gh api -X POST repos/octocat/Hello-World/",
            ],
        ),
        (pong(&[]), "ping", commit, (200, Pong, "pong"), vec!["sends push events"]),
        (
            pong(&[]),
            "ping",
            manual,
            (200, Pong, "pong"),
            vec!["no event of this webhook will be built"],
        ),
        (
            pong(&[HookFault::EventNotSent(&["deployment", "deployment_status"])]),
            "ping",
            deployment,
            (200, Pong, "hook-misconfigured"),
            vec![
                "trigger `deployment`",
                "tick \"Deployments\" and \"Deployment statuses\"",
                "Settings > Webhooks",
            ],
        ),
        (
            pong(&[HookFault::EventNotSent(&["push"])]),
            "ping",
            commit,
            (200, Pong, "hook-misconfigured"),
            vec!["trigger `commit`", "tick \"Pushes\""],
        ),
        (
            pong(&[HookFault::NotActive]),
            "ping",
            deployment,
            (200, Pong, "hook-misconfigured"),
            vec![
                "tick \"Active\"",
                "Settings > Webhooks",
                "`gh api -X POST repos/octocat/Hello-World/hooks/7/pings`",
            ],
        ),
        (
            rejected(Rejection::MissingHeader { problems: problems() }),
            "push",
            None,
            (400, Rej, "missing-header"),
            vec!["X-GitHub-Event is missing", "X-GitHub-Delivery is missing"],
        ),
        (
            rejected(Rejection::MalformedPayload { problem: "`after`: invalid".into() }),
            "push",
            None,
            (400, Rej, "malformed-payload"),
            vec!["`after`: invalid"],
        ),
        (
            rejected(Rejection::MissingSignature { problems: problems() }),
            "push",
            None,
            (401, Rej, "missing-signature"),
            vec!["X-GitHub-Event is missing", "The webhook has no secret", "the shared secret"],
        ),
        (
            rejected(Rejection::IllFormedSignature { problems: problems() }),
            "push",
            None,
            (401, Rej, "bad-signature"),
            vec!["X-GitHub-Delivery is missing"],
        ),
        (
            rejected(Rejection::BadSignature),
            "push",
            None,
            (401, Rej, "bad-signature"),
            vec![
                "This Payload URL, https://gate.example/, is for the webhooks of organizations and apps",
                ".git",
                "the shared secret",
            ],
        ),
        (
            rejected(Rejection::OtherRepository { route: "octocat/Old-Name".parse().unwrap() }),
            "push",
            None,
            (403, Rej, "repository-mismatch"),
            vec![
                "octocat/Old-Name was renamed or transferred",
                "copied from there, set its Payload URL to https://gate.example/octocat/Hello-World",
                "`cargo run -- link octocat/Hello-World --trigger POLICY --url https://gate.example`",
            ],
        ),
        (
            rejected(Rejection::OtherRepositoryId { id: 2, expected: 1 }),
            "push",
            deployment,
            (403, Rej, "repository-mismatch"),
            vec!["whose id is 1", "whose id is 2", "registered anew"],
        ),
        (
            rejected(Rejection::OtherCloneUrl {
                expected: "https://github.com/octocat/Hello-World.git".into(),
                github: GitHubUrl::parse(None).unwrap(),
            }),
            "push",
            None,
            (403, Rej, "repository-mismatch"),
            vec![
                "serves the repositories of https://github.com",
                "https://github.com/octocat/Hello-World.git",
            ],
        ),
        (
            rejected(Rejection::RepositoryNotLinked),
            "push",
            None,
            (404, Rej, "repository-not-linked"),
            vec![
                "`cargo run -- link octocat/Hello-World --trigger commit --url https://gate.example` (which builds pushes to branches;",
                "redeliver",
            ],
        ),
        (
            rejected(Rejection::NotFound),
            "push",
            None,
            (404, Rej, "not-found"),
            vec!["Payload URL to the repository's own: https://gate.example/ and its full name"],
        ),
        (
            rejected(Rejection::MethodNotAllowed { allow: "POST" }),
            "push",
            None,
            (405, Rej, "method-not-allowed"),
            vec!["POST"],
        ),
        (
            rejected(Rejection::BodyTooSlow),
            "push",
            None,
            (408, Rej, "body-too-slow"),
            vec!["8 seconds", "Redeliver"],
        ),
        (rejected(Rejection::Busy), "push", None, (503, Rej, "busy"), vec!["room", "redeliver"]),
        (
            rejected(Rejection::PayloadTooLarge),
            "push",
            None,
            (413, Rej, "payload-too-large"),
            vec!["26214400"],
        ),
        (
            rejected(Rejection::UnsupportedContentType { content_type: Some("text/xml".into()) }),
            "push",
            None,
            (415, Rej, "unsupported-content-type"),
            vec!["text/xml", "application/json"],
        ),
        (
            rejected(Rejection::UnsupportedContentType { content_type: None }),
            "push",
            None,
            (415, Rej, "unsupported-content-type"),
            vec!["no Content-Type", "application/json"],
        ),
        (
            rejected(Rejection::NotConfigured { detail: "WEBHOOK_SECRET is unset" }),
            "push",
            None,
            (500, Rej, "not-configured"),
            vec!["operator"],
        ),
        (
            rejected(Rejection::InvalidPolicy {
                key: "octocat/*".into(),
                problem: "`comit` is not a trigger".into(),
            }),
            "push",
            None,
            (500, Rej, "invalid-policy"),
            vec![
                "octocat/*",
                "`comit` is not a trigger",
                "`commit`, `deployment` and `manual`",
                "60 seconds",
            ],
        ),
        (
            rejected(Rejection::PolicyKeyHasCapitals {
                key: "octocat/Hello-World".into(),
                policy: r#"{"trigger":"commit"}"#.into(),
            }),
            "push",
            None,
            (500, Rej, "invalid-policy"),
            vec![
                "octocat/Hello-World is not used: keys are in lower case",
                r#"`npx wrangler kv key put --remote --binding REPO_TRIGGERS octocat/hello-world '{"trigger":"commit"}'`"#,
                "`npx wrangler kv key delete --remote --binding REPO_TRIGGERS octocat/Hello-World`",
                "redeliver",
            ],
        ),
        (
            rejected(Rejection::PolicyUnavailable { detail: "KV GET failed".into() }),
            "push",
            None,
            (503, Rej, "policy-unavailable"),
            vec!["redeliver"],
        ),
        (
            rejected(Rejection::QueueUnavailable { detail: "Queue sendBatch failed".into() }),
            "push",
            deployment,
            (503, Rej, "queue-unavailable"),
            vec!["redeliver"],
        ),
    ]
}

#[test]
fn every_code_has_its_status_and_a_message_that_helps() {
    for (verdict, event, trigger, (status, outcome, code), parts) in table() {
        assert_eq!(verdict.codes(), (outcome, code, status));
        let answer = answer(&verdict, &verified(event, trigger));
        assert_eq!(answer["code"], code);
        let message = answer["message"].as_str().unwrap();
        for part in parts {
            assert!(message.contains(part), "{code}: {part} is not in: {message}");
        }
        assert!(
            message.ends_with(&format!(". Read more: <https://gate.example/help#{code}>.")),
            "{message}"
        );
        assert!(!message.contains("  ") && !message.contains('\n'), "{message}");
    }
}

#[test]
fn every_code_of_the_docs_is_in_the_table_and_the_other_way_round() {
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/answers.md")).unwrap();
    for (verdict, ..) in table() {
        let (_, code, status) = verdict.codes();
        assert!(
            docs.contains(&format!("| {status} | `{code}` |")),
            "{status} {code} is not in docs/answers.md"
        );
    }
    let codes: Vec<_> = table().iter().map(|(verdict, ..)| verdict.codes().1).collect();
    for row in docs
        .lines()
        .filter(|row| row.starts_with("| 2") || row.starts_with("| 4") || row.starts_with("| 5"))
    {
        let code = row.split('`').nth(1).unwrap();
        assert!(codes.contains(&code), "{code} of docs/answers.md is no code");
    }
}

#[test]
fn the_journal_knows_every_code_and_its_outcome() {
    let of_verdict = |verdict: &Verdict| {
        let (outcome, code, _) = verdict.codes();
        (code, outcome.as_str())
    };
    let answered: BTreeSet<_> = table().iter().map(|(verdict, ..)| of_verdict(verdict)).collect();
    assert_eq!(answered, BTreeSet::from(CODES));
    let outcomes: BTreeSet<_> = CODES.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, BTreeSet::from(OUTCOMES));
}

#[test]
fn the_console_knows_every_code_and_its_kind() {
    let kinds = include_str!("../console/codes.json");
    let kinds: BTreeMap<String, Vec<String>> = serde_json::from_str(kinds).unwrap();
    let outcome = |kind: &str| match kind {
        "accepted" => "queued",
        "refused" | "forged" => "rejected",
        kind => OUTCOMES.into_iter().find(|outcome| *outcome == kind).unwrap(),
    };
    let codes =
        kinds.iter().flat_map(|(kind, codes)| codes.iter().map(|code| (&**code, outcome(kind))));
    let codes: Vec<(&str, &str)> = codes.collect();
    assert_eq!(codes.len(), CODES.len());
    assert_eq!(codes.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(CODES));
}

#[test]
fn an_answer_is_the_settled_object() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let known = Known {
        build: Some("deployment:1:2".into()),
        ..verified("deployment", Some(Trigger::Deployment))
    };
    let queued =
        Verdict::Queued(Queued::Deployment { id: 2, environment: "e".into(), commit: "c".into() });
    let queued = answer(&queued, &known);
    assert_eq!(
        keys(&queued),
        ["outcome", "code", "message", "delivery", "event", "repository", "trigger", "build"]
    );
    assert_eq!(queued["outcome"], "queued");
    assert_eq!(queued["delivery"], "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!(queued["event"], "deployment");
    assert_eq!(queued["repository"], "octocat/Hello-World");
    assert_eq!(queued["trigger"], "deployment");
    assert_eq!(queued["build"], "deployment:1:2");

    let ignored = answer(&Verdict::Ignored(Ignored::EventNotUsed), &verified("status", None));
    assert_eq!(
        keys(&ignored),
        ["outcome", "code", "message", "delivery", "event", "repository", "trigger"]
    );
    assert_eq!(ignored["trigger"], Value::Null);
}

#[test]
fn whoever_is_to_be_asked_is_named_and_help_is_where_it_is_set() {
    let guidance = |contact: Option<&str>, help_url: Option<&str>| Guidance {
        contact: contact.map(str::to_owned),
        help_url: help_url.map(str::to_owned),
    };
    let known =
        |guidance, row: &Row| Known { guidance: Rc::new(guidance), ..verified(row.1, row.2) };
    let mut asked = 0;
    for row in table() {
        let verdict = &row.0;
        let nobody = verdict.message(&known(guidance(None, None), &row));
        let somebody = guidance(Some("ops@example.com"), Some("https://help.example/why"));
        let message = verdict.message(&known(somebody, &row));
        let the_operator = "he operator of the build service";
        // A pong says what the operator does, and sends nobody to them.
        if nobody.contains(the_operator) && !matches!(verdict, Verdict::Pong(_)) {
            let named = message.matches(&format!("{the_operator} (ops@example.com)")).count();
            assert_eq!(named, message.matches(the_operator).count(), "{message}");
            asked += 1;
        }
        let (_, code, _) = verdict.codes();
        assert!(message.ends_with(&format!(" <https://help.example/why#{code}>.")), "{message}");
        let page = guidance(None, Some("https://help.example/#/why"));
        let message = verdict.message(&known(page, &row));
        assert!(message.ends_with(" <https://help.example/#/why>."), "{message}");
    }
    assert!(asked > 15, "{asked}");
}

#[test]
fn what_another_setting_would_build_can_be_redelivered() {
    let mut found = 0;
    for (verdict, event, trigger, ..) in table() {
        let message = verdict.message(&verified(event, trigger));
        if message.contains("ask the operator") && matches!(verdict, Verdict::Ignored(_)) {
            // A tag is built by a deployment of it, and not by the push of it.
            // Nor is what another setting would not have built, either.
            let never = ["gh api", "either", "its next success", "`auto_deploy` in"]
                .iter()
                .any(|word| message.contains(word))
                && !message.contains("to enabled branches instead")
                && !message.contains("To build pushes instead");
            assert_eq!(message.contains("then redeliver this delivery"), !never, "{message}");
            found += 1;
        }
    }
    assert!(found >= 9, "{found}");
}

#[test]
fn a_branchs_name_is_one_word_to_the_owners_shell() {
    let pushed = branch("a'b;$(x)", false);
    let ignored = Ignored::TriggerIsDeployment {
        pushed,
        deleted: false,
        deploys: None,
        not_among: None,
        environment: Some("a b".into()),
    };
    let message = Verdict::Ignored(ignored).message(&verified("push", Some(Trigger::Deployment)));
    let command = r"-f ref='a'\''b;$(x)' -F auto_merge=false -f environment='a b'`";
    assert!(message.contains(command), "{message}");
}

#[test]
fn a_deployment_that_two_things_keep_from_being_built_is_told_both() {
    let known = Known {
        nor_branch: Some(("topic".into(), vec!["main".into()])),
        ..verified("deployment", Some(Trigger::Deployment))
    };
    for ignored in [
        Ignored::TaskNotDeploy { task: "migrate".into() },
        Ignored::DeploymentFromPullRequest { environment: "preview".into() },
        Ignored::EnvironmentNotEnabled {
            environment: "qa".into(),
            enabled: Some(vec!["a".into()]),
        },
    ] {
        let message = Verdict::Ignored(ignored).message(&known);
        assert!(
            message.contains("for topic is not among the policy's `branches`, main."),
            "{message}"
        );
    }
}

#[test]
fn a_wrong_signature_is_told_which_secret_its_payload_url_wants_and_no_secret() {
    let message = |entrance: Option<Entrance>| {
        let known = Known { entrance, secret: None, ..verified("push", None) };
        Verdict::Rejected(Rejection::BadSignature).message(&known)
    };
    let own = |name: &str| message(Some(Entrance::Repository(name.parse().unwrap())));
    for (message, parts) in [
        (
            own("octocat/Spoon-Knife"),
            &[
                "https://gate.example/octocat/Spoon-Knife, which is that repository's own",
                "belongs to https://gate.example/ alone",
                "another repository's",
            ][..],
        ),
        (
            own("octocat/Spoon-Knife.git"),
            &[
                "No Payload URL ends with .git",
                "Set it to https://gate.example/octocat/Spoon-Knife ",
            ],
        ),
        (
            message(Some(Entrance::Shared)),
            &[
                "This Payload URL, https://gate.example/, is for the webhooks of organizations and apps",
                "https://gate.example/OWNER/NAME",
            ],
        ),
    ] {
        for part in parts {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
        assert!(message.contains("hen redeliver."), "{message}");
        // What the unverified payload and headers say is not told.
        assert!(!message.contains("octocat/Hello-World") && !message.contains("push"), "{message}");
    }
}

#[test]
fn the_secret_that_verified_is_told_to_a_ping_and_wherever_it_goes_out_of_use() {
    let told = |verdict: &Verdict, event, secret| {
        let known = Known { secret: Some(secret), ..verified(event, Some(Trigger::Deployment)) };
        let answer = answer(verdict, &known);
        let says_so = answer["message"].as_str().unwrap().contains("going out of use");
        (answer["secret"].clone(), says_so)
    };
    let ignored = Verdict::Ignored(Ignored::EventNotUsed);
    let faulty = pong(&[HookFault::NotActive]);
    for (verdict, event, used, secret, says_so) in [
        (&pong(&[]), "ping", SecretUsed::Current, Value::from("current"), false),
        (&pong(&[]), "ping", SecretUsed::Previous, "previous".into(), true),
        (&faulty, "ping", SecretUsed::Current, "current".into(), false),
        (&faulty, "ping", SecretUsed::Previous, "previous".into(), true),
        (&ignored, "status", SecretUsed::Current, Value::Null, false),
        (&ignored, "status", SecretUsed::Previous, "previous".into(), false),
    ] {
        assert_eq!(told(verdict, event, used), (secret, says_so));
    }
}

#[test]
fn plain_words_are_used() {
    for (verdict, event, trigger, ..) in table() {
        let message = verdict.message(&verified(event, trigger));
        for word in ["ignored", "held against", "ill formed", "to the letter", "mend"] {
            assert!(!message.contains(word), "{word} is in: {message}");
        }
    }
}

#[test]
fn an_outsider_learns_nothing_but_the_refusal() {
    let unverified = Known { secret: None, ..verified("push", None) };
    let answer = answer(&Verdict::Rejected(Rejection::BadSignature), &unverified);
    assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    assert!(!answer.to_string().contains("72d3162e"), "{answer}");
}

#[test]
fn what_went_wrong_inside_is_for_the_log_only() {
    for (rejection, detail) in [
        (
            Rejection::PolicyUnavailable { detail: "KV GET failed: 500".into() },
            "KV GET failed: 500",
        ),
        (
            Rejection::QueueUnavailable { detail: "Queue is overloaded".into() },
            "Queue is overloaded",
        ),
        (Rejection::NotConfigured { detail: "WEBHOOK_SECRET is unset" }, "WEBHOOK_SECRET is unset"),
    ] {
        let verdict = Verdict::Rejected(rejection);
        assert!(verdict.detail().unwrap().contains(detail));
        let answer = answer(&verdict, &verified("push", None)).to_string();
        assert!(!answer.contains(detail) && !answer.contains("WEBHOOK_SECRET"), "{answer}");
    }
}

#[test]
fn a_refusal_says_in_its_header_what_would_do() {
    let header = |rejection| Verdict::Rejected(rejection).header();
    assert_eq!(header(Rejection::Busy), Some(("Retry-After", "10")));
    assert_eq!(header(Rejection::MethodNotAllowed { allow: "POST" }), Some(("Allow", "POST")));
    assert_eq!(header(Rejection::NotFound), None);
}

#[test]
fn the_local_gate_links_in_the_local_simulator() {
    let known = Known { gate: "http://127.0.0.1:8787".into(), ..verified("push", None) };
    let answer = answer(&Verdict::Rejected(Rejection::RepositoryNotLinked), &known).to_string();
    assert!(answer.contains("--url http://127.0.0.1:8787 --local`"));
}

#[test]
fn an_organization_or_app_is_sent_to_its_own_settings() {
    for (owner, settings) in [
        (HookOwner::Organization, "the organization's Settings > Webhooks"),
        (HookOwner::App, "the app's settings"),
    ] {
        let faults = vec![HookFault::NothingSent];
        let verdict = Verdict::Pong(HookCheck { owner, pings: None, ..check(&faults) });
        let known = Known { repository: None, ..verified("ping", None) };
        let answer = answer(&verdict, &known);
        assert_eq!(answer["code"], "hook-misconfigured");
        assert!(answer["message"].as_str().unwrap().contains(settings), "{answer}");
        assert_eq!(answer["repository"], Value::Null);
    }
}

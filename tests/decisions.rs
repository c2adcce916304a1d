//! The promise: which event builds under which trigger, and why every other one does not.

#[path = "support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;

use buildgate::delivery::decision::{
    Decision, DeploymentPart, EnabledBranches, HookCheck, HookFault, HookOwner, Ignored, Pushed,
    decide,
};
use buildgate::delivery::event::Event;
use buildgate::message::build_request::{LARGEST_MESSAGE, QueuedRequest};
use buildgate::policy::{BuildWhen, Policy, Trigger};
use buildgate::time::Moment;
use serde_json::{Value, json};

use fixtures::payload as fixture;

const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const RECEIVED_AT: u64 = 1_795_378_320_999; // 2026-11-22T20:12:00.999Z

/// A fixture with some of its fields set to other values, each named by a JSON pointer.
fn changed(name: &str, changes: &[(&str, Value)]) -> Value {
    let mut payload = fixture(name);
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        payload.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    payload
}

fn parse(event: &str, payload: &Value) -> Event {
    Event::parse(event, payload.to_string().as_bytes()).unwrap()
}

/// What becomes of an event: the build request's JSON, or why it was ignored.
fn judge(event: &str, payload: &Value, policy: &str) -> Result<Value, Ignored> {
    let policy = Policy::parse(policy).unwrap();
    let event = parse(event, payload);
    match decide(&event, Some(&policy)) {
        Decision::Ignore(why) => Err(why),
        Decision::Pong(check) => panic!("{check:?}"),
        Decision::Look(look) => panic!("{look:?}"),
        Decision::Build(build) => {
            let message = build.request(DELIVERY, RECEIVED_AT).into_message().unwrap();
            assert!(message.len() <= LARGEST_MESSAGE, "{} bytes", message.len());
            QueuedRequest::from_message(&message).unwrap();
            Ok(serde_json::from_str(&message).unwrap())
        }
    }
}

fn builds(event: &str, payload: &Value, policy: &str) -> String {
    judge(event, payload, policy).unwrap()["id"].as_str().unwrap().to_owned()
}

fn ignores(event: &str, payload: &Value, policy: &str) -> Ignored {
    judge(event, payload, policy).unwrap_err()
}

const PUSHES: [&str; 5] = ["push", "push.forced", "push.other-branch", "push.tag", "push.deleted"];
const DEPLOYMENTS: [&str; 15] = [
    "deployment.job",
    "deployment.fork",
    "deployment.pull-request",
    "deployment_status.job-waiting",
    "deployment_status.job-in-progress",
    "deployment_status.job-success",
    "deployment_status.success",
    "deployment.created",
    "deployment.no-action",
    "deployment.payload-object",
    "deployment.payload-string",
    "deployment.payload-null",
    "deployment.staging",
    "deployment.github-pages",
    "deployment.other-task",
];

#[test]
fn without_a_policy_nothing_is_built() {
    for (event, name) in [("push", "push"), ("deployment", "deployment.created")] {
        let event = parse(event, &fixture(name));
        let decision = decide(&event, None);
        assert!(
            matches!(decision, Decision::Ignore(Ignored::TriggerIsManual { .. })),
            "{decision:?}"
        );
        assert!(event.governed_by().is_some());
    }
    assert!(parse("ping", &fixture("ping.organization")).governed_by().is_none());
    assert!(parse("issues", &fixture("status")).governed_by().is_none());
}

#[test]
fn an_event_that_is_not_used_builds_under_no_trigger() {
    let event = parse("status", &fixture("status"));
    for trigger in Trigger::ALL {
        let policy = Policy::parse(trigger.as_str()).unwrap();
        let decision = decide(&event, Some(&policy));
        assert!(matches!(decision, Decision::Ignore(Ignored::EventNotUsed)), "{decision:?}");
    }
}

#[test]
fn manual_builds_nothing() {
    for push in PUSHES {
        let ignored = ignores("push", &fixture(push), "manual");
        assert!(matches!(ignored, Ignored::TriggerIsManual { push: Some(_), .. }), "{push}");
    }
    for deployment in DEPLOYMENTS {
        let ignored = ignores(fixtures::event_of(deployment), &fixture(deployment), "manual");
        assert!(matches!(ignored, Ignored::TriggerIsManual { push: None, .. }), "{deployment}");
    }
}

#[test]
fn a_deployment_mode_repository_ignores_every_push() {
    let main = || Pushed::Branch { name: "main".into(), is_default: true };
    let other = || Pushed::Branch { name: "release/1.4".into(), is_default: false };
    for (push, pushed, deleted) in [
        ("push", main(), false),
        ("push.forced", main(), false),
        ("push.other-branch", other(), false),
        ("push.tag", Pushed::Tag("v1.4.0".into()), false),
        ("push.deleted", other(), true),
    ] {
        for policy in [
            "deployment",
            r#"{"trigger":"deployment","branches":["**"],"environments":["production"]}"#,
        ] {
            assert_eq!(
                ignores("push", &fixture(push), policy),
                Ignored::TriggerIsDeployment {
                    pushed: pushed.clone(),
                    deleted,
                    deploys: None,
                    not_among: None,
                    environment: None,
                },
                "{push}"
            );
        }
    }
}

#[test]
fn a_commit_mode_repository_ignores_every_deployment() {
    for deployment in DEPLOYMENTS {
        for policy in ["commit", r#"{"trigger":"commit","environments":["production"]}"#] {
            let ignored = ignores(fixtures::event_of(deployment), &fixture(deployment), policy);
            let Ignored::TriggerIsCommit { either } = ignored else { panic!("{deployment}") };
            // What the other trigger would not build, either, is told.
            let never = ["fork", "pull-request", "github-pages", "other-task"];
            let never = never.iter().any(|kind| deployment.contains(kind))
                || deployment.contains("staging") && policy != "commit";
            assert_eq!(either.is_some(), never, "{deployment} {policy}: {either:?}");
        }
    }
}

#[test]
fn commit_builds_pushes_to_enabled_branches() {
    let only = |branches: &[&str]| json!({"trigger": "commit", "branches": branches}).to_string();
    let not_default = |branch: &str, default: &str| Ignored::BranchNotEnabled {
        branch: branch.into(),
        enabled: EnabledBranches::Default(default.into()),
    };
    let not_listed = |branch: &str, listed: &[&str]| Ignored::BranchNotEnabled {
        branch: branch.into(),
        enabled: EnabledBranches::Listed(listed.iter().map(|name| (*name).to_owned()).collect()),
    };
    let push = fixture("push");
    let forced = fixture("push.forced");
    let release = fixture("push.other-branch");

    // Without a list, the default branch counts, whatever its name is.
    assert!(
        builds("push", &push, "commit").starts_with("push:octocat/hello-world:refs/heads/main:")
    );
    assert!(
        builds("push", &forced, " commit\n")
            .starts_with("push:octocat/hello-world:refs/heads/main:")
    );
    assert_eq!(ignores("push", &release, "commit"), not_default("release/1.4", "main"));
    let renamed = changed("push", &[("/repository/default_branch", json!("trunk"))]);
    assert_eq!(ignores("push", &renamed, "commit"), not_default("main", "trunk"));

    // With a list, exactly that counts.
    assert!(judge("push", &release, &only(&["release/*"])).is_ok());
    assert!(judge("push", &release, &only(&["main", "release/1.4"])).is_ok());
    assert!(judge("push", &push, &only(&["**"])).is_ok());
    assert_eq!(ignores("push", &push, &only(&["release/*"])), not_listed("main", &["release/*"]));
    assert_eq!(ignores("push", &push, &only(&["Main"])), not_listed("main", &["Main"]));
    assert_eq!(ignores("push", &push, &only(&[])), not_listed("main", &[]));

    // A star stops at a slash; two do not.
    let deep = changed("push.other-branch", &[("/ref", json!("refs/heads/release/1.4/fix"))]);
    assert_eq!(
        ignores("push", &deep, &only(&["*", "release/*"])),
        not_listed("release/1.4/fix", &["*", "release/*"])
    );
    assert!(judge("push", &deep, &only(&["release/**"])).is_ok());
}

#[test]
fn commit_ignores_what_is_no_commit_on_a_branch() {
    for policy in ["commit", r#"{"trigger":"commit","branches":["**"]}"#] {
        assert_eq!(
            ignores("push", &fixture("push.tag"), policy),
            Ignored::NotABranch { pushed: Pushed::Tag("v1.4.0".into()), deleted: false }
        );
        let note = changed("push", &[("/ref", json!("refs/notes/commits"))]);
        assert_eq!(
            ignores("push", &note, policy),
            Ignored::NotABranch {
                pushed: Pushed::Other("refs/notes/commits".into()),
                deleted: false
            }
        );
        assert_eq!(
            ignores("push", &fixture("push.deleted"), policy),
            Ignored::BranchDeleted { branch: "release/1.4".into() }
        );
        // Either sign of a deletion is enough.
        let deleted = changed("push", &[("/deleted", json!(true))]);
        assert_eq!(
            ignores("push", &deleted, policy),
            Ignored::BranchDeleted { branch: "main".into() }
        );
        let zero = changed("push", &[("/after", json!("0".repeat(40)))]);
        assert_eq!(
            ignores("push", &zero, policy),
            Ignored::BranchDeleted { branch: "main".into() }
        );
    }
}

#[test]
fn deployment_builds_created_deployments_with_the_task_deploy() {
    for (deployment, id) in [
        ("deployment.created", "deployment:octocat/hello-world:145988746"),
        ("deployment.no-action", "deployment:octocat/hello-world:145988867"),
        ("deployment.payload-object", "deployment:octocat/hello-world:145988834"),
        ("deployment.payload-string", "deployment:octocat/hello-world:145988845"),
        ("deployment.payload-null", "deployment:octocat/hello-world:145988856"),
        ("deployment.staging", "deployment:octocat/hello-world:145988801"),
    ] {
        assert_eq!(builds("deployment", &fixture(deployment), "deployment"), id);
    }
    assert_eq!(
        ignores("deployment", &fixture("deployment.other-task"), "deployment"),
        Ignored::TaskNotDeploy { task: "deploy:migrations".into() }
    );
    let edited = changed("deployment.created", &[("/action", json!("edited"))]);
    assert_eq!(
        ignores("deployment", &edited, "deployment"),
        Ignored::ActionNotUsed { action: "edited".into() }
    );
}

#[test]
fn deployment_builds_enabled_environments() {
    let only = |environments: &[&str]| {
        json!({"trigger": "deployment", "environments": environments}).to_string()
    };
    let not_enabled =
        |environment: &str, enabled: Option<&[&str]>| Ignored::EnvironmentNotEnabled {
            environment: environment.into(),
            enabled: enabled.map(|list| list.iter().map(|name| (*name).to_owned()).collect()),
        };
    let production = fixture("deployment.created");
    let staging = fixture("deployment.staging");
    let pages = fixture("deployment.github-pages");

    assert_eq!(ignores("deployment", &pages, "deployment"), not_enabled("github-pages", None));
    assert!(judge("deployment", &pages, &only(&["github-pages"])).is_ok());
    assert!(judge("deployment", &production, &only(&["production"])).is_ok());
    assert!(judge("deployment", &production, &only(&["staging", "Production"])).is_ok());
    assert_eq!(
        ignores("deployment", &staging, &only(&["production"])),
        not_enabled("staging", Some(&["production"]))
    );
    assert_eq!(
        ignores("deployment", &staging, &only(&["stag*"])),
        not_enabled("staging", Some(&["stag*"]))
    );
    assert_eq!(
        ignores("deployment", &production, &only(&[])),
        not_enabled("production", Some(&[]))
    );
}

#[test]
fn deployment_builds_enabled_refs() {
    let only =
        |branches: &[&str]| json!({"trigger": "deployment", "branches": branches}).to_string();
    let main = fixture("deployment.created");
    let release = fixture("deployment.staging");
    let tag = fixture("deployment.payload-string");
    let not_enabled = |branch: &str| Ignored::BranchNotEnabled {
        branch: branch.into(),
        enabled: EnabledBranches::Listed(vec!["main".into()]),
    };

    assert!(judge("deployment", &release, "deployment").is_ok());
    assert!(judge("deployment", &main, &only(&["main", "release/*"])).is_ok());
    assert!(judge("deployment", &release, &only(&["main", "release/*"])).is_ok());
    assert_eq!(ignores("deployment", &release, &only(&["main"])), not_enabled("release/1.4"));
    assert_eq!(ignores("deployment", &tag, &only(&["main"])), not_enabled("v1.4.0"));
    assert!(judge("deployment", &tag, &only(&["v*"])).is_ok());
    let full = changed("deployment.created", &[("/deployment/ref", json!("refs/heads/main"))]);
    assert!(judge("deployment", &full, &only(&["main"])).is_ok());
}

#[test]
fn a_deployment_asks_for_exactly_its_own_commit() {
    assert_eq!(
        judge("deployment", &fixture("deployment.created"), "deployment").unwrap(),
        json!({
            "version": 1,
            "id": "deployment:octocat/hello-world:145988746",
            "trigger": "deployment",
            "delivery": DELIVERY,
            "received_at": "2026-11-22T20:12:00Z",
            "occurred_at": "2026-11-22T20:11:58Z",
            "repository": {
                "id": 1296269,
                "full_name": "octocat/Hello-World",
                "clone_url": "https://github.com/octocat/Hello-World.git",
                "default_branch": "main",
                "private": false
            },
            "commit": {"sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "main"},
            "deployment": {
                "id": 145988746,
                "task": "deploy",
                "environment": "production",
                "description": null,
                "creator": "octocat",
                "payload": {},
                "payload_omitted": false
            }
        })
    );
}

#[test]
fn a_push_asks_for_the_commit_that_it_left_behind() {
    let push = fixture("push.other-branch");
    let after = push["after"].as_str().unwrap();
    let pushed_at = push["repository"]["pushed_at"].as_u64().unwrap();
    let request = judge("push", &push, r#"{"trigger":"commit","branches":["release/*"]}"#).unwrap();
    let id = format!("push:octocat/hello-world:refs/heads/release/1.4:{after}:{pushed_at}");
    assert_eq!(request["id"], id);
    assert_eq!(request["occurred_at"], Moment::from_seconds(pushed_at).unwrap().rfc3339());
    assert_eq!(request["trigger"], "commit");
    assert_eq!(request["commit"], json!({"sha": after, "ref": "release/1.4"}));
    assert_eq!(request.get("deployment"), None);
}

#[test]
fn a_deployments_payload_is_passed_on_to_the_letter() {
    for (name, payload) in [
        ("deployment.payload-string", json!("recipe=Singularity;tag=1.4")),
        ("deployment.payload-null", Value::Null),
    ] {
        let request = judge("deployment", &fixture(name), "deployment").unwrap();
        assert_eq!(request["deployment"].get("payload"), Some(&payload));
    }
    // Numbers too: no parser comes between.
    let numbers = r#"{"a":1.50,"b":1e400,"c":123456789012345678901234567890}"#;
    let body = fixture("deployment.created")
        .to_string()
        .replace(r#""payload":{}"#, &format!(r#""payload":{numbers}"#));
    let event = Event::parse("deployment", body.as_bytes()).unwrap();
    let policy = Policy::parse("deployment").unwrap();
    let Decision::Build(build) = decide(&event, Some(&policy)) else { panic!("a build") };
    let message = build.request(DELIVERY, RECEIVED_AT).into_message().unwrap();
    assert!(
        message.contains(&format!(r#""payload":{numbers},"payload_omitted":false"#)),
        "{message}"
    );
}

#[test]
fn a_build_request_always_fits_in_a_queue_message() {
    let sized = |bytes: usize| {
        let payload =
            changed("deployment.created", &[("/deployment/payload", json!("x".repeat(bytes)))]);
        judge("deployment", &payload, "deployment").unwrap()["deployment"].clone()
    };
    let kept = sized(100_000);
    assert_eq!(
        (kept["payload"].as_str().unwrap().len(), &kept["payload_omitted"]),
        (100_000, &json!(false))
    );
    for bytes in [127_800, 128_000, 10_000_000] {
        let omitted = sized(bytes);
        assert_eq!((omitted.get("payload"), &omitted["payload_omitted"]), (None, &json!(true)));
    }
    // The largest payload that is kept leaves no byte unused.
    let without = judge("deployment", &fixture("deployment.payload-null"), "deployment").unwrap();
    let overhead = without.to_string().len() - "null".len() + "\"\"".len();
    for (spare, omitted) in [(0, false), (1, true)] {
        let payload = "x".repeat(LARGEST_MESSAGE - overhead + spare);
        let event = changed("deployment.payload-null", &[("/deployment/payload", json!(payload))]);
        let request = judge("deployment", &event, "deployment").unwrap();
        assert_eq!(request["deployment"]["payload_omitted"], omitted);
    }

    // Not even the worst texts of every field, two and six bytes a character once escaped, are too much.
    let worst = json!("\"".repeat(1024));
    let event = changed(
        "deployment.created",
        &[
            ("/deployment/ref", worst.clone()),
            ("/deployment/environment", worst.clone()),
            ("/deployment/description", json!("\u{1}".repeat(1_000_000))),
            ("/deployment/payload", json!("\u{1}".repeat(1_000_000))),
            ("/deployment/creator/login", worst.clone()),
            ("/repository/clone_url", worst.clone()),
            ("/repository/default_branch", worst),
        ],
    );
    let request = judge("deployment", &event, "deployment").unwrap();
    assert_eq!(request["deployment"]["description"].as_str().unwrap().chars().count(), 1001);
    assert_eq!(request["deployment"]["payload_omitted"], true);
}

#[test]
fn the_same_event_has_the_same_id_under_whichever_delivery() {
    let event = parse("deployment", &fixture("deployment.created"));
    let policy = Policy::parse("deployment").unwrap();
    let Decision::Build(build) = decide(&event, Some(&policy)) else { panic!("a build") };
    let first = build.request(DELIVERY, 0);
    let again = build.request("00000000-0000-4000-8000-000000000000", RECEIVED_AT);
    assert_eq!(first.id, again.id);
    let spelt =
        changed("deployment.created", &[("/repository/full_name", json!("OctoCat/hello-World"))]);
    assert_eq!(builds("deployment", &spelt, "deployment"), first.id);
}

#[test]
fn no_repository_can_make_an_id_of_anothers() {
    for (event, name, policy) in
        [("deployment", "deployment.created", "deployment"), ("push", "push", "commit")]
    {
        let others = builds(event, &fixture(name), policy);
        let forged = changed(name, &[("/repository/full_name", json!("attacker/app"))]);
        let forged = builds(event, &forged, policy);
        assert_ne!(forged, others);
        assert!(forged.starts_with(&format!("{event}:attacker/app:")), "{forged}");
    }
}

#[test]
fn a_branch_that_goes_there_and_back_and_there_again_is_built_three_times() {
    let push = |after: char, pushed_at: u64| {
        let after = json!(after.to_string().repeat(40));
        let changes = [("/after", after), ("/repository/pushed_at", json!(pushed_at))];
        builds("push", &changed("push", &changes), "commit")
    };
    let ids = [push('b', 1_795_378_310), push('a', 1_795_378_311), push('b', 1_795_378_312)];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    // GitHub gives the time as a number with a push; where another server gives a text or none, that is no reason
    // not to build.
    for (pushed_at, seconds, occurred_at) in [
        (json!("2026-11-22T20:11:50Z"), "1795378310", json!("2026-11-22T20:11:50Z")),
        (json!(null), "0", json!(null)),
    ] {
        let event = changed("push", &[("/repository/pushed_at", pushed_at)]);
        let request = judge("push", &event, "commit").unwrap();
        assert!(request["id"].as_str().unwrap().ends_with(&format!(":{seconds}")), "{request}");
        assert_eq!(request["occurred_at"], occurred_at);
    }
}

/// When a deployment of the events `deployment` and `deployment_status` is built, by who made it and what the policy
/// says: whether each event builds.
#[test]
fn a_deployment_is_built_once_it_has_begun() {
    const CREATED: [bool; 4] = [true, false, false, false];
    const IN_PROGRESS: [bool; 4] = [false, false, true, false];
    const SUCCESS: [bool; 4] = [false, false, false, true];
    let with_run = |run: &Value, state: Option<&str>| {
        let name = if state.is_some() { "deployment_status.success" } else { "deployment.created" };
        let mut changes = vec![("/workflow_run", run.clone())];
        changes.extend(state.map(|state| ("/deployment_status/state", json!(state))));
        (fixtures::event_of(name), changed(name, &changes))
    };
    let of_a_job = fixture("deployment.job")["workflow_run"].clone();
    let of_itself = Value::Null;
    for (run, build_when, expected, waits_for) in [
        (&of_itself, None, CREATED, BuildWhen::Created),
        (&of_a_job, None, IN_PROGRESS, BuildWhen::InProgress),
        (&of_itself, Some("created"), CREATED, BuildWhen::Created),
        (&of_a_job, Some("created"), CREATED, BuildWhen::Created),
        (&of_itself, Some("in_progress"), IN_PROGRESS, BuildWhen::InProgress),
        (&of_a_job, Some("in_progress"), IN_PROGRESS, BuildWhen::InProgress),
        (&of_itself, Some("success"), SUCCESS, BuildWhen::Success),
        (&of_a_job, Some("success"), SUCCESS, BuildWhen::Success),
    ] {
        let policy = match build_when {
            None => "deployment".to_owned(),
            Some(when) => json!({"trigger": "deployment", "build_when": when}).to_string(),
        };
        let states = [None, Some("waiting"), Some("in_progress"), Some("success")];
        for (state, is_built) in states.into_iter().zip(expected) {
            let (event, payload) = with_run(run, state);
            let judged = judge(event, &payload, &policy);
            if is_built {
                // By whichever event, it is the same build.
                assert_eq!(judged.unwrap()["id"], "deployment:octocat/hello-world:145988746");
                continue;
            }
            let ignored = match state {
                None => Ignored::DeploymentNotStarted {
                    environment: "production".into(),
                    when: waits_for,
                    of_a_job: build_when.is_none(),
                },
                Some(state) => Ignored::DeploymentStatusNotUsed {
                    state: state.into(),
                    when: waits_for,
                    id: 145_988_746,
                    environment: "production".into(),
                    of_a_job: !run.is_null(),
                },
            };
            assert_eq!(judged, Err(ignored), "{state:?} under {policy}");
        }
        for state in ["queued", "pending", "failure", "error", "inactive", "created", "new-one"] {
            let (event, payload) = with_run(run, Some(state));
            assert!(judge(event, &payload, &policy).is_err(), "{state} under {policy}");
        }
    }
}

#[test]
fn a_forks_deployment_is_never_built() {
    let own = 1_296_269;
    let listed = r#"{"trigger":"deployment","environments":["production"],"build_when":"created"}"#;
    let judge = |event: Value, head_repository: Value| {
        let changes = [
            ("/workflow_run/event", event.clone()),
            ("/workflow_run/head_repository", head_repository),
        ];
        judge("deployment", &changed("deployment.job", &changes), listed)
    };
    let own_events = [
        "push",
        "schedule",
        "workflow_dispatch",
        "repository_dispatch",
        "release",
        "create",
        "merge_group",
        "dynamic",
    ];
    let others =
        ["pull_request", "pull_request_target", "issue_comment", "workflow_run", "", "new"];
    for event in own_events.iter().chain(&others) {
        let fork = |is_certain| Ignored::DeploymentFromFork { event: (*event).into(), is_certain };
        let head = |id: Value| judge(json!(event), json!({"id": id}));
        assert_eq!(head(json!(7)), Err(fork(true)), "{event}");
        assert!(head(json!(own)).is_ok(), "{event}");
        for unknown in [Value::Null, json!({"id": null}), json!({})] {
            let judged = judge(json!(event), unknown);
            match own_events.contains(event) {
                true => assert!(judged.is_ok(), "{event}"),
                false => assert_eq!(judged, Err(fork(false)), "{event}"),
            }
        }
    }
    assert!(judge(Value::Null, Value::Null).is_err());
    let fork = fixture("deployment.fork");
    for policy in ["deployment", listed] {
        assert_eq!(
            ignores("deployment", &fork, policy),
            Ignored::DeploymentFromFork { event: "pull_request".into(), is_certain: true }
        );
    }
}

#[test]
fn a_pull_requests_deployment_is_built_where_its_environment_is_listed() {
    let pull_request = fixture("deployment.pull-request");
    let from = Ignored::DeploymentFromPullRequest { environment: "preview".into() };
    for policy in ["deployment", r#"{"trigger":"deployment","build_when":"created"}"#] {
        assert_eq!(ignores("deployment", &pull_request, policy), from);
    }
    let target = changed(
        "deployment.pull-request",
        &[("/workflow_run/event", json!("pull_request_target"))],
    );
    assert_eq!(ignores("deployment", &target, "deployment"), from);
    let listing = |environment: &str| {
        json!({"trigger": "deployment", "environments": [environment], "build_when": "created"})
            .to_string()
    };
    assert!(judge("deployment", &pull_request, &listing("preview")).is_ok());
    assert_eq!(
        ignores("deployment", &pull_request, &listing("production")),
        Ignored::EnvironmentNotEnabled {
            environment: "preview".into(),
            enabled: Some(vec!["production".into()])
        }
    );
}

#[test]
fn a_deployment_is_looked_at_in_the_order_of_the_answers() {
    // Everything is wrong with it; what is wrong first is put right, step by step.
    let mut payload = changed(
        "deployment.fork",
        &[
            ("/action", json!("edited")),
            ("/deployment/task", json!("migrate")),
            ("/deployment/environment", json!("staging")),
            ("/deployment/ref", json!("topic")),
        ],
    );
    let policy = r#"{"trigger":"deployment","environments":["production"],"branches":["main"]}"#;
    for (code, pointer, right) in [
        ("action-not-used", "/action", json!("created")),
        ("task-not-deploy", "/deployment/task", json!("deploy")),
        ("deployment-from-fork", "/workflow_run/head_repository/id", json!(1_296_269)),
        ("environment-not-enabled", "/deployment/environment", json!("production")),
        ("branch-not-enabled", "/deployment/ref", json!("main")),
        ("deployment-not-started", "/workflow_run", Value::Null),
    ] {
        assert_eq!(ignores("deployment", &payload, policy).code(), code);
        *payload.pointer_mut(pointer).unwrap() = right;
    }
    assert!(judge("deployment", &payload, policy).is_ok());
}

#[test]
fn a_ping_tells_whether_the_webhook_can_work() {
    let check = |name: &str, changes: &[(&str, Value)], trigger: Option<Trigger>| {
        let policy = trigger.map(|trigger| Policy::parse(trigger.as_str()).unwrap());
        match decide(&parse("ping", &changed(name, changes)), policy.as_ref()) {
            Decision::Pong(check) => check,
            other => panic!("{other:?}"),
        }
    };
    let repository = |faults: &[HookFault]| HookCheck {
        owner: HookOwner::Repository,
        faults: faults.to_vec(),
        part: None,
        lacks_signs: vec![],
        pings: Some("repos/octocat/Hello-World/hooks/109948940/pings".into()),
    };
    let (commit, deployment, manual) =
        (Some(Trigger::Commit), Some(Trigger::Deployment), Some(Trigger::Manual));
    let no_deployment = HookFault::EventNotSent(&["deployment", "deployment_status"]);
    let no_push = HookFault::EventNotSent(&["push"]);

    for trigger in [commit, deployment, manual] {
        assert_eq!(check("ping", &[], trigger), repository(&[]));
        let all = [("/hook/events", json!(["*"]))];
        assert_eq!(check("ping", &all, trigger), repository(&[]));
        let all = [("/hook/events", json!(["*"])), ("/hook/active", json!(false))];
        assert_eq!(check("ping", &all, trigger), repository(&[HookFault::NotActive]));
    }
    assert_eq!(
        check("ping.lacks-deployment", &[], deployment),
        repository(std::slice::from_ref(&no_deployment))
    );
    assert_eq!(check("ping.lacks-deployment", &[], commit), repository(&[]));
    assert_eq!(check("ping.lacks-deployment", &[], manual), repository(&[]));
    let deployment_only = [("/hook/events", json!(["deployment", "status"]))];
    assert_eq!(check("ping", &deployment_only, commit), repository(&[no_push]));
    let only = |part| HookCheck { part: Some(part), ..repository(&[]) };
    assert_eq!(check("ping", &deployment_only, deployment), only(DeploymentPart::ThroughTheApi));
    let status_only = [("/hook/events", json!(["deployment_status"]))];
    assert_eq!(check("ping", &status_only, deployment), only(DeploymentPart::OfJobs));
    let both = [("/hook/active", json!(false))];
    assert_eq!(
        check("ping.lacks-deployment", &both, deployment),
        repository(&[HookFault::NotActive, no_deployment])
    );

    let organization = |faults: &[HookFault]| HookCheck {
        owner: HookOwner::Organization,
        faults: faults.to_vec(),
        part: None,
        lacks_signs: vec![],
        pings: Some("orgs/octo-org/hooks/109948941/pings".into()),
    };
    assert_eq!(check("ping.organization", &[], None), organization(&[]));
    assert_eq!(
        check("ping.organization", &status_only, None),
        HookCheck { part: Some(DeploymentPart::OfJobs), ..organization(&[]) }
    );
    let none = [("/hook/events", json!(["issues"]))];
    assert_eq!(check("ping.organization", &none, None), organization(&[HookFault::NothingSent]));
    let app = [("/hook/type", json!("App")), ("/hook/events", json!(["push"]))];
    assert_eq!(
        check("ping.organization", &app, None),
        HookCheck { owner: HookOwner::App, pings: None, ..organization(&[]) }
    );
}

#[test]
fn a_ping_is_held_against_what_the_policy_waits_for() {
    for (build_when, events, expected) in [
        ("created", json!(["deployment"]), Ok(())),
        ("created", json!(["deployment_status"]), Err(&["deployment"][..])),
        ("in_progress", json!(["deployment_status"]), Ok(())),
        ("in_progress", json!(["deployment"]), Err(&["deployment_status"][..])),
        ("success", json!(["deployment", "push"]), Err(&["deployment_status"][..])),
    ] {
        let policy = json!({"trigger": "deployment", "build_when": build_when}).to_string();
        let policy = Policy::parse(&policy).unwrap();
        let ping = parse("ping", &changed("ping", &[("/hook/events", events)]));
        let Decision::Pong(check) = decide(&ping, Some(&policy)) else { panic!("a pong") };
        let faults = expected.err().map(|needed| vec![HookFault::EventNotSent(needed)]);
        assert_eq!((check.faults, check.part), (faults.unwrap_or_default(), None), "{build_when}");
    }
}

//! End to end: the built wasm in workerd, run by `wrangler dev` with its KV and queue simulators, and
//! an HTTP origin. `npm test` builds the worker first.

mod dead_letters;
mod gate;
mod github;
mod handover;
mod link;
mod origin;
mod secrets;
mod soak;
mod tasks;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

use gate::{Delivery, Gate, PREVIOUS, PROJECT, SECRET, Setup, event_of, fixture};
use origin::Origin;
use serde_json::{Value, json};

const LARGEST: usize = 26_214_400;

/// Each fixture with its status and code under `commit`, `deployment` and `manual`.
const TABLE: [(&str, [(u16, &str); 3]); 19] = {
    const IS_COMMIT: (u16, &str) = (200, "trigger-is-commit");
    const IS_DEPLOYMENT: (u16, &str) = (200, "trigger-is-deployment");
    const IS_MANUAL: (u16, &str) = (200, "trigger-is-manual");
    const PUSH: (u16, &str) = (202, "push-queued");
    const DEPLOYMENT: (u16, &str) = (202, "deployment-queued");
    const PONG: (u16, &str) = (200, "pong");
    const MISCONFIGURED: (u16, &str) = (200, "hook-misconfigured");
    const NOT_USED: (u16, &str) = (200, "event-not-used");
    const MALFORMED: (u16, &str) = (400, "malformed-payload");
    [
        ("push", [PUSH, IS_DEPLOYMENT, IS_MANUAL]),
        ("push.forced", [PUSH, IS_DEPLOYMENT, IS_MANUAL]),
        ("push.other-branch", [(200, "branch-not-enabled"), IS_DEPLOYMENT, IS_MANUAL]),
        ("push.tag", [(200, "not-a-branch"), IS_DEPLOYMENT, IS_MANUAL]),
        ("push.deleted", [(200, "branch-deleted"), IS_DEPLOYMENT, IS_MANUAL]),
        ("push.malformed", [MALFORMED, MALFORMED, MALFORMED]),
        ("deployment.created", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment.no-action", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment.payload-object", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment.payload-string", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment.payload-null", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment.staging", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment.github-pages", [IS_COMMIT, (200, "environment-not-enabled"), IS_MANUAL]),
        ("deployment.other-task", [IS_COMMIT, (200, "task-not-deploy"), IS_MANUAL]),
        ("ping", [PONG, PONG, PONG]),
        ("ping.inactive", [MISCONFIGURED, MISCONFIGURED, MISCONFIGURED]),
        ("ping.lacks-deployment", [PONG, MISCONFIGURED, PONG]),
        ("ping.organization", [PONG, PONG, PONG]),
        ("status", [NOT_USED, NOT_USED, NOT_USED]),
    ]
};

/// What `explain` says of a fixture.
fn explain(name: &str, policy: &str, delivery: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .args(["explain", &format!("fixtures/{name}.json"), "--policy", policy])
        .args(["--delivery", delivery, "--json"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_table_has_every_fixture() {
    let mut files: Vec<String> = std::fs::read_dir(format!("{PROJECT}/fixtures"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|file| file != "triggers.json")
        .map(|file| file.trim_end_matches(".json").to_owned())
        .collect();
    files.sort();
    let mut table = TABLE.map(|(name, _)| name);
    table.sort();
    assert_eq!(files, table);
}

#[test]
fn a_policy_may_be_remembered_and_what_is_missing_or_invalid_never_is() {
    let setup = Setup::without_origin().var("POLICY_CACHE_SECONDS", "30");
    let gate = Gate::start(&setup);
    let push = || Delivery::json("push", fixture("push")).send(&gate).code();
    assert_eq!(push(), (404, "repository-not-linked".to_owned()));
    gate.set(&[("octocat/Hello-World", "deploy")]);
    assert_eq!(push(), (500, "invalid-policy".to_owned()));
    gate.set(&[("octocat/Hello-World", "deployment")]);
    assert_eq!(push(), (200, "trigger-is-deployment".to_owned()));
    gate.set(&[("octocat/Hello-World", "manual")]);
    assert_eq!(push(), (200, "trigger-is-deployment".to_owned()));
}

#[test]
fn each_fixture_under_each_trigger_in_both_content_types() {
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url));
    let mut queued = BTreeMap::new();
    let mut explanations = BTreeMap::new();
    for (column, trigger) in ["commit", "deployment", "manual"].into_iter().enumerate() {
        gate.set(&[("octocat/Hello-World", trigger)]);
        for (name, expected) in TABLE {
            let (status, code) = expected[column];
            let event = event_of(name);
            for delivery in
                [Delivery::json(event, fixture(name)), Delivery::form(event, &fixture(name))]
            {
                let answer = delivery.send(&gate);
                assert_eq!(answer.code(), (status, code.to_owned()), "{name} under {trigger}");
                let answer = answer.json();
                assert_eq!(answer["delivery"], delivery.guid());
                assert_eq!(answer["event"], event);
                if !matches!(name, "push.malformed" | "ping.organization") {
                    assert_eq!(answer["repository"], "octocat/Hello-World", "{name}");
                }
                if !matches!(name, "push.malformed" | "ping.organization" | "status") {
                    assert_eq!(answer["trigger"], trigger, "{name}");
                }

                let line = gate.delivery_line(&delivery.guid());
                for field in ["outcome", "code", "event", "repository", "trigger"] {
                    assert_eq!(line[field], answer[field], "{field} of {line}");
                }
                assert_eq!((&line["status"], &line["secret"]), (&json!(status), &json!("current")));
                assert!(line["ms"].is_u64(), "{line}");

                // `explain` says the same, offline.
                let explained = explain(name, trigger, &delivery.guid());
                for (field, value) in answer.as_object().unwrap() {
                    assert_eq!(&explained[field], value, "{field} of {name} under {trigger}");
                }
                assert_eq!(explained.get("build_request").is_some(), status == 202);

                if answer["outcome"] == "queued" {
                    explanations.insert(delivery.guid(), explained["build_request"].clone());
                    queued.insert(delivery.guid(), (name, answer["build"].clone()));
                } else {
                    assert_eq!(answer.get("build"), None);
                }
            }
        }
    }
    assert_eq!(queued.len(), 2 * (2 + 6));

    // The origin got exactly these build requests, and no other.
    let received = origin.settled(queued.len());
    assert_eq!(received.len(), queued.len());
    for request in received {
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["webhook-id"], request.body["id"].as_str().unwrap());
        let request = request.body;
        let mut explained = explanations[request["delivery"].as_str().unwrap()].clone();
        explained["received_at"] = request["received_at"].clone();
        assert_eq!(explained, request);
        let delivery = request["delivery"].as_str().unwrap();
        let (name, build) =
            queued.remove(delivery).unwrap_or_else(|| panic!("not queued: {request}"));
        let payload: Value = serde_json::from_str(&fixture(name)).unwrap();
        assert_eq!((&request["version"], &request["id"]), (&json!(1), &build));
        assert_eq!(request["repository"]["full_name"], "octocat/Hello-World");
        match event_of(name) {
            "push" => {
                assert_eq!(request["commit"], json!({"sha": payload["after"], "ref": "main"}));
                assert_eq!(request["trigger"], "commit");
            }
            _ => {
                let deployment = &payload["deployment"];
                assert_eq!(
                    request["commit"],
                    json!({"sha": deployment["sha"], "ref": deployment["ref"]})
                );
                assert_eq!(request["deployment"]["payload"], deployment["payload"]);
                assert_eq!(request["trigger"], "deployment");
            }
        }
        let line = gate.log_line(|line| line["log"] == "handover" && line["delivery"] == delivery);
        assert_eq!(
            (&line["outcome"], &line["code"], &line["status"], &line["build"]),
            (&json!("accepted"), &json!("origin-accepted"), &json!(202), &build)
        );
        assert_eq!(
            (&line["event"], &line["repository"]),
            (&json!(event_of(name)), &json!("octocat/Hello-World"))
        );
        assert!(line["ms"].is_u64(), "{line}");
    }

    for secret in [SECRET, PREVIOUS] {
        assert!(!gate.output().contains(secret));
    }
    assert!(!gate.output().contains("gravatar"), "a body is in the log");
}

#[test]
fn refusals_come_in_their_order_and_queue_nothing() {
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url));
    gate.set(&[("octocat/Hello-World", "deployment")]);
    let push = || Delivery::json("push", fixture("push"));
    let deployment = || Delivery::json("deployment", fixture("deployment.created"));
    let refused = |delivery: Delivery, status: u16, code: &str| {
        let answer = delivery.send(&gate);
        assert_eq!(answer.code(), (status, code.to_owned()), "{answer:?}");
        assert_eq!(answer.json()["outcome"], "rejected");
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    let unverified = |delivery: &Delivery| {
        let answer = delivery.send(&gate).json();
        assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    };

    // Routes and methods.
    let about = Delivery { method: "GET", ..push() }.send(&gate);
    assert_eq!(about.status, 200);
    assert!(
        about.body.starts_with(concat!("buildgate ", env!("CARGO_PKG_VERSION"), ": ")),
        "{about:?}"
    );
    assert_eq!(about.body.lines().count(), 1);
    assert_eq!(Delivery { method: "HEAD", ..push() }.send(&gate).status, 200);
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = Delivery { method, ..push() }.send(&gate);
        assert_eq!(answer.code(), (405, "method-not-allowed".to_owned()));
        assert_eq!(answer.allow.as_deref(), Some("GET, HEAD, POST"));
    }
    for (method, path) in [("POST", "webhook"), ("GET", "favicon.ico"), ("PUT", "a/b/c")] {
        let answer = Delivery { method, path, ..push() }.send(&gate);
        assert_eq!(answer.code(), (404, "not-found".to_owned()), "{path}");
    }
    assert_eq!(Delivery { path: "?from=github", ..push() }.send(&gate).status, 200);

    // Headers: each, and all at once.
    let signature = "X-Hub-Signature-256";
    let (event, delivery) = ("X-GitHub-Event", "X-GitHub-Delivery");
    assert!(
        refused(push().with(event, None), 400, "missing-header")
            .contains("X-GitHub-Event is missing")
    );
    assert!(
        refused(push().with(delivery, None), 400, "missing-header")
            .contains("X-GitHub-Delivery is missing")
    );
    assert!(
        refused(push().with(delivery, Some("1")), 400, "missing-header").contains("not a GUID")
    );
    let all = refused(
        push().with(signature, None).with(event, None).with(delivery, None),
        401,
        "missing-signature",
    );
    for name in [signature, event, delivery] {
        assert!(all.contains(&format!("{name} is missing")), "{all}");
    }
    unverified(&push().with(signature, None));

    // The signature.
    let sha1 = "sha1=0123456789012345678901234567890123456789";
    refused(
        push().with(signature, None).with("X-Hub-Signature", Some(sha1)),
        401,
        "missing-signature",
    );
    for ill_formed in [sha1, "sha256=", "sha256=zz", "nonsense"] {
        refused(push().with(signature, Some(ill_formed)), 401, "bad-signature");
    }
    let body = || fixture("deployment.created").into_bytes();
    for secret in ["", "guess", &SECRET[1..], "the current webhook secret "] {
        refused(
            Delivery::signed("deployment", "application/json", body(), secret),
            401,
            "bad-signature",
        );
    }
    for changed in [
        Delivery { body: fixture("deployment.staging").into_bytes(), ..deployment() },
        Delivery { body: Vec::new(), ..deployment() },
        Delivery {
            body: [fixture("deployment.created").as_bytes(), b"\n"].concat(),
            ..deployment()
        },
    ] {
        unverified(&changed);
        let guid = changed.guid();
        let message = refused(changed, 401, "bad-signature");
        assert!(!message.contains("sha256="), "{message}");
        assert_eq!(gate.delivery_line(&guid)["secret"], Value::Null);
    }

    // The content type, and what is in it.
    for content_type in [Some("text/plain"), Some("multipart/form-data; boundary=x"), None] {
        refused(deployment().with("Content-Type", content_type), 415, "unsupported-content-type");
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let answer = push().with("Content-Type", Some(content_type)).send(&gate);
        assert_eq!(answer.code(), (200, "trigger-is-deployment".to_owned()));
    }
    let form =
        Delivery::signed("push", "application/x-www-form-urlencoded", b"data={}".to_vec(), SECRET);
    assert!(refused(form, 400, "malformed-payload").contains("`payload`"));
    for nonsense in ["", "null", "[]", "{", "<push/>", "{}"] {
        for event in ["push", "deployment", "ping"] {
            refused(Delivery::json(event, nonsense), 400, "malformed-payload");
        }
    }
    assert!(
        refused(Delivery::json("push", fixture("push.malformed")), 400, "malformed-payload")
            .contains("`after`")
    );

    // The policy.
    let stranger = fixture("deployment.created").replace("octocat/Hello-World", "Octocat/Other");
    let message = refused(Delivery::json("deployment", stranger), 404, "repository-not-linked");
    assert!(
        message.contains(
            "`npx wrangler kv key put --local --binding REPO_TRIGGERS Octocat/Other deployment`"
        ),
        "{message}"
    );
    let ping = fixture("ping").replace("octocat/Hello-World", "Octocat/Other");
    refused(Delivery::json("ping", ping), 404, "repository-not-linked");

    assert_eq!(origin.settled(0).len(), 0);
}

#[test]
fn both_secrets_are_accepted_and_the_log_says_which() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/Hello-World", "deployment")]);
    for (secret, used) in [(SECRET, "current"), (PREVIOUS, "previous")] {
        let delivery = Delivery::signed("push", "application/json", fixture("push").into(), secret);
        assert_eq!(delivery.send(&gate).code(), (200, "trigger-is-deployment".to_owned()));
        assert_eq!(gate.delivery_line(&delivery.guid())["secret"], used);
    }
}

#[test]
fn without_a_secret_nothing_is_ever_accepted() {
    for vars in [
        vec![],
        vec![("WEBHOOK_SECRET", String::new())],
        vec![("WEBHOOK_SECRET", " ".to_owned()), ("WEBHOOK_SECRET_PREVIOUS", PREVIOUS.to_owned())],
    ] {
        let gate = Gate::start(&Setup { vars, config: |_| {}, ledger: false });
        gate.set(&[("octocat/Hello-World", "deployment")]);
        for secret in ["", " ", SECRET, PREVIOUS, "undefined", "null"] {
            let body = fixture("deployment.created").into_bytes();
            let delivery = Delivery::signed("deployment", "application/json", body, secret);
            let answer = delivery.send(&gate);
            assert_eq!(answer.code(), (500, "not-configured".to_owned()));
            assert!(!answer.body.contains("WEBHOOK_SECRET"), "{answer:?}");
            let detail = gate.delivery_line(&delivery.guid())["detail"].to_string();
            assert!(detail.contains("npx wrangler secret put WEBHOOK_SECRET"), "{detail}");
        }
    }
}

#[test]
fn a_body_may_have_25_mib_and_not_a_byte_more() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/Hello-World", "deployment")]);
    let sized = |bytes: usize| {
        let mut body = fixture("push").into_bytes();
        body.resize(bytes, b' ');
        Delivery::json("push", body)
    };
    for (bytes, status, code) in [
        (LARGEST - 1, 200, "trigger-is-deployment"),
        (LARGEST, 200, "trigger-is-deployment"),
        (LARGEST + 1, 413, "payload-too-large"),
    ] {
        assert_eq!(
            sized(bytes).send(&gate).code(),
            (status, code.to_owned()),
            "{bytes}, with Content-Length"
        );
        assert_eq!(
            sized(bytes).send_chunked(&gate).code(),
            (status, code.to_owned()),
            "{bytes}, in chunks"
        );
    }

    // What is refused by its headers is refused before a byte of the body is there. (The simulator
    // holds the answer back until the body has come; the log shows that it is made before.)
    let host = gate.url.trim_start_matches("http://").trim_end_matches('/');
    let push = sized(fixture("push").len());
    for (delivery, content_length, status, code) in [
        (push.with("X-Hub-Signature-256", None), 1_000, 401, "missing-signature"),
        (sized(1_000), LARGEST + 1, 413, "payload-too-large"),
    ] {
        let mut head =
            format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {content_length}\r\n");
        for (name, value) in &delivery.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let already = gate.output().matches(code).count();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        gate.wait_until(|| gate.output().matches(code).count() > already);
        stream.write_all(&vec![b' '; content_length]).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"));
    }
}

#[test]
fn policies_in_kv_are_obeyed_refused_or_waited_for_but_never_guessed() {
    let gate = Gate::start(&Setup::without_origin());
    let send = |full_name: &str, name: &str| {
        Delivery::json(event_of(name), fixture(name).replace("octocat/Hello-World", full_name))
            .send(&gate)
    };
    let limited = r#"{"trigger":"deployment","environments":["production"],"branches":["main"]}"#;
    gate.set(&[
        ("Exact/Case", "manual"),
        ("exact/case", "commit"),
        ("lower/case", " commit\n"),
        ("Owner/*", "deployment"),
        ("owner/*", "commit"),
        ("owner/except", "manual"),
        ("small/*", "commit"),
        ("limited/json", limited),
        ("bad/word", "Deploy"),
        ("bad/json", r#"{"trigger":"deployment","branch":["main"]}"#),
        ("bad/*", "commit"),
    ]);
    for (full_name, name, status, code) in [
        ("Exact/Case", "push", 200, "trigger-is-manual"),
        ("exact/Case", "push", 202, "push-queued"),
        ("Lower/CASE", "push", 202, "push-queued"),
        ("Owner/any", "push", 200, "trigger-is-deployment"),
        ("OWNER/any", "push", 202, "push-queued"),
        ("Owner/Except", "push", 200, "trigger-is-manual"),
        ("Small/any", "push", 202, "push-queued"),
        ("limited/json", "deployment.created", 202, "deployment-queued"),
        ("limited/json", "deployment.staging", 200, "environment-not-enabled"),
        ("bad/word", "push", 500, "invalid-policy"),
        ("bad/json", "push", 500, "invalid-policy"),
        ("nobody/knows", "push", 404, "repository-not-linked"),
    ] {
        assert_eq!(
            send(full_name, name).code(),
            (status, code.to_owned()),
            "{name} of {full_name}"
        );
    }
    for (full_name, problem) in
        [("Bad/Word", "`Deploy` is not a trigger"), ("bad/json", "unknown field `branch`")]
    {
        let answer = send(full_name, "push").json();
        let message = answer["message"].as_str().unwrap();
        for part in [problem, &full_name.to_lowercase(), "`commit`, `deployment`, `manual`"] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }

    // The next delivery obeys a new value.
    gate.set(&[("bad/word", "deployment")]);
    assert_eq!(send("bad/word", "push").code().1, "trigger-is-deployment");

    // A value that is no text at all, and values so large that KV refuses to read them together.
    gate.set_to_file("binary/value", &[0xff, 0xfe, 0, 1]);
    assert_eq!(send("binary/value", "push").code(), (500, "invalid-policy".to_owned()));
    let large = vec![b' '; 20_000_000];
    gate.set_to_file("large/value", &large);
    gate.set_to_file("large/*", &large);
    let delivery =
        Delivery::json("push", fixture("push").replace("octocat/Hello-World", "large/value"));
    let answer = delivery.send(&gate);
    assert_eq!(answer.code(), (503, "policy-unavailable".to_owned()));
    let detail = gate.delivery_line(&delivery.guid())["detail"].as_str().unwrap().to_owned();
    assert!(!detail.is_empty() && !answer.body.contains(&detail), "{detail}");
}

#[test]
fn where_the_queue_takes_nothing_the_delivery_fails_and_can_be_redelivered() {
    let setup = Setup {
        config: |config| {
            config["queues"].as_table_mut().unwrap().remove("producers");
        },
        ..Setup::without_origin()
    };
    let gate = Gate::start(&setup);
    gate.set(&[("octocat/Hello-World", "deployment")]);
    let delivery = Delivery::json("deployment", fixture("deployment.created"));
    let answer = delivery.send(&gate);
    assert_eq!(answer.code(), (503, "queue-unavailable".to_owned()));
    assert_eq!(answer.json().get("build"), None);
    assert!(
        gate.delivery_line(&delivery.guid())["detail"].as_str().unwrap().contains("BUILD_QUEUE")
    );
    assert_eq!(Delivery::json("push", fixture("push")).send(&gate).status, 200);
}

#[test]
fn a_redelivered_event_asks_for_the_same_build() {
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url));
    gate.set(&[("octocat/Hello-World", "deployment")]);
    let first = Delivery::json("deployment", fixture("deployment.created"));
    let other_guid = Delivery::json("deployment", fixture("deployment.created"));
    for delivery in [&first, &first, &other_guid] {
        assert_eq!(delivery.send(&gate).json()["build"], "deployment:1296269:145988746");
    }
    let received = origin.settled(3);
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|request| request.body["id"] == "deployment:1296269:145988746"));
}

#[test]
fn the_deliver_command_signs_posts_and_tells() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/Hello-World", "deployment")]);
    let deliver = |arguments: &[&str], secret: &str| -> Output {
        Command::new(env!("CARGO_BIN_EXE_buildgate"))
            .current_dir(PROJECT)
            .env("WEBHOOK_SECRET", secret)
            .arg("deliver")
            .args(arguments)
            .output()
            .unwrap()
    };
    let told = |output: &Output| {
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let (status, answer) = stdout.split_once('\n').unwrap();
        (output.status.code(), status.to_owned(), serde_json::from_str::<Value>(answer).unwrap())
    };
    let url = gate.url.as_str();

    let (exit, status, answer) =
        told(&deliver(&["fixtures/deployment.created.json", "--url", url], SECRET));
    assert_eq!(
        (exit, status.as_str(), &answer["code"]),
        (Some(0), "202 Accepted", &json!("deployment-queued"))
    );
    let fresh = answer["delivery"].clone();
    let guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    let (exit, _, answer) = told(&deliver(
        &["fixtures/push.json", "--form", "--delivery", guid, "--url", url, "--secret", PREVIOUS],
        "not this one",
    ));
    assert_eq!((exit, &answer["code"]), (Some(0), &json!("trigger-is-deployment")));
    assert_eq!(answer["delivery"], guid);
    assert_ne!(answer["delivery"], fresh);
    let output = deliver(&["fixtures/push.json", "--json", "--url", url], SECRET);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["status"], &json["answer"]["code"]),
        (&json!(200), &json!("trigger-is-deployment"))
    );
    let (_, _, answer) =
        told(&deliver(&["fixtures/push.json", "--event", "create", "--url", url], SECRET));
    assert_eq!((&answer["event"], &answer["code"]), (&json!("create"), &json!("event-not-used")));

    let (exit, status, answer) = told(&deliver(&["fixtures/push.json", "--url", url], "wrong"));
    assert_eq!(
        (exit, status.as_str(), &answer["code"]),
        (Some(1), "401 Unauthorized", &json!("bad-signature"))
    );
    let (exit, _, answer) = told(&deliver(&["fixtures/push.malformed.json", "--url", url], SECRET));
    assert_eq!((exit, &answer["code"]), (Some(1), &json!("malformed-payload")));

    for (arguments, part) in [
        (&["fixtures/none.json", "--url", url][..], "cannot read fixtures/none.json"),
        (&["README.md", "--url", url], "cannot tell the event"),
        (
            &["fixtures/push.json", "--url", "http://127.0.0.1:9/"],
            "nothing answers at http://127.0.0.1:9/",
        ),
        (&["fixtures/push.json", "--url", "nowhere"], "nowhere"),
    ] {
        let output = deliver(arguments, SECRET);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{part} is not in: {stderr}");
    }
}

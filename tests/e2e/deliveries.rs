//! Deliveries: each is answered as the table says, in both content types; refusals come in their order; and what was
//! answered 202 is on the queue.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::delivery::Delivery;
use crate::support::fixtures::{PROJECT, event_of, fixture, payload};
use crate::support::gate::{Gate, PREVIOUS, SECRET, Setup};
use crate::support::origin::{Origin, Received};

const LARGEST: usize = 26_214_400;

/// Each fixture with its status and code under `commit`, `deployment` and `manual`.
const TABLE: [(&str, [(u16, &str); 3]); 27] = {
    const IS_COMMIT: (u16, &str) = (200, "trigger-is-commit");
    const IS_DEPLOYMENT: (u16, &str) = (200, "trigger-is-deployment");
    const IS_MANUAL: (u16, &str) = (200, "trigger-is-manual");
    const PUSH: (u16, &str) = (202, "push-queued");
    const DEPLOYMENT: (u16, &str) = (202, "deployment-queued");
    const PONG: (u16, &str) = (200, "pong");
    const MISCONFIGURED: (u16, &str) = (200, "hook-misconfigured");
    const STATUS_NOT_USED: (u16, &str) = (200, "deployment-status-not-used");
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
        ("deployment.job", [IS_COMMIT, (200, "deployment-not-started"), IS_MANUAL]),
        ("deployment.fork", [IS_COMMIT, (200, "deployment-from-fork"), IS_MANUAL]),
        ("deployment.pull-request", [IS_COMMIT, (200, "deployment-from-pull-request"), IS_MANUAL]),
        ("deployment_status.job-waiting", [IS_COMMIT, STATUS_NOT_USED, IS_MANUAL]),
        ("deployment_status.job-in-progress", [IS_COMMIT, DEPLOYMENT, IS_MANUAL]),
        ("deployment_status.job-success", [IS_COMMIT, STATUS_NOT_USED, IS_MANUAL]),
        ("deployment_status.success", [IS_COMMIT, STATUS_NOT_USED, IS_MANUAL]),
        ("ping", [PONG, PONG, PONG]),
        ("ping.lacks-deployment-status", [PONG, PONG, PONG]),
        ("ping.inactive", [MISCONFIGURED, MISCONFIGURED, MISCONFIGURED]),
        ("ping.lacks-deployment", [PONG, MISCONFIGURED, PONG]),
        ("ping.organization", [PONG, PONG, PONG]),
        ("status", [NOT_USED, NOT_USED, NOT_USED]),
    ]
};

/// What `explain` says of a fixture.
fn explain(gate: &Gate, name: &str, policy: &str, delivery: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .env("BUILDGATE_URL", &gate.url)
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

/// A delivery that was queued: its fixture, the build's id, and the build request that `explain` made of it.
struct Queued {
    name: &'static str,
    build: Value,
    explained: Value,
}

#[test]
fn each_fixture_under_each_trigger_in_both_content_types() {
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url));
    let mut queued = BTreeMap::new();
    for (column, trigger) in ["commit", "deployment", "manual"].into_iter().enumerate() {
        gate.set(&[("octocat/hello-world", trigger)]);
        for (name, expected) in TABLE {
            let event = event_of(name);
            for delivery in
                [Delivery::json(event, fixture(name)), Delivery::form(event, &fixture(name))]
            {
                let answer = deliver(&gate, name, &delivery, trigger, expected[column]);
                check_log(&gate, &delivery, &answer, expected[column].0);
                let explained = check_explain(&gate, name, trigger, &delivery, &answer);
                if answer["outcome"] == "queued" {
                    let build = answer["build"].clone();
                    queued.insert(delivery.guid(), Queued { name, build, explained });
                } else {
                    assert_eq!(answer.get("build"), None);
                }
            }
        }
    }
    assert_eq!(queued.len(), 2 * (2 + 7));

    // The origin got exactly these build requests, and no other.
    let received = origin.settled(queued.len());
    assert_eq!(received.len(), queued.len());
    for request in received {
        let delivery = request.body["delivery"].as_str().unwrap().to_owned();
        let queued = queued.remove(&delivery);
        let queued = queued.unwrap_or_else(|| panic!("not queued: {}", request.body));
        check_build_request(&request, &queued);
        check_handover_log(&gate, &delivery, &queued);
    }

    for secret in [SECRET, PREVIOUS] {
        assert!(!gate.output().contains(secret));
    }
    assert!(!gate.output().contains("gravatar"), "a body is in the log");
}

/// Delivers a fixture, and checks its answer.
fn deliver(
    gate: &Gate,
    name: &str,
    delivery: &Delivery,
    trigger: &str,
    (status, code): (u16, &str),
) -> Value {
    let answer = delivery.send(gate);
    assert_eq!(answer.code(), (status, code.to_owned()), "{name} under {trigger}");
    let answer = answer.json();
    assert_eq!(answer["delivery"], delivery.guid());
    assert_eq!(answer["event"], event_of(name));
    if !matches!(name, "push.malformed" | "ping.organization") {
        assert_eq!(answer["repository"], "octocat/Hello-World", "{name}");
    }
    if !matches!(name, "push.malformed" | "ping.organization" | "status") {
        assert_eq!(answer["trigger"], trigger, "{name}");
    }
    answer
}

/// Checks that the log says of a delivery what the answer says.
fn check_log(gate: &Gate, delivery: &Delivery, answer: &Value, status: u16) {
    let line = gate.delivery_line(&delivery.guid());
    for field in ["outcome", "code", "event", "repository", "trigger"] {
        assert_eq!(line[field], answer[field], "{field} of {line}");
    }
    assert_eq!((&line["status"], &line["secret"]), (&json!(status), &json!("current")));
    assert!(line["ms"].is_u64(), "{line}");
}

/// Checks that `explain` says of a fixture what the gate answered, offline; gives the build request that it shows.
fn check_explain(
    gate: &Gate,
    name: &str,
    trigger: &str,
    delivery: &Delivery,
    answer: &Value,
) -> Value {
    let explained = explain(gate, name, trigger, &delivery.guid());
    for (field, value) in answer.as_object().unwrap() {
        assert_eq!(&explained[field], value, "{field} of {name} under {trigger}");
    }
    assert_eq!(explained.get("build_request").is_some(), answer["outcome"] == "queued");
    explained["build_request"].clone()
}

/// Checks that the origin got the build request of a fixture.
fn check_build_request(received: &Received, queued: &Queued) {
    let request = &received.body;
    assert_eq!(received.headers["content-type"], "application/json");
    assert_eq!(received.headers["webhook-id"], request["id"].as_str().unwrap());
    let mut explained = queued.explained.clone();
    explained["received_at"] = request["received_at"].clone();
    assert_eq!(&explained, request);

    let payload = payload(queued.name);
    assert_eq!((&request["version"], &request["id"]), (&json!(1), &queued.build));
    assert_eq!(request["repository"]["full_name"], "octocat/Hello-World");
    match event_of(queued.name) {
        "push" => {
            assert_eq!(request["commit"], json!({"sha": payload["after"], "ref": "main"}));
            assert_eq!(request["trigger"], "commit");
        }
        _ => {
            let deployment = &payload["deployment"];
            let commit = json!({"sha": deployment["sha"], "ref": deployment["ref"]});
            assert_eq!(request["commit"], commit);
            assert_eq!(request["deployment"]["payload"], deployment["payload"]);
            assert_eq!(request["trigger"], "deployment");
        }
    }
}

/// Checks what the log says of a build request that the origin took.
fn check_handover_log(gate: &Gate, delivery: &str, queued: &Queued) {
    let line = gate.log_line(|line| line["log"] == "handover" && line["delivery"] == delivery);
    assert_eq!(
        (&line["outcome"], &line["code"], &line["status"], &line["build"]),
        (&json!("accepted"), &json!("origin-accepted"), &json!(202), &queued.build)
    );
    // A deployment is handed over as one, by whichever of its two events it came.
    let event = if event_of(queued.name) == "push" { "push" } else { "deployment" };
    assert_eq!(
        (&line["event"], &line["repository"]),
        (&json!(event), &json!("octocat/Hello-World"))
    );
    assert!(line["ms"].is_u64(), "{line}");
}

#[test]
fn refusals_come_in_their_order_and_queue_nothing() {
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url));
    gate.set(&[("octocat/hello-world", "deployment")]);
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
    assert!(about.body.ends_with("/help\n"), "{}", about.body);
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
    let form = |body: String| {
        Delivery::signed("push", "application/x-www-form-urlencoded", body.into(), SECRET)
    };
    assert!(refused(form("data={}".into()), 400, "malformed-payload").contains("`payload`"));
    // Signed by GitHub as JSON, with what an outsider wrote in a comment, and sent again as a form.
    let mut commented: Value = payload("status");
    let inner = form_urlencoded::byte_serialize(fixture("push").as_bytes()).collect::<String>();
    commented["commit"]["commit"]["message"] = json!(format!("&payload={inner}&"));
    refused(form(commented.to_string()), 400, "malformed-payload");
    let as_json = Delivery::form("push", &fixture("push"));
    refused(as_json.with("Content-Type", Some("application/json")), 400, "malformed-payload");

    // Another GitHub's repository, or no repository at all.
    for clone_url in [
        "file:///etc",
        "http://github.com/octocat/Hello-World.git",
        "https://github.com/octocat/Spoon-Knife.git",
        "https://github.com.evil.example/octocat/Hello-World.git",
        "https://x:y@github.com/octocat/Hello-World.git",
        "https://github.com/octocat/Hello-World.git?x",
        "https://github.com/octocat/Hello-World",
        "ssh://git@github.com/octocat/Hello-World.git",
    ] {
        for name in ["push", "deployment.created", "deployment_status.success"] {
            let mut payload = payload(name);
            payload["repository"]["clone_url"] = json!(clone_url);
            let delivery = Delivery::json(event_of(name), payload.to_string());
            let message = refused(delivery, 403, "repository-mismatch");
            assert!(message.contains("https://github.com/octocat/Hello-World.git"), "{message}");
            payload["repository"].as_object_mut().unwrap().remove("clone_url");
            let delivery = Delivery::json(event_of(name), payload.to_string());
            refused(delivery, 400, "malformed-payload");
        }
    }
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
    let url = gate.url.trim_end_matches('/');
    let link =
        format!("`cargo run -- link Octocat/Other --trigger deployment --url {url} --local`");
    assert!(message.contains(&link), "{message}");
    let ping = fixture("ping").replace("octocat/Hello-World", "Octocat/Other");
    let digits = Delivery::json("projects_v2_item", r#"{"action":"edited"}"#).send(&gate);
    assert_eq!(digits.code(), (200, "event-not-used".to_owned()));
    refused(Delivery::json("ping", ping), 404, "repository-not-linked");

    assert_eq!(origin.settled(0).len(), 0);
}

#[test]
fn both_secrets_are_accepted_and_the_log_says_which() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/hello-world", "deployment")]);
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
        gate.set(&[("octocat/hello-world", "deployment")]);
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
    gate.set(&[("octocat/hello-world", "deployment")]);
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
fn where_the_queue_takes_nothing_the_delivery_fails_and_can_be_redelivered() {
    let setup = Setup {
        config: |config| {
            config["queues"].as_table_mut().unwrap().remove("producers");
        },
        ..Setup::without_origin()
    };
    let gate = Gate::start(&setup);
    gate.set(&[("octocat/hello-world", "deployment")]);
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
    gate.set(&[("octocat/hello-world", "deployment")]);
    let first = Delivery::json("deployment", fixture("deployment.created"));
    let other_guid = Delivery::json("deployment", fixture("deployment.created"));
    for delivery in [&first, &first, &other_guid] {
        assert_eq!(
            delivery.send(&gate).json()["build"],
            "deployment:octocat/hello-world:145988746"
        );
    }
    let received = origin.settled(3);
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|request| request.body["id"] == "deployment:octocat/hello-world:145988746")
    );
}

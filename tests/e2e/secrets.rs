//! A secret of its own for each repository: it opens that repository's route and no other.

use std::process::Command;

use serde_json::Value;

use crate::support::delivery::Delivery;
use crate::support::fixtures::{PROJECT, fixture};
use crate::support::gate::{Gate, PREVIOUS, SECRET, Setup};

/// The secret that `secret` prints for a repository.
fn secret(repository: &str, webhook_secret: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .env("WEBHOOK_SECRET", webhook_secret)
        .args(["secret", repository])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A push to `repository`, sent to `path` and signed with `secret`.
fn push(repository: &str, path: &'static str, secret: &str) -> Delivery {
    let body = fixture("push").replace("octocat/Hello-World", repository);
    Delivery { path, ..Delivery::signed("push", "application/json", body.into(), secret) }
}

#[test]
fn a_repositorys_secret_opens_its_own_route_only() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/*", "deployment")]);
    let hello = secret("octocat/Hello-World", SECRET);
    let spoon = secret("octocat/Spoon-Knife", SECRET);
    assert_eq!(hello.len(), 64);
    assert_eq!(hello, secret("Octocat/hello-world", SECRET));
    assert_ne!(hello, spoon);
    let (own, other) = ("octocat/Hello-World", "octocat/Spoon-Knife");
    let previous = secret(own, PREVIOUS);
    for (repository, path, secret, status, code) in [
        (own, own, &*hello, 200, "trigger-is-deployment"),
        (own, "OCTOCAT/hello-world", &*hello, 200, "trigger-is-deployment"),
        ("Octocat/HELLO-World", own, &*hello, 200, "trigger-is-deployment"),
        (own, "octocat/Hello-World/", &*hello, 200, "trigger-is-deployment"),
        (own, own, &*previous, 200, "trigger-is-deployment"),
        // Another repository's secret, the operator's own, and this one where it does not belong.
        (own, own, &*spoon, 401, "bad-signature"),
        (own, own, SECRET, 401, "bad-signature"),
        (own, own, PREVIOUS, 401, "bad-signature"),
        (own, "", &*hello, 401, "bad-signature"),
        (other, other, &*hello, 401, "bad-signature"),
        // The right secret for the route, and another repository's event.
        (other, own, &*hello, 403, "repository-mismatch"),
        ("octocat/Renamed", own, &*hello, 403, "repository-mismatch"),
    ] {
        let answer = push(repository, path, secret).send(&gate);
        assert_eq!(answer.code(), (status, code.to_owned()), "{repository} at {path}: {answer:?}");
    }

    let delivery = push(own, own, &previous);
    delivery.send(&gate);
    assert_eq!(gate.delivery_line(&delivery.guid())["secret"], "previous");

    let answer = push("octocat/Renamed", own, &hello).send(&gate).json();
    let message = answer["message"].as_str().unwrap();
    let url = gate.url.trim_end_matches('/');
    let command =
        format!("`cargo run -- link octocat/Renamed --trigger POLICY --url {url} --local`");
    assert!(message.contains(&command), "{command} is not in: {message}");

    // An event that names no repository belongs to none.
    let ping =
        Delivery::signed("ping", "application/json", fixture("ping.organization").into(), &hello);
    let answer = Delivery { path: own, ..ping }.send(&gate);
    assert_eq!(answer.code(), (403, "repository-mismatch".to_owned()));
    assert_eq!(answer.json()["repository"], Value::Null);

    for method in ["PUT", "DELETE"] {
        let answer = Delivery { method, ..push(own, own, &hello) }.send(&gate);
        let allow = Some("GET, HEAD, POST");
        assert_eq!((answer.status, answer.allow.as_deref()), (405, allow), "{method}");
    }
    // A person who opens the Payload URL is told what it is for, and nothing of the repository.
    for name in [own, "octocat/nobody-knows-it"] {
        let answer = Delivery { method: "GET", path: name, ..push(own, own, &hello) }.send(&gate);
        assert_eq!(answer.status, 200);
        let told = format!("This is the Payload URL of {name}: GitHub delivers");
        assert!(answer.body.starts_with(&told) && answer.body.contains("/help"), "{answer:?}");
    }
    let help = Delivery { method: "GET", path: "help", ..push(own, own, &hello) }.send(&gate);
    assert!(help.status == 200 && help.body.contains("id=\"bad-signature\""), "{help:?}");

    // What was called is in the log, as what it is: nobody vouches for it.
    let forged = push(own, own, &spoon);
    let message = forged.send(&gate).json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&format!("{url}/{own}, which is that repository's own")), "{message}");
    let line = gate.delivery_line(&forged.guid());
    assert_eq!(line["unverified_url"], format!("{url}/{own}"));
    assert_eq!((&line["repository"], &line["secret"]), (&Value::Null, &Value::Null));
    for secret in [&hello, &spoon, &previous] {
        assert!(!gate.output().contains(secret.as_str()));
    }
}

#[test]
fn the_secrets_of_the_project_are_good_for_the_machine_itself_only() {
    let setup = Setup::with_origin("https://origin.example/builds")
        .var("WEBHOOK_SECRET", "local-webhook-secret")
        .var("WEBHOOK_SECRET_PREVIOUS", "")
        .var("ORIGIN_SECRET", "whsec_bG9jYWwtb3JpZ2luLXNlY3JldC1sb2NhbA==")
        .var("OPERATOR_TOKEN", "local-operator-token");
    let gate = Gate::start(&setup);
    gate.set(&[("octocat/hello-world", "deployment")]);
    let deployment = || {
        let body = fixture("deployment.created").into();
        Delivery::signed("deployment", "application/json", body, "local-webhook-secret")
    };
    let letters = |host: Option<&str>| {
        let token = Some("Bearer local-operator-token");
        let list = Delivery { method: "GET", path: "-/dead-letters", ..deployment() };
        list.with("Authorization", token).with("Host", host).send(&gate)
    };

    assert_eq!(deployment().send(&gate).code(), (202, "deployment-queued".to_owned()));
    assert_eq!(letters(None).status, 200);

    let public = Some("gate.example");
    let refused = deployment().with("Host", public);
    assert_eq!(refused.send(&gate).code(), (500, "not-configured".to_owned()));
    let line = gate.delivery_line(&refused.guid());
    assert!(line["detail"].as_str().unwrap().contains("which everybody knows"), "{line}");
    assert_eq!(letters(public).code(), (404, "not-found".to_owned()));

    // What the origin is to trust is signed with no such secret, wherever the gate itself is reached.
    let line = gate.log_line(|line| line["log"] == "handover");
    assert_eq!(line["code"], "origin-not-configured");
    assert!(line["detail"].as_str().unwrap().contains("which everybody knows"), "{line}");
}

//! The command `deliver`: signs, posts and tells.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::fixtures::PROJECT;
use crate::support::gate::{Gate, PREVIOUS, SECRET, Setup};

#[test]
fn the_deliver_command_signs_posts_and_tells() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/hello-world", "deployment")]);
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
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{PREVIOUS}").unwrap();
    let file = file.path().to_str().unwrap();
    let guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    let (exit, _, answer) = told(&deliver(
        &["fixtures/push.json", "--form", "--delivery", guid, "--url", url, "--secret-file", file],
        "not this one",
    ));
    assert_eq!((exit, &answer["code"]), (Some(0), &json!("trigger-is-deployment")));
    assert_eq!(answer["delivery"], guid);
    // Or by standard input; never by an option's value, which everybody on the machine would see.
    let mut process = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .args(["deliver", "fixtures/push.json", "--url", url, "--secret-file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(SECRET.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
    let output = deliver(&["fixtures/push.json", "--url", url, "--secret=hunter2"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "{output:?}");
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

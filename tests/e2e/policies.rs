//! Policies in KV: obeyed, refused or waited for, and never guessed.

use crate::support::delivery::Delivery;
use crate::support::fixtures::{event_of, fixture};
use crate::support::gate::{Gate, Setup};

#[test]
fn a_policy_may_be_remembered_and_what_is_missing_or_invalid_never_is() {
    let setup = Setup::without_origin().var("POLICY_CACHE_SECONDS", "30");
    let gate = Gate::start(&setup);
    let push = || Delivery::json("push", fixture("push")).send(&gate).code();
    assert_eq!(push(), (404, "repository-not-linked".to_owned()));
    gate.set(&[("octocat/hello-world", "deploy")]);
    assert_eq!(push(), (500, "invalid-policy".to_owned()));
    gate.set(&[("octocat/hello-world", "deployment")]);
    assert_eq!(push(), (200, "trigger-is-deployment".to_owned()));
    gate.set(&[("octocat/hello-world", "manual")]);
    assert_eq!(push(), (200, "trigger-is-deployment".to_owned()));
}

#[test]
fn policies_in_kv_are_obeyed_refused_or_waited_for_but_never_guessed() {
    let gate = Gate::start(&Setup::without_origin());
    let send = |full_name: &str, name: &str| {
        Delivery::json(event_of(name), fixture(name).replace("octocat/Hello-World", full_name))
            .send(&gate)
    };
    let limited = r#"{"trigger":"deployment","environments":["production"],"branches":["main"]}"#;
    let pinned = r#"{"trigger":"commit","repository_id":1296269}"#;
    let others = r#"{"trigger":"commit","repository_id":7}"#;
    gate.set(&[
        ("lower/case", " commit\n"),
        ("Capitals/Exact", "manual"),
        ("capitals/*", "commit"),
        ("All/*", "commit"),
        ("owner/*", "commit"),
        ("owner/except", "manual"),
        ("limited/json", limited),
        ("pinned/this", pinned),
        ("pinned/other", others),
        ("pinned/*", pinned),
        ("bad/word", "Deploy"),
        ("bad/json", r#"{"trigger":"deployment","branch":["main"]}"#),
        ("bad/*", "commit"),
    ]);
    for (full_name, name, status, code) in [
        ("lower/case", "push", 202, "push-queued"),
        ("Lower/CASE", "push", 202, "push-queued"),
        ("Capitals/Exact", "push", 500, "invalid-policy"),
        ("All/any", "push", 500, "invalid-policy"),
        ("owner/any", "push", 202, "push-queued"),
        ("OWNER/any", "push", 202, "push-queued"),
        ("Owner/Except", "push", 200, "trigger-is-manual"),
        ("limited/json", "deployment.created", 202, "deployment-queued"),
        ("limited/json", "deployment.staging", 200, "environment-not-enabled"),
        ("pinned/this", "push", 202, "push-queued"),
        ("pinned/other", "push", 403, "repository-mismatch"),
        ("pinned/other", "ping", 403, "repository-mismatch"),
        ("pinned/any", "push", 500, "invalid-policy"),
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

    // The command that is printed for a key with capitals puts it right.
    let answer = send("Capitals/Exact", "push").json();
    let message = answer["message"].as_str().unwrap();
    for command in [
        "put --local --binding REPO_TRIGGERS capitals/exact manual",
        "delete --local --binding REPO_TRIGGERS Capitals/Exact",
    ] {
        assert!(message.contains(&format!("`npx wrangler kv key {command}`")), "{message}");
    }
    gate.set(&[("capitals/exact", "manual")]);
    assert_eq!(send("Capitals/Exact", "push").code().1, "trigger-is-manual");
    for (full_name, problem) in
        [("Bad/Word", "`Deploy` is not a trigger"), ("bad/json", "unknown field `branch`")]
    {
        let answer = send(full_name, "push").json();
        let message = answer["message"].as_str().unwrap();
        for part in [problem, &full_name.to_lowercase(), "`commit`, `deployment` and `manual`"] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }

    // The log says which key, and what is wrong.
    let delivery =
        Delivery::json("push", fixture("push").replace("octocat/Hello-World", "Bad/Word"));
    delivery.send(&gate);
    let line = gate.delivery_line(&delivery.guid());
    assert_eq!(line["detail"], "bad/word: `Deploy` is not a trigger");

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

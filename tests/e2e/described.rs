//! The operator's routes are as `docs/openapi.json` describes them: each operation is asked here, and every answer to any
//! other test is held against it, too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::auto_deploy::{Chain, KEY, REPOSITORY};
use crate::operator::{ask, by_token, sign_in};
use crate::support::described::{followed, have_answered, operations};
use crate::support::gate::OPERATOR_TOKEN;

/// The names of an operation's parameters in the query.
fn query_of(operation: &'static Value) -> BTreeSet<&'static str> {
    let all = operation["parameters"].as_array().into_iter().flatten().map(followed);
    all.filter(|of| of["in"] == "query").map(|of| of["name"].as_str().unwrap()).collect()
}

#[test]
fn each_operation_answers_as_it_is_described_and_takes_the_parameters_that_are() {
    let chain = Chain::start(r#"{"trigger":"deployment","auto_deploy":{}}"#);
    let gate = &chain.gate;
    // Something of everything: a commit that is deployed and built, one that waits, a dead letter of each kind.
    let sha = chain.github.push(REPOSITORY, "main");
    chain.github.status(REPOSITORY, &sha, "build", "success");
    let build = chain.origin.wait_for(1)[0].body["id"].as_str().unwrap().to_owned();
    chain.row(&sha, "created");
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, build, repository, reason, stored_at, message) VALUES \
         ('builds', 'a', 'b', 'octocat/hello-world', 'origin-refused', '2026-11-25T00:00:00Z', 'x'), \
         ('builds', 'b', NULL, NULL, 'message-unreadable', '2026-11-25T00:00:00Z', 'x'), \
         ('github', 'c', NULL, NULL, 'message-unreadable', '2026-11-25T00:00:00Z', 'x'); \
         INSERT INTO auto_deployments (repository_id, repository, sha, environment, branch, state, reason, first_seen_at, since) \
         VALUES (1296269, 'octocat/Hello-World', 'abcdefabcdefabcdefabcdefabcdefabcdefabcd', 'staging', 'main', 'refused', 'a reason', 1, 1)",
    );
    gate.wait_until(|| !gate.operator("GET", "deliveries")["items"].as_array().unwrap().is_empty());

    let delivery = gate.operator("GET", "deliveries?limit=1")["items"][0]["id"].clone();
    let delivery = format!("deliveries/{}", delivery.as_str().unwrap());
    let of_build = format!("builds/{build}");
    let retry =
        format!("auto-deployments/{REPOSITORY}/abcdefabcdefabcdefabcdefabcdefabcdefabcd/retry");
    for (method, route, body, status) in [
        ("GET", "session", "", 200),
        ("GET", "deliveries", "", 200),
        ("GET", "deliveries?code=nonsense", "", 400),
        ("GET", &*delivery, "", 200),
        ("GET", "deliveries/none", "", 404),
        ("GET", "counts", "", 200),
        ("GET", "counts?since=yesterday", "", 400),
        ("GET", "repositories", "", 200),
        ("GET", "repositories/octocat/Hello-World", "", 200),
        ("GET", "repositories/octocat/none", "", 404),
        ("PUT", "repositories/octocat/spoon-knife?dry_run=true", "commit", 200),
        ("PUT", "repositories/octocat/spoon-knife", "nonsense", 400),
        (
            "PUT",
            "repositories/octocat/spoon-knife",
            r#"{"trigger":"commit","branches":["*"]}"#,
            200,
        ),
        ("DELETE", "repositories/octocat/spoon-knife", "", 200),
        ("DELETE", "repositories/octocat/spoon-knife?dry_run=perhaps", "", 400),
        ("GET", "dead-letters", "", 200),
        ("GET", "dead-letters/1", "", 200),
        ("GET", "dead-letters/x", "", 404),
        ("POST", "dead-letters/1/redrive", "", 200),
        ("POST", "dead-letters/redrive?through=3", "", 200),
        ("POST", "dead-letters/redrive", "", 400),
        ("DELETE", "dead-letters/3", "", 200),
        ("DELETE", "dead-letters/3", "", 404),
        ("POST", "dead-letters/drop?through=2", "", 200),
        ("GET", "builds", "", 200),
        ("GET", &*of_build, "", 200),
        ("GET", "builds/none", "", 404),
        ("GET", "auto-deployments", "", 200),
        ("POST", &*retry, "", 200),
        (
            "POST",
            "auto-deployments/octocat/none/abcdefabcdefabcdefabcdefabcdefabcdefabcd/retry",
            "",
            404,
        ),
        ("GET", "sweeps", "", 200),
        ("POST", "sweeps", "", 200),
        ("GET", "health", "", 200),
        ("GET", "app", "", 200),
        ("GET", "app?repository=octocat/Hello-World", "", 200),
        ("PUT", "app/hook", "", 200),
    ] {
        let answered = by_token(gate, method, route, body);
        assert_eq!(answered.status, status, "{method} {route}: {answered:?}");
    }
    // By the console's session.
    let cookie = sign_in(gate, OPERATOR_TOKEN).cookie();
    let headers =
        |origin: &'static str| [("Cookie", cookie.clone()), ("Origin", origin.to_owned())];
    let with = |method: &str, route: &str, origin| {
        let headers = headers(origin);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        ask(gate, method, route, &headers, "").status
    };
    assert_eq!(with("POST", "sweeps", "https://elsewhere.example"), 403);
    let origin = gate.url.trim_end_matches('/').to_owned();
    let own = [("Cookie", cookie.as_str()), ("Origin", origin.as_str())];
    assert_eq!(ask(gate, "DELETE", "session", &own, "").status, 200);
    assert_eq!(sign_in(gate, "wrong").status, 401);
    // What the build service does.
    let report = json!({"build": build, "state": "success"});
    assert_eq!(crate::statuses::report(&chain, &report).0, 202);

    // The tool asks the same: by the journal's id, and by GitHub's.
    let (exit, text) =
        chain.run(&["deliveries", "list", "--repository", REPOSITORY, "--limit", "2"]);
    assert!(
        exit == Some(0) && text.lines().count() == 3 && text.contains("octocat/Hello-World"),
        "{text}"
    );
    let newest = gate.operator("GET", "deliveries?limit=1")["items"][0].clone();
    for name in ["id", "delivery"] {
        let (exit, text) = chain.run(&["deliveries", "show", newest[name].as_str().unwrap()]);
        assert!(exit == Some(0) && text.contains(newest["code"].as_str().unwrap()), "{text}");
    }
    let (exit, text) = chain.run(&["deliveries", "show", "no-such-delivery"]);
    assert!(
        exit == Some(1) && text.contains("The journal has no delivery no-such-delivery"),
        "{text}"
    );

    // All of them have answered, and whoever is nobody gets none of it.
    let all: BTreeSet<String> = operations().keys().map(|id| (*id).to_owned()).collect();
    assert_eq!(have_answered(None), all);
    for (id, (method, template, operation)) in operations() {
        if operation["security"].is_null() && id != "showSession" {
            let path = template.replace(['{', '}'], "");
            let route = path.strip_prefix("/-/").unwrap();
            assert_eq!(ask(gate, &method, route, &[], "").status, 401, "{id}");
        }
        // The gate names the parameters that it takes.
        let (described, route) = (query_of(operation), template.strip_prefix("/-/").unwrap());
        if described.is_empty() || route.contains('{') {
            continue;
        }
        let refused = by_token(gate, &method, &format!("{route}?nonsense="), "");
        let message = refused.json()["message"].as_str().unwrap_or_default().to_owned();
        let taken =
            message.split(" is none of ").nth(1).unwrap_or_else(|| panic!("{id}: {message}"));
        let taken: BTreeSet<&str> = taken.trim_end_matches('.').split(", ").collect();
        assert_eq!(taken, described, "{id}");
    }
    assert_eq!(by_token(gate, "GET", &format!("repositories/{KEY}"), "").status, 200);
    chain.github.assert_as_described();
}

//! The operator's routes, as the console and other tools use them: who may, lists with their filters, policies, and what is
//! done to all that match.

use serde_json::{Value, json};

use crate::support::delivery::Delivery;
use crate::support::described;
use crate::support::fixtures::fixture;
use crate::support::gate::{Gate, OPERATOR_TOKEN, Setup};

/// What was answered: the status, the headers that matter, and the JSON, where it is any.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    cookie: Option<String>,
    location: Option<String>,
    policy: Option<String>,
    body: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The cookie, as a browser sends it.
    pub fn cookie(&self) -> String {
        self.cookie.as_ref().unwrap().split(';').next().unwrap().to_owned()
    }
}

pub fn ask(
    gate: &Gate,
    method: &str,
    route: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answered {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into();
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("{}-/{route}", gate.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
    let header = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
    let (cookie, location) = (header("set-cookie"), header("location"));
    let policy = header("content-security-policy");
    // Whatever is answered here is kept by nobody but the files of the page, and is what it is said to be.
    let is_kept = route.starts_with("assets/") && answer.status() == 200;
    assert_eq!(header("cache-control").as_deref() == Some("no-store"), !is_kept, "{route}");
    assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{route}");
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().unwrap();
    // The console's page and its files are no answers of the API's.
    if !route.is_empty() && !route.starts_with("assets/") {
        described::hold(method, &format!("/-/{route}"), status, &body);
    }
    Answered { status, cookie, location, policy, body }
}

pub fn by_token(gate: &Gate, method: &str, route: &str, body: &str) -> Answered {
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    ask(gate, method, route, &[("Authorization", bearer.as_str())], body)
}

pub fn sign_in(gate: &Gate, token: &str) -> Answered {
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let form_type = ("Content-Type", "application/x-www-form-urlencoded");
    ask(gate, "POST", "session", &[form_type], &form)
}

#[test]
fn a_session_begins_with_the_token_and_ends_with_it() {
    let mut gate = Gate::start(&Setup::without_origin());
    let origin = gate.url.trim_end_matches('/').to_owned();
    // The page is the same for everybody, and loads nothing but its own files.
    let page = ask(&gate, "GET", "", &[], "");
    assert_eq!(page.status, 200);
    let policy = page.policy.unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    for file in ["console.js", "console.css", "icon.svg"] {
        let of_page = format!("/-/assets/{file}\"");
        assert!(page.body.contains(&of_page), "{}", page.body);
        let status = ask(&gate, "GET", &format!("assets/{file}"), &[], "").status;
        assert_eq!(status, 200, "{file}");
    }
    assert_eq!(ask(&gate, "GET", "assets/other.js", &[], "").status, 401);

    let wrong = sign_in(&gate, "another");
    assert_eq!(wrong.code(), (401, "unauthorized".into()));
    assert!(wrong.cookie.is_none() && !wrong.body.contains(OPERATOR_TOKEN));
    let begun = sign_in(&gate, OPERATOR_TOKEN);
    assert_eq!((begun.status, begun.location.as_deref()), (303, Some("/-/")));
    let cookie = begun.cookie();
    let with = |gate: &Gate, method: &str, route: &str, more: &[(&str, &str)]| {
        let headers = [&[("Cookie", cookie.as_str())], more].concat();
        ask(gate, method, route, &headers, "")
    };
    assert_eq!(with(&gate, "GET", "builds", &[]).status, 200);
    assert_eq!(with(&gate, "GET", "session", &[]).json()["by"], "session");
    assert_eq!(by_token(&gate, "GET", "session", "").json()["by"], "token");
    assert_eq!(ask(&gate, "GET", "session", &[], "").json()["by"], "nobody");
    for forged in ["__Host-buildgate-session=", &cookie[..cookie.len() - 1], &format!("{cookie}0")]
    {
        assert_eq!(ask(&gate, "GET", "builds", &[("Cookie", forged)], "").status, 401, "{forged}");
    }

    // What changes something comes from the console itself.
    for (headers, expected) in [
        (&[][..], (403, "cross-origin")),
        (&[("Origin", "https://evil.example")], (403, "cross-origin")),
        (&[("Origin", "null")], (403, "cross-origin")),
        (&[("Origin", origin.as_str())], (404, "no-such-dead-letter")),
    ] {
        let (status, code) = with(&gate, "POST", "dead-letters/7/redrive", headers).code();
        assert_eq!((status, code.as_str()), expected, "{headers:?}");
    }
    let evil = [("Origin", "https://evil.example")];
    assert_eq!(ask(&gate, "POST", "session", &evil, "token=x").status, 403);

    // Signed out, a cookie that somebody kept is worth nothing.
    let ended = with(&gate, "DELETE", "session", &[("Origin", origin.as_str())]);
    assert!(
        ended.status == 200 && ended.cookie.as_ref().unwrap().contains("Max-Age=0"),
        "{ended:?}"
    );
    assert_eq!(with(&gate, "GET", "builds", &[]).status, 401);

    // Another token ends all sessions.
    let cookie = sign_in(&gate, OPERATOR_TOKEN).cookie();
    let list = |gate: &Gate| ask(gate, "GET", "builds", &[("Cookie", cookie.as_str())], "").status;
    assert_eq!(list(&gate), 200);
    gate.restart(&Setup::without_origin().var("OPERATOR_TOKEN", "a newer token"));
    assert_eq!(list(&gate), 401);
}

#[test]
fn wrong_tokens_are_slowed_down_and_a_right_one_never_is() {
    let gate = Gate::start(&Setup::without_origin());
    std::thread::scope(|scope| {
        let wrong: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let began = std::time::Instant::now();
                    assert_eq!(sign_in(&gate, "a guess").status, 401);
                    began.elapsed().as_millis()
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let began = std::time::Instant::now();
        assert_eq!(sign_in(&gate, OPERATOR_TOKEN).status, 303);
        assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
        let slowest = wrong.into_iter().map(|wrong| wrong.join().unwrap()).max().unwrap();
        assert!(slowest >= 4_000, "{slowest} ms");
    });
}

#[test]
fn whoever_cloudflare_access_lets_in_needs_no_token() {
    let mut setup = Setup::without_origin().without("OPERATOR_TOKEN");
    setup.config = |config| {
        let access = toml::toml! {
            [dev]
            aud = "an audience"
            identity = { email = "ops@example.com" }
        };
        config.insert("access".into(), access.into());
    };
    let gate = Gate::start(&setup);
    let session = ask(&gate, "GET", "session", &[], "").json();
    assert_eq!((&session["by"], &session["email"]), (&json!("access"), &json!("ops@example.com")));
    assert_eq!(ask(&gate, "GET", "builds", &[], "").status, 200);
    // Access knows by a cookie, too.
    assert_eq!(ask(&gate, "POST", "dead-letters/7/redrive", &[], "").status, 403);
    let wrong = [("Authorization", "Bearer guessed")];
    assert_eq!(ask(&gate, "GET", "builds", &wrong, "").status, 401);
}

#[test]
fn a_policy_is_set_and_the_next_delivery_obeys_it() {
    let gate = Gate::start(&Setup::without_origin());
    let repository = "repositories/Octocat/Hello-World";
    let push = || Delivery::json("push", fixture("push")).send(&gate).code().1;
    let (status, code) = by_token(&gate, "GET", repository, "").code();
    assert_eq!((status, code.as_str()), (404, "repository-not-linked"));
    assert_eq!(push(), "repository-not-linked");

    // What is none is refused, and says why.
    for (body, words) in [
        ("comit", "`comit` is not a trigger"),
        ("", "it is empty"),
        (r#"{"trigger":"commit","branch":["main"]}"#, "`branch`"),
    ] {
        let refused = by_token(&gate, "PUT", repository, body);
        assert_eq!(refused.code(), (400, "invalid-policy".into()), "{body}");
        assert!(refused.body.contains(words), "{}", refused.body);
    }
    assert_eq!(by_token(&gate, "PUT", "repositories/a%20b/c", "commit").status, 404);
    assert_eq!(by_token(&gate, "PUT", repository, &"x".repeat(70_000)).code().1, "malformed-body");

    // What would change is told, and nothing is changed.
    let planned =
        by_token(&gate, "PUT", &format!("{repository}?dry_run=true"), "deployment").json();
    assert_eq!((&planned["saved"], &planned["before"]), (&json!(false), &Value::Null));
    assert_eq!(planned["changes"].as_array().unwrap().len(), 3, "{planned}");
    assert_eq!(push(), "repository-not-linked");

    let set = by_token(&gate, "PUT", repository, "deployment").json();
    assert_eq!((&set["saved"], &set["policy"]), (&json!(true), &json!({"trigger": "deployment"})));
    assert_eq!(push(), "trigger-is-deployment");
    let set =
        by_token(&gate, "PUT", repository, r#"{"trigger":"commit","branches":["main"]}"#).json();
    assert_eq!(set["before"], json!({"trigger": "deployment"}));
    assert_eq!(push(), "push-queued");

    // One of an owner's counts where there is none of a repository's own.
    by_token(&gate, "PUT", "repositories/octocat/*", "manual");
    assert_eq!(push(), "push-queued");
    let shown = by_token(&gate, "GET", repository, "").json();
    assert_eq!((&shown["key"], &shown["problem"]), (&json!("octocat/hello-world"), &Value::Null));
    assert_eq!(shown["comes_to"]["push"], "builds if it is to main");
    let deleted = by_token(&gate, "DELETE", repository, "").json();
    assert_eq!(deleted["changes"][0]["after"], "builds nothing: no webhook does");
    assert_eq!(push(), "trigger-is-manual");
    assert_eq!(by_token(&gate, "GET", repository, "").json()["key"], "octocat/*");
    assert_eq!(by_token(&gate, "DELETE", repository, "").status, 404);

    // The list, with what is wrong, and what came last.
    gate.set(&[("Other/One", "commit"), ("other/two", "comit")]);
    gate.wait_until(|| {
        let shown = by_token(&gate, "GET", "repositories/octocat/*", "").json();
        shown["last_delivery"]["code"] == "trigger-is-manual"
    });
    let list = by_token(&gate, "GET", "repositories", "").json();
    let items = list["items"].as_array().unwrap();
    let keys: Vec<&Value> = items.iter().map(|item| &item["key"]).collect();
    assert_eq!(keys, ["Other/One", "octocat/*", "other/two"]);
    assert!(items[0]["problem"].as_str().unwrap().contains("set the policy for other/one anew"));
    assert!(items[2]["problem"].as_str().unwrap().contains("not a trigger"), "{list}");
    let owned = by_token(&gate, "GET", "repositories?owner=Other", "").json();
    assert_eq!(owned["items"].as_array().unwrap().len(), 1, "{owned}");
    let first = by_token(&gate, "GET", "repositories?limit=2", "").json();
    let next = format!("repositories?limit=2&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(by_token(&gate, "GET", &next, "").json()["items"][0]["key"], "other/two");
    // A key that is only in the way goes when the right one is set.
    by_token(&gate, "PUT", "repositories/Other/One", "commit");
    let list = by_token(&gate, "GET", "repositories?search=OTHER/", "").json();
    assert_eq!(list["items"][0]["key"], "other/one", "{list}");
    let all = by_token(&gate, "GET", "repositories", "").json();
    assert!(!all.to_string().contains("Other/One"), "{all}");
}

#[test]
fn all_that_match_are_redriven_or_dropped_but_for_those_that_cannot_be() {
    let gate = Gate::start(&Setup::without_origin());
    // 30 that can be redriven, two that cannot be read, and one of another repository.
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, build, repository, reason, stored_at, message) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 30) \
         SELECT 'builds', 'm' || n, 'b' || n, 'Octocat/Hello-World', 'origin-unreachable', '2026-11-25T00:00:00Z', 'x' FROM n; \
         INSERT INTO dead_letters (queue, message_id, repository, reason, stored_at, message) VALUES \
         ('builds', 'unreadable', 'octocat/hello-world', 'message-unreadable', '2026-11-25T00:00:01Z', 'x'), \
         ('github', 'unreadable too', 'octocat/hello-world', 'message-unreadable', '2026-11-25T00:00:02Z', 'x'), \
         ('builds', 'other', 'octocat/other', 'origin-refused', '2026-11-25T00:00:03Z', 'x')",
    );
    let filter = "repository=octocat/hello-world&redriven=no";
    let list = by_token(&gate, "GET", &format!("dead-letters?{filter}&limit=10"), "").json();
    assert_eq!((&list["count"], &list["last"]), (&json!(32), &json!(32)));
    assert_eq!(list["items"].as_array().unwrap().len(), 10);

    // Not without saying which were meant.
    let refused = by_token(&gate, "POST", &format!("dead-letters/redrive?{filter}"), "");
    assert_eq!(refused.code(), (400, "malformed-query".into()));
    // One that comes meanwhile is not among them.
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, repository, reason, stored_at, message) VALUES \
         ('builds', 'late', 'octocat/hello-world', 'origin-refused', '2026-11-25T00:00:04Z', 'x')",
    );
    let (mut done, mut failed, mut cursor) = (0, vec![], String::new());
    let mut rounds = 0;
    loop {
        let route = format!("dead-letters/redrive?{filter}&through={}{cursor}", list["last"]);
        let part = by_token(&gate, "POST", &route, "").json();
        done += part["done"].as_u64().unwrap();
        failed.extend(part["failed"].as_array().unwrap().clone());
        rounds += 1;
        match part["next"].as_u64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(rounds >= 3, "{rounds}");
    assert_eq!(done, 30);
    let codes: Vec<_> = failed.iter().map(|one| (&one["id"], &one["code"])).collect();
    assert_eq!(
        codes,
        [(&json!(31), &json!("message-unreadable")), (&json!(32), &json!("message-unreadable"))]
    );
    let left = by_token(&gate, "GET", &format!("dead-letters?{filter}"), "").json();
    let left: Vec<_> =
        left["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    // Those that are no message come back as other letters, once the gate has read them.
    assert!(left.starts_with(&[json!(31), json!(32), json!(34)]), "{left:?}");

    let dropped =
        by_token(&gate, "POST", "dead-letters/drop?repository=octocat/hello-world&through=34", "");
    assert_eq!(dropped.json()["done"], 33);
    let other = by_token(&gate, "GET", "dead-letters?owner=octocat", "").json();
    assert_eq!(other["items"].as_array().unwrap().len(), 1, "{other}");
}

#[test]
fn what_was_not_asked_for_in_full_is_not_done() {
    let gate = Gate::start(&Setup::without_origin());
    let bearer = format!("Bearer {OPERATOR_TOKEN}");
    let token = [("Authorization", bearer.as_str())];
    gate.sql(
        "INSERT INTO dead_letters (id, queue, message_id, reason, stored_at, message) VALUES \
         (1, 'builds', 'a', 'message-unreadable', '2026-11-25T00:00:00Z', 'a build, please'), \
         (2, 'builds', 'b', 'origin-refused', '2026-11-25T00:00:00Z', '{}')",
    );
    let malformed = (400, "malformed-query".to_owned());
    for query in
        ["through=2&limit=1", "through=2&cursor=1", "through=2&repository=", "through=2&owner"]
    {
        let dropped = ask(&gate, "POST", &format!("dead-letters/drop?{query}"), &token, "");
        assert_eq!(dropped.code(), malformed, "{query}");
    }
    for query in ["dry_run", "dry_run="] {
        let route = format!("repositories/octocat/hello-world?{query}");
        assert_eq!(ask(&gate, "PUT", &route, &token, "commit").code(), malformed, "{query}");
    }
    let letters = ask(&gate, "GET", "dead-letters", &token, "").json();
    assert_eq!(letters["count"], 2, "{letters}");
    let shown = ask(&gate, "GET", "repositories/octocat/hello-world", &token, "");
    assert_eq!(shown.code(), (404, "repository-not-linked".to_owned()));
    // It would only come back.
    let redriven = ask(&gate, "POST", "dead-letters/1/redrive", &token, "");
    assert_eq!(redriven.code(), (409, "message-unreadable".to_owned()));

    // Strangers learn nothing by another method, and it counts as no delivery.
    for (method, route) in [("POST", ""), ("PUT", "session"), ("PATCH", "dead-letters")] {
        assert_eq!(ask(&gate, method, route, &[], "").status, 401, "{method} {route}");
    }
    assert!(!gate.output().contains("\"log\":\"delivery\""), "{}", gate.output());
    assert_eq!(ask(&gate, "GET", "assets/console.js", &[], "").status, 200);
}

#[test]
fn policies_are_read_and_set_while_the_ledger_is_away() {
    let gate = Gate::start(&Setup { ledger: false, ..Setup::without_origin() });
    gate.set(&[("octocat/hello-world", "commit"), ("octocat/x/y", "commit")]);
    let listed = gate.operator("GET", "repositories")["items"].clone();
    assert_eq!(listed[0]["policy"], json!({ "trigger": "commit" }), "{listed}");
    assert_eq!(listed[0]["last_build"], Value::Null);
    // No repository can be called so.
    let problem = listed[1]["problem"].as_str().unwrap();
    assert!(problem.contains("`octocat/x/y` is no repository's name"), "{problem}");
    let shown = gate.operator("GET", "repositories/octocat/hello-world");
    assert_eq!(shown["comes_to"]["push"], "builds if it is to the default branch");
}

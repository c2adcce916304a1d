//! What comes from outside: payloads and policies of every shape are read or refused with a reason
//! that helps, and nothing panics.

#[path = "support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;

use buildgate::delivery::rejection::Rejection;
use std::num::NonZeroUsize;

use buildgate::delivery::decision::{Decision, Ignored, decide};
use buildgate::delivery::event::Event;
use buildgate::json::cursor::Cursor;
use buildgate::json::fields::{Fields, Want};
use buildgate::memory::Remembered;
use buildgate::message::build_request::{LARGEST_MESSAGE, QueuedRequest};
use buildgate::policy::lookup::memory;
use buildgate::policy::{InvalidPolicy, Policy, Trigger};
use buildgate::repository::RepositoryName;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use fixtures::payload as fixture;

fn problem(event: &str, payload: impl ToString) -> String {
    match Event::parse(event, payload.to_string().as_bytes()) {
        Err(Rejection::MalformedPayload { problem }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_malformed_payload_names_the_field() {
    let with = |name: &str, pointer: &str, value: Value| {
        let mut payload = fixture(name);
        *payload.pointer_mut(pointer).unwrap() = value;
        payload
    };
    let without = |name: &str, parent: &str, field: &str| {
        let mut payload = fixture(name);
        payload.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        payload
    };
    for (event, payload, parts) in [
        ("push", fixture("push.malformed"), ["`after`", "null"]),
        ("push", with("push", "/after", json!("f95f852")), ["`after`", "40 or 64"]),
        ("push", with("push", "/deleted", json!("no")), ["`deleted`", "boolean"]),
        (
            "push",
            with("push", "/ref", json!("x".repeat(1025))),
            ["`ref`", "longer than 1024 bytes"],
        ),
        (
            "push",
            with("push", "/repository/pushed_at", json!("yesterday")),
            ["`repository.pushed_at`", "expected a time"],
        ),
        (
            "deployment",
            with("deployment.created", "/deployment/created_at", json!(true)),
            ["`deployment.created_at`", "expected a time"],
        ),
        (
            "deployment_status",
            without("deployment_status.success", "", "deployment_status"),
            ["missing field", "`deployment_status`"],
        ),
        (
            "deployment_status",
            with("deployment_status.success", "/workflow_run", json!([])),
            ["`workflow_run`", "JSON object"],
        ),
        (
            "push",
            with("push", "/repository/full_name", json!("Hello-World")),
            ["`repository.full_name`", "full name"],
        ),
        ("push", with("push", "/repository/id", json!(-1)), ["`repository.id`", "negative"]),
        (
            "push",
            with("push", "/repository", json!([1296269, "octocat/Hello-World"])),
            ["`repository`", "JSON object"],
        ),
        ("push", without("push", "", "ref"), ["missing field", "`ref`"]),
        (
            "push",
            without("push", "/repository", "clone_url"),
            ["missing field", "`repository.clone_url`"],
        ),
        (
            "deployment",
            without("deployment.created", "", "deployment"),
            ["missing field", "`deployment`"],
        ),
        (
            "deployment",
            with("deployment.created", "/deployment/sha", json!("main")),
            ["`deployment.sha`", "40 or 64"],
        ),
        (
            "deployment",
            with("deployment.created", "/deployment/id", json!("1")),
            ["`deployment.id`", "string"],
        ),
        (
            "deployment",
            with("deployment.created", "/deployment/creator", json!(["octocat"])),
            ["`deployment.creator`", "JSON object"],
        ),
        ("ping", without("ping", "", "hook"), ["missing field", "`hook`"]),
        ("ping", with("ping", "/hook/events", json!("*")), ["`hook.events`", "array"]),
    ] {
        let problem = problem(event, payload);
        assert!(parts.iter().all(|part| problem.contains(part)), "{parts:?} in {problem}");
    }
}

#[test]
fn a_payload_is_one_json_object() {
    for event in ["ping", "push", "deployment", "status"] {
        for payload in ["", "null", "[]", "7", "\"push\"", "{", "{}{}", "{\"a\":}", "\u{feff}{}"] {
            assert_ne!(problem(event, payload), "", "{event} {payload}");
        }
        let not_utf8 = Event::parse(event, b"{\"ref\":\"\xff\"}");
        assert!(event == "status" || matches!(not_utf8, Err(Rejection::MalformedPayload { .. })));
    }
    // serde would take an array of the fields' values for the object.
    let fields = json!([
        "refs/heads/main",
        "0".repeat(40),
        "1".repeat(40),
        false,
        fixture("push")["repository"]
    ]);
    assert!(problem("push", fields).contains("JSON object"));
}

/// What git and GitHub cannot have would command a terminal, or be taken for an option by a command that it is given
/// to.
#[test]
fn no_name_commands_a_terminal_or_is_taken_for_an_option() {
    let fields = [
        ("push", "/ref"),
        ("push", "/repository/default_branch"),
        ("deployment.created", "/deployment/ref"),
        ("deployment.created", "/deployment/environment"),
        ("deployment.created", "/deployment/creator/login"),
        ("deployment.created", "/deployment/task"),
        ("deployment.created", "/action"),
        ("deployment_status.success", "/deployment_status/state"),
        ("deployment.job", "/workflow_run/event"),
    ];
    let problem_of = |name: &str, pointer: &str, value: &str| {
        let mut payload = fixture(name);
        *payload.pointer_mut(pointer).unwrap() = json!(value);
        match Event::parse(fixtures::event_of(name), payload.to_string().as_bytes()) {
            Err(Rejection::MalformedPayload { problem }) => Some(problem),
            _ => None,
        }
    };
    for (name, pointer) in fields {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        for control in ['\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{9b}'] {
            let problem = problem_of(name, pointer, &format!("a{control}b"));
            let problem = problem.unwrap_or_else(|| panic!("{pointer} took {control:?}"));
            assert!(problem.contains(&format!("`{field}`: holds a control")), "{problem}");
        }
    }
    for (name, pointer) in &fields[..5] {
        assert!(problem_of(name, pointer, "-upload-pack=x").is_some(), "{pointer}");
    }
    let refs = [("push", "/ref"), ("deployment.created", "/deployment/ref")];
    for (name, pointer) in refs {
        for bad in [
            "",
            "@",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "a//b",
            "/a",
            "a/",
            "a.",
            "a/.b",
            "a.lock",
            "a@{b",
            "refs/heads/-a",
            "refs/tags/-a",
        ] {
            assert!(problem_of(name, pointer, bad).is_some(), "{pointer} took {bad}");
        }
        for good in
            ["main", "refs/heads/größe/1.4-x", "refs/tags/v1+2", "release/-1", "a@b", "HEAD"]
        {
            assert_eq!(problem_of(name, pointer, good), None, "{good}");
        }
    }
    let sha = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";
    assert_eq!(problem_of("deployment.created", "/deployment/ref", sha), None);
    for good in ["production", "preview/pr-7", "Größe (EU)", "github-pages"] {
        assert_eq!(
            problem_of("deployment.created", "/deployment/environment", good),
            None,
            "{good}"
        );
    }
    let bot = "github-actions[bot]";
    assert_eq!(problem_of("deployment.created", "/deployment/creator/login", bot), None);
}

#[test]
fn what_is_signed_of_one_event_is_not_taken_for_another() {
    // A status that came long after the deployment does not create it anew.
    for name in ["deployment_status.success", "deployment_status.job-in-progress"] {
        assert!(problem("deployment", fixture(name)).contains("`deployment_status`"));
    }
    let lacks = |event: &str, name: &str, field: &str| {
        assert!(problem(event, fixture(name)).contains(field), "{name} as {event}");
    };
    lacks("deployment_status", "deployment.created", "`deployment_status`");
    for deployment in ["deployment.created", "deployment_status.success"] {
        lacks("push", deployment, "`ref`");
        lacks("ping", deployment, "`hook`");
    }
    for event in ["deployment", "deployment_status"] {
        lacks(event, "push", "`deployment");
        lacks(event, "ping", "`deployment");
        lacks(event, "status", "`deployment");
    }
}

#[test]
fn a_huge_wrong_value_makes_no_huge_answer() {
    let mut payload = fixture("push");
    payload["deleted"] = json!("x".repeat(1_000_000));
    assert!(problem("push", payload).len() < 1_000);
}

#[test]
fn an_event_that_is_not_used_may_lack_everything() {
    for (payload, repository) in [
        (json!({}), None),
        (json!({"repository": null}), None),
        (json!({"repository": "octocat/Hello-World"}), None),
        (json!({"repository": {"full_name": 7}}), None),
        (fixture("status"), Some("octocat/Hello-World")),
    ] {
        for event in ["issues", "status", "check_run", "check_suite"] {
            let event = Event::parse(event, payload.to_string().as_bytes()).unwrap();
            assert_eq!(event.repository().map(|name| name.as_spelt()), repository);
            let decision = decide(&event, Some(&Policy::parse("deployment").unwrap()));
            assert!(matches!(decision, Decision::Ignore(Ignored::EventNotUsed)), "{decision:?}");
        }
    }
}

#[test]
fn a_policy_is_a_word_or_an_object() {
    for (value, trigger) in [
        ("commit", Trigger::Commit),
        ("deployment", Trigger::Deployment),
        ("manual", Trigger::Manual),
        ("  deployment\r\n", Trigger::Deployment),
        (r#"{"trigger":"commit"}"#, Trigger::Commit),
        (" {\n \"trigger\": \"manual\" } \n", Trigger::Manual),
        (
            r#"{"trigger":"deployment","environments":["production"],"branches":["main","release/*"]}"#,
            Trigger::Deployment,
        ),
    ] {
        assert_eq!(Policy::parse(value).unwrap().trigger, trigger, "{value}");
    }
}

#[test]
fn anything_else_is_invalid_and_says_why() {
    for (value, part) in [
        ("", "empty"),
        (" \n", "empty"),
        ("Deployment", "`Deployment` is not a trigger"),
        ("deploy", "`deploy` is not a trigger"),
        ("\"deployment\"", "is not a trigger"),
        ("[\"deployment\"]", "is not a trigger"),
        ("{}", "missing field `trigger`"),
        ("{\"trigger\":\"deployment\"", "EOF"),
        ("{\"trigger\":\"deployment\"} x", "trailing characters"),
        ("{\"trigger\":\"deploy\"}", "`deploy` is not a trigger"),
        ("{\"trigger\":{\"deployment\":null}}", "`trigger`: expected a string"),
        ("{\"trigger\":\"commit\",\"branch\":[\"main\"]}", "unknown field `branch`"),
        ("{\"trigger\":\"commit\",\"branches\":\"main\"}", "`branches`: expected an array"),
        (
            "{\"trigger\":\"commit\",\"branches\":[\"main\",7]}",
            "`branches[1]`: expected a string, found the number 7",
        ),
        (
            "{\"trigger\":\"commit\",\"branches\":[\"a\",\"[b\"]}",
            "`branches[1]`: `[b` is not a pattern",
        ),
        ("{\"trigger\":\"commit\",\"trigger\":\"manual\"}", "duplicate field `trigger`"),
        ("{\"trigger\":\"commit\",\"repository_id\":\"7\"}", "`repository_id`: expected a whole"),
        (
            "{\"trigger\":\"deployment\",\"build_when\":\"queued\"}",
            "`build_when`: `queued` is none of created, in_progress and success",
        ),
    ] {
        match Policy::parse(value) {
            Err(InvalidPolicy(problem)) => assert!(problem.contains(part), "{value}: {problem}"),
            Ok(policy) => panic!("{value} is {policy:?}"),
        }
    }
    let InvalidPolicy(problem) = Policy::parse(&"x".repeat(1_000_000)).unwrap_err();
    assert!(problem.chars().count() < 400, "{problem}");
}

#[test]
fn only_a_build_request_of_this_version_is_read_back() {
    for (message, part) in [
        ("", "EOF"),
        ("a build, please", "expected value"),
        ("{}", "missing field"),
        ("[1]", "JSON object"),
        ("{\"version\":1,\"id\":\"x\"}", "missing field"),
    ] {
        let error = QueuedRequest::from_message(message).unwrap_err();
        assert!(error.contains(part), "{message}: {error}");
    }

    let payload = fixture("deployment.created").to_string();
    let event = Event::parse("deployment", payload.as_bytes()).unwrap();
    let policy = Policy::parse("deployment").unwrap();
    let Decision::Build(build) = decide(&event, Some(&policy)) else { panic!("a build") };
    let message = build.request("delivery", 0).into_message().unwrap();
    let id = "deployment:octocat/hello-world:145988746";
    assert_eq!(QueuedRequest::from_message(&message).unwrap().id, id);
    let next = message.replace("\"version\":1", "\"version\":2");
    assert_eq!(
        QueuedRequest::from_message(&next).unwrap_err(),
        "build request of version 2, not 1"
    );
}

#[test]
fn what_has_no_effect_under_the_trigger_is_found() {
    let all = r#""environments":[],"branches":[],"repository_id":1,"build_when":"success""#;
    for (policy, idle) in [
        ("commit".to_owned(), &[][..]),
        (format!(r#"{{"trigger":"commit",{all}}}"#), &["environments", "build_when"]),
        (format!(r#"{{"trigger":"deployment",{all}}}"#), &[]),
        (format!(r#"{{"trigger":"manual",{all}}}"#), &["environments", "branches", "build_when"]),
    ] {
        assert_eq!(Policy::parse(&policy).unwrap().without_effect(), idle, "{policy}");
    }
}

#[test]
fn a_policy_is_remembered_for_some_seconds_and_only_for_its_repository() {
    let one: RepositoryName = "octocat/Hello-World".parse().unwrap();
    let other: RepositoryName = "octocat/Spoon-Knife".parse().unwrap();
    let policy = Policy::parse("deployment").unwrap();
    let most = NonZeroUsize::new(1_000).unwrap();
    let mut policies = Remembered::at_most(most);
    let keep = |policies: &mut Remembered<String, Policy>, name: &str, now, seconds| {
        policies.keep(name.to_owned(), policy.clone(), now + memory(Some(seconds)));
    };
    let (one, other) = (one.as_spelt(), other.as_spelt());
    keep(&mut policies, one, 1_000, "0");
    assert_eq!(policies.get(one, 1_000), None);
    keep(&mut policies, one, 1_000, "7");
    assert_eq!(policies.get(one, 7_999), Some(policy.clone()));
    assert_eq!(policies.get(one, 8_000), None);
    assert_eq!(policies.get(other, 1_000), None);
    // Never for longer than a change may take to be seen.
    keep(&mut policies, one, 0, "3600");
    assert_eq!(policies.get(one, 29_999), Some(policy.clone()));
    assert_eq!(policies.get(one, 30_000), None);
    // Nor for ever more repositories.
    for number in 0..100_000 {
        keep(&mut policies, &format!("octocat/{number}"), 0, "30");
    }
    assert_eq!(policies.get(one, 0), None);
    assert_eq!(policies.get("octocat/99999", 0), Some(policy.clone()));
}

#[test]
fn a_deployments_payload_is_kept_to_the_letter() {
    for payload in [
        "{}",
        "null",
        "1.50e+2",
        " [ 1 , {\"payload\":\"}\\\"\"} ] ",
        "\"a \\u00e9 \u{e9}\"",
        "123456789012345678901234567890",
    ] {
        let mut deployment = fixture("deployment.created");
        deployment["deployment"]["payload"] = json!("PLACE");
        let text = deployment.to_string().replace("\"PLACE\"", payload);
        let event = Event::parse("deployment", text.as_bytes()).unwrap();
        let policy = Policy::parse("deployment").unwrap();
        let Decision::Build(build) = decide(&event, Some(&policy)) else { panic!("a build") };
        let message = build.request("delivery", 0).into_message().unwrap();
        let expected = format!("\"payload\":{},\"payload_omitted\":false}}}}", payload.trim());
        assert!(message.ends_with(&expected), "{message}");
        assert!(serde_json::from_str::<Value>(&message).is_ok(), "{message}");
    }
    // Inside of it, too, all has to be text.
    let text = fixture("deployment.created").to_string();
    let at = text.find("\"payload\":").unwrap() + "\"payload\":".len();
    let broken = [&text.as_bytes()[..at], b"\"\xff\",\"x\":", &text.as_bytes()[at..]].concat();
    assert!(matches!(
        Event::parse("deployment", &broken),
        Err(Rejection::MalformedPayload { problem }) if problem.contains("`deployment.payload`")
    ));
}

#[test]
fn what_would_take_too_much_memory_is_not_kept() {
    let mut ping = fixture("ping");
    let events = |count: usize| Value::from(vec![json!("push"); count]);
    ping["hook"]["events"] = events(1_000);
    assert!(Event::parse("ping", ping.to_string().as_bytes()).is_ok());
    ping["hook"]["events"] = events(1_001);
    assert!(matches!(
        Event::parse("ping", ping.to_string().as_bytes()),
        Err(Rejection::MalformedPayload { problem }) if problem == "`hook.events`: more than 1000 elements"
    ));

    for (bytes, is_kept) in [(LARGEST_MESSAGE - 2, true), (LARGEST_MESSAGE - 1, false)] {
        let mut deployment = fixture("deployment.created");
        deployment["deployment"]["payload"] = "x".repeat(bytes).into();
        let event = Event::parse("deployment", deployment.to_string().as_bytes()).unwrap();
        let Event::Deployment(event) = event else { panic!("a deployment") };
        assert_eq!(event.deployment.payload.is_some(), is_kept, "{bytes}");
    }
}

/// What is wanted in the tests of reading JSON.
const WANT: Want = Want::Object(&[
    ("a", Want::Scalar),
    ("list", Want::List(&Want::Scalar)),
    ("raw", Want::Raw),
    ("in", INNER),
]);
const INNER: Want = Want::Object(&[("b", Want::Scalar)]);

#[test]
fn what_is_not_json_is_said_in_serde_jsons_words() {
    for text in [
        "",
        " ",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1} x",
        "{\"a\":1}}",
        "{\"a\":tru}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"0123456789abcdef\t0123456789abcdef\"}",
        "{\"a\":\"\\q\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"",
        "{\"in\":{\"b\":1]}",
        "{\"in\":{\"x\":1,}}",
        "{\"list\":[1,]}",
        "{\"list\":[1 2]}",
        "{\"raw\":[1,]}",
        "{\"other\":[}",
        "{\"other\":{\"x\":\"}",
        "\u{feff}{}",
        "x",
    ] {
        let error = serde_json::from_str::<IgnoredAny>(text).unwrap_err().to_string();
        assert_eq!(Fields::read(text.as_bytes(), WANT).map(drop), Err(error), "{text}");
    }
    // What nobody wants is not looked into.
    assert!(Fields::read(b"{\"other\":[1,,{]]}", WANT).is_ok());
}

#[test]
fn a_field_is_there_once_and_is_text() {
    for (text, problem) in [
        ("{\"a\":1,\"a\":2}", "duplicate field `a`"),
        ("{\"a\":1,\"\\u0061\":2}", "duplicate field `a`"),
        ("{\"a\":\"\\ud83d\"}", "`a`: half a surrogate pair"),
        ("{\"a\":\"\\ude00\\ud83d\"}", "`a`: half a surrogate pair"),
        ("{\"a\":\"\\ud83d\\n\"}", "`a`: half a surrogate pair"),
        ("{\"in\":{\"b\":\"\\ud83d\"}}", "`in.b`: half a surrogate pair"),
    ] {
        let error = Fields::read(text.as_bytes(), WANT).unwrap_err();
        assert_eq!(error, problem, "{text}");
    }
    let error = Fields::read(b"{\"in\":{\"b\":\"\xff\"}}", WANT).unwrap_err();
    assert!(error.starts_with("`in.b`: invalid utf-8"), "{error}");
}

/// Where the value ends that a text begins with, by serde_json.
fn value_ends(text: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Skips the value that a text begins with, which has to end where serde_json says.
fn skip(text: &[u8]) {
    let mut cursor = Cursor::new(text);
    let skipped = cursor.value();
    let Some(end) = value_ends(text) else { return };
    let value = text[..end].trim_ascii_start();
    assert_eq!(skipped, Ok(value), "{}", String::from_utf8_lossy(text));
}

#[test]
fn strings_are_told_from_brackets_wherever_they_lie() {
    for length in 0..150 {
        for backslashes in 0..5 {
            let string = format!("{}{}\"]}}", "[".repeat(length), "\\".repeat(backslashes));
            for value in [json!([string]), json!({"[": {"]": string, "}": []}}), json!(string)] {
                skip(format!("{value}]]}}}}").as_bytes());
                skip(format!("{value:#},\"").as_bytes());
            }
        }
    }
}

#[test]
fn no_array_is_too_deep_to_be_skipped() {
    for depth in 1..300 {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        skip(format!("{nested}]").as_bytes());
        skip(format!("[{nested},{{\"x\":{nested}}}]]]").as_bytes());
        assert!(Cursor::new(&nested.as_bytes()[..2 * depth - 1]).value().is_err());
    }
}

/// A JSON value of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9a-f]{40}".prop_map(Value::from),
        "refs/heads/[a-z/*]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The pointers of all values that the core reads.
const FIELDS: [&str; 16] = [
    "/ref",
    "/before",
    "/after",
    "/deleted",
    "/action",
    "/repository",
    "/repository/full_name",
    "/repository/id",
    "/deployment",
    "/deployment/sha",
    "/deployment/ref",
    "/deployment/payload",
    "/deployment/creator",
    "/hook",
    "/hook/events",
    "/hook/active",
];

/// Runs the whole core.
fn run(event: &str, payload: &[u8], policy: &str) {
    let policy = Policy::parse(policy);
    let Ok(event) = Event::parse(event, payload) else { return };
    let Ok(policy) = policy else { return };
    if let Decision::Build(build) = decide(&event, Some(&policy)) {
        let message = build.request("delivery", u64::MAX).into_message().unwrap();
        QueuedRequest::from_message(&message).unwrap();
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(event in "ping|push|deployment|status", payload: Vec<u8>, policy: String) {
        run(&event, &payload, &policy);
    }

    #[test]
    fn no_field_of_a_payload_panics(
        name in "ping|ping\\.organization|push|push\\.deleted|deployment\\.created|deployment\\.payload-object",
        field in prop::sample::select(&FIELDS[..]),
        value in any_json(),
        policy in r#"commit|deployment|\{"trigger":"(commit|deployment)","branches":\["[a-z*?/\[\]!-]{0,12}"\]\}"#,
    ) {
        let mut payload = fixture(&name);
        if let Some(slot) = payload.pointer_mut(field) {
            *slot = value;
        }
        let event = name.split('.').next().unwrap();
        run(event, payload.to_string().as_bytes(), &policy);
    }

    #[test]
    fn no_policy_panics(policy in any_json(), branch: String) {
        if let Ok(policy) = Policy::parse(&policy.to_string()) {
            policy.enables_environment(&branch);
            policy.branches.map(|branches| branches.matches(&branch));
        }
    }

    #[test]
    fn no_pattern_panics(patterns: Vec<String>, branch: String) {
        let policy = json!({"trigger": "commit", "branches": patterns}).to_string();
        if let Ok(policy) = Policy::parse(&policy) {
            policy.branches.map(|branches| branches.matches(&branch));
        }
    }

    #[test]
    fn a_value_is_skipped_up_to_where_serde_json_sees_its_end(
        value in any_json(),
        pretty: bool,
        after in "|[ ,:\\]}]{1,3}|\\PC*",
        place: prop::sample::Index,
        byte: u8,
    ) {
        let text = if pretty { format!(" {value:#}{after}") } else { format!("{value}{after}") };
        let mut text = text.into_bytes();
        skip(&text);
        if !text.is_empty() {
            let place = place.index(text.len());
            text[place] = byte;
            skip(&text);
            text.truncate(place);
            skip(&text);
        }
    }

    #[test]
    fn a_string_is_read_however_it_is_escaped(text: String) {
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        for json in [json!({"a": text}).to_string(), format!("{{\"\\u0061\":\"{escaped}\"}}")] {
            let mut fields = Fields::read(json.as_bytes(), WANT).unwrap();
            prop_assert_eq!(fields.take::<String>("a"), Ok(text.clone()));
        }
    }

    #[test]
    fn wanted_values_are_what_serde_json_reads(value in any_json(), list in any_json(), raw in any_json()) {
        let text = json!({"x": raw, "in": {"b": value, "y": list}, "a": value, "raw": raw}).to_string();
        let mut fields = Fields::read(text.as_bytes(), WANT).unwrap();
        prop_assert_eq!(fields.take::<u64>("a").ok(), value.as_u64());
        if value.is_string() || value.is_boolean() {
            let mut inner = fields.object("in").unwrap();
            if let Some(value) = value.as_str() {
                prop_assert_eq!(inner.take::<String>("b"), Ok(value.to_owned()));
            } else {
                prop_assert_eq!(inner.take::<bool>("b").ok(), value.as_bool());
            }
        }
        let kept: &RawValue = fields.take("raw").unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(kept.get()).unwrap(), raw);
    }

    #[test]
    fn no_message_panics(message: String, json in any_json()) {
        let _ = QueuedRequest::from_message(&message);
        let _ = QueuedRequest::from_message(&json.to_string());
    }
}

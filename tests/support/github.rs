//! A stand-in for GitHub's REST API: an HTTP server of its own, which keeps webhooks and really delivers
//! their pings. Every request to it and every answer of it is held against GitHub's OpenAPI description.

use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use buildgate::signature::github::sign;
use buildgate::time::rfc3339;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::fixtures::{PROJECT, fixture};

pub const TOKEN: &str = "github_pat_of_a_test";

/// The repositories that it has, with their ids.
pub const REPOSITORIES: [(&str, u64); 3] =
    [("octocat/Hello-World", 1296269), ("octocat/Spoon-Knife", 1300192), ("octo-org/Recipes", 14)];

/// How GitHub behaves.
#[allow(dead_code)] // `examples/github.rs` is always in the usual mood.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Mood {
    #[default]
    Usual,
    Forbidden,
    NotAdmin,
    RateLimited,
}

#[derive(Default)]
struct Shared {
    mood: Mood,
    /// How many requests are still answered before the limit is reached, where there is one.
    left: Option<usize>,
    /// Each with the name of its repository.
    hooks: Vec<(&'static str, Value)>,
    /// Each with the id of its hook.
    deliveries: Vec<(u64, Value)>,
    next_id: u64,
    /// What was asked, but for what only reads.
    changes: Vec<String>,
    /// Where a request or an answer is not as GitHub describes it.
    violations: Vec<String>,
}

pub struct GitHub {
    pub api: String,
    shared: Arc<Mutex<Shared>>,
    _runtime: Runtime,
}

impl GitHub {
    /// Starts it on an address; port 0 is any that is free.
    pub fn start(address: &str) -> Self {
        let shared = Arc::new(Mutex::new(Shared { next_id: 1, ..Shared::default() }));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        runtime.spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { api, shared, _runtime: runtime }
    }

    pub fn set_mood(&self, mood: Mood) {
        self.shared.lock().unwrap().mood = mood;
    }

    /// Answers so many requests more, and then says that they were too many; or answers all again.
    pub fn limit(&self, left: Option<usize>) {
        self.shared.lock().unwrap().left = left;
    }

    /// All webhooks, in the order in which they were made.
    pub fn hooks(&self) -> Vec<Value> {
        self.shared.lock().unwrap().hooks.iter().map(|(_, hook)| hook.clone()).collect()
    }

    /// Changes a webhook as a person does on GitHub's pages.
    pub fn change_hook(&self, number: usize, pointer: &str, value: Value) {
        *self.shared.lock().unwrap().hooks[number].1.pointer_mut(pointer).unwrap() = value;
    }

    pub fn add_hook(&self, url: &str) {
        let mut shared = self.shared.lock().unwrap();
        let of = REPOSITORIES[0].0;
        let hook = hook(
            &mut shared,
            &self.api,
            of,
            &json!({"events": ["push"], "config": {"url": url, "content_type": "form"}}),
        );
        shared.hooks.push((of, hook));
    }

    /// Has the first webhook deliver an event, and gives what it was answered.
    pub fn deliver(&self, event: &str, payload: &str) -> Value {
        self.deliver_by(0, event, payload)
    }

    /// Has a webhook deliver an event, and gives what it was answered.
    pub fn deliver_by(&self, number: usize, event: &str, payload: &str) -> Value {
        let (repository, hook) = self.shared.lock().unwrap().hooks[number].clone();
        deliver(&self.shared, repository, &hook, event, payload);
        let shared = self.shared.lock().unwrap();
        let (_, delivery) = shared.deliveries.last().unwrap();
        serde_json::from_str(delivery["response"]["payload"].as_str().unwrap()).unwrap()
    }

    /// What was changed since the last time it was asked.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().changes)
    }

    /// Everything asked and answered was as GitHub describes it.
    pub fn assert_as_described(&self) {
        let violations = self.shared.lock().unwrap().violations.clone();
        assert_eq!(violations, Vec::<String>::new());
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (request, body) = request.into_parts();
    let method = request.method.as_str().to_owned();
    let path = request.uri.path().to_owned();
    let header = |name: &str| {
        request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let host = header("host").to_owned();
    let authorization = header("authorization").to_owned();
    let as_documented = header("accept") == "application/vnd.github+json"
        && header("x-github-api-version") == "2022-11-28"
        && !header("user-agent").is_empty();
    let body: Bytes = axum::body::to_bytes(body, 1_000_000).await.unwrap();

    let (template, of, id, delivery) = match route(&path) {
        Some(route) => route,
        None => return problem(404, "Not Found"),
    };
    let operation = &description()["paths"][template][method.to_lowercase()];
    let mut violations = Vec::new();
    if !as_documented {
        violations.push(format!("{method} {path} lacks a header"));
    }
    let body: Value =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    if !body.is_null() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        violations.extend(violation(&format!("{method} {path}"), schema, &body));
    }
    let (status, json) = {
        let mut shared = shared.lock().unwrap();
        if method != "GET" {
            shared.changes.push(format!("{method} {template}"));
        }
        act(&mut shared, &host, &authorization, &method, template, of, id, delivery, &body)
    };
    if template.ends_with("/pings") && status == 204 || method == "POST" && status == 201 {
        let hooks = shared.lock().unwrap().hooks.clone();
        let made = id.or(json["id"].as_u64());
        let (repository, hook) =
            hooks.into_iter().find(|(_, hook)| hook["id"].as_u64() == made).unwrap();
        let shared = Arc::clone(&shared);
        // As on GitHub, the ping comes a little later.
        thread::spawn(move || {
            let mut ping: Value = serde_json::from_str(&fixture("ping")).unwrap();
            ping["hook"]["events"] = hook["events"].clone();
            ping["hook"]["active"] = hook["active"].clone();
            ping["hook_id"] = hook["id"].clone();
            ping["repository"]["full_name"] = repository.into();
            ping["repository"]["id"] = id_of(repository).into();
            deliver(&shared, repository, &hook, "ping", &ping.to_string());
        });
    }
    if status < 400 && !json.is_null() {
        let schema =
            &operation["responses"][status.to_string()]["content"]["application/json"]["schema"];
        violations.extend(violation(&format!("the answer to {method} {path}"), schema, &json));
    } else if operation["responses"][status.to_string()].is_null() && !matches!(status, 401 | 403) {
        violations.push(format!("{method} {path} is never answered {status}"));
    }
    shared.lock().unwrap().violations.extend(violations);
    let mut response = (StatusCode::from_u16(status).unwrap(), json.to_string()).into_response();
    if shared.lock().unwrap().is_limited() {
        response.headers_mut().insert("x-ratelimit-remaining", "0".parse().unwrap());
        response.headers_mut().insert("x-ratelimit-reset", "1795378320".parse().unwrap());
    }
    response
}

impl Shared {
    fn is_limited(&self) -> bool {
        self.mood == Mood::RateLimited || self.left == Some(0)
    }
}

/// The id of a repository that it has.
fn id_of(repository: &str) -> u64 {
    REPOSITORIES.iter().find(|(name, _)| *name == repository).unwrap().1
}

/// A route in GitHub's description: the template of its path, the repository or the owner that it is about, and the ids of
/// a webhook and of a delivery.
type Route = (&'static str, &'static str, Option<u64>, Option<u64>);

/// Finds the route of a path.
fn route(path: &str) -> Option<Route> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let id = |text: &str| text.parse::<u64>().ok();
    match parts.as_slice() {
        ["orgs", "octo-org", "repos"] => Some(("/orgs/{org}/repos", "octo-org", None, None)),
        ["user", "repos"] => Some(("/user/repos", "octocat", None, None)),
        ["repos", owner, name, rest @ ..] => {
            let full_name = format!("{owner}/{name}");
            let known =
                REPOSITORIES.iter().find(|(known, _)| full_name.eq_ignore_ascii_case(known));
            let (template, hook, delivery) = match rest {
                [] => ("/repos/{owner}/{repo}", None, None),
                ["hooks"] => ("/repos/{owner}/{repo}/hooks", None, None),
                ["hooks", hook] => ("/repos/{owner}/{repo}/hooks/{hook_id}", id(hook), None),
                ["hooks", hook, "pings"] => {
                    ("/repos/{owner}/{repo}/hooks/{hook_id}/pings", id(hook), None)
                }
                ["hooks", hook, "deliveries"] => {
                    ("/repos/{owner}/{repo}/hooks/{hook_id}/deliveries", id(hook), None)
                }
                ["hooks", hook, "deliveries", delivery] => (
                    "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}",
                    id(hook),
                    id(delivery),
                ),
                _ => return None,
            };
            Some((template, known?.0, hook, delivery))
        }
        _ => None,
    }
}

/// A repository as GitHub shows it.
fn repository(name: &str, is_admin: bool) -> Value {
    let mut repository =
        description()["components"]["examples"]["full-repository-default-response"]["value"]
            .clone();
    // What GitHub's own example lacks.
    repository["language"] = Value::Null;
    for of_a_fork in ["parent", "source", "template_repository"] {
        repository.as_object_mut().unwrap().remove(of_a_fork);
    }
    repository["full_name"] = name.into();
    repository["id"] = id_of(name).into();
    repository["permissions"]["admin"] = is_admin.into();
    repository
}

#[allow(clippy::too_many_arguments)]
fn act(
    shared: &mut Shared,
    host: &str,
    authorization: &str,
    method: &str,
    template: &str,
    of: &'static str,
    id: Option<u64>,
    delivery: Option<u64>,
    body: &Value,
) -> (u16, Value) {
    if authorization != format!("Bearer {TOKEN}") {
        return (401, message("Bad credentials"));
    }
    if shared.is_limited() {
        return (403, message("API rate limit exceeded"));
    }
    shared.left = shared.left.map(|left| left - 1);
    let number = shared
        .hooks
        .iter()
        .position(|(repository, hook)| *repository == of && hook["id"].as_u64() == id);
    match (method, template.rsplit('/').next().unwrap()) {
        ("GET", "{repo}") => (200, repository(of, shared.mood != Mood::NotAdmin)),
        ("GET", "repos") => {
            let is_theirs = |name: &&str| name.starts_with(&format!("{of}/"));
            let names = REPOSITORIES.iter().map(|(name, _)| *name).filter(is_theirs);
            (200, names.map(|name| repository(name, true)).collect())
        }
        _ if shared.mood == Mood::Forbidden => {
            (403, message("Resource not accessible by personal access token"))
        }
        ("GET", "hooks") => {
            let own = shared.hooks.iter().filter(|(repository, _)| *repository == of);
            (200, own.map(|(_, hook)| shown(hook)).collect())
        }
        ("POST", "hooks") => {
            let hook = hook(shared, &format!("http://{host}"), of, body);
            shared.hooks.push((of, hook.clone()));
            (201, shown(&hook))
        }
        (_, _) if number.is_none() => (404, message("Not Found")),
        ("PATCH", "{hook_id}") => {
            let (_, hook) = &mut shared.hooks[number.unwrap()];
            for field in ["active", "events", "config"] {
                if let Some(value) = body.get(field) {
                    hook[field] = value.clone();
                }
            }
            (200, shown(hook))
        }
        ("DELETE", "{hook_id}") => {
            shared.hooks.remove(number.unwrap());
            (204, Value::Null)
        }
        ("POST", "pings") => (204, Value::Null),
        ("GET", "deliveries") => {
            let newest = shared.deliveries.iter().rev().filter(|(hook, _)| Some(*hook) == id);
            let listed = newest.map(|(_, delivery)| {
                let mut listed = delivery.clone();
                for field in ["request", "response", "url"] {
                    listed.as_object_mut().unwrap().remove(field);
                }
                listed
            });
            (200, listed.collect())
        }
        ("GET", "{delivery_id}") => {
            let found =
                shared.deliveries.iter().find(|(_, found)| found["id"].as_u64() == delivery);
            (200, found.unwrap().1.clone())
        }
        other => panic!("{other:?}"),
    }
}

/// A new webhook, as it is set by a request's body.
fn hook(shared: &mut Shared, api: &str, repository: &str, body: &Value) -> Value {
    let id = shared.next_id;
    shared.next_id += 1;
    let url = format!("{api}/repos/{repository}/hooks/{id}");
    json!({
        "type": "Repository", "id": id, "name": "web",
        "active": body.get("active").cloned().unwrap_or(true.into()),
        "events": body["events"], "config": body["config"],
        "updated_at": now(), "created_at": now(), "url": url, "test_url": format!("{url}/test"),
        "ping_url": format!("{url}/pings"), "deliveries_url": format!("{url}/deliveries"),
        "last_response": {"code": null, "status": "unused", "message": null},
    })
}

/// A webhook as GitHub shows it: never with its secret.
fn shown(hook: &Value) -> Value {
    let mut shown = hook.clone();
    match shown["config"].get("secret") {
        None => {}
        Some(Value::Null) => {
            shown["config"].as_object_mut().unwrap().remove("secret");
        }
        Some(_) => shown["config"]["secret"] = "********".into(),
    }
    shown
}

/// Delivers an event to a webhook, and keeps what was answered.
fn deliver(shared: &Mutex<Shared>, repository: &str, hook: &Value, event: &str, payload: &str) {
    let secret = hook["config"]["secret"].as_str().unwrap_or_default().to_owned();
    let guid = uuid::Uuid::new_v4().to_string();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answered = agent
        .post(hook["config"]["url"].as_str().unwrap())
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", &guid)
        .header("X-Hub-Signature-256", sign(&secret.into(), payload.as_bytes()))
        .send(payload);
    let (code, status, text) = match answered {
        Ok(mut answer) => {
            let code = answer.status().as_u16();
            (
                code,
                if code < 300 { "OK" } else { "Invalid HTTP Response" },
                answer.body_mut().read_to_string().ok(),
            )
        }
        Err(_) => (0, "failed to connect to host", None),
    };
    let mut shared = shared.lock().unwrap();
    let id = 10_000 + shared.next_id;
    shared.next_id += 1;
    let delivery = json!({
        "id": id, "guid": guid, "delivered_at": now(), "redelivery": false, "duration": 0.1,
        "status": status, "status_code": code, "event": event, "action": null,
        "installation_id": null, "repository_id": id_of(repository), "url": hook["config"]["url"],
        "request": {"headers": {}, "payload": {}},
        "response": {"headers": {}, "payload": text},
    });
    shared.deliveries.push((hook["id"].as_u64().unwrap(), delivery));
}

/// The time, as GitHub writes it.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    rfc3339(now.as_millis() as u64)
}

fn problem(status: u16, text: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), message(text).to_string()).into_response()
}

fn message(text: &str) -> Value {
    json!({"message": text, "documentation_url": "https://docs.github.com/rest"})
}

/// GitHub's OpenAPI description.
fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let path = format!(
            "{PROJECT}/tests/e2e/node_modules/@octokit/openapi/generated/api.github.com.json"
        );
        let text = std::fs::read_to_string(path)
            .expect("GitHub's OpenAPI description is not there: run the tests with `npm test`");
        serde_json::from_str(&text).unwrap()
    })
}

/// Where `value` is not as `schema` says.
fn violation(what: &str, schema: &Value, value: &Value) -> Option<String> {
    if schema.is_null() {
        return Some(format!("{what} is not described"));
    }
    let validator = jsonschema::validator_for(&resolved(schema)).unwrap();
    validator
        .validate(value)
        .err()
        .map(|error| format!("{what}: {error} at {}", error.instance_path()))
}

/// An OpenAPI 3.0 schema as JSON Schema: references put in their place, and `nullable` as a type.
fn resolved(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                return resolved(description().pointer(reference.trim_start_matches('#')).unwrap());
            }
            let nullable = object.get("nullable") == Some(&Value::Bool(true));
            let without =
                object.iter().filter(|(name, _)| !matches!(name.as_str(), "nullable" | "example"));
            let schema: Value = Value::Object(
                without.map(|(name, value)| (name.clone(), resolved(value))).collect(),
            );
            if nullable { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
        }
        Value::Array(items) => items.iter().map(resolved).collect(),
        other => other.clone(),
    }
}

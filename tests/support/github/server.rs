//! A request from its arrival to its answer: what goes wrong, who asks, whether they may, and whether all of it is as
//! GitHub describes it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State as Extracted};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access::{Needs, Who};
use super::described::{description, followed, violation};
use super::faults::Kind;
use super::routes::{Parameters, Route};
use super::{Mood, REPOSITORIES, Shared, State, locked, manifest, milliseconds, routes};

/// When the limit that a test sets is over.
const LIMIT_ENDS: u64 = 1_795_378_320;

/// What is asked.
#[derive(Default)]
pub struct Asked {
    pub method: String,
    pub template: &'static str,
    pub parameters: Parameters,
    pub query: Vec<(String, String)>,
    /// Without what comes after the path.
    pub url: String,
    pub body: Value,
    pub who: Who,
    /// The repository's name as GitHub writes it, or nothing.
    pub repository: &'static str,
}

impl Asked {
    pub fn parameter(&self, name: &str) -> &str {
        &self.parameters.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Where it is an id.
    pub fn id(&self, name: &str) -> Option<u64> {
        self.parameter(name).parse().ok()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self, field: &str) -> Option<&str> {
        self.body[field].as_str()
    }

    /// One page of a list, and the header that leads to the next.
    pub fn page(&self, items: Vec<Value>, usual: usize) -> (Vec<Value>, Option<String>) {
        let number = |name: &str, usual: usize| {
            self.query(name).and_then(|text| text.parse().ok()).unwrap_or(usual).max(1)
        };
        let (size, page) = (number("per_page", usual).min(usual.max(100)), number("page", 1));
        let more = items.len() > size * page;
        let items = items.into_iter().skip(size * (page - 1)).take(size).collect();
        (items, more.then(|| self.link("page", &(page + 1).to_string())))
    }

    /// A header that leads to the next page.
    pub fn link(&self, name: &str, value: &str) -> String {
        let others = self.query.iter().filter(|(known, _)| known != name);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(name, value);
        format!("<{}?{}>; rel=\"next\"", self.url, query.finish())
    }

    pub fn list(&self, items: Vec<Value>) -> Answer {
        let (items, link) = self.page(items, 30);
        Answer { link, ..ok(items.into()) }
    }

    /// A page of a list that is in an object, with how many there are at all.
    pub fn counted(&self, field: &str, items: Vec<Value>) -> Answer {
        let total = items.len();
        let (items, link) = self.page(items, 30);
        Answer { link, ..ok(json!({"total_count": total, field: items})) }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
    pub link: Option<String>,
}

pub fn ok(json: Value) -> Answer {
    Answer { status: 200, json, link: None }
}

pub fn created(json: Value) -> Answer {
    Answer { status: 201, json, link: None }
}

pub fn no_content() -> Answer {
    Answer { status: 204, json: Value::Null, link: None }
}

pub fn refused(status: u16, message: &str) -> Answer {
    let json = json!({
        "message": message, "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    Answer { status, json, link: None }
}

pub fn not_found() -> Answer {
    refused(404, "Not Found")
}

/// 422, and what is wrong with which field.
pub fn invalid(resource: &str, field: &str, message: &str) -> Answer {
    let mut answer = refused(422, "Validation Failed");
    answer.json["errors"] =
        json!([{"resource": resource, "code": "custom", "field": field, "message": message}]);
    answer
}

enum Outcome {
    Answer(Answer),
    Limited { answer: Answer, reset: u64, retry_after: Option<u64> },
    Lost,
    Hang,
    Slow { seconds: u64, then: Option<u16> },
}

pub async fn answer(Extracted(shared): Extracted<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
    if let Some(page) = manifest::page(&shared, &parts, &body) {
        return page;
    }
    let mut outcome = outcome(&mut locked(&shared), &parts, &body, None);
    if let Outcome::Slow { seconds, then } = outcome {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let then = Some(then.map(Kind::Status));
        outcome = self::outcome(&mut locked(&shared), &parts, &body, then);
    }
    let (answer, limited) = match outcome {
        Outcome::Answer(answer) => (answer, None),
        Outcome::Limited { answer, reset, retry_after } => (answer, Some((reset, retry_after))),
        // What the server does with a task that ends like this: it closes the connection. Nothing is printed.
        Outcome::Lost => std::panic::resume_unwind(Box::new("the answer is lost")),
        Outcome::Hang | Outcome::Slow { .. } => std::future::pending().await,
    };
    let state = locked(&shared);
    let used = state.used.min(5000);
    let (remaining, reset) = match limited {
        Some((reset, None)) => (0, reset),
        _ if state.is_limited() => (0, LIMIT_ENDS),
        _ => (5000 - used, milliseconds() / 1000 + 3600),
    };
    let mut headers = vec![
        ("x-ratelimit-limit", "5000".to_owned()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-used", used.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
        ("content-type", "application/json; charset=utf-8".to_owned()),
    ];
    headers.extend(answer.link.map(|link| ("link", link)));
    if let Some((_, Some(seconds))) = limited {
        headers.push(("retry-after", seconds.to_string()));
    }
    let text = if answer.json.is_null() { String::new() } else { answer.json.to_string() };
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), text).into_response();
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).unwrap();
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}

/// What comes of a request, where it is known already what goes wrong, or else whatever is to.
fn outcome(state: &mut State, parts: &Parts, body: &Bytes, known: Option<Option<Kind>>) -> Outcome {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let header = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    if header("user-agent").is_empty() {
        state.violations.push(format!("{method} {path} lacks a User-Agent"));
        return Outcome::Answer(refused(403, "Request forbidden by administrative rules."));
    }
    let Some((route, parameters)) = routes::find(method, path) else {
        return Outcome::Answer(not_found());
    };
    if known.is_none() {
        state.requests.push(format!("{method} {}", route.template));
    }
    if known.is_none() && method != "GET" {
        state.changes.push(format!("{method} {}", route.template));
    }
    let as_documented = header("accept") == "application/vnd.github+json"
        && header("x-github-api-version") == "2022-11-28";
    if !as_documented {
        state.violations.push(format!("{method} {path} lacks a header"));
    }
    let fault = known.unwrap_or_else(|| state.fault_of(method, route.template));
    let (status, reset, retry_after, message) = match fault {
        Some(Kind::Hang) => return Outcome::Hang,
        Some(Kind::Slow { seconds, then }) => return Outcome::Slow { seconds, then },
        Some(Kind::Status(status)) => return Outcome::Answer(refused(status, "Server Error")),
        Some(Kind::RateLimited { reset_in }) => {
            (403, milliseconds() / 1000 + reset_in, None, "API rate limit exceeded")
        }
        Some(Kind::Secondary { retry_after }) => {
            (403, 0, Some(retry_after), "You have exceeded a secondary rate limit.")
        }
        Some(Kind::Nothing | Kind::LostAnswer | Kind::FreshTokenRefused) | None => (0, 0, None, ""),
    };
    if status != 0 {
        return Outcome::Limited { answer: refused(status, message), reset, retry_after };
    }
    let asked = Asked {
        method: method.to_owned(),
        template: route.template,
        parameters,
        query: form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        url: format!("{}{path}", state.base),
        ..Asked::default()
    };
    let answer = allowed(state, route, asked, header("authorization"), body);
    state.held_against_the_description(route, &format!("the answer to {method} {path}"), &answer);
    if fault == Some(Kind::LostAnswer) { Outcome::Lost } else { Outcome::Answer(answer) }
}

/// The answer to somebody who may ask for it, or why they may not.
fn allowed(
    state: &mut State,
    route: &Route,
    mut asked: Asked,
    authorization: &str,
    body: &Bytes,
) -> Answer {
    asked.who = match state.who(&asked, route.needs, authorization) {
        Ok(who) => who,
        Err(answer) => return answer,
    };
    if state.is_limited() {
        return refused(403, "API rate limit exceeded");
    }
    state.left = state.left.map(|left| left - 1);
    state.used += 1;
    if route.template.starts_with("/repos/") {
        let name = format!("{}/{}", asked.parameter("owner"), asked.parameter("repo"));
        match REPOSITORIES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
            Some((known, _)) => asked.repository = known,
            None => return not_found(),
        }
    }
    if state.mood == Mood::Forbidden && !matches!(route.needs, Needs::Metadata | Needs::Person) {
        return refused(403, "Resource not accessible by personal access token");
    }
    if let Some(answer) = state.forbidden(&asked, route.needs) {
        return answer;
    }
    if !body.is_empty() {
        let Ok(body) = serde_json::from_slice(body) else {
            return refused(400, "Problems parsing JSON");
        };
        let operation = &description()["paths"][route.template][route.method.to_lowercase()];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let what = format!("{} {}", route.method, asked.url);
        state.violations.extend(violation(&what, schema, &body));
        asked.body = body;
    }
    (route.handler)(state, &asked)
}

impl State {
    fn held_against_the_description(&mut self, route: &Route, what: &str, answer: &Answer) {
        let operation = &description()["paths"][route.template][route.method.to_lowercase()];
        let described = &operation["responses"][answer.status.to_string()];
        if described.is_null() {
            // Of what is refused, the description leaves out a lot.
            if !matches!(answer.status, 401 | 403 | 404 | 422) {
                self.violations.push(format!("{what} is never {}", answer.status));
            }
            return;
        }
        let schema = &followed(described)["content"]["application/json"]["schema"];
        if !answer.json.is_null() && (answer.status < 400 || !schema.is_null()) {
            self.violations.extend(violation(what, schema, &answer.json));
        }
    }
}

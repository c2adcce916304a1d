//! How an App is made of a manifest: a form that a person's browser sends, a code that it comes back with, and what
//! the code is exchanged for; and the page on which a person installs it.
//!
//! Source: <https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest>

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app::{PEM, Permissions};
use super::described::{example, with};
use super::server::{Answer, Asked, created, not_found};
use super::{REPOSITORIES, Shared, State, digits, locked, milliseconds};

/// What an App has to be permitted to be told of an event.
const PERMISSIONS: [(&str, &str); 8] = [
    ("status", "statuses"),
    ("check_run", "checks"),
    ("check_suite", "checks"),
    ("push", "contents"),
    ("deployment", "deployments"),
    ("deployment_status", "deployments"),
    ("workflow_run", "actions"),
    ("repository", "metadata"),
];

/// The page of a request that is a browser's.
pub fn page(shared: &Shared, parts: &Parts, body: &Bytes) -> Option<Response> {
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let owner = match path.as_slice() {
        ["settings", "apps", "new"] => "octocat",
        ["organizations", organization, "settings", "apps", "new"] => organization,
        ["apps", slug, "installations", "new"] => {
            return Some(installed(&mut locked(shared), slug, parts, body));
        }
        _ => return None,
    };
    if parts.method != "POST" {
        return Some(StatusCode::NOT_FOUND.into_response());
    }
    let mut fields = form_urlencoded::parse(body);
    let manifest = fields.find(|(name, _)| name == "manifest").map(|(_, value)| value.into_owned());
    let manifest = serde_json::from_str(&manifest.unwrap_or_default()).unwrap_or(Value::Null);
    let mut state = locked(shared);
    let wrong = wrong_with(&state, &manifest);
    if !wrong.is_empty() {
        let items: String = wrong.iter().map(|what| format!("<li>{what}</li>")).collect();
        let html =
            format!("<!doctype html><h1>Invalid GitHub App configuration</h1><ul>{items}</ul>");
        let html = axum::response::Html(html);
        return Some((StatusCode::UNPROCESSABLE_ENTITY, html).into_response());
    }
    let code = state.register(&manifest, owner);
    let query = parts.uri.query().unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
    let mut back = form_urlencoded::Serializer::new(String::new());
    back.append_pair("code", &code);
    if let Some((_, given)) = &given {
        back.append_pair("state", given);
    }
    let url = manifest["redirect_url"].as_str().unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let location = format!("{url}{separator}{}", back.finish());
    Some((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// The page on which an App is installed on repositories, and what comes of its form.
fn installed(state: &mut State, slug: &str, parts: &Parts, body: &Bytes) -> Response {
    let Some(app) = state.apps.iter().find(|app| app.slug == slug) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let name = app.name.clone();
    let html = match parts.method.as_str() {
        "GET" => {
            let boxes: String = REPOSITORIES
                .iter()
                .map(|(name, _)| {
                    format!(
                        "<p><label><input type=checkbox name=repository value={name}> {name}</label></p>"
                    )
                })
                .collect();
            format!(
                "<h1>Install {name}</h1><form method=post>{boxes}<button>Install</button></form>"
            )
        }
        "POST" => {
            let fields = form_urlencoded::parse(body);
            let chosen: Vec<String> = fields
                .filter(|(field, _)| field == "repository")
                .map(|(_, name)| name.into_owned())
                .filter(|name| REPOSITORIES.iter().any(|(known, _)| known == name))
                .collect();
            state.install(slug, &chosen.iter().map(String::as_str).collect::<Vec<_>>());
            format!("<h1>{name} is installed</h1><p>On {}.</p>", chosen.join(", "))
        }
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    let page = format!("<!doctype html><meta charset=utf-8><title>{name}</title>{html}");
    axum::response::Html(page).into_response()
}

/// What GitHub does not take.
fn wrong_with(state: &State, manifest: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let text =
        |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if !manifest.is_object() {
        return vec!["The manifest is not a JSON object".into()];
    }
    if text("/url").is_empty() {
        wrong.push("\"url\" wasn't supplied".to_owned());
    }
    if text("/redirect_url").is_empty() {
        wrong.push("\"redirect_url\" wasn't supplied".to_owned());
    }
    if let Some(hook) = manifest.get("hook_attributes") {
        if text("/hook_attributes/url").is_empty() {
            wrong.push("Hook url cannot be blank".to_owned());
        }
        if hook.get("secret").is_some() {
            wrong.push("\"secret\" is not a permitted key of hook_attributes".to_owned());
        }
    }
    let name = text("/name");
    if name.chars().count() > 34 {
        wrong.push("Name is too long (maximum is 34 characters)".to_owned());
    }
    if state.apps.iter().any(|app| app.name.eq_ignore_ascii_case(name)) {
        wrong.push("Name is already taken".to_owned());
    }
    let permissions = &manifest["default_permissions"];
    for event in manifest["default_events"].as_array().into_iter().flatten() {
        let event = event.as_str().unwrap_or_default();
        match PERMISSIONS.iter().find(|(known, _)| *known == event) {
            None => wrong.push(format!("Default events unsupported: {event}")),
            Some((_, "metadata")) => {}
            Some((_, permission)) if permissions[*permission].is_string() => {}
            Some(_) => {
                wrong.push(format!("Default events are not supported by permissions: {event}"));
            }
        }
    }
    wrong
}

impl State {
    /// Keeps an App until its code comes, and gives the code.
    fn register(&mut self, manifest: &Value, owner: &str) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut permissions: Permissions = manifest["default_permissions"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, level)| (name.clone(), text(level)))
            .collect();
        permissions.insert("metadata".into(), "read".into());
        let events = manifest["default_events"].as_array().into_iter().flatten().map(text);
        let made = self.id();
        let mut name = text(&manifest["name"]);
        if name.is_empty() {
            name = format!("{owner} app {made}");
        }
        let mut app = self.new_app(&name, owner, permissions, events.collect());
        app.url = text(&manifest["url"]);
        let code = digits(&format!("code {made} {}", milliseconds()));
        let url = manifest.pointer("/hook_attributes/url");
        app.hook = url.map(|url| {
            json!({
                "url": url, "content_type": "json", "insecure_ssl": "0",
                "secret": digits(&format!("secret {code}")),
            })
        });
        self.manifests.push((code.clone(), app));
        code
    }
}

pub fn convert(state: &mut State, asked: &Asked) -> Answer {
    let code = asked.parameter("code");
    let Some(number) = state.manifests.iter().position(|(known, _)| known == code) else {
        return not_found();
    };
    let (code, app) = state.manifests.remove(number);
    let secret = app.hook.as_ref().map(|config| config["secret"].clone());
    let mut answer = example("integration-from-manifest");
    answer = with(answer, state.integration(&app));
    answer = with(
        answer,
        json!({
            "client_secret": digits(&format!("client {code}")), "webhook_secret": secret,
            "pem": PEM,
        }),
    );
    state.apps.push(app);
    created(answer)
}

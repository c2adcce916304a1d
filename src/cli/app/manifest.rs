//! The manifest that GitHub makes an App of, and what it answers once it has.
//!
//! Source: <https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest>

use buildgate::github::api::{HEADERS, NEEDED};
use buildgate::operator::answer::EVENTS;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::local::unanswered;

/// The longest that the name of an App may be, in characters
/// (<https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app/registering-a-github-app>).
pub const LONGEST_NAME: usize = 34;

/// How long GitHub is given to answer, in seconds.
const PATIENCE: u64 = 30;

/// The name of an App that was given none: all Apps of GitHub have names of their own, so it holds the gate's host.
pub fn usual_name(gate: &str) -> String {
    let host = gate.split_once("://").map_or(gate, |(_, host)| host);
    let name: String = format!("buildgate {host}").chars().take(LONGEST_NAME).collect();
    name.trim_end_matches(['.', '-', ':']).to_owned()
}

/// The manifest of the App of a gate. `back` is where the browser comes back to.
pub fn manifest(name: &str, gate: &str, back: &str) -> Value {
    json!({
        "name": name,
        "url": gate,
        "hook_attributes": { "url": format!("{gate}/"), "active": true },
        "redirect_url": back,
        "public": false,
        "default_permissions": NEEDED,
        "default_events": EVENTS,
    })
}

/// An App that GitHub has made.
#[derive(Deserialize)]
pub struct Made {
    id: u64,
    client_id: Option<String>,
    /// The name that its URLs have.
    pub slug: Option<String>,
    /// Its page.
    pub html_url: String,
    /// Its private key.
    pub pem: SecretString,
    webhook_secret: Option<SecretString>,
}

impl Made {
    /// By what it calls itself: the client ID, which GitHub would rather have, or else the number.
    pub fn app_id(&self) -> String {
        self.client_id().map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// Its client ID, where it has one.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref().filter(|id| !id.is_empty())
    }

    /// What its webhook is signed with, where GitHub has made something up.
    pub fn webhook_secret(&self) -> Option<&SecretString> {
        self.webhook_secret.as_ref().filter(|secret| !secret.expose_secret().is_empty())
    }

    /// Where it is installed.
    pub fn install_url(&self) -> String {
        format!("{}/installations/new", self.html_url)
    }
}

/// Has GitHub make the App of the code that the browser came back with: whoever has the code needs no token.
pub fn convert(api: &str, code: &str) -> Result<Made, String> {
    let url = format!("{api}/app-manifests/{code}/conversions");
    let mut request = ureq::post(&url)
        .config()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(PATIENCE)))
        .build();
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    let mut answer = request.send_empty().map_err(|error| unanswered(api, &error))?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().map_err(|error| unanswered(api, &error))?;
    match status {
        // What it says is not shown: a key is in it.
        201 => serde_json::from_str(&body)
            .map_err(|_| format!("{api} answered what GitHub does not answer")),
        404 => {
            Err("GitHub does not know the code: it is used up, or older than an hour".to_owned())
        }
        _ => {
            let said: Value = serde_json::from_str(&body).unwrap_or_default();
            let message = said.get("message").and_then(Value::as_str).unwrap_or("no message");
            Err(format!("GitHub answered {status}: {message}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_asks_for_what_the_gate_needs_and_nothing_else() {
        let manifest = manifest("gate", "https://gate.example", "http://127.0.0.1:1/created");
        assert_eq!(
            manifest,
            json!({
                "name": "gate",
                "url": "https://gate.example",
                "hook_attributes": { "url": "https://gate.example/", "active": true },
                "redirect_url": "http://127.0.0.1:1/created",
                "public": false,
                "default_permissions": {
                    "checks": "read",
                    "contents": "read",
                    "deployments": "write",
                    "metadata": "read",
                    "statuses": "write",
                },
                "default_events":
                    ["push", "deployment", "deployment_status", "status", "check_run", "check_suite"],
            })
        );
    }

    #[test]
    fn a_name_is_of_the_gates_host_and_no_longer_than_github_takes() {
        for (gate, name) in [
            ("https://gate.example", "buildgate gate.example"),
            ("https://buildgate.octocat.workers.dev", "buildgate buildgate.octocat.worker"),
            ("https://a-name-of-twenty-3-.example", "buildgate a-name-of-twenty-3-.exam"),
        ] {
            assert_eq!(usual_name(gate), name);
            assert!(name.chars().count() <= LONGEST_NAME);
        }
    }
}

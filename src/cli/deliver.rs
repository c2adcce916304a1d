//! `deliver`: signs a saved payload as GitHub does and posts it to a gate.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use buildgate::signature::{SIGNATURE_HEADER, sign};
use buildgate::webhook::{DELIVERY_HEADER, EVENT_HEADER};
use clap::Args;
use secrecy::SecretString;
use uuid::Uuid;

use crate::local::{say, secret, unanswered};

/// The events that a file's name is trusted to tell
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads>); any other needs `--event`.
const EVENTS: [&str; 16] = [
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "issues",
    "page_build",
    "ping",
    "pull_request",
    "push",
    "release",
    "repository",
    "status",
    "workflow_job",
    "workflow_run",
];

/// How long GitHub waits for an answer
/// (<https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#respond-within-10-seconds>).
const PATIENCE: Duration = Duration::from_secs(10);

/// Sign a saved payload as GitHub does and post it to a gate.
///
/// Prints the status and the answer. Exits with 0 for 2xx and 3xx, 1 for 4xx and 5xx, and 2 where
/// nothing could be delivered.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- deliver fixtures/deployment.created.json
  cargo run -- deliver fixtures/push.json --form
  cargo run -- deliver saved.json --event push --url https://buildgate.example.workers.dev/")]
pub struct Deliver {
    /// A file with the payload, such as fixtures/push.json.
    file: PathBuf,

    /// The event; if not given, the file's name up to its first dot, such as push for push.tag.json.
    #[arg(long)]
    event: Option<String>,

    /// The gate to deliver to.
    #[arg(long, default_value = "http://127.0.0.1:8787/")]
    url: String,

    /// The webhook secret; if not given, the one in .dev.vars or else .dev.vars.example.
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<SecretString>,

    /// Send a form with the field `payload`, GitHub's default for webhooks made by hand.
    #[arg(long)]
    form: bool,

    /// The delivery's GUID; if not given, a fresh one. Give an old one to redeliver.
    #[arg(long)]
    delivery: Option<String>,
}

impl Deliver {
    /// Delivers, and tells how the gate answered.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let payload = fs::read_to_string(&self.file)
            .map_err(|error| format!("cannot read {}: {error}", self.file.display()))?;
        let event = match self.event {
            Some(event) => event,
            None => event_of(&self.file).map(str::to_owned).ok_or_else(|| {
                let file = self.file.display();
                format!("cannot tell the event from the name of {file}: give it with --event, such as --event push")
            })?,
        };
        let webhook_secret = self.secret.or_else(|| secret("WEBHOOK_SECRET").map(Into::into)).ok_or(
            "there is no webhook secret: give --secret, set WEBHOOK_SECRET, or put it into .dev.vars",
        )?;
        let delivery = self.delivery.unwrap_or_else(|| Uuid::new_v4().to_string());
        let (content_type, body) = if self.form {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("payload", &payload)
                .finish();
            ("application/x-www-form-urlencoded", form)
        } else {
            ("application/json", payload)
        };

        let mut answer = ureq::post(&self.url)
            .config()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .header("User-Agent", "GitHub-Hookshot/buildgate")
            .header("Accept", "*/*")
            .header("Content-Type", content_type)
            .header(EVENT_HEADER, &event)
            .header(DELIVERY_HEADER, &delivery)
            .header(SIGNATURE_HEADER, sign(&webhook_secret, body.as_bytes()))
            .send(&body)
            .map_err(|error| unanswered(&self.url, &error))?;

        let status = answer.status();
        say(status);
        say(answer.body_mut().read_to_string()?.trim_end());
        let failed = status.is_client_error() || status.is_server_error();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The event that a file is named after: `push` for `push.tag.json`.
fn event_of(file: &Path) -> Option<&str> {
    let name = file.file_name()?.to_str()?;
    let event = name.split('.').next()?;
    EVENTS.contains(&event).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_event() {
        fn event(file: &str) -> Option<&str> {
            event_of(Path::new(file))
        }
        assert_eq!(event("fixtures/push.json"), Some("push"));
        assert_eq!(event("deployment.payload-null.json"), Some("deployment"));
        assert_eq!(event("/a/check_suite.completed.json"), Some("check_suite"));
        assert_eq!(event("saved payload.json"), None);
        assert_eq!(event("unlinked.json"), None);
        assert_eq!(event(".json"), None);
    }
}

//! `deliver`: signs a saved payload as GitHub does and posts it to a gate.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::local::{LOCAL_GATE, event_of, given_secret, given_url, read, say, say_json, secret};
use crate::signed::Signed;

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

    /// The gate to deliver to; if not given, the environment's BUILDGATE_URL, or else http://127.0.0.1:8787/.
    #[arg(long)]
    url: Option<String>,

    /// A file with the webhook secret, or - for standard input; if not given, the environment's WEBHOOK_SECRET, or
    /// else the one in .dev.vars or .dev.vars.example.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Send a form with the field `payload`, GitHub's default for webhooks made by hand.
    #[arg(long)]
    form: bool,

    /// The delivery's GUID; if not given, a fresh one. Give an old one to redeliver.
    #[arg(long)]
    delivery: Option<String>,

    /// Print JSON, for scripts: the status and the answer.
    #[arg(long)]
    json: bool,
}

impl Deliver {
    /// Delivers, and tells how the gate answered.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let payload = read(&self.file)?;
        let event = event_of(&self.file, self.event)?;
        let webhook_secret = given_secret("WEBHOOK_SECRET", self.secret_file.as_deref())?
            .or_else(|| secret("WEBHOOK_SECRET").map(|found| found.value))
            .ok_or("there is no webhook secret: set WEBHOOK_SECRET in the environment, or put it into .dev.vars")?;
        let url = given_url(self.url.as_deref()).unwrap_or_else(|| LOCAL_GATE.to_owned());
        let delivery = self.delivery.unwrap_or_else(|| Uuid::new_v4().to_string());
        let (content_type, body) = if self.form {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("payload", &payload)
                .finish();
            ("application/x-www-form-urlencoded", form)
        } else {
            ("application/json", payload)
        };

        let signed = Signed { event: &event, delivery: &delivery, content_type, body: &body };
        let (status, text) = signed.post(&url, &webhook_secret)?;
        if self.json {
            let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
            say_json(&json!({ "status": status.as_u16(), "answer": answer }), false);
        } else {
            say(status);
            say(text.trim_end());
        }
        let failed = status.is_client_error() || status.is_server_error();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

//! `explain`: what the gate would do with a saved payload, and why, by the very same core and offline.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use buildgate::delivery::answer::{About, Rejection, Verdict};
use buildgate::delivery::event::Event;
use buildgate::message::build_request::BuildRequest;
use buildgate::policy::{InvalidPolicy, Policy};
use buildgate::signature::github::SecretUsed;
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use crate::local::{event_of, read, say};

/// Explain what the gate would do with a saved payload, and why, without a gate.
///
/// Exits with 0 if the delivery would be accepted, whether it builds or not, 1 if it would be rejected, and
/// 2 where there is nothing to explain.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- explain fixtures/push.json --policy deployment
  cargo run -- explain fixtures/deployment.staging.json \\
    --policy '{\"trigger\":\"deployment\",\"environments\":[\"production\"]}'
  cargo run -- explain saved.json --event push --policy commit --json")]
pub struct Explain {
    /// A file with the payload, also one copied out of Recent Deliveries.
    file: PathBuf,

    /// The repository's policy, as it lies in KV: a trigger word or a JSON object.
    #[arg(long)]
    policy: String,

    /// The event; if not given, the file's name up to its first dot, such as push for push.tag.json.
    #[arg(long)]
    event: Option<String>,

    /// The delivery's GUID; if not given, a fresh one.
    #[arg(long)]
    delivery: Option<String>,

    /// Print JSON: the gate's answer and, where it builds, the build request.
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Explains.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let payload = read(&self.file)?;
        let event = event_of(&self.file, self.event)?;
        let received_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let mut about = About {
            delivery: Some(self.delivery.unwrap_or_else(|| Uuid::new_v4().to_string())),
            event: Some(event),
            // A payload that somebody saved was verified when it came.
            secret: Some(SecretUsed::Current),
            ..About::default()
        };
        let (verdict, build_request) =
            judge(&payload, &self.policy, u64::try_from(received_at)?, &mut about);
        let build_request: Option<Value> =
            build_request.map(|text| serde_json::from_str(&text)).transpose()?;

        let mut answer: Value = serde_json::from_str(&verdict.body(&about)?)?;
        if self.json {
            if let (Some(answer), Some(build_request)) = (answer.as_object_mut(), build_request) {
                answer.insert("build_request".to_owned(), build_request);
            }
            say(answer);
        } else {
            let (_, code, status) = verdict.codes();
            let outcome = answer.get("outcome").and_then(Value::as_str).unwrap_or_default();
            say(format_args!("{outcome}: {code} ({status})\n{}", verdict.message(&about)));
            if let Some(build_request) = build_request {
                say(format_args!("\n{build_request:#}"));
            }
        }
        let rejected = matches!(verdict, Verdict::Rejected(_));
        Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// What the gate does with a verified payload, and the text of the build request where it builds.
fn judge(
    payload: &str,
    policy: &str,
    received_at: u64,
    about: &mut About,
) -> (Verdict, Option<String>) {
    match try_to_judge(payload, policy, received_at, about) {
        Ok(judged) => judged,
        Err(rejection) => (Verdict::Rejected(rejection), None),
    }
}

fn try_to_judge(
    payload: &str,
    policy: &str,
    received_at: u64,
    about: &mut About,
) -> Result<(Verdict, Option<String>), Rejection> {
    let event = Event::parse(about.event.as_deref().unwrap_or_default(), payload.as_bytes())?;
    about.repository = event.repository().cloned();
    let policy = match event.governed_by() {
        Some(_) => Some(Policy::parse(policy).map_err(|InvalidPolicy(problem)| {
            Rejection::InvalidPolicy { key: "--policy".to_owned(), problem }
        })?),
        None => None,
    };
    about.trigger = policy.as_ref().map(|policy| policy.trigger);
    let delivery = about.delivery.clone().unwrap_or_default();
    let (verdict, build_request) = Verdict::on(&event, policy.as_ref(), &delivery, received_at);
    about.build = build_request.as_ref().map(|build_request| build_request.id().to_owned());
    let text = build_request
        .map(BuildRequest::into_message)
        .transpose()
        .map_err(|error| Rejection::QueueUnavailable { detail: error.to_string() })?;
    Ok((verdict, text))
}

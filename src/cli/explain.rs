//! `explain`: what the gate would do with a saved payload, and why, by the very same core and offline.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use buildgate::delivery::judge::{Judged, Question, ToQueue, judge};
use buildgate::delivery::rejection::Rejection;
use buildgate::delivery::verdict::{Known, Verdict};
use buildgate::policy::{InvalidPolicy, Policy};
use buildgate::repository::{GitHubUrl, InvalidGitHubUrl, RepositoryName};
use buildgate::route::Entrance;
use buildgate::signature::github::SecretUsed;
use clap::Args;
use futures_util::FutureExt;
use serde_json::Value;
use uuid::Uuid;

use crate::correction::advice;
use crate::local::{event_of, read, say, say_json, setting};

/// Explain what the gate would do with a saved payload, and why, without a gate.
///
/// Where the environment's BUILDGATE_URL says which gate is meant, the message names it, as the gate's own does.
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

    /// The GitHub that the gate serves; if not given, the environment's GITHUB_URL, or else https://github.com.
    #[arg(long)]
    github_url: Option<String>,

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
        let mut known = Known {
            delivery: Some(self.delivery.unwrap_or_else(|| Uuid::new_v4().to_string())),
            event: Some(event),
            // A payload that somebody saved was verified when it came.
            secret: Some(SecretUsed::Current),
            // The answer names the gate, and its page of help, where it is known which gate is meant.
            gate: setting("BUILDGATE_URL").unwrap_or_default().trim_end_matches('/').to_owned(),
            ..Known::default()
        };
        let policy = Policy::parse(&self.policy).map_err(|InvalidPolicy(problem)| {
            format!("--policy cannot be used: {problem}; {}", advice(&self.policy))
        })?;
        let policy_of = async |_: &RepositoryName| Ok(Rc::new(policy));
        // Which deployments a gate has made, and what has begun, stands in its ledger.
        let ask = async |_: Question<'_>| Ok(None);
        let received_at = u64::try_from(received_at)?;
        let github = self.github_url.or_else(|| setting("GITHUB_URL"));
        let github = GitHubUrl::parse(github.as_deref()).map_err(
            |InvalidGitHubUrl| "--github-url is not an https URL such as https://github.com",
        )?;
        let entrance = Entrance::Shared;
        let judged =
            judge(payload.as_bytes(), &entrance, &github, received_at, &mut known, policy_of, ask)
                .now_or_never()
                .ok_or("there is something to wait for")?;
        let Judged { verdict, to_queue } = judged.unwrap_or_else(|why: Rejection| Judged {
            verdict: Verdict::Rejected(why),
            to_queue: None,
        });
        // A look at GitHub has no request that anybody else gets to see.
        let build_request: Option<Value> = match to_queue {
            Some(ToQueue { message, build: Some(id), .. }) => {
                known.build = Some(id);
                Some(serde_json::from_str(&message)?)
            }
            _ => None,
        };

        let message = verdict.message(&known);
        let mut answer: Value = serde_json::from_str(&verdict.body(&known, &message)?)?;
        if self.json {
            if let (Some(answer), Some(build_request)) = (answer.as_object_mut(), build_request) {
                answer.insert("build_request".to_owned(), build_request);
            }
            say_json(&answer, false);
        } else {
            let (_, code, status) = verdict.codes();
            let outcome = answer.get("outcome").and_then(Value::as_str).unwrap_or_default();
            say(format_args!("{outcome}: {code} ({status})\n{message}"));
            if let Some(build_request) = build_request {
                say("");
                say_json(&build_request, true);
            }
        }
        let rejected = matches!(verdict, Verdict::Rejected(_));
        Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

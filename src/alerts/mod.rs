//! Whoever looks after the gate is told what needs a hand: ledger → trouble → decision → a signed POST to `ALERT_URL`. A cron
//! trigger asks each minute; what could not be posted is not noted, and so posted by the next one.

pub mod decide;

use crate::ledger::{self, alerts};
use crate::message::alert::Kind;
use crate::platform;
use crate::platform::env::Env;
use crate::platform::http::{self, NoAnswer};
use crate::signature::standard_webhooks::OriginSecrets;
use crate::time::rfc3339;
use crate::url::check_to_post;
use decide::{alert, decide};

/// How long an answer is waited for, in seconds.
const PATIENCE: u32 = 10;

/// Tells somebody what there is to tell, and says how much that was.
///
/// Errors with what went wrong; what was told before that is noted.
pub async fn look(env: &Env) -> Result<usize, String> {
    let Some(url) = env.text("ALERT_URL").filter(|url| !url.trim().is_empty()) else {
        return Ok(0);
    };
    check_to_post("ALERT_URL", &url)?;
    let secret = env.text("WEBHOOK_SECRET").unwrap_or_default();
    let secrets = OriginSecrets::for_alerts(&secret);
    let gate = env.text("BUILDGATE_URL").filter(|url| !url.trim().is_empty());
    let now = platform::now();
    let mut told = 0;
    for kind in Kind::ALL {
        let trouble = ledger::ask(env, alerts::trouble(kind, now)).await?;
        let before = alerts::said(env, kind).await?;
        let Some(said) = decide(before, &trouble, now) else { continue };
        let alert = alert(kind, said, &trouble, gate.as_deref(), rfc3339(now));
        let body = serde_json::to_string(&alert).map_err(|error| error.to_string())?;
        let id = format!("{}-{}", kind.as_str(), now);
        post(&url, &secrets, &id, now / 1_000, &body).await?;
        alerts::note(env, kind, said).await?;
        told += 1;
    }
    Ok(told)
}

/// Posts an alert. Errors with what went wrong.
async fn post(
    url: &str,
    secrets: &OriginSecrets,
    id: &str,
    now: u64,
    body: &str,
) -> Result<(), String> {
    let headers = secrets.headers(id, body, now);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    match http::send("POST", url, &headers, Some(body), PATIENCE).await {
        Ok(answer) if (200..300).contains(&answer.status()) => Ok(()),
        Ok(answer) => Err(format!("ALERT_URL answered {}", answer.status())),
        Err(NoAnswer::TooLate) => Err(format!("ALERT_URL did not answer within {PATIENCE} s")),
        Err(NoAnswer::Failed(detail)) => {
            // The runtime may name the URL, which may be a secret.
            Err(format!("ALERT_URL could not be reached: {}", detail.replace(url, "…")))
        }
    }
}

//! The last step of a deployment: whether the gate answers as it should.

use std::thread::sleep;
use std::time::{Duration, Instant};

use buildgate::ledger::dead_letters::DeadLetterPage;
use buildgate::operator::answer::EVENTS;
use buildgate::operator::health::Health;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gate::{Failure, Gate};
use crate::local::unanswered;
use crate::signed::Signed;
use crate::steps::Steps;

/// How long a new address, and new secrets, may take to be known all over Cloudflare.
const UNTIL_KNOWN: Duration = Duration::from_secs(90);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks what the gate answers; gives whether it is as it should be. `is_new` says that its secrets were set just now.
pub fn check(
    url: &str,
    webhook_secret: Option<SecretString>,
    token: Option<SecretString>,
    is_new: bool,
    steps: &mut Steps,
) -> bool {
    steps.doing("asking the gate");
    let until = Instant::now() + if is_new { UNTIL_KNOWN } else { Duration::ZERO };
    let mut good = true;
    let page = told(again(until, || page(url)), "GET /", steps);
    good &= page;
    match webhook_secret {
        Some(secret) => {
            good &= told(again(until, || ping(url, &secret)), "a signed ping", steps);
        }
        None => {
            let what = "a signed ping needs WEBHOOK_SECRET in the environment";
            steps.did("check", "left out", what);
        }
    }
    match token {
        Some(token) => {
            let gate = Gate { url: url.to_owned(), token };
            good &= told(again(until, || letters(&gate)), "GET /-/dead-letters", steps);
            good &= told(again(until, || health(&gate)), "GET /-/health", steps);
        }
        None => {
            let what = "the operator's routes need OPERATOR_TOKEN in the environment";
            steps.did("check", "left out", what);
        }
    }
    good
}

/// Says what a check came to; gives whether it is good.
fn told(result: Result<String, String>, what: &str, steps: &mut Steps) -> bool {
    match &result {
        Ok(answer) => steps.did("check", "ok", &format!("{what}: {answer}")),
        Err(why) => steps.did("check", "WRONG", &format!("{what}: {why}")),
    }
    result.is_ok()
}

/// Does something until it succeeds, or the time is over.
fn again<T>(until: Instant, try_it: impl Fn() -> Result<T, String>) -> Result<T, String> {
    loop {
        match try_it() {
            Err(_) if Instant::now() < until => sleep(Duration::from_secs(2)),
            result => return result,
        }
    }
}

/// Whether the page of the gate is there.
fn page(url: &str) -> Result<String, String> {
    let request = ureq::get(format!("{url}/"));
    let request = request.config().http_status_as_error(false).timeout_global(Some(PATIENCE));
    let mut answer = request.build().call().map_err(|error| unanswered(url, &error))?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    if status.is_success() && text.contains("buildgate") {
        Ok("this is a gate".to_owned())
    } else {
        Err(format!("{url} answered {status}, and not as a gate does"))
    }
}

/// Whether the gate verifies what is signed with its secret: a ping, as an App's webhook is sent one.
fn ping(url: &str, secret: &SecretString) -> Result<String, String> {
    let to = format!("{url}/");
    let ping = json!({
        "zen": "Is this your secret?",
        "hook_id": 0,
        "hook": { "type": "App", "active": true, "events": EVENTS, "config": { "url": to } },
    });
    let ping = Signed {
        event: "ping",
        delivery: &Uuid::new_v4().to_string(),
        content_type: "application/json",
        body: &ping.to_string(),
    };
    let (status, text) = ping.post(&to, secret)?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    let field =
        |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (status.is_success(), field("code").as_str()) {
        (true, code) if !code.is_empty() => Ok(code.to_owned()),
        (_, "bad-signature") => Err("the gate does not know this WEBHOOK_SECRET".to_owned()),
        (_, code) => Err(format!("{status} {code}: {}", field("message"))),
    }
}

/// What the gate says of itself. What it lacks is no fault of the deployment's: a new gate lacks an App, and was never
/// reported to.
fn health(gate: &Gate) -> Result<String, String> {
    let health: Health = gate.ask("GET", "health").map_err(Failure::why)?;
    let lacking = health.items.into_iter().filter(|item| !item.ok).map(|item| {
        let advice = item.advice.map(|advice| format!(" ({advice})")).unwrap_or_default();
        format!("\n          note: {}: {}{advice}", item.name, item.detail)
    });
    let lacking: String = lacking.collect();
    Ok(if lacking.is_empty() { "nothing is missing".to_owned() } else { lacking })
}

/// Whether the ledger answers the operator.
fn letters(gate: &Gate) -> Result<String, String> {
    let page: DeadLetterPage = gate.ask("GET", "dead-letters?cursor=0").map_err(Failure::why)?;
    Ok(match page.items.len() {
        0 => "there are none".to_owned(),
        _ => "there are some: cargo run -- dead-letters list".to_owned(),
    })
}

//! The thin edge to the platform: everything that touches Cloudflare's runtime and nothing that
//! decides.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::{Either, select};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    AbortController, AbortSignal, Date, Delay, Env, Fetch, Headers, Method, QueueContentType,
    RawMessageBuilder, Request, RequestInit, RequestRedirect, Response, console_error, console_log,
    js_sys, worker_sys,
};

use crate::answer::{About, Rejection, Verdict};
use crate::build_request::BuildRequest;
use crate::dead_letter::LONGEST_ANSWER;
use crate::handover::{Handover, Schedule, check_origin_url};
use crate::operator::{OperatorToken, Refusal};
use crate::signature::WebhookSecrets;
use crate::standard_webhooks::{self, OriginSecrets};
use crate::webhook::LARGEST_BODY;

/// How long the origin is given to answer, in seconds.
const ORIGIN_TIMEOUT: u64 = 30;

/// The longest that it can be given, in seconds: a batch has 15 minutes in all, and its ten messages are
/// handed over six at a time (<https://developers.cloudflare.com/queues/platform/limits/>).
const LONGEST_TIMEOUT: u64 = 300;

/// The time, in milliseconds since 1970. The runtime's clock stands still between two I/O operations
/// (<https://developers.cloudflare.com/workers/reference/security-model/#step-1-disallow-timers-and-multi-threading>).
pub fn now() -> u64 {
    Date::now().as_millis()
}

/// The URL that the gate is reached at, without a path.
pub fn gate_url(request: &Request) -> String {
    let url = request.inner().url();
    let path = url.match_indices('/').nth(2).map_or(url.len(), |(path, _)| path);
    url.get(..path).unwrap_or_default().to_owned()
}

/// A header's value.
pub fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// Reads the body, and no more of it than a delivery may have, whatever `Content-Length` says.
pub async fn read_body(request: &mut Request) -> Result<Vec<u8>, Rejection> {
    let announced = header(request, "Content-Length").and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(Rejection::PayloadTooLarge);
    }
    // There is no stream where there is no body.
    let Ok(mut chunks) = request.stream() else {
        return Ok(Vec::new());
    };
    let mut body = Vec::new();
    loop {
        match chunks.try_next().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_BODY => {
                return Err(Rejection::PayloadTooLarge);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => {
                let problem = "the body broke off before its end".to_owned();
                return Err(Rejection::MalformedPayload { problem });
            }
        }
    }
}

/// The webhook secrets.
pub fn webhook_secrets(env: &Env) -> Result<WebhookSecrets, Rejection> {
    WebhookSecrets::new(variable(env, "WEBHOOK_SECRET"), variable(env, "WEBHOOK_SECRET_PREVIOUS"))
        .map_err(|_| Rejection::NotConfigured)
}

/// Reads all `keys` of the policies in one go; a key that is not there has no value.
pub async fn read_policies(
    env: &Env,
    keys: &[String],
) -> Result<HashMap<String, Option<String>>, Rejection> {
    let read = async { Ok(env.kv("REPO_TRIGGERS")?.get_bulk(keys).text().await?) };
    read.await
        .map_err(|error: worker::Error| Rejection::PolicyUnavailable { detail: error.to_string() })
}

/// Puts the text of a build request on the queue; it is there for certain once this is done.
pub async fn enqueue(env: &Env, text: &str) -> worker::Result<()> {
    let message = RawMessageBuilder::new(JsValue::from_str(text))
        .build_with_content_type(QueueContentType::Text);
    env.queue("BUILD_QUEUE")?.send_raw(message).await
}

/// Makes the HTTP answer.
pub fn respond(verdict: &Verdict, about: &About) -> worker::Result<Response> {
    let (_, _, status) = verdict.codes();
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    if let Verdict::Rejected(Rejection::MethodNotAllowed { allow }) = verdict {
        headers.set("Allow", allow)?;
    }
    let mut body = verdict.body(about)?;
    body.push('\n');
    Ok(Response::ok(body)?.with_status(status).with_headers(headers))
}

/// A message of a batch. (The crate's own type hides how often a message was tried.)
pub struct Message(worker_sys::Message);

/// The messages of a batch.
pub fn messages(batch: &worker_sys::MessageBatch) -> Result<Vec<Message>, JsValue> {
    let messages = batch.messages()?.to_vec();
    Ok(messages.into_iter().map(|message| Message(message.unchecked_into())).collect())
}

/// Whether a batch comes from the dead-letter queue of the builds.
pub fn is_dead_letter_queue(batch: &worker_sys::MessageBatch) -> bool {
    batch.queue().is_ok_and(|name| String::from(name).ends_with("-dead"))
}

impl Message {
    /// The queue's id of the message.
    pub fn id(&self) -> String {
        // Never the same for two messages, not even where the queue should give none.
        self.0.id().map_or_else(|_| format!("unknown-{}", random()), String::from)
    }

    /// Its text: a string as it is, anything else as JSON.
    pub fn text(&self) -> String {
        let body = self.0.body().unwrap_or_default();
        body.as_string()
            .or_else(|| js_sys::JSON::stringify(&body).ok()?.as_string())
            .unwrap_or_default()
    }

    /// How often it was tried, this time included.
    pub fn attempt(&self) -> u32 {
        let attempts = js_sys::Reflect::get(&self.0, &JsValue::from_str("attempts"));
        attempts.ok().and_then(|attempts| attempts.as_f64()).map_or(1, |attempts| attempts as u32)
    }

    /// When it was put on the queue, in milliseconds since 1970.
    pub fn sent_at(&self) -> u64 {
        self.0.timestamp().map_or_else(|_| now(), |timestamp| timestamp.get_time() as u64)
    }

    /// Takes it off the queue.
    pub fn acknowledge(&self) {
        if let Err(error) = self.0.ack() {
            console_error!("a message could not be acknowledged: {error:?}");
        }
    }

    /// Has it tried again after `seconds`; should the queue not take the delay, at the queue's own pace,
    /// for a message that is neither acknowledged nor retried counts as acknowledged.
    pub fn retry(&self, seconds: u64) {
        let options = js_sys::Object::new();
        let delay = JsValue::from_f64(seconds as f64);
        let set = js_sys::Reflect::set(&options, &JsValue::from_str("delaySeconds"), &delay);
        if let Err(error) = set.and_then(|_| self.0.retry(options.into())) {
            console_error!("a message could not be delayed by {seconds} s: {error:?}");
            if let Err(error) = self.0.retry(JsValue::UNDEFINED) {
                console_error!("a message could not be retried: {error:?}");
            }
        }
    }
}

/// What the handover is set up with.
pub struct HandoverSettings {
    /// When to try again.
    pub schedule: Schedule,
    /// Where to post to, or what is wrong with the settings.
    pub origin: Result<Origin, String>,
}

/// The origin build service.
pub struct Origin {
    url: String,
    secrets: OriginSecrets,
    patience: Duration,
}

/// Reads the settings of the handover.
pub fn handover_settings(env: &Env) -> HandoverSettings {
    let number = |name: &str, default: u64| match variable(env, name) {
        None => Ok(default),
        Some(value) => value.trim().parse().map_err(|_| format!("{name} is not a whole number")),
    };
    let schedule = || {
        let default = Schedule::default();
        Schedule::new(
            number("RETRY_FIRST_SECONDS", default.first_delay)?,
            number("RETRY_LONGEST_SECONDS", default.longest_delay)?,
            number("MAX_RETRIES", default.max_retries.into())?,
            number("GIVE_UP_AFTER_SECONDS", default.give_up_after)?,
        )
    };
    let origin = || {
        let url = variable(env, "ORIGIN_URL").unwrap_or_default();
        check_origin_url(&url)?;
        let secrets = OriginSecrets::parse(variable(env, "ORIGIN_SECRET").as_deref());
        let secrets = secrets.map_err(|error| error.to_string())?;
        let patience = number("ORIGIN_TIMEOUT_SECONDS", ORIGIN_TIMEOUT)?;
        if !(1..=LONGEST_TIMEOUT).contains(&patience) {
            return Err(format!("ORIGIN_TIMEOUT_SECONDS is not from 1 to {LONGEST_TIMEOUT}"));
        }
        Ok(Origin { url, secrets, patience: Duration::from_secs(patience) })
    };
    match schedule() {
        Ok(schedule) => HandoverSettings { schedule, origin: origin() },
        Err(problem) => HandoverSettings { schedule: Schedule::default(), origin: Err(problem) },
    }
}

/// Posts a build request to the origin, to the letter as it lay on the queue, and waits for the answer
/// no longer than the origin is given.
pub async fn post(origin: &Origin, build_request: &BuildRequest, text: &str) -> Handover {
    let controller = AbortController::default();
    let signal = controller.signal();
    let exchange = pin!(exchange(origin, build_request, text, &signal));
    match select(exchange, pin!(Delay::from(origin.patience))).await {
        Either::Left((Ok(handover), _)) => handover,
        Either::Left((Err(error), _)) => Handover::Unreachable { detail: error.to_string() },
        Either::Right(_) => {
            controller.abort();
            let seconds = origin.patience.as_secs();
            Handover::Unreachable { detail: format!("no answer within {seconds} s") }
        }
    }
}

async fn exchange(
    origin: &Origin,
    build_request: &BuildRequest,
    text: &str,
    signal: &AbortSignal,
) -> worker::Result<Handover> {
    let signed = origin.secrets.sign(build_request.id(), now() / 1_000, text);
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    headers.set("User-Agent", concat!("buildgate/", env!("CARGO_PKG_VERSION")))?;
    headers.set(standard_webhooks::ID_HEADER, &signed.id)?;
    headers.set(standard_webhooks::TIMESTAMP_HEADER, &signed.timestamp)?;
    headers.set(standard_webhooks::SIGNATURE_HEADER, &signed.signature)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(text.into()))
        .with_redirect(RequestRedirect::Manual);
    let request = Request::new_with_init(&origin.url, &init)?;
    let mut answer = Fetch::Request(request).send_with_signal(signal).await?;
    let status = answer.status_code();
    let retry_after = answer.headers().get("Retry-After")?;
    let beginning = beginning(&mut answer, if status < 300 { 0 } else { LONGEST_ANSWER }).await;
    Ok(Handover::from_answer(status, beginning, retry_after.as_deref(), now() / 1_000))
}

/// The first `characters` of an answer; the rest is not read. One that breaks off has told enough with
/// its status.
async fn beginning(answer: &mut Response, characters: usize) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut chunks) = answer.stream() {
        // A character has at most four bytes. Dropped, the stream frees the connection.
        while bytes.len() < 4 * characters
            && let Ok(Some(chunk)) = chunks.try_next().await
        {
            bytes.extend_from_slice(&chunk);
        }
    }
    String::from_utf8_lossy(&bytes).chars().take(characters).collect()
}

/// The operator's token, if there is one.
pub fn operator_token(env: &Env) -> Option<OperatorToken> {
    OperatorToken::new(variable(env, "OPERATOR_TOKEN"))
}

/// The query of a request's URL.
pub fn query(request: &Request) -> Option<String> {
    request.inner().url().split_once('?').map(|(_, query)| query.to_owned())
}

/// Makes the answer to an operator's request.
pub fn respond_to_operator(result: &Result<String, Refusal>) -> worker::Result<Response> {
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    headers.set("Cache-Control", "no-store")?;
    let (mut body, status) = match result {
        Ok(body) => (body.clone(), 200),
        Err(refusal) => (refusal.body()?, refusal.codes().1),
    };
    match result {
        Err(Refusal::MethodNotAllowed(allowed)) => headers.set("Allow", allowed)?,
        Err(Refusal::Unauthorized) => headers.set("WWW-Authenticate", "Bearer")?,
        _ => {}
    }
    body.push('\n');
    Ok(Response::ok(body)?.with_status(status).with_headers(headers))
}

/// A number from 0 to 1.
pub fn random() -> f64 {
    js_sys::Math::random()
}

/// A secret or a variable.
fn variable(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string())
}

/// Writes one line of JSON to the log.
pub fn log(line: &impl Serialize) {
    match serde_json::to_string(line) {
        Ok(line) => console_log!("{line}"),
        Err(error) => console_error!("a log line could not be written: {error}"),
    }
}

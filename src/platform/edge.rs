//! The thin edge to the platform: everything that touches Cloudflare's runtime and nothing that
//! decides.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Date, JSON, Map, Math, Object, Reflect, Uint8Array};
use worker::web_sys::{
    AbortSignal, Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit,
};
use worker::{console_error, console_log, worker_sys};

use crate::delivery::answer::{About, Rejection, Verdict};
use crate::delivery::request::LARGEST_BODY;
use crate::handover::attempt::{Handover, Schedule, check_origin_url};
use crate::ledger::dead_letters::LONGEST_ANSWER;
use crate::message::build_request::QueuedRequest;
use crate::operator::answer::{OperatorToken, Refusal};
use crate::platform::runtime::{self, ByteStream, Chunk, Env, SubtleCrypto, js};
use crate::platform::task::settled;
use crate::policy::{Policy, RememberedPolicies};
use crate::repository::RepositoryName;
use crate::signature::github::{self, WebhookSecrets};
use crate::signature::standard_webhooks::{self, OriginSecrets};

/// How long the origin is given to answer, in seconds.
const ORIGIN_TIMEOUT: u64 = 30;

/// The longest that it can be given, in seconds: a batch has 15 minutes in all, and its ten messages are
/// handed over six at a time (<https://developers.cloudflare.com/queues/platform/limits/>).
const LONGEST_TIMEOUT: u64 = 300;

/// How much of a body is read at a time, in bytes. A body that is announced to be no larger is read in one
/// go, which is quicker; a larger one would leave garbage of several times its size that way.
const CHUNK: usize = 1024 * 1024;

/// How many of WebCrypto's keys are remembered: enough for the operator's secrets and some repositories' own.
const MOST_KEYS: usize = 16;

/// How long an edge of Cloudflare's keeps what it has read from KV, in seconds: the least that can be asked
/// for (<https://developers.cloudflare.com/kv/api/read-key-value-pairs/#cachettl-parameter>). With the time
/// that a policy is remembered here, a change is still seen within 60.
const KV_CACHE: u32 = 30;

/// The time, in milliseconds since 1970. The runtime's clock stands still between two I/O operations
/// (<https://developers.cloudflare.com/workers/reference/security-model/#step-1-disallow-timers-and-multi-threading>).
pub fn now() -> u64 {
    Date::now() as u64
}

/// Gives the value of a header by its name.
pub fn headers(request: &Request) -> impl Fn(&'static str) -> Option<String> + use<> {
    let headers: runtime::Headers = request.headers().unchecked_into();
    move |name| headers.get(&js(name))
}

/// Reads the body, and no more of it than a delivery may have, whatever its announced length says.
pub async fn read_body(request: &Request, announced: Option<&str>) -> Result<Vec<u8>, Rejection> {
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY) {
        return Err(Rejection::PayloadTooLarge);
    }
    let broke_off = |_| {
        let problem = "the body broke off before its end".to_owned();
        Rejection::MalformedPayload { problem }
    };
    if announced.is_some_and(|length| length <= CHUNK) {
        let body = settled(request.array_buffer().map_err(broke_off)?).await;
        return Ok(Uint8Array::new(&body.map_err(broke_off)?).to_vec());
    }
    // There is no stream where there is no body.
    let Some(stream) = request.body() else {
        return Ok(Vec::new());
    };
    let body = read(stream.unchecked_into(), LARGEST_BODY + 1, announced).await;
    let body = body.map_err(broke_off)?;
    if body.len() > LARGEST_BODY { Err(Rejection::PayloadTooLarge) } else { Ok(body) }
}

/// Reads a stream up to its end, or to `most` bytes of it; `announced` is how many it should have.
async fn read(
    stream: ByteStream,
    most: usize,
    announced: Option<usize>,
) -> Result<Vec<u8>, JsValue> {
    let reader = stream.get_reader(&object(&[("mode", "byob".into())])?)?;
    let end = announced.map_or(most, |announced| most.min(announced));
    let mut bytes = Vec::new();
    let mut buffer = Uint8Array::new_with_length(CHUNK.min(end) as u32);
    while bytes.len() < end {
        let wanted = buffer.length().min((end - bytes.len()) as u32);
        let read = reader.read_at_least(wanted, buffer.subarray(0, wanted))?;
        let chunk: Chunk = settled(read).await?.unchecked_into();
        if let Some(value) = chunk.value() {
            append(&mut bytes, &value);
            if announced.is_some() {
                // Room for all of it, now that some has come.
                bytes.reserve_exact(end.saturating_sub(bytes.len()));
            }
            buffer = Uint8Array::new(&value.buffer());
        }
        if chunk.done() {
            return Ok(bytes);
        }
    }
    // What is left is not wanted; that it cannot be told so is no loss.
    let _ = reader.cancel();
    Ok(bytes)
}

/// Puts the bytes of a JavaScript array at the end of `bytes`.
fn append(bytes: &mut Vec<u8>, value: &Uint8Array) {
    let (start, length) = (bytes.len(), value.length() as usize);
    bytes.resize(start + length, 0);
    if let Some(end) = bytes.get_mut(start..) {
        value.copy_to(end);
    }
}

/// The HMAC-SHA256 of a message: by WebCrypto, which is several times as quick.
pub async fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    match native_hmac_sha256(key, message).await.map(Vec::try_into) {
        Ok(Ok(mac)) => mac,
        _ => github::hmac_sha256(key, message),
    }
}

thread_local! {
    /// The keys that this isolate has imported last, by the secrets that they were made of.
    static KEYS: RefCell<VecDeque<(Vec<u8>, JsValue)>> = RefCell::default();
}

async fn native_hmac_sha256(secret: &[u8], message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let subtle = runtime::SUBTLE.with(Clone::clone);
    let key = key(&subtle, secret).await?;
    let mac = settled(subtle.sign(&js("HMAC"), &key, message)?).await?;
    Ok(Uint8Array::new(&mac).to_vec())
}

async fn key(subtle: &SubtleCrypto, secret: &[u8]) -> Result<JsValue, JsValue> {
    let known = |(known, key): &(Vec<u8>, JsValue)| (known == secret).then(|| key.clone());
    if let Some(key) = KEYS.with_borrow(|keys| keys.iter().find_map(known)) {
        return Ok(key);
    }
    let algorithm = object(&[("name", "HMAC".into()), ("hash", "SHA-256".into())])?;
    let usages = Array::of(&["sign".into()]);
    let key = settled(subtle.import_key("raw", secret, &algorithm, false, &usages)?).await?;
    KEYS.with_borrow_mut(|keys| {
        keys.truncate(MOST_KEYS - 1);
        keys.push_front((secret.to_vec(), key.clone()));
    });
    Ok(key)
}

/// The webhook secrets.
pub fn webhook_secrets(env: &Env) -> Result<WebhookSecrets, Rejection> {
    WebhookSecrets::new(variable(env, "WEBHOOK_SECRET"), variable(env, "WEBHOOK_SECRET_PREVIOUS"))
        .map_err(|_| Rejection::NotConfigured)
}

thread_local! {
    /// The policies that this isolate has read a short time ago.
    static REMEMBERED: RefCell<RememberedPolicies> = RefCell::default();
}

/// How long a policy is remembered, in seconds; not at all where nothing else is said.
pub fn policy_cache(env: &Env) -> u64 {
    variable(env, "POLICY_CACHE_SECONDS")
        .and_then(|seconds| seconds.trim().parse().ok())
        .unwrap_or(0)
}

/// The policy of a repository, if it was read from KV a short time ago.
pub fn remembered_policy(repository: &RepositoryName, now: u64) -> Option<Policy> {
    REMEMBERED.with_borrow(|remembered| remembered.get(repository, now))
}

/// Remembers the policy of a repository for some seconds.
pub fn remember_policy(repository: &RepositoryName, policy: &Policy, now: u64, seconds: u64) {
    REMEMBERED.with_borrow_mut(|remembered| remembered.keep(repository, policy, now, seconds));
}

/// Reads the values of all `keys` of the policies in one go, in their order; a key that is not there has
/// none.
pub async fn read_policies(env: &Env, keys: &[String]) -> Result<Vec<Option<String>>, Rejection> {
    let read = async {
        let namespace = env.repo_triggers().ok_or("there is no binding REPO_TRIGGERS")?;
        let options = object(&[("type", "text".into()), ("cacheTtl", KV_CACHE.into())])?;
        let keys: Array = keys.iter().map(JsValue::from).collect();
        let values: Map = settled(namespace.get(&keys, &options)?).await?.unchecked_into();
        Ok(keys.iter().map(|key| values.get(&key).as_string()).collect())
    };
    read.await.map_err(|error: JsValue| Rejection::PolicyUnavailable { detail: reason(error) })
}

/// Puts the text of a build request on the queue; it is there for certain once this is done.
///
/// Errors with what the queue said instead.
pub async fn enqueue(env: &Env, text: &str) -> Result<(), String> {
    let send = async {
        let queue = env.build_queue().ok_or("there is no binding BUILD_QUEUE")?;
        let options = object(&[("contentType", js("text").into())])?;
        settled(queue.send(text.into(), options.into())?).await
    };
    send.await.map(|_| ()).map_err(reason)
}

/// What an error of the runtime says.
pub fn reason(error: JsValue) -> String {
    string(&error, "message")
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "an unknown error".to_owned())
}

/// Makes an answer of JSON, with a line's end for those who look at it in a terminal.
fn json(
    status: u16,
    body: serde_json::Result<String>,
    headers: &[Header],
) -> Result<Response, JsValue> {
    let mut body = body.map_err(|error| error.to_string())?;
    body.push('\n');
    Response::new_with_opt_str_and_init(Some(&body), &init(status, headers)?)
}

thread_local! {
    /// What was said of answers before, with the status and the headers that it was made of.
    static INITS: RefCell<Vec<(u16, Vec<Header>, ResponseInit)>> = RefCell::default();
}

/// The name and the value of a header.
type Header = (&'static str, &'static str);

/// What is said of an answer of JSON beside its body. To make it costs some hundredths of a small delivery's
/// time, so it is made once.
fn init(status: u16, headers: &[Header]) -> Result<ResponseInit, JsValue> {
    let known = |(of, with, init): &(u16, Vec<Header>, ResponseInit)| {
        (*of == status && with == headers).then(|| init.clone())
    };
    if let Some(init) = INITS.with_borrow(|inits| inits.iter().find_map(known)) {
        return Ok(init);
    }
    let all = [("Content-Type", "application/json")].iter().chain(headers);
    let all: Vec<_> = all.map(|(name, value)| (*name, js(value).into())).collect();
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&object(&all)?.into());
    INITS.with_borrow_mut(|inits| inits.push((status, headers.to_vec(), init.clone())));
    Ok(init)
}

/// Makes an answer of plain text.
pub fn plain(text: &str) -> Result<Response, JsValue> {
    Response::new_with_opt_str(Some(text))
}

/// Makes the HTTP answer.
pub fn respond(verdict: &Verdict, about: &About) -> Result<Response, JsValue> {
    let (_, _, status) = verdict.codes();
    let body = verdict.body(about);
    match verdict {
        Verdict::Rejected(Rejection::MethodNotAllowed { allow }) => {
            json(status, body, &[("Allow", allow)])
        }
        _ => json(status, body, &[]),
    }
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
        self.0.id().map_or_else(|_| format!("unknown-{}", (random() * 1e15) as u64), String::from)
    }

    /// Its text: a string as it is, anything else as JSON.
    pub fn text(&self) -> String {
        let body = self.0.body().unwrap_or_default();
        body.as_string().or_else(|| JSON::stringify(&body).ok()?.as_string()).unwrap_or_default()
    }

    /// How often it was tried, this time included.
    pub fn attempt(&self) -> u32 {
        let attempts = Reflect::get(&self.0, &"attempts".into());
        attempts.ok().and_then(|attempts| attempts.as_f64()).map_or(1, |attempts| attempts as u32)
    }

    /// When it was put on the queue, in milliseconds since 1970.
    pub fn sent_at(&self) -> u64 {
        self.0.timestamp().map_or_else(|_| now(), |timestamp| timestamp.get_time() as u64)
    }

    /// Takes it off the queue.
    pub fn acknowledge(&self) {
        if let Err(error) = self.0.ack() {
            console_error!("a message could not be acknowledged: {}", reason(error));
        }
    }

    /// Has it tried again after `seconds`; should the queue not take the delay, at the queue's own pace,
    /// for a message that is neither acknowledged nor retried counts as acknowledged.
    pub fn retry(&self, seconds: u64) {
        let options = object(&[("delaySeconds", JsValue::from_f64(seconds as f64))]);
        if let Err(error) = options.and_then(|options| self.0.retry(options.into())) {
            console_error!("a message could not be delayed by {seconds} s: {}", reason(error));
            if let Err(error) = self.0.retry(JsValue::UNDEFINED) {
                console_error!("a message could not be retried: {}", reason(error));
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
    /// In seconds.
    patience: u32,
}

/// Reads the settings of the handover.
pub fn handover_settings(env: &Env) -> HandoverSettings {
    let number = |name: &'static str, default: u64| match variable(env, name) {
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
        Ok(Origin { url, secrets, patience: patience as u32 })
    };
    match schedule() {
        Ok(schedule) => HandoverSettings { schedule, origin: origin() },
        Err(problem) => HandoverSettings { schedule: Schedule::default(), origin: Err(problem) },
    }
}

/// Posts a build request to the origin, to the letter as it lay on the queue, and waits for the answer
/// no longer than the origin is given.
pub async fn post(origin: &Origin, build_request: &QueuedRequest, text: &str) -> Handover {
    exchange(origin, build_request, text).await.unwrap_or_else(|error| {
        let detail = match string(&error, "name").as_deref() {
            Some("TimeoutError") => format!("no answer within {} s", origin.patience),
            _ => reason(error),
        };
        Handover::Unreachable { detail }
    })
}

/// Reads a date such as HTTP's, in seconds since 1970.
fn seconds_of_date(date: &str) -> Option<u64> {
    let milliseconds = Date::parse(date);
    milliseconds.is_finite().then(|| (milliseconds / 1e3) as u64)
}

async fn exchange(
    origin: &Origin,
    build_request: &QueuedRequest,
    text: &str,
) -> Result<Handover, JsValue> {
    let signed = origin.secrets.sign(&build_request.id, now() / 1_000, text);
    let headers = Headers::new()?;
    headers.set("Content-Type", "application/json")?;
    headers.set("User-Agent", concat!("buildgate/", env!("CARGO_PKG_VERSION")))?;
    headers.set(standard_webhooks::ID_HEADER, &signed.id)?;
    headers.set(standard_webhooks::TIMESTAMP_HEADER, &signed.timestamp)?;
    headers.set(standard_webhooks::SIGNATURE_HEADER, &signed.signature)?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&text.into());
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(origin.patience * 1_000)));
    let answer = settled(runtime::fetch_url(&origin.url, &init)?).await?;
    let answer: Response = answer.unchecked_into();
    let status = answer.status();
    let retry_after = answer.headers().get("Retry-After")?;
    let beginning = beginning(&answer, if status < 300 { 0 } else { LONGEST_ANSWER }).await;
    let now = now() / 1_000;
    Ok(Handover::from_answer(status, beginning, retry_after.as_deref(), now, seconds_of_date))
}

/// The first `characters` of an answer; the rest is not read. One that breaks off has told enough with
/// its status.
async fn beginning(answer: &Response, characters: usize) -> String {
    let Some(stream) = answer.body() else {
        return String::new();
    };
    // A character has at most four bytes.
    let bytes = read(stream.unchecked_into(), 4 * characters, None).await.unwrap_or_default();
    String::from_utf8_lossy(&bytes).chars().take(characters).collect()
}

/// The operator's token, if there is one.
pub fn operator_token(env: &Env) -> Option<OperatorToken> {
    OperatorToken::new(variable(env, "OPERATOR_TOKEN"))
}

/// Makes the answer to an operator's request.
pub fn respond_to_operator(result: &Result<String, Refusal>) -> Result<Response, JsValue> {
    const NO_STORE: Header = ("Cache-Control", "no-store");
    match result {
        Ok(body) => json(200, Ok(body.clone()), &[NO_STORE]),
        Err(refusal) => {
            let (status, body) = (refusal.codes().1, refusal.body());
            match refusal {
                Refusal::MethodNotAllowed(allowed) => {
                    json(status, body, &[NO_STORE, ("Allow", allowed)])
                }
                Refusal::Unauthorized => {
                    json(status, body, &[NO_STORE, ("WWW-Authenticate", "Bearer")])
                }
                _ => json(status, body, &[NO_STORE]),
            }
        }
    }
}

/// A number from 0 to 1.
pub fn random() -> f64 {
    Math::random()
}

/// A secret or a variable.
fn variable(env: &Env, name: &'static str) -> Option<String> {
    string(env, name)
}

/// A property of a JavaScript value, where it is a string.
pub fn string(value: &JsValue, name: &'static str) -> Option<String> {
    Reflect::get(value, &js(name)).ok()?.as_string()
}

/// A JavaScript object of these properties.
fn object(properties: &[(&'static str, JsValue)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in properties {
        Reflect::set(&object, &js(name), value)?;
    }
    Ok(object)
}

/// Writes one line of JSON to the log.
pub fn log(line: &impl Serialize) {
    match serde_json::to_string(line) {
        Ok(line) => console_log!("{line}"),
        Err(error) => console_error!("a log line could not be written: {error}"),
    }
}

//! The thin edge to the platform: everything that touches Cloudflare's runtime and nothing that
//! decides.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use serde::Serialize;
use wasm_bindgen::JsValue;
use worker::{
    Date, Env, Fetch, Headers, Method, QueueContentType, RawMessage, RawMessageBuilder, Request,
    RequestInit, Response, console_error, console_log, js_sys,
};

use crate::answer::{About, Rejection, Verdict};
use crate::build_request::BuildRequest;
use crate::handover::Handover;
use crate::signature::WebhookSecrets;
use crate::webhook::LARGEST_BODY;

/// The time, in milliseconds since 1970. The runtime's clock stands still between two I/O operations
/// (<https://developers.cloudflare.com/workers/reference/security-model/#step-1-disallow-timers-and-multi-threading>).
pub fn now() -> u64 {
    Date::now().as_millis()
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
    let secret = |name| env.secret(name).ok().map(|secret| secret.to_string());
    WebhookSecrets::new(secret("WEBHOOK_SECRET"), secret("WEBHOOK_SECRET_PREVIOUS"))
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

/// Puts a build request on the queue; it is there for certain once this is done.
pub async fn enqueue(env: &Env, build_request: BuildRequest) -> Result<(), Rejection> {
    let send = async {
        let text = JsValue::from_str(&build_request.into_message()?);
        let message = RawMessageBuilder::new(text).build_with_content_type(QueueContentType::Text);
        env.queue("BUILD_QUEUE")?.send_raw(message).await
    };
    send.await.map_err(|error| Rejection::QueueUnavailable { detail: error.to_string() })
}

/// Makes the HTTP answer.
pub fn respond(verdict: &Verdict, about: &About) -> worker::Result<Response> {
    let (_, _, status) = verdict.codes();
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    if let Verdict::Rejected(Rejection::MethodNotAllowed) = verdict {
        headers.set("Allow", "GET, HEAD, POST")?;
    }
    let mut body = verdict.body(about)?;
    body.push('\n');
    Ok(Response::ok(body)?.with_status(status).with_headers(headers))
}

/// The text of a queue message: a string as it is, anything else as JSON.
pub fn message_text(message: &RawMessage) -> String {
    let body = message.body();
    body.as_string()
        .or_else(|| js_sys::JSON::stringify(&body).ok()?.as_string())
        .unwrap_or_default()
}

/// Posts a build request to the origin, to the letter as it lay on the queue.
pub async fn post(env: &Env, build_request: String) -> Handover {
    let origin_url = match env.var("ORIGIN_URL") {
        Ok(url) if !url.to_string().is_empty() => url.to_string(),
        _ => return Handover::NotConfigured { detail: "ORIGIN_URL is unset".to_owned() },
    };
    let answer = async {
        let headers = Headers::new();
        headers.set("Content-Type", "application/json")?;
        headers.set("User-Agent", concat!("buildgate/", env!("CARGO_PKG_VERSION")))?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_headers(headers).with_body(Some(build_request.into()));
        let request = Request::new_with_init(&origin_url, &init)?;
        Fetch::Request(request).send().await
    };
    match answer.await {
        Ok(answer) => Handover::from_status(answer.status_code()),
        Err(error) => Handover::Unreachable { detail: error.to_string() },
    }
}

/// Writes one line of JSON to the log.
pub fn log(line: &impl Serialize) {
    match serde_json::to_string(line) {
        Ok(line) => console_log!("{line}"),
        Err(error) => console_error!("a log line could not be written: {error}"),
    }
}

//! buildgate stands between GitHub and a container build service: it takes GitHub's webhooks, and
//! hands on a build request for each event that a repository's trigger says is to be built.
//!
//! ```text
//! fetch: request → verified body → event → policy (KV) → decision → build request (queue) → answer
//! queue: message → build request → origin → done, or again later
//! ```
//!
//! This file tells both stories. Of the modules, `edge` is the only one that touches the platform;
//! the others are pure, and plain `cargo test` runs them.

#![deny(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod answer;
pub mod build_request;
pub mod decision;
mod edge;
pub mod event;
pub mod handover;
pub mod log;
pub mod policy;
pub mod repository;
pub mod signature;
pub mod webhook;

use wasm_bindgen::JsValue;
use worker::{
    Context, Env, MessageBatch, MessageExt, Method, RawMessage, Request, Response, event,
};

use answer::{About, Queued, Rejection, Verdict};
use build_request::BuildRequest;
use decision::{Decision, Ignored, check_hook, decide_deployment, decide_push};
use event::Event;
use handover::{Handover, HandoverLine};
use log::DeliveryLine;
use policy::Policy;
use repository::RepositoryName;
use webhook::{ContentType, WebhookHeaders, is_loopback};

/// What `GET /` answers.
const ABOUT_BUILDGATE: &str = concat!(
    "buildgate ",
    env!("CARGO_PKG_VERSION"),
    ": the gate between GitHub and a container build service. Point a GitHub webhook at this URL.\n"
);

/// Runs once when the runtime starts the worker: a panic then says in the log what happened.
#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Answers an HTTP request.
#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _ctx: Context) -> worker::Result<Response> {
    let started = edge::now();
    let mut about = About {
        local: edge::header(&request, "Host").is_some_and(|host| is_loopback(&host)),
        ..About::default()
    };
    let verdict = match (request.path().as_str(), request.method()) {
        ("/", Method::Get | Method::Head) => return Response::ok(ABOUT_BUILDGATE),
        ("/", Method::Post) => receive(&mut request, &env, started, &mut about).await,
        ("/", _) => Err(Rejection::MethodNotAllowed),
        _ => Err(Rejection::NotFound),
    }
    .unwrap_or_else(Verdict::Rejected);

    edge::log(&DeliveryLine::new(&verdict, &about, edge::now().saturating_sub(started)));
    edge::respond(&verdict, &about)
}

/// Receives a delivery: the order of these steps is the order of the refusals.
async fn receive(
    request: &mut Request,
    env: &Env,
    received_at: u64,
    about: &mut About,
) -> Result<Verdict, Rejection> {
    let headers = WebhookHeaders::read(|name| edge::header(request, name))?;
    about.delivery = Some(headers.delivery.clone());
    about.event = Some(headers.event.clone());

    let body = edge::read_body(request).await?;
    let body = edge::webhook_secrets(env)?
        .verify(body, &headers.signature)
        .map_err(|_| Rejection::BadSignature)?;
    about.secret = Some(body.secret_used());

    let payload = ContentType::read(edge::header(request, "Content-Type"))?.payload(&body)?;
    let event = Event::parse(&headers.event, &payload)?;
    about.repository = event.repository().cloned();

    let decision = match &event {
        Event::Push(push) => {
            let policy = look_up(env, &push.repository.full_name, about).await?;
            decide_push(push, &policy)
        }
        Event::Deployment(deployment) => {
            let policy = look_up(env, &deployment.repository.full_name, about).await?;
            decide_deployment(deployment, &policy)
        }
        Event::Ping(ping) => {
            if let Some(repository) = &ping.repository {
                look_up(env, &repository.full_name, about).await?;
            }
            return Ok(Verdict::Pong(check_hook(&ping.hook, about.trigger)));
        }
        Event::Other(_) => Decision::Ignore(Ignored::EventNotUsed),
    };

    match decision {
        Decision::Ignore(why) => Ok(Verdict::Ignored(why)),
        Decision::Build(build) => {
            let build_request = BuildRequest::new(&build, &headers.delivery, received_at);
            let id = build_request.id().to_owned();
            edge::enqueue(env, build_request).await?;
            about.build = Some(id);
            Ok(Verdict::Queued(Queued::from(&build)))
        }
    }
}

/// Looks up the policy that the operator has set for a repository.
async fn look_up(
    env: &Env,
    repository: &RepositoryName,
    about: &mut About,
) -> Result<Policy, Rejection> {
    let keys = policy::keys(repository);
    let values = edge::read_policies(env, &keys).await?;
    let policy = policy::most_exact(keys, values)?;
    about.trigger = Some(policy.trigger);
    Ok(policy)
}

/// Hands the build requests of a batch over to the origin. Each message is decided by itself, so
/// none holds up or repeats another.
#[event(queue)]
async fn queue(batch: MessageBatch<JsValue>, env: Env, _ctx: Context) -> worker::Result<()> {
    for message in batch.raw_iter() {
        hand_over(&message, &env).await;
    }
    Ok(())
}

/// Hands one build request over, and leaves it on the queue unless the origin has taken it.
async fn hand_over(message: &RawMessage, env: &Env) {
    let started = edge::now();
    let text = edge::message_text(message);
    let (build_request, handover) = match BuildRequest::from_message(&text) {
        Ok(build_request) => (Some(build_request), edge::post(env, text).await),
        Err(detail) => (None, Handover::Unreadable { detail }),
    };
    if handover.is_done() {
        message.ack();
    } else {
        message.retry();
    }
    let ms = edge::now().saturating_sub(started);
    edge::log(&HandoverLine::new(&handover, build_request.as_ref(), ms));
}

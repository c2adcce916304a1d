//! buildgate stands between GitHub and a container build service: it takes GitHub's webhooks, and
//! hands on a build request for each event that a repository's trigger says is to be built.
//!
//! ```text
//! fetch: request → verified body → event → policy (KV) → decision → build request (queue) → answer
//! queue: message → build request → origin → done, or again later, or a dead letter (D1)
//! ```
//!
//! This file tells both stories, and that of the operator, who looks after the dead letters. Of the
//! modules, `edge`, `ledger`, `runtime` and `task` are the only ones that touch the platform; the others are pure,
//! and plain `cargo test` runs them.

#![deny(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod delivery;
pub mod handover;
pub mod json;
pub mod ledger;
pub mod log;
pub mod message;
pub mod operator;
mod platform;
pub mod policy;
pub mod repository;
pub mod signature;

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::{Request, Response};
use worker::{event, worker_sys};

use delivery::answer::{About, Rejection, Verdict};
use delivery::event::Event;
use delivery::request::{ContentType, Location, Route, WebhookHeaders};
use handover::attempt::{Handover, HandoverLine, Step};
use ledger::dead_letters::DeadLetter;
use log::DeliveryLine;
use message::build_request::{QueuedRequest, rfc3339};
use operator::answer::{Dropped, OperatorLine, OperatorToken, Redriven, Refusal, json};
use platform::edge::{self, HandoverSettings, Message};
use platform::runtime::Env;
use platform::task::Task;
use policy::Policy;
use repository::RepositoryName;

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

/// Takes an HTTP request: gives the task that answers it. (Not `#[event(fetch)]`, whose types ask the runtime
/// for more than is used.)
#[wasm_bindgen(wasm_bindgen = ::worker::wasm_bindgen)]
pub fn fetch(request: Request, env: Env) -> Task {
    Task::new(async move { answer(&request, &env).await.map(JsValue::from) })
}

/// Answers an HTTP request.
async fn answer(request: &Request, env: &Env) -> Result<Response, JsValue> {
    let (method, url) = (request.method(), request.url());
    let location = Location::parse(&url);
    if location.path.starts_with(operator::answer::PREFIX)
        && let Some(token) = edge::operator_token(env)
    {
        return operate(request, &method, &location, env, &token).await;
    }
    let started = edge::now();
    let mut about = About { gate: location.gate.to_owned(), ..About::default() };
    let verdict = match (Route::parse(location.path), method.as_str()) {
        (Some(Route::Shared), "GET" | "HEAD") => return edge::plain(ABOUT_BUILDGATE),
        (Some(route), "POST") => receive(request, env, &route, started, &mut about).await,
        (Some(Route::Shared), _) => Err(Rejection::MethodNotAllowed { allow: "GET, HEAD, POST" }),
        (Some(Route::Repository(_)), _) => Err(Rejection::MethodNotAllowed { allow: "POST" }),
        (None, _) => Err(Rejection::NotFound),
    }
    .unwrap_or_else(Verdict::Rejected);

    edge::log(&DeliveryLine::new(&verdict, &about, edge::now().saturating_sub(started)));
    edge::respond(&verdict, &about)
}

/// Receives a delivery: the order of these steps is the order of the refusals.
async fn receive(
    request: &Request,
    env: &Env,
    route: &Route,
    received_at: u64,
    about: &mut About,
) -> Result<Verdict, Rejection> {
    let header = edge::headers(request);
    let headers = WebhookHeaders::read(&header)?;
    about.delivery = Some(headers.delivery.clone());
    about.event = Some(headers.event.clone());

    let body = edge::read_body(request, header("Content-Length").as_deref()).await?;
    let secrets = edge::webhook_secrets(env)?;
    let secrets = match route {
        Route::Shared => secrets,
        Route::Repository(repository) => secrets.for_repository(repository),
    };
    let verified = secrets.verify(body, &headers.signature, edge::hmac_sha256).await;
    let body = verified.map_err(|_| Rejection::BadSignature)?;
    about.secret = Some(body.secret_used());

    let payload = ContentType::read(header("Content-Type"))?.payload(&body)?;
    let event = Event::parse(&headers.event, &payload)?;
    about.repository = event.repository().cloned();
    route.admits(event.repository())?;

    let policy = match event.governed_by() {
        Some(repository) => Some(look_up(env, repository, received_at).await?),
        None => None,
    };
    about.trigger = policy.as_ref().map(|policy| policy.trigger);

    let (verdict, build_request) =
        Verdict::on(&event, policy.as_ref(), &headers.delivery, received_at);
    if let Some(build_request) = build_request {
        let id = build_request.id().to_owned();
        let unavailable = |detail| Rejection::QueueUnavailable { detail };
        let text = build_request.into_message().map_err(|error| unavailable(error.to_string()))?;
        edge::enqueue(env, &text).await.map_err(unavailable)?;
        about.build = Some(id);
    }
    Ok(verdict)
}

/// Looks up the policy that the operator has set for a repository: in KV, unless that was done a short time
/// ago.
async fn look_up(env: &Env, repository: &RepositoryName, now: u64) -> Result<Policy, Rejection> {
    if let Some(policy) = edge::remembered_policy(repository, now) {
        return Ok(policy);
    }
    let keys = policy::keys(repository);
    let values = edge::read_policies(env, &keys).await?;
    let policy = policy::most_exact(keys, values)?;
    edge::remember_policy(repository, &policy, now, edge::policy_cache(env));
    Ok(policy)
}

/// Takes a batch of messages off a queue: gives a task for each. Each message is decided by itself, so none
/// holds up or repeats another. (Not `#[event(queue)]`, which hides how often a message was tried.)
///
/// Errors, and so has the whole batch delivered again, where the batch cannot be read at all.
#[wasm_bindgen(wasm_bindgen = ::worker::wasm_bindgen)]
pub fn queue(batch: worker_sys::MessageBatch, env: Env) -> Result<Vec<Task>, JsValue> {
    let settings = Rc::new(edge::handover_settings(&env));
    let env = Rc::new(env);
    let given_up = edge::is_dead_letter_queue(&batch);
    let task = |message| {
        let (settings, env) = (settings.clone(), env.clone());
        Task::new(async move {
            hand_over(message, &env, &settings, given_up).await;
            Ok(JsValue::UNDEFINED)
        })
    };
    Ok(edge::messages(&batch)?.into_iter().map(task).collect())
}

/// Hands one message over to the origin. It leaves the queue only when the origin has taken it, or
/// when it is kept as a dead letter.
async fn hand_over(message: Message, env: &Env, settings: &HandoverSettings, given_up: bool) {
    let started = edge::now();
    let attempt = message.attempt();
    let text = message.text();
    let build_request = QueuedRequest::from_message(&text);
    let handover = match (&build_request, &settings.origin) {
        _ if given_up => Handover::GivenUpByQueue,
        (Err(detail), _) => Handover::Unreadable { detail: detail.clone() },
        (_, Err(detail)) => Handover::NotConfigured { detail: detail.clone() },
        (Ok(build_request), Ok(origin)) => edge::post(origin, build_request, &text).await,
    };
    let build_request = build_request.ok();

    let now = edge::now();
    let age = now.saturating_sub(message.sent_at()) / 1_000;
    let random = edge::random();
    let mut step = settings.schedule.next(&handover, attempt, age, random);
    let mut ledger_error = None;
    if step == Step::Bury {
        let id = message.id();
        let letter = DeadLetter::new(&id, &text, build_request.as_ref(), &handover, attempt, now);
        if let Err(error) = ledger::sql::keep(env, &letter).await {
            ledger_error = Some(error);
            step = Step::Retry(settings.schedule.delay(attempt, random));
        }
    }
    match step {
        Step::Acknowledge | Step::Bury => message.acknowledge(),
        Step::Retry(seconds) => message.retry(seconds),
    }

    let ms = now.saturating_sub(started);
    let line = HandoverLine::new(&handover, &step, attempt, build_request.as_ref(), ms);
    edge::log(&line.with_ledger_error(ledger_error.as_deref()));
}

/// Answers a request to an operator's route.
async fn operate(
    request: &Request,
    method: &str,
    location: &Location<'_>,
    env: &Env,
    token: &OperatorToken,
) -> Result<Response, JsValue> {
    let result = if token.admits(edge::headers(request)("Authorization").as_deref()) {
        match operator::answer::Route::parse(method, location.path, location.query) {
            Ok(route) => perform(route, env).await,
            Err(refusal) => Err(refusal),
        }
    } else {
        Err(Refusal::Unauthorized)
    };
    edge::log(&OperatorLine::new(method, location.path, result.as_ref().err()));
    edge::respond_to_operator(&result)
}

/// Does what the operator asks for, and gives the answer's JSON.
async fn perform(route: operator::answer::Route, env: &Env) -> Result<String, Refusal> {
    let no_such_letter = |id: u64| Refusal::NoSuchLetter(id.to_string());
    match route {
        operator::answer::Route::List { after } => {
            ledger::sql::list(env, after).await.map_err(Refusal::LedgerUnavailable)
        }
        operator::answer::Route::Show(id) => {
            let letter = ledger::sql::show(env, id).await.map_err(Refusal::LedgerUnavailable)?;
            letter.ok_or_else(|| no_such_letter(id))
        }
        operator::answer::Route::Redrive(id) => {
            let letter = ledger::sql::message(env, id).await.map_err(Refusal::LedgerUnavailable)?;
            let (message, build) = letter.ok_or_else(|| no_such_letter(id))?;
            edge::enqueue(env, &message).await.map_err(Refusal::QueueUnavailable)?;
            // Only now: a letter that is marked must be on the queue.
            ledger::sql::mark_redriven(env, id, &rfc3339(edge::now()))
                .await
                .map_err(Refusal::NotMarked)?;
            json(&Redriven { id, build })
        }
        operator::answer::Route::Drop(id) => {
            match ledger::sql::drop(env, id).await.map_err(Refusal::LedgerUnavailable)? {
                true => json(&Dropped { id }),
                false => Err(no_such_letter(id)),
            }
        }
    }
}

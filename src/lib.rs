//! buildgate stands between GitHub and a container build service: it takes GitHub's webhooks, and
//! hands on a build request for each event that a repository's trigger says is to be built.
//!
//! ```text
//! fetch:  a delivery of GitHub's → verified → event → policy → verdict → queue → answer   [`delivery`]
//!         the operator → admitted → ledger, queues → answer                               [`operator`]
//!         a report of the origin's → verified → ledger → answer                           [`reports`]
//! queue:  build request → origin → done, again later, or a dead letter                    [`handover`]
//!         what is to be done at GitHub: a deployment made, a status said                  [`jobs`]
//!         what became of deliveries → ledger                                              [`journal`]
//! cron:   what waits for too long, what is old, what somebody has to be told               [`scheduled`]
//! ```
//!
//! This file is the doors. Each story is told in the `mod.rs` of its folder, which asks the runtime for what it
//! needs (`platform/`) and the other files of the folder for what follows from it: those are pure, and plain
//! `cargo test` runs them. Stories do not call one another: they meet in a [`mod@message`] or in the [`ledger`].

#![deny(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod about;
pub mod alerts;
pub mod auto_deploy;
pub mod breaker;
pub mod build;
pub mod delivery;
pub mod github;
pub mod handover;
pub mod jobs;
pub mod journal;
pub mod json;
pub mod leaving;
pub mod ledger;
pub mod log;
pub mod memory;
pub mod message;
pub mod operator;
mod platform;
pub mod policy;
mod progress;
pub mod published;
pub mod reports;
pub mod repository;
pub mod retry;
pub mod route;
mod sending;
pub mod signature;
pub mod statuses;
pub mod sweep;
pub mod time;
pub mod url;

use message::{Queue, Work};
use platform::access::Context;
use platform::env::Env;
use platform::queue::{Message, RawMessage};
use platform::request::Request;
use platform::response::{Response, html, plain};
use platform::task::Task;
use platform::{Error, exported};
use route::{NoRoute, Page, Route};
use statuses::LookedAgain;
use url::Location;

/// The cron trigger for what has to be soon; any other is for what is old.
const EACH_MINUTE: &str = "* * * * *";

/// Takes an HTTP request: gives the task that answers it.
#[exported]
pub fn fetch(request: Request, env: Env, context: Context) -> Task {
    Task::answering(async move { answer(&request, &env, &context).await })
}

/// Answers an HTTP request.
async fn answer(request: &Request, env: &Env, context: &Context) -> Result<Response, Error> {
    let (method, url) = (request.method(), request.url());
    let location = Location::parse(&url);
    match Route::parse(&method, &location) {
        Ok(Route::Page(page)) => {
            let guidance = delivery::guidance(env);
            let contact = guidance.contact.as_deref();
            match page {
                Page::About => plain(&about::buildgate(contact)),
                Page::Help => html(&about::help(contact)),
                Page::PayloadUrl(of) => plain(&about::payload_url(location.gate, &of, contact)),
            }
        }
        Ok(Route::Delivery(entrance)) => {
            delivery::receive(request, env, location.gate, &entrance).await
        }
        Ok(Route::Report) => Box::pin(reports::receive(request, env, location.gate)).await,
        Ok(route @ (Route::Console | Route::Session(_) | Route::Operator(_))) => {
            // Boxed, for each task takes the room of its largest branch, and a delivery's needs less.
            Box::pin(operate(request, env, context, &location, route)).await
        }
        Err(why) => delivery::refuse(env, location.gate, why),
    }
}

/// Answers a request to what is the operator's.
async fn operate(
    request: &Request,
    env: &Env,
    context: &Context,
    location: &Location<'_>,
    route: Route,
) -> Result<Response, Error> {
    match (route, operator::door(env, context, location.gate)) {
        (Route::Console, Some(_)) => operator::console(),
        (Route::Session(what), Some(door)) => {
            operator::session(request, env, location, what, &door).await
        }
        (Route::Operator(asked), Some(door)) => {
            operator::answer(request, env, location, asked, &door).await
        }
        _ => delivery::refuse(env, location.gate, NoRoute::NotFound),
    }
}

/// Takes a message off the queue of this name: gives the task that does what it asks for. Where that fails, the
/// message is tried again.
#[exported]
pub fn message(queue: &str, message: RawMessage, env: Env) -> Task {
    let message = Message::from(message);
    let Queue { work, given_up } = Queue::of(queue);
    match work {
        Work::Builds => {
            Task::doing(async move { handover::hand_over(message, &env, given_up).await })
        }
        Work::GitHub => Task::doing(async move { jobs::work(message, &env, given_up).await }),
        Work::Journal => Task::doing(async move { journal::keep(vec![message], &env).await }),
    }
}

/// Whether what lies on the queue of this name is taken a batch at a time, by [`batch`].
#[exported]
pub fn takes_batches(queue: &str) -> bool {
    Queue::of(queue).work == Work::Journal
}

/// Takes a batch of messages: gives the task that does what they ask for.
#[exported]
pub fn batch(messages: Vec<RawMessage>, env: Env) -> Task {
    let messages = messages.into_iter().map(Message::from).collect();
    Task::doing(async move { journal::keep(messages, &env).await })
}

/// Whether whoever has just answered a request is to do what [`send_gathered`] does.
#[exported]
pub fn is_gathered() -> bool {
    journal::is_due()
}

/// Sends what was gathered for the journal: gives the task that does it, which is in no answer's way.
#[exported]
pub fn send_gathered(env: Env) -> Task {
    Task::doing(async move {
        journal::send(&env).await;
        Ok(())
    })
}

/// Does what is to be done at the time of a cron trigger: gives the task that does it.
#[exported]
pub fn scheduled(cron: String, env: Env) -> Task {
    Task::doing(async move {
        let is_tidying = cron.as_str() != EACH_MINUTE;
        // First what waits to be built: the others may wait for GitHub, or for a queue that hangs.
        let sent = if is_tidying { Ok(0) } else { sending::empty_outbox(&env).await };
        let released = if is_tidying { Ok(0) } else { handover::release(&env).await };
        let commits = auto_deploy::look_again(&env, is_tidying).await;
        let builds = statuses::look_again(&env, is_tidying).await;
        // Once every ten minutes, with what is old.
        let swept = if is_tidying { sweep::run(&env, false).await } else { Ok(None) };
        jobs::keep_limit(&env).await;
        let told = if is_tidying { Ok(0) } else { alerts::look(&env).await };
        let forgotten = if is_tidying { journal::forget(&env).await } else { Ok(()) };
        if let Ok(Some(sweep)) = &swept {
            platform::log(&sweep::line(sweep));
        }
        let (commits_error, builds_error) = (commits.as_ref().err(), builds.as_ref().err());
        let errors = [
            commits_error,
            builds_error,
            swept.as_ref().err(),
            forgotten.as_ref().err(),
            sent.as_ref().err(),
            released.as_ref().err(),
            told.as_ref().err(),
        ];
        let errors: Vec<&str> = errors.into_iter().flatten().map(String::as_str).collect();
        let detail = (!errors.is_empty()).then(|| errors.join("; "));
        let LookedAgain { silent, untold } = builds.unwrap_or_default();
        let looks = commits.unwrap_or_default();
        let (sent, released) = (sent.unwrap_or_default(), released.unwrap_or_default());
        let alerts = told.unwrap_or_default();
        platform::log(&log::Line::Scheduled {
            cron: &cron,
            sent,
            released,
            looks,
            silent,
            untold,
            alerts,
            detail,
        });
        Ok(())
    })
}

/// In how many seconds a message is tried again whose task failed at its attempt number `attempt`.
#[exported]
pub fn delay_after_failure(env: &Env, attempt: u32) -> u32 {
    handover::delay(env, attempt)
}

//! buildgate stands between GitHub and a container build service: it takes GitHub's webhooks, and
//! hands on a build request for each event that a repository's trigger says is to be built.
//!
//! ```text
//! fetch:  a delivery of GitHub's → verified → event → policy → verdict → queue → answer   [`delivery`]
//!         the operator → admitted → ledger, queues → answer                               [`operator`]
//!         a report of the origin's → verified → ledger → answer                           [`reports`]
//! queue:  build request → origin → done, again later, or a dead letter                    [`handover`]
//!         what is to be done at GitHub: a deployment made, a status said                  [`jobs`]
//! cron:   what waits for too long                                                         [`scheduled`]
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
pub mod auto_deploy;
pub mod build;
pub mod delivery;
pub mod github;
pub mod handover;
pub mod jobs;
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
pub mod signature;
pub mod statuses;
pub mod sweep;
pub mod time;
pub mod url;

use message::{Queue, Work};
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
pub fn fetch(request: Request, env: Env) -> Task {
    Task::answering(async move { answer(&request, &env).await })
}

/// Answers an HTTP request.
async fn answer(request: &Request, env: &Env) -> Result<Response, Error> {
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
        Ok(Route::Operator(asked)) => match operator::token(env, location.gate) {
            // Boxed, for each task takes the room of its largest branch, and a delivery's needs less.
            Some(token) => Box::pin(operator::answer(request, env, &location, asked, &token)).await,
            None => delivery::refuse(env, location.gate, NoRoute::NotFound),
        },
        Err(why) => delivery::refuse(env, location.gate, why),
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
    }
}

/// Does what is to be done at the time of a cron trigger: gives the task that does it.
#[exported]
pub fn scheduled(cron: String, env: Env) -> Task {
    Task::doing(async move {
        let is_tidying = cron.as_str() != EACH_MINUTE;
        let commits = auto_deploy::look_again(&env, is_tidying).await;
        let builds = statuses::look_again(&env, is_tidying).await;
        // Once every ten minutes, with what is old.
        let swept = if is_tidying { sweep::run(&env, false).await } else { Ok(None) };
        if let Ok(Some(sweep)) = &swept {
            platform::log(&sweep::line(sweep));
        }
        let errors = [commits.as_ref().err(), builds.as_ref().err(), swept.as_ref().err()];
        let errors: Vec<&str> = errors.into_iter().flatten().map(String::as_str).collect();
        let detail = (!errors.is_empty()).then(|| errors.join("; "));
        let LookedAgain { silent, untold } = builds.unwrap_or_default();
        let looks = commits.unwrap_or_default();
        platform::log(&log::Line::Scheduled { cron: &cron, looks, silent, untold, detail });
        Ok(())
    })
}

/// In how many seconds a message is tried again whose task failed at its attempt number `attempt`.
#[exported]
pub fn delay_after_failure(env: &Env, attempt: u32) -> u32 {
    handover::delay(env, attempt)
}

//! A build is handed over: queue → origin → done, again later, or a dead letter.
//!
//! A message comes at least once, and each step may be cut off after it was done: so each may be done again. To
//! post the same build request twice is the origin's to see, by its id; to keep the same message twice changes
//! nothing; and only then does the message leave the queue.

pub mod attempt;
pub mod settings;

use crate::build::Build;
use crate::leaving::settle;
use crate::ledger::dead_letters::DeadLetter;
use crate::log;
use crate::message::Work;
use crate::message::build_request::QueuedRequest;
use crate::platform::env::Env;
use crate::platform::http::{self, NoAnswer};
use crate::platform::queue::Message;
use crate::platform::{self, Error};
use crate::progress;
use crate::retry::Step;
use crate::time::rfc3339;
use attempt::Attempt;
use settings::{Origin, Settings};

/// How much of an origin's answer is kept, in characters.
const LONGEST_ANSWER: usize = 1_000;

/// In how many seconds a message is tried again whose task failed.
pub fn delay(env: &Env, attempt: u32) -> u32 {
    let delay = Settings::read(|name| env.text(name)).schedule.delay(attempt, platform::random());
    delay.try_into().unwrap_or(u32::MAX)
}

/// Hands one message over to the origin. It leaves the queue only when the origin has taken it, when it is kept as a
/// dead letter, or when it lies on the queue anew. `given_up` says that the queue itself has given it up.
///
/// Errors where the queue can be told nothing of the message.
pub async fn hand_over(message: Message, env: &Env, given_up: bool) -> Result<(), Error> {
    let started = platform::now();
    let settings = &Settings::read(|name| env.text(name));
    let text = message.text();
    let (number, schedule) = (message.attempt(), &settings.schedule);
    let age = started.saturating_sub(message.sent_at()) / 1_000;
    // The last time, a message that the queue gave up is kept unread: to look into it may be what panics.
    let is_last = given_up && schedule.is_ending(number, age);
    let request = if is_last {
        Err("not looked into any more".to_owned())
    } else {
        QueuedRequest::from_message(&text)
    };
    // Before the origin hears of it, for it may report at once; and the handover waits for the ledger a few seconds at most.
    if let (Ok(request), false) = (&request, given_up) {
        let _ = progress::begin(env, request, &text, message.sent_at(), started).await;
    }
    let started = platform::now();
    let attempt = match (&request, &settings.origin) {
        _ if given_up => Attempt::GivenUpByQueue,
        (Err(detail), _) => Attempt::Unreadable { detail: detail.clone() },
        (_, Err(detail)) => Attempt::NotConfigured { detail: detail.clone() },
        (Ok(request), Ok(origin)) => post(origin, request, &text).await,
    };
    let tried = Tried { request: request.ok(), attempt };

    let now = platform::now();
    let (id, stored_at) = (message.id(), rfc3339(now));
    let letter = tried.letter(&id, number, &stored_at, &text);
    let left =
        settle(env, &message, Work::Builds, schedule, tried.attempt.tried(), &letter, is_last)
            .await;
    let ms = now.saturating_sub(started);
    platform::log(&tried.line(left.step, number, ms, left.ledger_error.as_deref()));
    if let Some(request) = &tried.request {
        // By now the message has left the queue, or lies there for the next attempt: nothing of it hangs on this.
        keep(env, request, &text, message.sent_at(), &tried.attempt, number, left.step).await;
    }
    left.told
}

/// Keeps what an attempt came to with the build.
async fn keep(
    env: &Env,
    request: &QueuedRequest,
    text: &str,
    queued_at: u64,
    attempt: &Attempt,
    number: u32,
    step: Step,
) {
    let (now, answer) = (platform::now(), attempt.told());
    let next = |build: Build| match step {
        Step::Acknowledge => build.handed_over(number, answer.clone(), now),
        Step::Bury => build.given_up(number, answer.clone(), &attempt.reason(), now),
        Step::Retry(_) | Step::BeginAnew => build.tried(number, answer.clone(), now),
    };
    let mut kept = progress::change(env, &request.id, now, &next).await;
    if !matches!(kept, Ok(Some(_))) {
        // The ledger was not there before: what is kept now is all that a report will find.
        let begun = progress::begin(env, request, text, queued_at, now).await;
        if begun.is_ok() {
            kept = progress::change(env, &request.id, now, &next).await;
        }
    }
    if let Err(detail) = kept {
        let (build, detail) = (request.id.as_str(), detail.as_str());
        platform::log(&log::Line::NotKept { build, detail });
    }
}

/// What a message asks for, and what came of the attempt to hand it over.
struct Tried {
    /// None where the message could not be read.
    request: Option<QueuedRequest>,
    attempt: Attempt,
}

/// Posts a build request to the origin, and waits for the answer no longer than the origin is given.
async fn post(origin: &Origin, request: &QueuedRequest, text: &str) -> Attempt {
    let headers = origin.secrets.headers(&request.id, text, platform::now() / 1_000);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    match http::send("POST", &origin.url, &headers, Some(text), origin.patience).await {
        Err(NoAnswer::TooLate) => {
            Attempt::Unreachable { detail: format!("no answer within {} s", origin.patience) }
        }
        Err(NoAnswer::Failed(detail)) => Attempt::Unreachable { detail },
        Ok(answer) => {
            let status = answer.status();
            let retry_after = answer.header("Retry-After");
            let beginning = answer.beginning(if status < 300 { 0 } else { LONGEST_ANSWER }).await;
            let now = platform::now() / 1_000;
            let date = platform::seconds_of_date;
            Attempt::from_answer(status, beginning, retry_after.as_deref(), now, date)
        }
    }
}

impl Tried {
    /// What is kept of the message if it is given up.
    fn letter<'a>(
        &'a self,
        id: &'a str,
        number: u32,
        stored_at: &'a str,
        text: &'a str,
    ) -> DeadLetter<'a> {
        let Self { request, attempt } = self;
        DeadLetter {
            queue: Work::Builds.as_str(),
            message_id: id,
            build: request.as_ref().map(|request| &*request.id),
            repository: request.as_ref().map(|request| &*request.repository),
            reason: attempt.code(),
            detail: attempt.detail(),
            status: attempt.status(),
            answer: attempt.answer(),
            attempts: (*attempt != Attempt::GivenUpByQueue).then_some(number),
            stored_at,
            message: text,
        }
    }

    /// The line that the attempt leaves in the log; it took `ms` milliseconds.
    fn line<'a>(
        &'a self,
        step: Step,
        number: u32,
        ms: u64,
        ledger_error: Option<&'a str>,
    ) -> log::Line<'a> {
        let outcome = match step {
            Step::Acknowledge => "accepted",
            step => step.as_str(),
        };
        let request = self.request.as_ref();
        log::Line::Handover {
            outcome,
            code: self.attempt.code(),
            status: self.attempt.status(),
            ms,
            attempt: number,
            retry_in: step.seconds(),
            delivery: request.map(|request| request.delivery.as_str()),
            event: request.map(|request| request.event),
            repository: request.map(|request| request.repository.as_str()),
            build: request.map(|request| request.id.as_str()),
            detail: self.attempt.detail(),
            ledger_error,
        }
    }
}

//! A build is handed over: queue → origin → done, again later, or a dead letter.
//!
//! A message comes at least once, and each step may be cut off after it was done: so each may be done again. To
//! post the same build request twice is the origin's to see, by its id; to keep the same message twice changes
//! nothing; and only then does the message leave the queue.
//!
//! While the origin takes nothing, or has asked for a pause, few ask it in place of all ([`crate::breaker`]). The others wait in
//! the ledger, which lets them go at a bounded rate: so they use up none of the queue's retries, and none of them keeps those
//! of another repository waiting.

pub mod attempt;
pub mod settings;

use std::cell::RefCell;

use crate::breaker::{Breaker, Failures, State};
use crate::build::Build;
use crate::leaving::settle;
use crate::ledger::dead_letters::DeadLetter;
use crate::ledger::held::{self, Held};
use crate::ledger::{self, marks};
use crate::log;
use crate::message::Work;
use crate::message::build_request::QueuedRequest;
use crate::platform::env::Env;
use crate::platform::http::{self, NoAnswer};
use crate::platform::queue::Message;
use crate::platform::{self, Error};
use crate::progress;
use crate::retry::{Step, Try};
use crate::sending;
use crate::time::rfc3339;
use attempt::Attempt;
use settings::{Origin, Settings};

/// How much of an origin's answer is kept, in characters.
const LONGEST_ANSWER: usize = 1_000;

/// How long this isolate goes by what it has read of the breaker, in milliseconds.
const BREAKER_MEMORY: u64 = 2_000;

/// How much longer than the origin is given a probe may take, in milliseconds, until another is sent.
const PROBE_SLACK: u64 = 10_000;

/// How many requests that were held are let go of at a time.
const AT_ONCE: u64 = 100;

thread_local! {
    /// What the ledger keeps of the breaker, and when that was read.
    static BREAKER: RefCell<Option<(u64, Option<String>)>> = const { RefCell::new(None) };
    static FAILURES: RefCell<Failures> = RefCell::default();
}

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
    let age = |since: u64| platform::now().saturating_sub(since) / 1_000;
    let mut queued_at = message.sent_at();
    // The last time, a message that the queue gave up is kept unread: to look into it may be what panics.
    let is_last = given_up && schedule.is_ending(number, age(queued_at));
    let request = if is_last {
        Err("not looked into any more".to_owned())
    } else {
        QueuedRequest::from_message(&text)
    };
    // Before the origin hears of it, for it may report at once; and the handover waits for the ledger a few seconds at most.
    if let (Ok(request), false) = (&request, given_up) {
        let begun = progress::begin(env, request, &text, queued_at, started).await;
        // One that was held lay on the queue before.
        queued_at = queued_at.min(begun.ok().flatten().unwrap_or(queued_at));
    }
    let started = platform::now();
    let mut is_well_again = false;
    let attempt = match (&request, &settings.origin) {
        _ if given_up => Attempt::GivenUpByQueue,
        (Err(detail), _) => Attempt::Unreadable { detail: detail.clone() },
        (_, Err(detail)) => Attempt::NotConfigured { detail: detail.clone() },
        (Ok(request), Ok(origin)) => {
            let again = Try::Again { no_sooner_than: 0 };
            let next = schedule.next(again, number, age(queued_at), platform::random());
            // What has no time to wait is posted in any case.
            let may_wait = matches!(next, Step::Retry(_));
            let asked = ask(env, origin, request, &text, may_wait).await;
            is_well_again = asked.is_well_again;
            asked.attempt
        }
    };
    let tried = Tried { request: request.ok(), attempt };
    if let (Attempt::Held, Some(request)) = (&tried.attempt, &tried.request)
        && held::keep(env, request, &text, queued_at, started).await.is_ok()
    {
        message.acknowledge();
        platform::log(&tried.line("held", None, number, 0, None));
        return Ok(());
    }

    let now = platform::now();
    let (id, stored_at) = (message.id(), rfc3339(now));
    let letter = tried.letter(&id, number, &stored_at, &text);
    let outcome = (tried.attempt.tried(), queued_at);
    let left = settle(env, &message, Work::Builds, schedule, outcome, &letter, is_last).await;
    let ms = now.saturating_sub(started);
    let word = if left.step == Step::Acknowledge { "accepted" } else { left.step.as_str() };
    let ledger_error = left.ledger_error.as_deref();
    platform::log(&tried.line(word, left.step.seconds(), number, ms, ledger_error));
    if let Some(request) = &tried.request {
        // By now the message has left the queue, or lies there for the next attempt: nothing of it hangs on this.
        keep(env, request, &text, queued_at, &tried.attempt, number, left.step).await;
    }
    if is_well_again {
        // The cron trigger does what is left undone here.
        let _ = release(env).await;
    }
    left.told
}

/// What came of asking the origin.
struct Asked {
    attempt: Attempt,
    /// Whether this was the probe by which the origin is known to be well again.
    is_well_again: bool,
}

/// Asks the origin to take a build, unless it is to be left alone just then and the request may wait for the end of that.
async fn ask(
    env: &Env,
    origin: &Origin,
    request: &QueuedRequest,
    text: &str,
    may_wait: bool,
) -> Asked {
    let now = platform::now();
    let mut kept = breaker(env, now).await;
    let mut breaker = Breaker::from_text(kept.as_deref());
    let mut is_probe = false;
    if breaker.state(now) == State::HalfOpen {
        let claim = breaker.probed(now, u64::from(origin.patience) * 1_000 + PROBE_SLACK);
        is_probe = replace(env, kept.as_deref(), &claim, now).await;
        (kept, breaker) = (Some(claim.to_text()), claim);
    }
    if may_wait && !is_probe && matches!(breaker.state(now), State::Open { .. }) {
        return Asked { attempt: Attempt::Held, is_well_again: false };
    }
    let attempt = post(origin, request, text).await;
    let now = platform::now();
    match attempt.is_taking() {
        None => {}
        Some(true) => {
            FAILURES.with_borrow_mut(Failures::none);
            if is_probe {
                replace(env, kept.as_deref(), &breaker.closed(now), now).await;
            }
        }
        Some(false) => {
            let is_enough = FAILURES.with_borrow_mut(|failures| failures.one(&request.id));
            let trips = is_probe || is_enough || attempt.pause().is_some();
            // Where it is open by now, somebody else has found the same.
            if trips && (is_probe || breaker.state(now) == State::Closed) {
                let tripped = breaker.tripped(now, attempt.pause());
                replace(env, kept.as_deref(), &tripped, now).await;
            }
        }
    }
    Asked { is_well_again: is_probe && attempt.is_taking() == Some(true), attempt }
}

/// What the ledger keeps of the breaker, as this isolate has read it a moment ago. None where nothing is kept, or the ledger
/// does not answer: that keeps nobody from asking.
async fn breaker(env: &Env, now: u64) -> Option<String> {
    let known = BREAKER.with_borrow(|known| {
        let (read_at, text) = known.as_ref()?;
        (now.saturating_sub(*read_at) < BREAKER_MEMORY).then(|| text.clone())
    });
    if let Some(text) = known {
        return text;
    }
    let text = marks::get_soon(env, marks::BREAKER).await.ok().flatten();
    BREAKER.set(Some((now, text.clone())));
    text
}

/// Has the ledger keep the breaker in place of what was read of it, and says whether it was still so. Of several who find the
/// same, one is quicker.
async fn replace(env: &Env, before: Option<&str>, breaker: &Breaker, now: u64) -> bool {
    let text = breaker.to_text();
    let is_kept = marks::replace(env, marks::BREAKER, before, &text).await == Ok(true);
    BREAKER.set(is_kept.then_some((now, Some(text))));
    is_kept
}

/// Lets the requests go that were held, as many as may go in a minute, where the origin is well; where it is to be seen
/// whether it is, one. Those whose time is over go in any case, for their last attempt. Gives how many they are.
///
/// Errors where the ledger or the queue does not take that: they stay.
pub async fn release(env: &Env) -> Result<u64, String> {
    let now = platform::now();
    let Settings { schedule, backlog_per_minute, .. } = Settings::read(|name| env.text(name));
    let before = now.saturating_sub(schedule.give_up_after * 1_000);
    let over = held::take_older(env, before, AT_ONCE, now).await?;
    let mut gone = let_go(env, over, &mut std::iter::repeat(0)).await?;
    let waiting = ledger::ask(env, held::count()).await?;
    // Not what is remembered of it: a minute is decided.
    let kept = ledger::ask(env, marks::get(marks::BREAKER)).await?;
    let breaker = Breaker::from_text(kept.as_deref());
    let (mut left, after) = breaker.letting_go(now, waiting, backlog_per_minute);
    if left == 0 || after != breaker && !replace(env, kept.as_deref(), &after, now).await {
        return Ok(gone);
    }
    let is_probe = breaker.state(now) == State::HalfOpen;
    let mut delays = breaker.delays(now, left, backlog_per_minute);
    while left > 0 {
        let now = platform::now();
        let some = match is_probe {
            true => held::take_any(env, now).await?,
            false => held::take_next(env, left.min(AT_ONCE), now).await?,
        };
        let some = let_go(env, some, &mut delays).await?;
        if some == 0 {
            break;
        }
        gone += some;
        left = left.saturating_sub(some);
    }
    Ok(gone)
}

/// Puts requests that were held on the queue, and forgets them. Gives how many they are.
async fn let_go(
    env: &Env,
    held: Vec<Held>,
    delays: &mut impl Iterator<Item = u32>,
) -> Result<u64, String> {
    let (numbers, messages): (Vec<u64>, Vec<(String, u32)>) = held
        .into_iter()
        .zip(delays)
        .map(|(Held { number, message }, delay)| (number, (message, delay)))
        .unzip();
    if numbers.is_empty() {
        return Ok(0);
    }
    sending::send_all(env, Work::Builds, &messages).await?;
    // Only now: should the ledger not let go of them, they come twice.
    held::forget(env, &numbers).await?;
    Ok(numbers.len() as u64)
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
    if *attempt == Attempt::Held && step != Step::Bury {
        return;
    }
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
        outcome: &'static str,
        retry_in: Option<u64>,
        number: u32,
        ms: u64,
        ledger_error: Option<&'a str>,
    ) -> log::Line<'a> {
        let request = self.request.as_ref();
        log::Line::Handover {
            outcome,
            code: self.attempt.code(),
            status: self.attempt.status(),
            ms,
            attempt: number,
            retry_in,
            delivery: request.map(|request| request.delivery.as_str()),
            event: request.map(|request| request.event),
            repository: request.map(|request| request.repository.as_str()),
            build: request.map(|request| request.id.as_str()),
            detail: self.attempt.detail(),
            ledger_error,
        }
    }
}

//! The journal: what was answered is gathered in the isolate → sent along a queue → kept in the ledger. None of it is in the
//! way of an answer, and an answer is the same where it fails.

mod gathered;
pub mod settings;

use std::cell::{OnceCell, RefCell};

use crate::ledger::journal;
use crate::log;
use crate::message::Work;
use crate::message::journal::Entry;
use crate::platform::env::Env;
use crate::platform::queue::{self, Message};
use crate::platform::{self, Error};
use crate::retry::Schedule;
use gathered::{Gathered, Random};
use settings::Remembers;

/// How long is gathered before it is sent, in milliseconds: what comes in meanwhile goes along in one message.
const GATHERING: u32 = 1_000;

/// How many bytes are kept by one statement: D1 takes 2 MB for a value
/// (<https://developers.cloudflare.com/d1/platform/limits/>).
const LARGEST_STATEMENT: usize = 900_000;

/// After how many attempts each message is kept by itself, so that one which cannot be kept is in nobody's way.
const TOGETHER: u32 = 2;

/// How many rows are removed by one statement, and by one cron trigger: D1 has one writer.
const STEP: u64 = 1_000;
const MOST_STEPS: u32 = 20;

/// When what could not be kept is tried again: for as long as the queue has it.
const SCHEDULE: Schedule = Schedule {
    first_delay: 10,
    longest_delay: 600,
    max_retries: u32::MAX,
    give_up_after: u64::MAX,
};

thread_local! {
    static GATHERED: RefCell<Gathered> = RefCell::default();

    /// Read once: a variable changes with the worker, and so with the isolate.
    static REMEMBERS: OnceCell<Remembers> = const { OnceCell::new() };
}

fn remembers(env: &Env) -> Remembers {
    let read = || {
        if !env.has(Work::Journal.binding()) {
            return Remembers::Nothing;
        }
        Remembers::read(|name| env.text(name)).unwrap_or_default()
    };
    REMEMBERS.with(|remembers| *remembers.get_or_init(read))
}

/// Notes what a verified delivery was answered.
pub fn note(env: &Env, entry: Entry) {
    let remembers = remembers(env);
    if remembers == Remembers::Nothing {
        return;
    }
    GATHERED.with_borrow_mut(|gathered| {
        gathered.count(entry.at, entry.event.as_deref(), entry.code);
        if remembers == Remembers::All || entry.outcome != "ignored" {
            gathered.note(entry);
        }
    });
}

/// Counts what something was answered at a time of which nothing is verified: it is for anybody to make up, so no more of it
/// is remembered.
pub fn count(env: &Env, at: u64, code: &'static str) {
    if remembers(env) != Remembers::Nothing {
        GATHERED.with_borrow_mut(|gathered| gathered.count(at, None, code));
    }
}

/// Whether whoever has just answered is to [`send`] what was gathered.
pub fn is_due() -> bool {
    GATHERED.with_borrow_mut(|gathered| gathered.is_due(platform::now()))
}

/// Sends what is gathered from now on for a moment.
pub async fn send(env: &Env) {
    platform::wait(GATHERING).await;
    let mut detail = None;
    loop {
        let random: Random = platform::crypto::random();
        let next = GATHERED.with_borrow_mut(|gathered| gathered.next(platform::now(), random));
        let Some(message) = next else { break };
        match queue::send(env, Work::Journal.binding(), &message.text).await {
            Ok(()) => GATHERED.with_borrow_mut(|gathered| gathered.sent(&message.id)),
            // It is sent again after the next answer.
            Err(why) => {
                detail = Some(why);
                break;
            }
        }
    }
    let lost = GATHERED.with_borrow_mut(Gathered::release);
    if lost > 0 || detail.is_some() {
        platform::log(&log::Line::Journal { lost, retried: 0, detail });
    }
}

/// Keeps what messages of the queue hold, each once.
///
/// Errors where the queue could be told nothing of one.
pub async fn keep(messages: Vec<Message>, env: &Env) -> Result<(), Error> {
    let together = messages.iter().all(|message| message.attempt() <= TOGETHER);
    let mut told = Ok(());
    let (mut retried, mut detail) = (0, None);
    let mut messages = messages.into_iter().map(|message| (message.text(), message)).peekable();
    while let Some((text, message)) = messages.next() {
        let mut list = format!("[{text}");
        let mut of_list = vec![message];
        while let Some((text, message)) = messages
            .next_if(|(text, _)| together && list.len() + text.len() + 2 <= LARGEST_STATEMENT)
        {
            list.push(',');
            list.push_str(&text);
            of_list.push(message);
        }
        list.push(']');
        match journal::keep(env, &list).await {
            Ok(()) => of_list.iter().for_each(Message::acknowledge),
            Err(why) => {
                retried += of_list.len();
                detail = Some(why);
                for message in &of_list {
                    let delay = SCHEDULE.delay(message.attempt(), platform::random());
                    told = message.retry(delay).and(told);
                }
            }
        }
    }
    if retried > 0 {
        platform::log(&log::Line::Journal { lost: 0, retried, detail });
    }
    told
}

/// Removes what is older than is to be remembered, in steps.
///
/// Errors with what the ledger said instead.
pub async fn forget(env: &Env) -> Result<(), String> {
    let now = platform::now();
    let before = now.saturating_sub(settings::memory(|name| env.text(name)));
    for _ in 0..MOST_STEPS {
        if journal::forget(env, before, now, STEP).await? < STEP {
            break;
        }
    }
    Ok(())
}

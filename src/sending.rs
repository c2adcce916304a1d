//! How a message gets on its queue, whatever hangs: by the queue, by another shard of it, or by the ledger's outbox, out of
//! which the cron trigger puts it on the queue.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use crate::ledger::outbox;
use crate::message::Work;
use crate::message::build_request::LARGEST_MESSAGE;
use crate::platform::env::Env;
use crate::platform::{self, queue};

/// How long a queue is waited for, in milliseconds: one has been seen to take a minute to say that it does not take a
/// message, and to take the next at once (<https://github.com/cloudflare/workerd/issues/6053>).
const PATIENCE: u64 = 2_500;

/// How long something is sent at most, in milliseconds, where nobody waits for an answer of the gate's.
const UNHURRIED: u64 = 20_000;

/// What is left for the outbox, in milliseconds.
const FOR_THE_OUTBOX: u64 = 2_000;

/// How long the outbox is emptied at a time, in milliseconds: the next minute's cron trigger goes on.
const EMPTIED_FOR: u64 = 40_000;

/// How long a queue that hung is not waited for again where another may do, in milliseconds: a burst that waits for each of
/// several queues that hang is one of thousands of deliveries at a time.
const HUNG_FOR: u64 = 10_000;

/// The names of queues' bindings.
type Bindings = Rc<[&'static str]>;

thread_local! {
    /// The bindings of the build queue's shards: they change with the worker, and so with the isolate.
    static SHARDS: OnceCell<Bindings> = const { OnceCell::new() };
    /// Until when queues that hung are not waited for again.
    static HUNG: RefCell<Vec<(&'static str, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Where a message is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// On the queue.
    OnQueue,
    /// In the outbox, because of this.
    Kept(String),
}

/// Sends a message, which is done with in so many seconds at the earliest: it is on the queue, or in the outbox, for certain
/// once this is done. All is over at `until`, in milliseconds since 1970.
///
/// Errors with what went wrong. What was too late may still be there, so it may come twice.
pub(crate) async fn send(
    env: &Env,
    work: Work,
    message: &str,
    seconds: u32,
    until: u64,
) -> Result<Sent, String> {
    let shards = shards(env, work)?;
    let mut problems = Vec::new();
    for (tries, binding) in in_turn(&shards, platform::random(), has_hung).into_iter().enumerate() {
        let began = platform::now();
        let Some(patience) = patience(until.saturating_sub(began), tries) else { break };
        let sent = queue::send_later(env, binding, message, seconds, patience).await;
        note(binding, began, patience);
        match sent {
            Ok(()) => return Ok(Sent::OnQueue),
            Err(why) => problems.push(format!("{binding}: {why}")),
        }
    }
    if message.len() > LARGEST_MESSAGE {
        // No queue would ever take it out of there.
        return Err(problems.join("; "));
    }
    let now = platform::now();
    let left = until.saturating_sub(now).try_into().unwrap_or(u32::MAX);
    match outbox::keep(env, work, message, now, left).await {
        Ok(()) => Ok(Sent::Kept(problems.join("; "))),
        Err(why) => {
            problems.push(format!("the outbox: {why}"));
            Err(problems.join("; "))
        }
    }
}

/// Sends a message that nobody waits for.
///
/// Errors with what went wrong.
pub(crate) async fn send_unhurried(env: &Env, work: Work, message: &str) -> Result<(), String> {
    send(env, work, message, 0, platform::now() + UNHURRIED).await.map(drop)
}

/// Puts what is in the outbox on its queues, as much as there is time for: gives how many messages that are.
///
/// Errors where neither a queue nor the ledger takes it: it stays.
pub(crate) async fn empty_outbox(env: &Env) -> Result<u64, String> {
    let until = platform::now() + EMPTIED_FOR;
    let (mut sent, mut problems) = (0, Vec::new());
    for work in [Work::Builds, Work::GitHub] {
        loop {
            match empty_some(env, work).await {
                Ok(0) => break,
                Ok(some) => sent += some,
                // What waits for the other queue need not wait for this one.
                Err(why) => {
                    problems.push(why);
                    break;
                }
            }
            if platform::now() > until {
                break;
            }
        }
    }
    if problems.is_empty() { Ok(sent) } else { Err(format!("the outbox: {}", problems.join("; "))) }
}

/// Puts the first few messages that are kept for a queue on it.
async fn empty_some(env: &Env, work: Work) -> Result<u64, String> {
    let kept = outbox::first(env, work).await?;
    let Some(last) = kept.last() else { return Ok(0) };
    let through = last.id;
    let texts: Vec<(String, u32)> = kept.into_iter().map(|kept| (kept.message, 0)).collect();
    send_all(env, work, &texts).await?;
    // Only now: should the ledger not let go of them, they come twice.
    outbox::forget(env, work, through).await
}

/// Puts messages on one of their queues, each to be done with in so many seconds at the earliest.
///
/// Errors with what went wrong; some of them may be there all the same.
pub(crate) async fn send_all(
    env: &Env,
    work: Work,
    messages: &[(String, u32)],
) -> Result<(), String> {
    let shards = shards(env, work)?;
    let mut problems = Vec::new();
    for binding in in_turn(&shards, platform::random(), has_hung) {
        match queue::send_all(env, binding, messages).await {
            Ok(()) => return Ok(()),
            Err(why) => problems.push(format!("{binding}: {why}")),
        }
    }
    Err(problems.join("; "))
}

/// The bindings of the queues that take such messages. Errors where there is none: nothing would ever empty the outbox.
fn shards(env: &Env, work: Work) -> Result<Bindings, String> {
    let shards = match work {
        Work::Builds => SHARDS.with(|shards| {
            let find = || work.shards(env.names()).into_iter().map(|name| &*name.leak()).collect();
            shards.get_or_init(find).clone()
        }),
        Work::GitHub | Work::Journal => {
            [work.binding()].into_iter().filter(|name| env.has(name)).collect()
        }
    };
    if shards.is_empty() {
        Err(format!("there is no binding {}", work.binding()))
    } else {
        Ok(shards)
    }
}

/// Each once, beginning with any: `random` is from 0 to 1. Of those that hung a moment ago only one, and last.
fn in_turn(
    shards: &[&'static str],
    random: f64,
    has_hung: impl Fn(&str) -> bool,
) -> Vec<&'static str> {
    let first = (random * shards.len() as f64) as usize;
    let all = shards.iter().copied().cycle().skip(first).take(shards.len());
    let (hung, well): (Vec<_>, Vec<_>) = all.partition(|binding| has_hung(binding));
    well.into_iter().chain(hung.into_iter().take(1)).collect()
}

/// Whether a queue hung a moment ago.
fn has_hung(binding: &str) -> bool {
    let now = platform::now();
    HUNG.with_borrow(|hung| hung.iter().any(|(name, until)| *name == binding && now < *until))
}

/// Notes how a queue was that was waited for since `began`, for so many milliseconds at most.
fn note(binding: &'static str, began: u64, patience: u32) {
    let now = platform::now();
    HUNG.with_borrow_mut(|hung| {
        hung.retain(|(name, _)| *name != binding);
        if now.saturating_sub(began) >= patience.into() {
            hung.push((binding, now + HUNG_FOR));
        }
    });
}

/// How long a shard is waited for after so many others, where so much time is left, in milliseconds: the first one is tried
/// in any case, and the outbox is to have some of the time.
fn patience(left: u64, tries: usize) -> Option<u32> {
    let most = left.saturating_sub(FOR_THE_OUTBOX).max(if tries == 0 { left / 2 } else { 0 });
    (most > 0).then(|| most.min(PATIENCE) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_is_tried_once_whichever_comes_first() {
        let shards = ["A", "B", "C"];
        for (random, order) in [
            (0.0, ["A", "B", "C"]),
            (0.34, ["B", "C", "A"]),
            (0.999, ["C", "A", "B"]),
            (1.0, ["A", "B", "C"]),
        ] {
            assert_eq!(in_turn(&shards, random, |_| false), order, "{random}");
        }
        assert!(in_turn(&[], 0.5, |_| false).is_empty());
    }

    #[test]
    fn of_those_that_hung_one_is_tried_and_last() {
        let shards = ["A", "B", "C"];
        assert_eq!(in_turn(&shards, 0.0, |binding| binding == "A"), ["B", "C", "A"]);
        assert_eq!(in_turn(&shards, 0.34, |binding| binding != "C"), ["C", "B"]);
        assert_eq!(in_turn(&shards, 0.34, |_| true), ["B"]);
        assert_eq!(in_turn(&["A"], 0.9, |_| true), ["A"]);
    }

    #[test]
    fn the_outbox_has_time_whatever_hangs_and_the_first_shard_is_always_tried() {
        for (left, tries, expected) in [
            (9_000, 0, Some(2_500)),
            (6_500, 1, Some(2_500)),
            (4_000, 2, Some(2_000)),
            (2_000, 3, None),
            (1_000, 0, Some(500)),
            (1_000, 1, None),
            (0, 0, None),
        ] {
            assert_eq!(patience(left, tries), expected, "{left} {tries}");
        }
    }
}

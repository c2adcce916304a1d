//! How a message leaves its queue: once what it asks for is done, or it is kept as a dead letter, or it lies on the queue
//! anew. Until then it stays, and is tried again.

use crate::ledger::dead_letters::{self, DeadLetter};
use crate::message::Work;
use crate::platform::env::Env;
use crate::platform::queue::Message;
use crate::platform::{self, Error};
use crate::retry::{Schedule, Step, Try};
use crate::sending;

/// What has become of a message after an attempt.
pub struct Left {
    /// What was done with it.
    pub step: Step,
    /// Why it could not be kept as a dead letter.
    pub ledger_error: Option<String>,
    /// Errors where the queue could be told nothing of the message: whoever has it must end with that error, or the
    /// message counts as acknowledged.
    pub told: Result<(), Error>,
}

/// Lets a message go, or has it tried again, by what an attempt came to. It has waited since `queued_at`, in milliseconds
/// since 1970. `letter` is what is kept of it if it is given up; `is_last` says that the queue deletes it if it is not kept
/// now.
pub async fn settle(
    env: &Env,
    message: &Message,
    work: Work,
    schedule: &Schedule,
    (tried, queued_at): (Try, u64),
    letter: &DeadLetter<'_>,
    is_last: bool,
) -> Left {
    let (number, random) = (message.attempt(), platform::random());
    let age = platform::now().saturating_sub(queued_at) / 1_000;
    let later = Step::Retry(schedule.delay(number, random));
    let (step, ledger_error) = match schedule.next(tried, number, age, random) {
        // What the ledger does not keep stays on the queue.
        Step::Bury => match dead_letters::keep(env, letter).await {
            Ok(()) => (Step::Bury, None),
            // The dead-letter queue would delete it.
            Err(error) if is_last => match sending::send_unhurried(env, work, letter.message).await
            {
                Ok(()) => (Step::BeginAnew, Some(error)),
                Err(_) => (later, Some(error)),
            },
            Err(error) => (later, Some(error)),
        },
        step => (step, None),
    };
    let told = match step {
        Step::Acknowledge | Step::Bury | Step::BeginAnew => {
            message.acknowledge();
            Ok(())
        }
        Step::Retry(seconds) => message.retry(seconds),
    };
    Left { step, ledger_error, told }
}

//! The outbox: what was to be put on a queue that did not take it in time, until it is there. All times are in
//! milliseconds since 1970.

use crate::ledger::LEDGER;
use crate::message::Work;
use crate::platform::d1::{self, Ask};
use crate::platform::env::Env;
use crate::platform::queue::{BATCH, BATCH_BYTES};

/// A message that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its id in the ledger: what came later has a larger one.
    pub(crate) id: u64,
    /// The message, to the letter.
    pub(crate) message: String,
}

/// Keeps a message. The ledger is waited for no longer than so many milliseconds.
///
/// Errors with what the ledger said instead; what it was too late for may still be kept.
pub(crate) async fn keep(
    env: &Env,
    work: Work,
    message: &str,
    now: u64,
    milliseconds: u32,
) -> Result<(), String> {
    let statement = "INSERT INTO outbox (queue, kept_at, message) VALUES (?, ?, ?)";
    let values = [work.as_str().into(), now.into(), message.into()];
    d1::rows_within(env, LEDGER, milliseconds, statement, &values).await.map(drop)
}

/// The first messages that are kept for a queue: as many as it takes at once.
pub(crate) async fn first(env: &Env, work: Work) -> Result<Vec<Kept>, String> {
    let statement = "SELECT id, message FROM (SELECT id, message, LENGTH(CAST(message AS BLOB)) AS bytes, \
                     SUM(LENGTH(CAST(message AS BLOB))) OVER (ORDER BY id) AS sum \
                     FROM (SELECT id, message FROM outbox WHERE queue = ?1 ORDER BY id LIMIT ?2)) \
                     WHERE sum <= ?3 OR sum = bytes ORDER BY id";
    let values = [work.as_str().into(), (BATCH as u64).into(), (BATCH_BYTES as u64).into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    rows.iter().map(|row| Ok(Kept { id: row.get("id")?, message: row.get("message")? })).collect()
}

/// Lets go of the messages for a queue up to an id, and says how many those were.
pub(crate) async fn forget(env: &Env, work: Work, through: u64) -> Result<u64, String> {
    let statement = "DELETE FROM outbox WHERE queue = ? AND id <= ? RETURNING id";
    let values = [work.as_str().into(), through.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| rows.len() as u64)
}

/// How many messages are kept, and since when the oldest is.
pub(crate) fn waiting() -> Ask<(u64, Option<u64>)> {
    let statement = "SELECT COUNT(*) AS count, MIN(kept_at) AS oldest FROM outbox";
    Ask::new(statement, vec![], |rows| match rows.first() {
        Some(row) => Ok((row.get("count")?, row.get("oldest")?)),
        None => Ok((0, None)),
    })
}

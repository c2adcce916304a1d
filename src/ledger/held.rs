//! Build requests that are kept from a build service that takes nothing just then. All times are in milliseconds since 1970.

use crate::ledger::LEDGER;
use crate::message::build_request::QueuedRequest;
use crate::platform::d1::{self, Ask, Row};
use crate::platform::env::Env;

/// A build request that is kept.
#[derive(Debug)]
pub(crate) struct Held {
    /// Its number in the ledger.
    pub(crate) number: u64,
    /// The message, to the letter.
    pub(crate) message: String,
}

impl Held {
    fn from_row(row: &Row) -> Result<Self, String> {
        Ok(Self { number: row.get("number")?, message: row.get("message")? })
    }
}

/// Keeps a request that was queued first at a time, in place of itself where it is kept already: under another number, for
/// whoever has just let go of the former one is about to forget that.
pub(crate) async fn keep(
    env: &Env,
    request: &QueuedRequest,
    message: &str,
    queued_at: u64,
    now: u64,
) -> Result<(), String> {
    let statement = "INSERT OR REPLACE INTO held (build, repository_id, queued_at, held_at, message) \
                     VALUES (?, ?, ?, ?, ?)";
    let values = [
        request.id.as_str().into(),
        request.repository_id.into(),
        queued_at.into(),
        now.into(),
        message.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// The next few that go out: of each repository one, and then of each another, so that one that has many keeps no other's
/// waiting; of those of a repository the newest first.
pub(crate) async fn next(env: &Env, most: u64) -> Result<Vec<Held>, String> {
    let statement = "WITH turns AS (SELECT number, queued_at, ROW_NUMBER() OVER (PARTITION BY repository_id \
                     ORDER BY queued_at DESC, number DESC) AS turn FROM held) \
                     SELECT number, message FROM (SELECT number, turn, queued_at FROM turns \
                     ORDER BY turn, queued_at DESC, number DESC LIMIT ?) AS first JOIN held USING (number) \
                     ORDER BY first.turn, first.queued_at DESC, number DESC";
    let rows = d1::rows(env, LEDGER, statement, &[most.into()]).await?;
    rows.iter().map(Held::from_row).collect()
}

/// A few of those that were queued before a time.
pub(crate) async fn older(env: &Env, before: u64, most: u64) -> Result<Vec<Held>, String> {
    let statement =
        "SELECT number, message FROM held WHERE queued_at < ? ORDER BY queued_at LIMIT ?";
    let rows = d1::rows(env, LEDGER, statement, &[before.into(), most.into()]).await?;
    rows.iter().map(Held::from_row).collect()
}

/// Lets go of those of these numbers.
pub(crate) async fn forget(env: &Env, numbers: &[u64]) -> Result<(), String> {
    let list = serde_json::to_string(numbers).map_err(|error| error.to_string())?;
    let statement = "DELETE FROM held WHERE number IN (SELECT value FROM json_each(?))";
    d1::rows(env, LEDGER, statement, &[list.as_str().into()]).await.map(drop)
}

/// How many are kept.
pub(crate) fn count() -> Ask<u64> {
    let statement = "SELECT COUNT(*) AS count FROM held";
    Ask::new(statement, vec![], |rows| rows.first().map_or(Ok(0), |row| row.get("count")))
}

//! Build requests that are kept from a build service that takes nothing just then. All times are in milliseconds since 1970.

use crate::ledger::LEDGER;
use crate::message::build_request::QueuedRequest;
use crate::platform::d1::{self, Ask, Row, Value};
use crate::platform::env::Env;

/// How long nobody else is given what somebody has taken, in milliseconds: longer than it takes to put it on the queue, and
/// over when the cron trigger comes again.
const TAKEN_FOR: u64 = 45_000;

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
    let statement = "INSERT OR REPLACE INTO held (build, repository, queued_at, held_at, message) \
                     VALUES (?, ?, ?, ?, ?)";
    let repository = request.repository.to_ascii_lowercase();
    let values = [
        request.id.as_str().into(),
        repository.as_str().into(),
        queued_at.into(),
        now.into(),
        message.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// Takes the next few that go out: of each repository one, and then of each another, so that one that has many keeps no
/// other's waiting; of those of a repository the newest first. Nobody else is given them for a while.
pub(crate) async fn take_next(env: &Env, most: u64, now: u64) -> Result<Vec<Held>, String> {
    let statement = "WITH turns AS (SELECT number, queued_at, ROW_NUMBER() OVER (PARTITION BY repository \
                     ORDER BY queued_at DESC, number DESC) AS turn FROM held WHERE taken_at <= ?1) \
                     SELECT number, message FROM (SELECT number, turn, queued_at FROM turns \
                     ORDER BY turn, queued_at DESC, number DESC LIMIT ?2) AS first JOIN held USING (number) \
                     ORDER BY first.turn, first.queued_at DESC, number DESC";
    take(env, now, statement, &[most.into()]).await
}

/// Takes the newest of any repository: should the build service not cope with what one repository asks for, it is soon
/// another's.
pub(crate) async fn take_any(env: &Env, now: u64) -> Result<Vec<Held>, String> {
    let statement = "SELECT number, message FROM held WHERE repository = (SELECT repository FROM \
                     (SELECT DISTINCT repository FROM held WHERE taken_at <= ?1) ORDER BY random() LIMIT 1) \
                     AND taken_at <= ?1 ORDER BY queued_at DESC, number DESC LIMIT 1";
    take(env, now, statement, &[]).await
}

/// Takes a few of those that were queued before a time.
pub(crate) async fn take_older(
    env: &Env,
    before: u64,
    most: u64,
    now: u64,
) -> Result<Vec<Held>, String> {
    let statement = "SELECT number, message FROM held WHERE taken_at <= ?1 AND queued_at < ?2 \
                     ORDER BY queued_at LIMIT ?3";
    take(env, now, statement, &[before.into(), most.into()]).await
}

/// Takes what a statement finds, in its order, but for what somebody else has taken meanwhile. What was taken up to its `?1`
/// is free; `values` are those of its other `?`.
async fn take(
    env: &Env,
    now: u64,
    statement: &str,
    values: &[Value<'_>],
) -> Result<Vec<Held>, String> {
    let free: Value = now.saturating_sub(TAKEN_FOR).into();
    let values: Vec<Value> = std::iter::once(free).chain(values.iter().copied()).collect();
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    let found: Vec<Held> = rows.iter().map(Held::from_row).collect::<Result<_, _>>()?;
    let numbers: Vec<u64> = found.iter().map(|held| held.number).collect();
    if numbers.is_empty() {
        return Ok(found);
    }
    let list = serde_json::to_string(&numbers).map_err(|error| error.to_string())?;
    let statement = "UPDATE held SET taken_at = ?1 WHERE number IN (SELECT value FROM json_each(?2)) \
                     AND taken_at <= ?3 RETURNING number";
    let values = [now.into(), list.as_str().into(), free];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    let taken = rows.iter().map(|row| row.get("number")).collect::<Result<Vec<u64>, _>>()?;
    Ok(found.into_iter().filter(|held| taken.contains(&held.number)).collect())
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

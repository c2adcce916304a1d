//! The journal: a row for each delivery, in the order in which they came, and how many answers each hour had of each code.

use std::collections::BTreeMap;

use uuid::Builder;

use crate::ledger::LEDGER;
use crate::ledger::conditions::{Conditions, owned};
use crate::message::journal::{Filter, Hour, Received};
use crate::platform::d1::{self, Row};
use crate::platform::env::Env;
use crate::time::{rfc3339, rfc3339_to_the_millisecond};

const COLUMNS: &str =
    "id, at, delivery, event, repository, trigger, outcome, code, status, message, build, ms";

/// How long a message can be on its queue, in milliseconds: 14 days
/// (<https://developers.cloudflare.com/queues/platform/limits/>).
const MESSAGES: u64 = 14 * 24 * 60 * 60 * 1_000;

/// Keeps what messages hold, a JSON list of them, each once.
///
/// All or nothing: errors with what the runtime said instead.
pub(crate) async fn keep(env: &Env, messages: &str) -> Result<(), String> {
    // A message may come twice, and in one list, too.
    const NEW: &str = "(SELECT DISTINCT value FROM json_each(?1)) AS message";
    const UNLESS_KEPT: &str =
        "NOT EXISTS (SELECT 1 FROM journal_messages WHERE id = message.value ->> 'id')";
    let deliveries = format!(
        "INSERT INTO deliveries ({COLUMNS}) \
         SELECT e.value ->> 'id', e.value ->> 'at', e.value ->> 'delivery', e.value ->> 'event', e.value ->> 'repository', \
         e.value ->> 'trigger', e.value ->> 'outcome', e.value ->> 'code', e.value ->> 'status', e.value ->> 'message', \
         e.value ->> 'build', e.value ->> 'ms' FROM {NEW}, json_each(message.value, '$.entries') AS e WHERE {UNLESS_KEPT} \
         ON CONFLICT (id) DO NOTHING"
    );
    let counts = format!(
        "INSERT INTO counts (hour, event, code, count) \
         SELECT c.value ->> 'hour', c.value ->> 'event', c.value ->> 'code', sum(c.value ->> 'count') \
         FROM {NEW}, json_each(message.value, '$.counts') AS c WHERE {UNLESS_KEPT} GROUP BY 1, 2, 3 \
         ON CONFLICT (hour, event, code) DO UPDATE SET count = count + excluded.count"
    );
    let messages_kept = format!(
        "INSERT INTO journal_messages (id) SELECT message.value ->> 'id' FROM {NEW} WHERE true \
         ON CONFLICT (id) DO NOTHING"
    );
    let statements = [&deliveries, &counts, &messages_kept];
    d1::transaction(env, LEDGER, &statements.map(String::as_str), messages.into()).await
}

fn received(row: &Row) -> Result<Received, String> {
    Ok(Received {
        id: row.get("id")?,
        at: rfc3339_to_the_millisecond(row.get("at")?),
        delivery: row.get("delivery")?,
        event: row.get("event")?,
        repository: row.get("repository")?,
        trigger: row.get("trigger")?,
        outcome: row.get("outcome")?,
        code: row.get("code")?,
        status: row.get("status")?,
        message: row.get("message")?,
        build: row.get("build")?,
        ms: row.get("ms")?,
    })
}

/// The least id that a delivery of this time can have: ids begin with their time.
fn first_id(at: u64) -> String {
    Builder::from_unix_timestamp_millis(at, &[0; 10]).into_uuid().to_string()
}

/// Deliveries, the newest first.
pub(crate) async fn list(env: &Env, filter: &Filter) -> Result<Vec<Received>, String> {
    let since = filter.since.map(first_id);
    let until = filter.until.map(first_id);
    let owner = filter.owner.as_deref().map(owned);
    let conditions = Conditions::default()
        .and("repository = ?", filter.repository.as_deref())
        .and_owned("repository", &owner)
        .and("event = ?", filter.event.as_deref())
        .and("outcome = ?", filter.outcome.as_deref())
        .and("code = ?", filter.code.as_deref())
        .and("build = ?", filter.build.as_deref())
        .and("delivery = ?", filter.delivery.as_deref())
        .and("id >= ?", since.as_deref())
        .and("id < ?", until.as_deref())
        .and("id < ?", filter.before.as_deref());
    let statement =
        format!("SELECT {COLUMNS} FROM deliveries{} ORDER BY id DESC LIMIT ?", conditions.sql());
    let values = conditions.values_and(filter.limit);
    let rows = d1::rows(env, LEDGER, &statement, &values).await?;
    rows.iter().map(received).collect()
}

/// A delivery, if there is one of the id.
pub(crate) async fn find(env: &Env, id: &str) -> Result<Option<Received>, String> {
    let statement = format!("SELECT {COLUMNS} FROM deliveries WHERE id = ?");
    let rows = d1::rows(env, LEDGER, &statement, &[id.into()]).await?;
    rows.first().map(received).transpose()
}

/// How many answers the hours had that began in a time, in milliseconds since 1970: from `since` to before `until`; the
/// newest first. Hours without an answer are not there.
pub(crate) async fn counts(env: &Env, since: u64, until: u64) -> Result<Vec<Hour>, String> {
    let statement = "SELECT hour, code, sum(count) AS count FROM counts WHERE hour >= ? AND hour < ? GROUP BY hour, code \
                     ORDER BY hour DESC";
    let rows = d1::rows(env, LEDGER, statement, &[since.into(), until.into()]).await?;
    let mut hours: Vec<Hour> = Vec::new();
    for row in &rows {
        let hour = rfc3339(row.get("hour")?);
        let (code, count) = (row.get("code")?, row.get("count")?);
        match hours.last_mut().filter(|last| last.hour == hour) {
            Some(last) => drop(last.codes.insert(code, count)),
            None => hours.push(Hour { hour, codes: BTreeMap::from([(code, count)]) }),
        }
    }
    Ok(hours)
}

/// Removes deliveries that came before a time, at most so many, and says how many those were; and the counts of that time, and
/// what was kept of messages that no queue can have any more. All times are in milliseconds since 1970.
pub(crate) async fn forget(env: &Env, before: u64, now: u64, most: u64) -> Result<u64, String> {
    let statement = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE id < ? ORDER BY id LIMIT ?) \
                     RETURNING 1 AS one";
    let first = first_id(before);
    let gone = d1::rows(env, LEDGER, statement, &[first.as_str().into(), most.into()]).await?;
    d1::rows(env, LEDGER, "DELETE FROM counts WHERE hour < ?", &[before.into()]).await?;
    let statement = "DELETE FROM journal_messages WHERE id IN (SELECT id FROM journal_messages WHERE id < ? LIMIT ?)";
    let first = first_id(now.saturating_sub(MESSAGES));
    d1::rows(env, LEDGER, statement, &[first.as_str().into(), most.into()]).await?;
    Ok(gone.len() as u64)
}

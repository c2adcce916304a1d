//! What the sweep knows: how far each webhook's deliveries were looked at, which of them failed, and what the last sweeps
//! came to. All times are in milliseconds since 1970.

use serde::Serialize;

use crate::github::api::HookDelivery;
use crate::ledger::LEDGER;
use crate::message::github_job::Redeliver;
use crate::message::sweep::{Filter, Place, Sweep};
use crate::platform::d1::{self, Ask, Row};
use crate::platform::env::Env;
use crate::time::rfc3339;

/// How far the deliveries of a webhook were looked at; none where they never were.
pub(crate) async fn place(env: &Env, hook: &str) -> Result<Option<Place>, String> {
    let statement = "SELECT seen_until, cursor, cursor_until FROM places WHERE hook = ?";
    let rows = d1::rows(env, LEDGER, statement, &[hook.into()]).await?;
    let read = |row: &Row| {
        let (cursor, until): (Option<String>, Option<u64>) =
            (row.get("cursor")?, row.get("cursor_until")?);
        Ok(Place { seen_until: row.get("seen_until")?, rest: cursor.zip(until) })
    };
    rows.first().map(read).transpose()
}

/// Keeps that.
pub(crate) async fn keep_place(env: &Env, hook: &str, place: &Place) -> Result<(), String> {
    let statement = "INSERT INTO places (hook, seen_until, cursor, cursor_until) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (hook) DO UPDATE SET seen_until = ?2, cursor = ?3, cursor_until = ?4";
    let (cursor, until) = match &place.rest {
        Some((cursor, until)) => (Some(cursor.as_str()), Some(*until)),
        None => (None, None),
    };
    let values = [hook.into(), place.seen_until.into(), cursor.into(), until.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// Those of these GUIDs of which a delivery is known to have failed.
pub(crate) async fn known(env: &Env, guids: &[&str]) -> Result<Vec<String>, String> {
    let list = serde_json::to_string(guids).map_err(|error| error.to_string())?;
    let statement = "SELECT guid FROM missed WHERE guid IN (SELECT value FROM json_each(?))";
    let rows = d1::rows(env, LEDGER, statement, &[list.as_str().into()]).await?;
    rows.iter().map(|row| row.get("guid")).collect()
}

/// Keeps that deliveries of a webhook failed, and says of how many events that is new. What has come once is not missed.
pub(crate) async fn miss(
    env: &Env,
    hook: &str,
    repository_id: Option<u64>,
    missed: &[HookDelivery],
    now: u64,
) -> Result<u64, String> {
    #[derive(Serialize)]
    struct Missed<'a> {
        guid: &'a str,
        delivery: u64,
        event: &'a str,
        status_code: u16,
        delivered_at: u64,
    }
    let list: Vec<Missed> = missed
        .iter()
        .map(|one| Missed {
            guid: &one.guid,
            delivery: one.id,
            event: &one.event,
            status_code: one.status_code,
            delivered_at: one.delivered_at.seconds() * 1_000,
        })
        .collect();
    let list = serde_json::to_string(&list).map_err(|error| error.to_string())?;
    let statement = "INSERT INTO missed (guid, hook, repository_id, delivery, event, status_code, delivered_at, state, since, \
                     redeliver_at) SELECT value ->> 'guid', ?2, ?3, value ->> 'delivery', value ->> 'event', \
                     value ->> 'status_code', value ->> 'delivered_at', 'missed', ?4, ?4 FROM json_each(?1) WHERE TRUE \
                     ON CONFLICT (guid) DO UPDATE SET failed_again = failed_again OR (attempts > 0 AND \
                     delivery <> excluded.delivery), delivery = excluded.delivery, status_code = excluded.status_code \
                     WHERE hook = excluded.hook AND state <> 'delivered' RETURNING since, attempts";
    let values = [list.as_str().into(), hook.into(), repository_id.into(), now.into()];
    let mut new = 0;
    for row in &d1::rows(env, LEDGER, statement, &values).await? {
        let is_new = row.get::<u64>("since")? == now && row.get::<u64>("attempts")? == 0;
        new += u64::from(is_new);
    }
    Ok(new)
}

/// Keeps that events have come that had been missed, and says how many.
pub(crate) async fn came(env: &Env, guids: &[String], now: u64) -> Result<u64, String> {
    let list = serde_json::to_string(guids).map_err(|error| error.to_string())?;
    let statement = "UPDATE missed SET state = 'delivered', since = ?2, redeliver_at = NULL WHERE state <> 'delivered' \
                     AND guid IN (SELECT value FROM json_each(?1)) RETURNING guid";
    let values = [list.as_str().into(), now.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| rows.len() as u64)
}

/// Ends what was asked for often enough, of the webhooks that were just looked at; and what is too old to be asked for:
/// delivered before `oldest`. Gives each, in words.
pub(crate) async fn give_up(
    env: &Env,
    looked_at: &[String],
    most: u64,
    oldest: u64,
    now: u64,
) -> Result<Vec<String>, String> {
    let statement = "UPDATE missed SET state = 'given-up', since = ?3, redeliver_at = NULL WHERE redeliver_at <= ?3 \
                     AND (attempts >= ?1 AND hook IN (SELECT value FROM json_each(?4)) OR delivered_at < ?2) \
                     RETURNING guid, event, repository_id, status_code, delivered_at";
    let looked_at = serde_json::to_string(looked_at).map_err(|error| error.to_string())?;
    let values = [most.into(), oldest.into(), now.into(), looked_at.as_str().into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    let told = |row: &Row| {
        let (event, guid): (String, String) = (row.get("event")?, row.get("guid")?);
        let (status, at): (u16, u64) = (row.get("status_code")?, row.get("delivered_at")?);
        let whose = match row.get::<Option<u64>>("repository_id")? {
            Some(id) => format!(" of the repository whose id is {id}"),
            None => String::new(),
        };
        let at = rfc3339(at);
        Ok(format!("given up: the {event} {guid}{whose}, delivered {at} and answered {status}"))
    };
    rows.iter().map(told).collect()
}

/// Takes what is to be asked for, the oldest first and at most so many: what never was; and once more what was, of the
/// webhooks that were just looked at. Sets when each comes again: `again_after` has the time after each attempt.
pub(crate) async fn take_due(
    env: &Env,
    looked_at: &[String],
    again_after: &[u64; 3],
    most: u64,
    now: u64,
) -> Result<Vec<Redeliver>, String> {
    let statement = "UPDATE missed SET attempts = attempts + 1, redeliver_at = ?1 + CASE attempts WHEN 0 THEN ?2 \
                     WHEN 1 THEN ?3 ELSE ?4 END WHERE guid IN (SELECT guid FROM missed WHERE redeliver_at <= ?1 \
                     AND (attempts = 0 OR hook IN (SELECT value FROM json_each(?6))) ORDER BY delivered_at LIMIT ?5) \
                     RETURNING hook, guid, delivery, repository_id, delivered_at, attempts";
    let [first, second, third] = *again_after;
    let looked_at = serde_json::to_string(looked_at).map_err(|error| error.to_string())?;
    let looked_at = looked_at.as_str();
    let values =
        [now.into(), first.into(), second.into(), third.into(), most.into(), looked_at.into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    let mut due: Vec<(u64, Redeliver)> = Vec::new();
    for row in &rows {
        let of = Redeliver {
            hook: row.get("hook")?,
            guid: row.get("guid")?,
            delivery: row.get("delivery")?,
            attempt: row.get("attempts")?,
            repository_id: row.get("repository_id")?,
        };
        due.push((row.get("delivered_at")?, of));
    }
    due.sort_by_key(|(delivered_at, _)| *delivered_at);
    Ok(due.into_iter().map(|(_, due)| due).collect())
}

/// Whether this is the attempt at which an event is, and it has not come yet.
pub(crate) async fn is_due(env: &Env, guid: &str, attempt: u64) -> Result<bool, String> {
    let statement =
        "SELECT 1 AS is_due FROM missed WHERE guid = ? AND attempts = ? AND state = 'missed'";
    let rows = d1::rows(env, LEDGER, statement, &[guid.into(), attempt.into()]).await?;
    Ok(!rows.is_empty())
}

/// Forgets what is over since before a time, and sweeps of before it.
pub(crate) async fn forget(env: &Env, before: u64) -> Result<(), String> {
    let statement = "DELETE FROM missed WHERE since < ? AND redeliver_at IS NULL";
    d1::rows(env, LEDGER, statement, &[before.into()]).await?;
    d1::rows(env, LEDGER, "DELETE FROM sweeps WHERE at < ?", &[before.into()]).await.map(drop)
}

/// Keeps what a sweep came to, and gives it with its id.
pub(crate) async fn keep(env: &Env, sweep: Sweep, at: u64) -> Result<Sweep, String> {
    let statement = "INSERT INTO sweeps (at, by_operator, hooks, listed, missed, delivered, redelivering, given_up, is_cut, \
                     problems) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id";
    let problems = sweep.problems.join("\n");
    let values = [
        at.into(),
        u64::from(sweep.by_operator).into(),
        sweep.hooks.into(),
        sweep.listed.into(),
        sweep.missed.into(),
        sweep.delivered.into(),
        sweep.redelivering.into(),
        sweep.given_up.into(),
        u64::from(sweep.is_cut).into(),
        problems.as_str().into(),
    ];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    let id = rows.first().map_or(Ok(0), |row| row.get("id"))?;
    Ok(Sweep { id, at: rfc3339(at), ..sweep })
}

fn from_row(row: &Row) -> Result<Sweep, String> {
    let problems: String = row.get("problems")?;
    Ok(Sweep {
        id: row.get("id")?,
        at: rfc3339(row.get("at")?),
        by_operator: row.get::<u64>("by_operator")? > 0,
        hooks: row.get("hooks")?,
        listed: row.get("listed")?,
        missed: row.get("missed")?,
        delivered: row.get("delivered")?,
        redelivering: row.get("redelivering")?,
        given_up: row.get("given_up")?,
        is_cut: row.get::<u64>("is_cut")? > 0,
        problems: problems.lines().map(str::to_owned).collect(),
    })
}

/// The last sweep.
pub(crate) fn newest() -> Ask<Option<Sweep>> {
    let statement = "SELECT * FROM sweeps ORDER BY id DESC LIMIT 1";
    Ask::new(statement, vec![], |rows| rows.first().map(from_row).transpose())
}

/// Lists the last sweeps, the newest first.
pub(crate) async fn list(env: &Env, filter: &Filter) -> Result<Vec<Sweep>, String> {
    let statement = "SELECT * FROM sweeps WHERE (?1 IS NULL OR id < ?1) ORDER BY id DESC LIMIT ?2";
    let values = [filter.before.into(), filter.limit.into()];
    d1::rows(env, LEDGER, statement, &values).await?.iter().map(from_row).collect()
}

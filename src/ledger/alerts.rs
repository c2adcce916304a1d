//! What needs a hand, as it is told to somebody, and what they were told last. All times are in milliseconds since 1970.

use crate::ledger::LEDGER;
use crate::message::alert::{Kind, Said, Trouble};
use crate::platform::d1::{self, Ask, Row};
use crate::platform::env::Env;

/// How long the build service may take nothing while something waits for it: ten minutes.
const ORIGIN_PATIENCE: u64 = 10 * 60 * 1_000;

/// How much of a kind of trouble there is.
pub(crate) fn trouble(kind: Kind, now: u64) -> Ask<Trouble> {
    match kind {
        Kind::DeadLetter => {
            let statement = "SELECT count(*) AS count, coalesce(max(id), 0) AS newest FROM dead_letters WHERE redriven_at IS NULL";
            Ask::new(statement, vec![], |rows| {
                one(rows, |count| match count {
                    1 => "a dead letter waits for somebody to redrive or drop it".to_owned(),
                    count => {
                        format!("{count} dead letters wait for somebody to redrive or drop them")
                    }
                })
            })
        }
        Kind::Origin => {
            // What waits for so long, unless something newer was taken meanwhile: then it is that one, and not all. It began
            // when the oldest of it was queued. (Both states are named, for they are the index's.)
            let statement = "SELECT count(*) AS count, coalesce(min(queued_at), 0) AS newest FROM builds \
                             WHERE state IN ('queued', 'in_progress') AND state = 'queued' AND handed_over_at IS NULL AND queued_at < ?1 AND NOT EXISTS \
                             (SELECT 1 FROM (SELECT handed_over_at FROM builds ORDER BY number DESC LIMIT 200) \
                             WHERE handed_over_at > ?1)";
            let before = now.saturating_sub(ORIGIN_PATIENCE);
            Ask::new(statement, vec![before.into()], |rows| {
                one(rows, |count| {
                    format!(
                        "the build service has taken nothing for ten minutes, and {count} build requests wait for it"
                    )
                })
            })
        }
        Kind::Webhook => {
            // Failed, delivered again, and failed again: by GitHub's own list.
            let statement = "SELECT count(*) AS count, coalesce(max(delivered_at), 0) AS newest FROM missed \
                             WHERE state <> 'delivered' AND failed_again > 0";
            Ask::new(statement, vec![], |rows| {
                one(rows, |count| {
                    format!(
                        "GitHub says that {count} deliveries failed, and they failed again when they were delivered again"
                    )
                })
            })
        }
    }
}

fn one(rows: &[Row], detail: impl Fn(u64) -> String) -> Result<Trouble, String> {
    let Some(row) = rows.first() else { return Ok(Trouble::default()) };
    let count = row.get("count")?;
    Ok(Trouble { count, newest: row.get("newest")?, detail: detail(count) })
}

/// What was said of a kind last.
pub(crate) async fn said(env: &Env, kind: Kind) -> Result<Said, String> {
    let statement = "SELECT is_open, newest, at FROM alerts WHERE kind = ?";
    let rows = d1::rows(env, LEDGER, statement, &[kind.as_str().into()]).await?;
    let Some(row) = rows.first() else { return Ok(Said::default()) };
    Ok(Said {
        is_open: row.get::<u64>("is_open")? > 0,
        newest: row.get("newest")?,
        at: row.get("at")?,
    })
}

/// Notes what was said.
pub(crate) async fn note(env: &Env, kind: Kind, said: Said) -> Result<(), String> {
    let statement = "INSERT INTO alerts (kind, is_open, newest, at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (kind) DO UPDATE SET is_open = ?2, newest = ?3, at = ?4";
    let values =
        [kind.as_str().into(), u64::from(said.is_open).into(), said.newest.into(), said.at.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

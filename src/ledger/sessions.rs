//! The console's sessions that were ended before their time, until then. All times are in milliseconds since 1970.

use crate::ledger::LEDGER;
use crate::platform::d1;
use crate::platform::env::Env;

/// Ends a session that would be good until a time.
pub(crate) async fn end(env: &Env, id: &str, until: u64) -> Result<(), String> {
    let statement =
        "INSERT INTO ended_sessions (id, until) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";
    d1::rows(env, LEDGER, statement, &[id.into(), until.into()]).await.map(drop)
}

/// Whether a session was ended.
pub(crate) async fn is_ended(env: &Env, id: &str) -> Result<bool, String> {
    let statement = "SELECT 1 AS one FROM ended_sessions WHERE id = ?";
    d1::rows(env, LEDGER, statement, &[id.into()]).await.map(|rows| !rows.is_empty())
}

/// Forgets those that would no longer be good.
pub(crate) async fn forget(env: &Env, now: u64) -> Result<(), String> {
    d1::rows(env, LEDGER, "DELETE FROM ended_sessions WHERE until < ?", &[now.into()])
        .await
        .map(drop)
}

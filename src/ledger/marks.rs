//! What the gate has to remember once, each under a name.

use crate::ledger::LEDGER;
use crate::platform::d1;
use crate::platform::env::Env;

/// The mark that says how much GitHub may still be asked.
pub(crate) const GITHUB_LIMIT: &str = "github-limit";

/// The value of a mark, if it is set.
pub(crate) async fn get(env: &Env, name: &str) -> Result<Option<String>, String> {
    let statement = "SELECT value FROM marks WHERE name = ?";
    let rows = d1::rows(env, LEDGER, statement, &[name.into()]).await?;
    rows.first().map(|row| row.get("value")).transpose()
}

/// Sets a mark.
pub(crate) async fn set(env: &Env, name: &str, value: &str) -> Result<(), String> {
    let statement = "INSERT INTO marks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
    d1::rows(env, LEDGER, statement, &[name.into(), value.into()]).await.map(drop)
}

/// Sets a mark that is not set yet.
pub(crate) async fn set_once(env: &Env, name: &str, value: &str) -> Result<(), String> {
    let statement = "INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
    d1::rows(env, LEDGER, statement, &[name.into(), value.into()]).await.map(drop)
}

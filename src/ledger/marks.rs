//! What the gate has to remember once, each under a name.

use crate::ledger::LEDGER;
use crate::platform::d1::{self, Ask, Row, Value};
use crate::platform::env::Env;

/// The mark that says how much GitHub may still be asked.
pub(crate) const GITHUB_LIMIT: &str = "github-limit";

/// The mark that says whether the build service is asked to take builds.
pub(crate) const BREAKER: &str = "breaker";

/// The value of a mark, if it is set.
pub(crate) fn get(name: &'static str) -> Ask<Option<String>> {
    Ask::new(GET, vec![name.into()], value)
}

/// The same, for which the ledger is waited for no longer than a second.
pub(crate) async fn get_soon(env: &Env, name: &str) -> Result<Option<String>, String> {
    value(&d1::rows_within(env, LEDGER, 1_000, GET, &[name.into()]).await?)
}

const GET: &str = "SELECT value FROM marks WHERE name = ?";

fn value(rows: &[Row]) -> Result<Option<String>, String> {
    rows.first().map(|row| row.get("value")).transpose()
}

/// Sets a mark.
pub(crate) async fn set(env: &Env, name: &str, value: &str) -> Result<(), String> {
    let statement = "INSERT INTO marks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
    d1::rows(env, LEDGER, statement, &[name.into(), value.into()]).await.map(drop)
}

/// Sets a mark that is still as it was read: says whether it was.
pub(crate) async fn replace(
    env: &Env,
    name: &str,
    before: Option<&str>,
    value: &str,
) -> Result<bool, String> {
    let statement = match before {
        None => {
            "INSERT INTO marks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING RETURNING name"
        }
        Some(_) => "UPDATE marks SET value = ?2 WHERE name = ?1 AND value = ?3 RETURNING name",
    };
    let mut values = vec![name.into(), value.into()];
    values.extend(before.map(Value::from));
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| !rows.is_empty())
}

/// Sets a mark that is not set yet.
pub(crate) async fn set_once(env: &Env, name: &str, value: &str) -> Result<(), String> {
    let statement = "INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
    d1::rows(env, LEDGER, statement, &[name.into(), value.into()]).await.map(drop)
}

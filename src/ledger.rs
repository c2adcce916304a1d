//! The ledger, a D1 database: the second thin edge to the platform. Its tables are in `migrations/`.

use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use worker::{D1Result, Env};

use crate::dead_letter::{DeadLetter, DeadLetterPage, DeadLetterSummary, StoredDeadLetter};

/// How many dead letters a page of the list has.
const PAGE: usize = 100;

const SUMMARY: &str = "id, build, repository, reason, status, attempts, stored_at, redriven_at";

/// Keeps a dead letter. Keeping the same message again changes nothing.
pub async fn keep(env: &Env, letter: &DeadLetter<'_>) -> worker::Result<()> {
    run(
        env,
        "INSERT INTO dead_letters (message_id, build, repository, reason, detail, status, \
         answer, attempts, stored_at, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (message_id) DO NOTHING",
        &[
            letter.message_id.into(),
            text(letter.build),
            text(letter.repository),
            letter.reason.into(),
            text(letter.detail),
            number(letter.status.map(u32::from)),
            text(letter.answer),
            number(letter.attempts),
            letter.stored_at.as_str().into(),
            letter.message.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Lists the dead letters with an id above `after`.
pub async fn list(env: &Env, after: u64) -> worker::Result<DeadLetterPage> {
    let query = format!("SELECT {SUMMARY} FROM dead_letters WHERE id > ? ORDER BY id LIMIT {PAGE}");
    let dead_letters: Vec<DeadLetterSummary> = rows(env, &query, &[id(after)]).await?;
    let next = dead_letters.last().filter(|_| dead_letters.len() == PAGE).map(|last| last.id);
    Ok(DeadLetterPage { dead_letters, next })
}

/// Finds a dead letter.
pub async fn find(env: &Env, letter: u64) -> worker::Result<Option<StoredDeadLetter>> {
    let query = format!("SELECT {SUMMARY}, detail, answer, message FROM dead_letters WHERE id = ?");
    Ok(rows(env, &query, &[id(letter)]).await?.pop())
}

/// Marks a dead letter as put back on the queue.
pub async fn mark_redriven(env: &Env, letter: u64, redriven_at: &str) -> worker::Result<()> {
    let query = "UPDATE dead_letters SET redriven_at = ? WHERE id = ?";
    run(env, query, &[redriven_at.into(), id(letter)]).await?;
    Ok(())
}

/// Drops a dead letter, and says whether there was one.
pub async fn drop(env: &Env, letter: u64) -> worker::Result<bool> {
    let query = "DELETE FROM dead_letters WHERE id = ? RETURNING id";
    let dropped: Vec<serde_json::Value> = rows(env, query, &[id(letter)]).await?;
    Ok(!dropped.is_empty())
}

async fn run(env: &Env, query: &str, values: &[JsValue]) -> worker::Result<D1Result> {
    env.d1("LEDGER")?.prepare(query).bind(values)?.all().await
}

async fn rows<T: DeserializeOwned>(
    env: &Env,
    query: &str,
    values: &[JsValue],
) -> worker::Result<Vec<T>> {
    run(env, query, values).await?.results()
}

fn text(value: Option<&str>) -> JsValue {
    value.map_or(JsValue::NULL, JsValue::from_str)
}

fn number(value: Option<u32>) -> JsValue {
    value.map_or(JsValue::NULL, JsValue::from)
}

/// Ids are counted from 1, so they stay far below what a JavaScript number holds exactly.
fn id(letter: u64) -> JsValue {
    JsValue::from_f64(letter as f64)
}

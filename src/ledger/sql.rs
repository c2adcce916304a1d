//! The ledger, a D1 database: the second thin edge to the platform. Its tables are in `migrations/`. It
//! writes the JSON of its answers itself, in the shapes of `dead_letter.rs`.

use wasm_bindgen::JsValue;
use worker::js_sys::Array;
use worker::worker_sys::D1PreparedStatement;

use crate::ledger::dead_letters::DeadLetter;
use crate::platform::edge::{self, reason};
use crate::platform::runtime::Env;
use crate::platform::task::settled;

const KEEP: &str = "INSERT INTO dead_letters (message_id, build, repository, reason, detail, status, answer, \
                    attempts, stored_at, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                    ON CONFLICT (message_id) DO NOTHING";

/// How many dead letters a page of the list has.
macro_rules! page {
    () => {
        "100"
    };
}

/// The fields that a list shows.
macro_rules! summary {
    () => {
        "'id', id, 'build', build, 'repository', repository, 'reason', reason, 'status', status, \
         'attempts', attempts, 'stored_at', stored_at, 'redriven_at', redriven_at"
    };
}

const LIST: &str = concat!(
    "SELECT json_object('dead_letters', json_group_array(json(letter)), 'next', iif(count(*) = ",
    page!(),
    ", max(id), NULL)) AS answer FROM (SELECT id, json_object(",
    summary!(),
    ") AS letter FROM dead_letters WHERE id > ? ORDER BY id LIMIT ",
    page!(),
    ")"
);

const SHOW: &str = concat!(
    "SELECT json_object(",
    summary!(),
    ", 'detail', detail, 'answer', answer, 'message', message) AS answer \
     FROM dead_letters WHERE id = ?"
);

/// Keeps a dead letter. Keeping the same message again changes nothing.
pub async fn keep(env: &Env, letter: &DeadLetter<'_>) -> Result<(), String> {
    let values = [
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
    ];
    run(env, KEEP, &values).await
}

/// The JSON of a page of the list: the dead letters with an id above `after`.
pub async fn list(env: &Env, after: u64) -> Result<String, String> {
    first(env, LIST, after).await.map(|row| edge::string(&row, "answer").unwrap_or_default())
}

/// The JSON of a dead letter.
pub async fn show(env: &Env, letter: u64) -> Result<Option<String>, String> {
    first(env, SHOW, letter).await.map(|row| edge::string(&row, "answer"))
}

/// A dead letter's message, and the id of the build request that it is, if it is one.
pub async fn message(env: &Env, letter: u64) -> Result<Option<(String, Option<String>)>, String> {
    let row = first(env, "SELECT message, build FROM dead_letters WHERE id = ?", letter).await?;
    Ok(edge::string(&row, "message").map(|message| (message, edge::string(&row, "build"))))
}

/// Marks a dead letter as put back on the queue.
pub async fn mark_redriven(env: &Env, letter: u64, redriven_at: &str) -> Result<(), String> {
    let query = "UPDATE dead_letters SET redriven_at = ? WHERE id = ?";
    run(env, query, &[redriven_at.into(), id(letter)]).await
}

/// Drops a dead letter, and says whether there was one.
pub async fn drop(env: &Env, letter: u64) -> Result<bool, String> {
    let row = first(env, "DELETE FROM dead_letters WHERE id = ? RETURNING id", letter).await?;
    Ok(!row.is_null())
}

fn prepare(env: &Env, query: &str, values: &[JsValue]) -> Result<D1PreparedStatement, JsValue> {
    let ledger = env.ledger().ok_or("there is no binding LEDGER")?;
    ledger.prepare(query)?.bind(values.iter().collect::<Array>())
}

async fn run(env: &Env, query: &str, values: &[JsValue]) -> Result<(), String> {
    let run = async { settled(prepare(env, query, values)?.run()?).await };
    run.await.map(|_| ()).map_err(reason)
}

/// The first row of a query about one dead letter, or null.
async fn first(env: &Env, query: &str, letter: u64) -> Result<JsValue, String> {
    let first = async { settled(prepare(env, query, &[id(letter)])?.first(None)?).await };
    first.await.map_err(reason)
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

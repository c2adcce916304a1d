//! D1: rows in, rows out.

use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Reflect};
use worker::worker_sys::D1Database;

use super::env::Env;
use super::js::{js, reason};
use super::task::settled;
use super::within::{piece_within, too_late};

/// How long the database is waited for, in milliseconds: nothing that goes on without it is to wait for longer.
const PATIENCE: u32 = 5_000;

/// A value for a `?` of a statement. (One by one: as JSON, a text that holds a NUL would end there.)
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// NULL
    Null,
    /// TEXT
    Text(&'a str),
    /// INTEGER: a whole number up to 2^53, as JavaScript holds it.
    Number(u64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u16> for Value<'_> {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Value<'_>> for JsValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Text(text) => Self::from_str(text),
            Value::Number(number) => Self::from_f64(number as f64),
        }
    }
}

/// A row, with a value for each column that was selected.
///
/// (Read column by column: the first type that serde_json reads by serde's derive makes the worker 34 KB larger,
/// a third, for it brings all that there is to say of numbers.)
pub struct Row(JsValue);

impl Row {
    /// The value of a column. Errors where there is no such column, or its value is not of the type.
    pub fn get<T: FromColumn>(&self, column: &'static str) -> Result<T, String> {
        let value = Reflect::get(&self.0, &js(column)).map_err(reason)?;
        T::from_column(&value).ok_or_else(|| format!("a row's `{column}` cannot be read"))
    }
}

/// What a column can hold.
pub trait FromColumn: Sized {
    /// Reads a value; none where it is of another type.
    fn from_column(value: &JsValue) -> Option<Self>;
}

impl FromColumn for String {
    fn from_column(value: &JsValue) -> Option<Self> {
        value.as_string()
    }
}

impl FromColumn for u64 {
    fn from_column(value: &JsValue) -> Option<Self> {
        let number = value.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
        number.map(|number| number as Self)
    }
}

impl FromColumn for u32 {
    fn from_column(value: &JsValue) -> Option<Self> {
        u64::from_column(value)?.try_into().ok()
    }
}

impl FromColumn for u16 {
    fn from_column(value: &JsValue) -> Option<Self> {
        u64::from_column(value)?.try_into().ok()
    }
}

/// NULL is none.
impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(value: &JsValue) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_column(value).map(Some) }
    }
}

/// Runs a statement with the values of its `?`, and gives the rows that it returns.
///
/// Errors with what the runtime said instead.
pub async fn rows(
    env: &Env,
    binding: &'static str,
    statement: &str,
    values: &[Value<'_>],
) -> Result<Vec<Row>, String> {
    rows_within(env, binding, PATIENCE, statement, values).await
}

/// The same, waited for no longer than so many milliseconds. What is too late may still have been done.
pub async fn rows_within(
    env: &Env,
    binding: &'static str,
    milliseconds: u32,
    statement: &str,
    values: &[Value<'_>],
) -> Result<Vec<Row>, String> {
    let run = async {
        let database: D1Database = env.binding(binding)?;
        let values: Array = values.iter().map(|value| JsValue::from(*value)).collect();
        let all = database.prepare(statement)?.bind(values)?.all()?;
        let milliseconds = milliseconds.min(PATIENCE);
        let done = settled(piece_within(&all, milliseconds)).await?;
        if done.is_undefined() {
            return Err(too_late(milliseconds));
        }
        results(&done)
    };
    run.await.map_err(reason)
}

/// A question to a database: a statement with the values of its `?`, and how the rows that it returns are read.
pub struct Ask<T> {
    statement: &'static str,
    values: Vec<Value<'static>>,
    read: Reader<T>,
}

type Reader<T> = fn(&[Row]) -> Result<T, String>;

impl<T> Ask<T> {
    /// A question.
    pub fn new(statement: &'static str, values: Vec<Value<'static>>, read: Reader<T>) -> Self {
        Self { statement, values, read }
    }

    /// Asks it. Errors with what the runtime said instead.
    pub async fn answer(&self, env: &Env, binding: &'static str) -> Result<T, String> {
        (self.read)(&rows(env, binding, self.statement, &self.values).await?)
    }
}

/// Questions that are asked together, which takes one way to the database and back.
#[derive(Default)]
pub struct Questions(Vec<(&'static str, Vec<Value<'static>>)>);

/// Where the answer to a question will be.
pub struct Place<T> {
    index: usize,
    read: Reader<T>,
}

/// What questions were answered with.
pub struct Answers(Vec<Vec<Row>>);

impl Questions {
    /// Adds one, and says where its answer will be.
    pub fn add<T>(&mut self, ask: Ask<T>) -> Place<T> {
        self.0.push((ask.statement, ask.values));
        Place { index: self.0.len() - 1, read: ask.read }
    }

    /// Asks them. Errors with what the runtime said instead, for all of them where it is so for one.
    pub async fn answers(self, env: &Env, binding: &'static str) -> Result<Answers, String> {
        let run = async {
            let done: Array = batch(env, binding, self.0.into_iter()).await?.dyn_into()?;
            done.iter().map(|result| results(&result)).collect::<Result<_, JsValue>>()
        };
        run.await.map(Answers).map_err(reason)
    }
}

impl Answers {
    /// The answer at a place. Errors where it cannot be read.
    pub fn at<T>(&self, place: &Place<T>) -> Result<T, String> {
        (place.read)(self.0.get(place.index).map_or(&[][..], Vec::as_slice))
    }
}

/// Runs statements one after the other, each with this value for its `?1`: all of them, or none
/// (<https://developers.cloudflare.com/d1/worker-api/d1-database/#batch>).
///
/// Errors with what the runtime said instead.
pub async fn transaction(
    env: &Env,
    binding: &'static str,
    statements: &[&str],
    value: Value<'_>,
) -> Result<(), String> {
    let statements = statements.iter().map(|&statement| (statement, vec![value]));
    batch(env, binding, statements).await.map(drop).map_err(reason)
}

/// Has the database run statements in one transaction, and gives what it says of them.
async fn batch<'a>(
    env: &Env,
    binding: &'static str,
    statements: impl Iterator<Item = (&'a str, Vec<Value<'a>>)>,
) -> Result<JsValue, JsValue> {
    let database: D1Database = env.binding(binding)?;
    let prepared = Array::new();
    for (statement, values) in statements {
        let values: Array = values.into_iter().map(JsValue::from).collect();
        prepared.push(&database.prepare(statement)?.bind(values)?.into());
    }
    let done = settled(piece_within(&database.batch(prepared)?, PATIENCE)).await?;
    if done.is_undefined() { Err(too_late(PATIENCE)) } else { Ok(done) }
}

/// The rows that a statement returned.
fn results(done: &JsValue) -> Result<Vec<Row>, JsValue> {
    let rows: Array = Reflect::get(done, &js("results"))?.dyn_into()?;
    Ok(rows.to_vec().into_iter().map(Row).collect())
}

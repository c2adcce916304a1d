//! What is kept: a D1 database, whose tables are made by `migrations/`. Each table has a file, with its rows and its SQL
//! side by side.

pub(crate) mod alerts;
pub mod auto_deployments;
pub mod builds;
mod conditions;
pub mod dead_letters;
pub(crate) mod held;
pub mod journal;
pub(crate) mod last;
pub(crate) mod marks;
pub(crate) mod outbox;
pub(crate) mod sessions;
pub mod sweeps;

use crate::platform::d1::{Answers, Ask, Questions, Row};
use crate::platform::env::Env;

/// The database's binding.
const LEDGER: &str = "LEDGER";

/// Asks the ledger. Errors with what it said instead.
pub(crate) async fn ask<T>(env: &Env, ask: Ask<T>) -> Result<T, String> {
    ask.answer(env, LEDGER).await
}

/// Asks the ledger several things at once. Errors with what it said instead.
pub(crate) async fn ask_all(env: &Env, questions: Questions) -> Result<Answers, String> {
    questions.answers(env, LEDGER).await
}

/// How many errors there are, and what the last one is.
fn of_errors(rows: &[Row]) -> Result<(u64, Option<String>), String> {
    match rows.first() {
        Some(row) => Ok((row.get("count")?, row.get("error")?)),
        None => Ok((0, None)),
    }
}

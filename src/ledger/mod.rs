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

/// The database's binding.
const LEDGER: &str = "LEDGER";

//! What is kept: a D1 database, whose tables are made by `migrations/`. Each table has a file, with its rows and its SQL
//! side by side.

pub mod auto_deployments;
pub mod builds;
pub mod dead_letters;
pub mod sweeps;

/// The database's binding.
const LEDGER: &str = "LEDGER";

//! What is kept: the tables of a D1 database.

pub mod dead_letters;
pub(crate) mod sql;

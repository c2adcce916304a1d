//! JSON as GitHub and operators write it, where a person reads what is wrong with it.

pub mod cursor;
pub mod fields;

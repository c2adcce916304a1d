//! The runtime.

pub mod edge;
pub mod runtime;
pub mod task;

//! A build is handed over: from the queue to the origin, and what comes of it.

pub mod attempt;

//! A delivery comes in: from what GitHub sends to the answer that it gets.

pub mod answer;
pub mod decision;
pub mod event;
pub mod request;

//! The operator looks after the gate, by the routes under `/-/`.

pub mod answer;

//! End to end: the built wasm in workerd, run by `wrangler dev` with its KV, queue and D1 simulators, and an HTTP
//! origin. `npm test` builds the worker first.

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod app;
mod auto_deploy;
mod bodies;
mod console;
mod dead_letters;
mod deliver;
mod deliveries;
mod described;
mod events;
mod handover;
mod journal;
mod link;
mod missed;
mod operator;
mod policies;
mod rotation;
mod secrets;
mod soak;
mod standin;
mod statuses;
mod surge;
mod tasks;
mod timed;

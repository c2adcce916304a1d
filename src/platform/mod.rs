//! The runtime, workerd: the only files that name `worker`, `wasm_bindgen`, `js_sys` or `web_sys`. They take keys,
//! texts, bytes and limits, and give the same. What is asked for, and why, is decided above: nothing here knows
//! of a webhook or a build.
//!
//! (They call the runtime directly where `worker`'s own types cost more than the call, or hide what is needed.)

pub mod access;
pub mod crypto;
pub mod d1;
pub mod env;
pub mod http;
mod js;
pub mod kv;
pub mod queue;
pub mod request;
pub mod response;
mod room;
mod stream;
pub mod task;
mod within;

use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::{Date, Math, Promise};
use worker::{console_error, console_log};

/// Lets JavaScript call a function: `entry.js` does.
pub use wasm_bindgen::prelude::wasm_bindgen as exported;

/// An error of the runtime's.
pub type Error = wasm_bindgen::JsValue;

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/scheduler/>
    #[wasm_bindgen(js_namespace = scheduler, js_name = wait)]
    fn wait_for(milliseconds: f64) -> Promise;
}

/// Runs once when the runtime starts the worker: a panic then says in the log what happened.
#[exported(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Does nothing, and so fails only where the instance has broken off: `entry.js` asks before each call whose arguments
/// belong to the instance.
#[exported]
pub fn ready() {}

/// The time, in milliseconds since 1970. The runtime's clock stands still between two I/O operations
/// (<https://developers.cloudflare.com/workers/reference/security-model/#step-1-disallow-timers-and-multi-threading>).
pub fn now() -> u64 {
    Date::now() as u64
}

/// Waits so many milliseconds.
pub async fn wait(milliseconds: u32) {
    // A promise that is never broken.
    let _ = task::settled(wait_for(milliseconds.into())).await;
}

/// Reads a date such as HTTP's, in seconds since 1970.
pub fn seconds_of_date(date: &str) -> Option<u64> {
    let milliseconds = Date::parse(date);
    milliseconds.is_finite().then(|| (milliseconds / 1e3) as u64)
}

/// A number from 0 to 1.
pub fn random() -> f64 {
    Math::random()
}

/// Writes one line of JSON to the log.
pub fn log(line: &impl Serialize) {
    match serde_json::to_string(line) {
        Ok(line) => console_log!("{line}"),
        Err(error) => console_error!("a log line could not be written: {error}"),
    }
}

//! Promises that are waited for no longer than a time.

use wasm_bindgen::prelude::*;
use worker::js_sys::Promise;

/// (In JavaScript, for a promise made here takes two closures. `Promise.race` with `scheduler.wait` made a forged delivery
/// take 5 percent longer.)
#[wasm_bindgen(inline_js = "
export const within = (promise, milliseconds) =>
  new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    setTimeout(resolve, milliseconds);
  });

export const pieceWithin = (promise, milliseconds) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    promise.finally(() => clearTimeout(timer)).then(resolve, reject);
  });

export const keptWithin = (promise, milliseconds) => pieceWithin(promise.then(() => true), milliseconds);
")]
extern "C" {
    /// A promise that is kept or broken as the one that is given, or kept with nothing after so many milliseconds. Its
    /// timer goes with the request: to clear it made a forged delivery take 3 percent longer.
    pub fn within(promise: &Promise, milliseconds: u32) -> Promise;

    /// The same for one of many in a request. Its timer is cleared, for it would keep what the promise was kept with.
    #[wasm_bindgen(js_name = pieceWithin)]
    pub fn piece_within(promise: &Promise, milliseconds: u32) -> Promise;

    /// The same for one that is kept with nothing: kept with `true` in time.
    #[wasm_bindgen(js_name = keptWithin)]
    pub fn kept_within(promise: &Promise, milliseconds: u32) -> Promise;
}

/// What is said of what did not answer in time.
pub fn too_late(milliseconds: u32) -> JsValue {
    format!("no answer within {} s", f64::from(milliseconds) / 1e3).into()
}

//! Runs the gate's futures, with the waiting left to JavaScript: `entry.js` awaits the promise that a task gives,
//! and resumes the task with what came of it. (With `wasm-bindgen-futures`, which makes two closures for each
//! promise and wakes its futures by another one, waiting for WebCrypto cost more than it saves on a small body.)

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::Promise;

/// What came of a promise.
type Outcome = Result<JsValue, JsValue>;

thread_local! {
    /// What passes between a task and the future that it polls: the promise that the future waits for, and
    /// what came of it.
    static AWAITED: RefCell<Option<Promise>> = const { RefCell::new(None) };
    static OUTCOME: RefCell<Option<Outcome>> = const { RefCell::new(None) };
}

/// A future that JavaScript runs. It goes when JavaScript frees it, or forgets it because the runtime cancelled
/// its event.
#[wasm_bindgen(wasm_bindgen = ::worker::wasm_bindgen)]
pub struct Task(Pin<Box<dyn Future<Output = Outcome>>>);

impl Task {
    pub(crate) fn new(future: impl Future<Output = Outcome> + 'static) -> Self {
        Self(Box::pin(future))
    }
}

#[wasm_bindgen(wasm_bindgen = ::worker::wasm_bindgen)]
impl Task {
    /// Goes on with what came of the promise that the last call gave, or begins: gives the next promise, or
    /// the future's result, which is none. Errors with the future's error.
    pub fn resume(&mut self, value: JsValue, rejected: bool) -> Result<JsValue, JsValue> {
        OUTCOME.set(Some(if rejected { Err(value) } else { Ok(value) }));
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(AWAITED.take().into()),
        }
    }
}

/// Waits for a promise, in a [`Task`], which waits for one at a time.
pub async fn settled(promise: Promise) -> Outcome {
    let mut promise = Some(promise);
    std::future::poll_fn(|_| match promise.take() {
        Some(promise) => {
            AWAITED.set(Some(promise));
            Poll::Pending
        }
        None => Poll::Ready(OUTCOME.take().unwrap_or(Ok(JsValue::UNDEFINED))),
    })
    .await
}

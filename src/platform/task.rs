//! Runs futures, with the waiting left to JavaScript: `entry.js` awaits the promise that a task gives,
//! and resumes the task with what came of it. (With `wasm-bindgen-futures`, which makes two closures for each
//! promise and wakes its futures by another one, waiting for WebCrypto cost more than it saves on a small body.)

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::{Error, Promise};

/// What came of a promise.
type Outcome = Result<JsValue, JsValue>;

/// What a future has been waiting for since it was polled last.
#[derive(Default)]
enum Awaited {
    #[default]
    Nothing,
    Promise(Promise),
    Several,
}

thread_local! {
    /// What passes between a task and the future that it polls: what the future waits for, and what came of it.
    static AWAITED: RefCell<Awaited> = const { RefCell::new(Awaited::Nothing) };
    static OUTCOME: RefCell<Option<Outcome>> = const { RefCell::new(None) };
}

/// A future that JavaScript runs. It goes when JavaScript frees it, or forgets it because the runtime cancelled
/// its event.
#[wasm_bindgen]
pub struct Task(Pin<Box<dyn Future<Output = Outcome>>>);

impl Task {
    /// A task that gives JavaScript something, such as an answer.
    pub fn answering<T: Into<JsValue>>(
        future: impl Future<Output = Result<T, JsValue>> + 'static,
    ) -> Self {
        Self(Box::pin(future.map(|result| result.map(Into::into))))
    }

    /// Lets go of what the future holds, for nobody resumes it. Gives the error that says why.
    fn give_up(&mut self, why: &str) -> JsValue {
        self.0 = Box::pin(std::future::pending());
        Error::new(why).into()
    }

    /// A task that is only to be done.
    pub fn doing(future: impl Future<Output = Result<(), JsValue>> + 'static) -> Self {
        Self(Box::pin(future.map(|result| result.map(|()| JsValue::UNDEFINED))))
    }
}

#[wasm_bindgen]
impl Task {
    /// Goes on with what came of the promise that the last call gave, or begins: gives the next promise, or
    /// the future's result, which is none.
    ///
    /// Errors with the future's error; and where the future waits for anything but one promise by [`settled`],
    /// for nobody would ever resume it: taken for done, it would answer nothing, and its message would count
    /// as acknowledged.
    pub fn resume(&mut self, value: JsValue, rejected: bool) -> Result<JsValue, JsValue> {
        OUTCOME.set(Some(if rejected { Err(value) } else { Ok(value) }));
        let polled = self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match (polled, AWAITED.take()) {
            (Poll::Ready(result), _) => result,
            (Poll::Pending, Awaited::Promise(promise)) => Ok(promise.into()),
            (Poll::Pending, Awaited::Nothing) => {
                Err(self.give_up("a task waits for something else than `settled`"))
            }
            (Poll::Pending, Awaited::Several) => {
                Err(self.give_up("a task waits for more than one promise at a time"))
            }
        }
    }
}

/// Waits for a promise, in a [`Task`], and gives what came of it.
///
/// This is all that a task can wait for, and one at a time: not another future, such as a promise's own or
/// those of the `worker` crate, and not several joined, for those want to be woken, which nobody here does.
/// Such a task ends with an error. What is to be done side by side is a task each.
pub async fn settled(promise: Promise) -> Outcome {
    let mut promise = Some(promise);
    std::future::poll_fn(|_| match promise.take() {
        Some(promise) => {
            AWAITED.set(match AWAITED.take() {
                Awaited::Nothing => Awaited::Promise(promise),
                Awaited::Promise(_) | Awaited::Several => Awaited::Several,
            });
            Poll::Pending
        }
        None => OUTCOME.take().map_or(Poll::Pending, Poll::Ready),
    })
    .await
}

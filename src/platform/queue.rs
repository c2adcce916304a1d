//! Queues: what is put on them, and what comes off them.

use wasm_bindgen::JsValue;
use worker::js_sys::{Array, JSON, Promise, Reflect};
use worker::{console_error, worker_sys};

use super::env::Env;
use super::js::{js, object, reason};
use super::task::settled;
use super::within::{kept_within, too_late};
use super::{now, random};

/// A message as the runtime has it.
pub use worker::worker_sys::Message as RawMessage;

/// A message. (The `worker` crate's own type hides how often it was tried.)
pub struct Message(RawMessage);

impl From<RawMessage> for Message {
    fn from(message: RawMessage) -> Self {
        Self(message)
    }
}

/// How long a queue is waited for, in milliseconds, where nobody waits for an answer of the gate's.
const PATIENCE: u32 = 10_000;

/// Puts a text on a queue; it is there for certain once this is done.
///
/// Errors with what the runtime said instead.
pub async fn send(env: &Env, binding: &'static str, text: &str) -> Result<(), String> {
    send_later(env, binding, text, 0, PATIENCE).await
}

/// Puts a text on a queue, which delivers it in so many seconds at the earliest. The queue is waited for no longer than so
/// many milliseconds.
///
/// Errors with what the runtime said instead. What is too late may still have been put there.
pub async fn send_later(
    env: &Env,
    binding: &'static str,
    text: &str,
    seconds: u32,
    milliseconds: u32,
) -> Result<(), String> {
    let send = async {
        let queue: worker_sys::Queue = env.binding(binding)?;
        let mut options = vec![("contentType", js("text").into())];
        if seconds > 0 {
            options.push(("delaySeconds", seconds.into()));
        }
        let options = object(&options)?;
        taken(queue.send(text.into(), options.into())?, milliseconds).await
    };
    send.await.map_err(reason)
}

/// Waits for a queue to take what it was given.
async fn taken(promise: Promise, milliseconds: u32) -> Result<(), JsValue> {
    let taken = settled(kept_within(&promise, milliseconds)).await?;
    if taken.is_undefined() { Err(too_late(milliseconds)) } else { Ok(()) }
}

/// The most messages that a queue takes at once, and the most bytes of them: 256 KB with what is the queue's own
/// (<https://developers.cloudflare.com/queues/platform/limits/>).
pub const BATCH: usize = 100;
/// See [`BATCH`].
pub const BATCH_BYTES: usize = 240_000;

/// Puts texts on a queue, which delivers each in so many seconds at the earliest.
///
/// Errors with what the runtime said instead: what stood before the batch that failed is on the queue.
pub async fn send_all(
    env: &Env,
    binding: &'static str,
    texts: &[(String, u32)],
) -> Result<(), String> {
    let send = async {
        let queue: worker_sys::Queue = env.binding(binding)?;
        let (mut batch, mut bytes) = (Array::new(), 0);
        for (text, seconds) in texts {
            if batch.length() as usize == BATCH || bytes + text.len() > BATCH_BYTES {
                let full = std::mem::replace(&mut batch, Array::new());
                bytes = 0;
                taken(queue.send_batch(full, JsValue::UNDEFINED)?, PATIENCE).await?;
            }
            let message = [
                ("body", JsValue::from(text.as_str())),
                ("contentType", js("text").into()),
                ("delaySeconds", (*seconds).into()),
            ];
            batch.push(&object(&message)?.into());
            bytes += text.len();
        }
        if batch.length() > 0 {
            taken(queue.send_batch(batch, JsValue::UNDEFINED)?, PATIENCE).await?;
        }
        Ok(())
    };
    send.await.map_err(reason)
}

impl Message {
    /// The queue's id of the message.
    pub fn id(&self) -> String {
        // Never the same for two messages, not even where the queue should give none.
        self.0.id().map_or_else(|_| format!("unknown-{}", (random() * 1e15) as u64), String::from)
    }

    /// Its text: a string as it is, anything else as JSON.
    pub fn text(&self) -> String {
        let body = self.0.body().unwrap_or_default();
        body.as_string().or_else(|| JSON::stringify(&body).ok()?.as_string()).unwrap_or_default()
    }

    /// How often it was tried, this time included.
    pub fn attempt(&self) -> u32 {
        let attempts = Reflect::get(&self.0, &js("attempts"));
        attempts.ok().and_then(|attempts| attempts.as_f64()).map_or(1, |attempts| attempts as u32)
    }

    /// When it was put on the queue, in milliseconds since 1970.
    pub fn sent_at(&self) -> u64 {
        self.0.timestamp().map_or_else(|_| now(), |timestamp| timestamp.get_time() as u64)
    }

    /// Takes it off the queue.
    pub fn acknowledge(&self) {
        if let Err(error) = self.0.ack() {
            console_error!("a message could not be acknowledged: {}", reason(error));
        }
    }

    /// Has it tried again after `seconds`; should the queue not take the delay, at the queue's own pace.
    ///
    /// Errors where it takes neither: the task of a message that is neither acknowledged nor retried has to end with
    /// an error, or it counts as acknowledged.
    pub fn retry(&self, seconds: u64) -> Result<(), JsValue> {
        let options = object(&[("delaySeconds", JsValue::from_f64(seconds as f64))]);
        options.and_then(|options| self.0.retry(options.into())).or_else(|error| {
            console_error!("a message could not be delayed by {seconds} s: {}", reason(error));
            self.0.retry(JsValue::UNDEFINED)
        })
    }
}

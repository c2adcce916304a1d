//! A worker of the tests': the gate's own platform and entry, and tasks that wait for what they must not. Its
//! messages say in their text what is to be waited for.
//!
//! That it compiles shows that the platform knows nothing of the gate.

#[path = "../../../src/memory.rs"]
#[allow(dead_code)]
mod memory;
#[path = "../../../src/platform/mod.rs"]
#[allow(dead_code)]
mod platform;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use platform::access::Context;
use platform::env::Env;
use platform::queue::{Message, RawMessage, send};
use platform::request::{Bounds, Request, read_body};
use platform::response::{Response, plain};
use platform::task::{Task, settled};
use platform::{Error, exported};

/// Puts the body of a request on the queue; with the header `X-Wait`, waits for that instead.
#[exported]
pub fn fetch(request: Request, env: Env, _context: Context) -> Task {
    Task::answering(async move { answer(&request, &env).await })
}

async fn answer(request: &Request, env: &Env) -> Result<Response, Error> {
    if let Some(what) = platform::request::headers(request)("X-Wait") {
        wait_for(&what).await?;
        return plain("waited\n");
    }
    let bounds = Bounds { most: 1_000, together: 10_000, reserve: 0, milliseconds: 8_000 };
    let body = read_body(request, None, bounds, platform::now())
        .await
        .map_err(|error| format!("{error:?}"))?;
    send(env, "QUEUE", &String::from_utf8_lossy(&body.bytes)).await?;
    plain("queued\n")
}

/// Logs a cron trigger.
#[exported]
pub fn scheduled(cron: String, _env: Env) -> Task {
    Task::doing(async move {
        platform::log(&cron);
        Ok(())
    })
}

/// Waits, at the first attempt, for what the message says; then acknowledges it.
#[exported]
pub fn message(queue: String, message: RawMessage, _env: Env) -> Task {
    let message = Message::from(message);
    Task::doing(async move {
        let text = message.text();
        if queue.ends_with("-dead") {
            platform::log(&(queue, text, message.attempt()));
            message.acknowledge();
            return Ok(());
        }
        if message.attempt() == 1 || text.starts_with("always ") {
            wait_for(text.trim_start_matches("always ")).await?;
        }
        platform::log(&(text, message.attempt()));
        message.acknowledge();
        Ok(())
    })
}

/// At once.
#[exported]
pub fn delay_after_failure(_env: &Env, _attempt: u32) -> u32 {
    0
}

/// None are.
#[exported]
pub fn takes_batches(_queue: &str) -> bool {
    false
}

/// So this is never asked for.
#[exported]
pub fn batch(_messages: Vec<RawMessage>, _env: Env) -> Task {
    Task::doing(std::future::ready(Ok(())))
}

/// Nothing is.
#[exported]
pub fn is_gathered() -> bool {
    false
}

/// So this is never asked for.
#[exported]
pub fn send_gathered(_env: Env) -> Task {
    Task::doing(std::future::ready(Ok(())))
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = scheduler)]
    fn wait(milliseconds: u32) -> Promise;
}

async fn wait_for(what: &str) -> Result<(), Error> {
    let promise = || Promise::resolve(&JsValue::NULL);
    match what {
        "one promise" => settled(promise()).await.map(drop),
        "two promises, one after the other" => {
            settled(promise()).await?;
            settled(promise()).await.map(drop)
        }
        "a promise that is rejected" => {
            let rejected = Promise::reject(&"rejected, as asked".into());
            assert!(settled(rejected).await.is_err());
            Ok(())
        }
        "two seconds" => settled(wait(2_000)).await.map(drop),
        "a panic" => panic!("on purpose"),
        "a promise's own future" => promise().await.map(drop),
        "a future that nobody wakes" => std::future::pending().await,
        "two promises at a time" => {
            let (mut one, mut other) = (Box::pin(settled(promise())), Box::pin(settled(promise())));
            std::future::poll_fn(|context| {
                let (one, other) = (one.as_mut().poll(context), other.as_mut().poll(context));
                if one.is_ready() && other.is_ready() {
                    std::task::Poll::Ready(Ok(()))
                } else {
                    std::task::Poll::Pending
                }
            })
            .await
        }
        other => Err(format!("nobody knows how to wait for {other}").into()),
    }
}

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

use platform::env::Env;
use platform::queue::{Batch, Message, messages, send};
use platform::request::{Request, read_body};
use platform::response::{Response, plain};
use platform::task::{Task, settled};
use platform::{Error, exported};

/// Puts the body of a request on the queue; with the header `X-Wait`, waits for that instead.
#[exported]
pub fn fetch(request: Request, env: Env) -> Task {
    Task::answering(async move { answer(&request, &env).await })
}

async fn answer(request: &Request, env: &Env) -> Result<Response, Error> {
    if let Some(what) = platform::request::headers(request)("X-Wait") {
        wait_for(&what).await?;
        return plain("waited\n");
    }
    let body = read_body(request, None, 1_000).await.map_err(|error| format!("{error:?}"))?;
    send(env, "QUEUE", &String::from_utf8_lossy(&body)).await?;
    plain("queued\n")
}

/// Waits, at the first attempt, for what the message says; then acknowledges it.
#[exported]
pub fn queue(batch: Batch, _env: Env) -> Result<Vec<Task>, Error> {
    let task = |message: Message| {
        Task::answering(async move {
            if message.attempt() == 1 {
                wait_for(&message.text()).await?;
            }
            platform::log(&(message.text(), message.attempt()));
            message.acknowledge();
            Ok(JsValue::UNDEFINED)
        })
    };
    Ok(messages(&batch)?.into_iter().map(task).collect())
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

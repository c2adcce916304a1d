//! An origin of a test's own: an HTTP server that keeps what it is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// How long a build request may take from its delivery to the origin, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for what should not come: more than the queue waits to fill a batch.
const SETTLED: Duration = Duration::from_secs(3);

#[derive(Clone, Default)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

/// A request that the origin was sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub content_type: String,
    pub body: Value,
}

/// A running origin; dropped, it is stopped.
pub struct Origin {
    pub url: String,
    shared: Shared,
    _runtime: Runtime,
}

impl Origin {
    /// Starts an origin that answers with `answers` in turn, and then with 202.
    pub fn start(answers: &[u16]) -> Self {
        let shared = Shared::default();
        shared.answers.lock().unwrap().extend(answers);
        let app = Router::new().route("/builds", post(receive)).with_state(shared.clone());
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/builds", listener.local_addr().unwrap());
        runtime.spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, _runtime: runtime }
    }

    /// All that has come so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until `count` requests have come, and then for any that should not.
    pub fn settled(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + PATIENCE;
        while self.received().len() < count && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(SETTLED);
        self.received()
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: String) -> StatusCode {
    let content_type = headers.get("Content-Type").map(|value| value.to_str().unwrap().to_owned());
    shared.received.lock().unwrap().push(Received {
        content_type: content_type.unwrap_or_default(),
        body: serde_json::from_str(&body).unwrap(),
    });
    let status = shared.answers.lock().unwrap().pop_front().unwrap_or(202);
    StatusCode::from_u16(status).unwrap()
}

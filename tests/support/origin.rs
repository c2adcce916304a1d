//! An origin of a test's own: an HTTP server that verifies and keeps what it is sent, and answers as the
//! test wants.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::runtime::Runtime;

/// The origin's secret.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long a build request may take from its delivery to the origin, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for what should not come: more than the queue waits to fill a batch.
const SETTLED: Duration = Duration::from_secs(3);

/// How to answer a request.
#[derive(Clone)]
pub enum Reply {
    Status(u16),
    With { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Hang,
}

/// A request that the origin was sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub headers: HeaderMap,
    pub body: Value,
}

type Decide = dyn Fn(&Received, usize) -> Reply + Send + Sync;

#[derive(Clone)]
struct Shared {
    key: Arc<Webhook>,
    received: Arc<Mutex<Vec<Received>>>,
    decide: Arc<Decide>,
}

/// A running origin; dropped, it is stopped.
pub struct Origin {
    pub url: String,
    shared: Shared,
    _runtime: Runtime,
}

impl Origin {
    /// Starts an origin that accepts everything.
    pub fn start() -> Self {
        Self::start_with(|_, _| Reply::Status(202))
    }

    /// Starts an origin that answers as `decide` says, by the request and its number (the first is 0).
    pub fn start_with(decide: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), decide)
    }

    /// Starts what takes the gate's alerts, which are signed with another key, and answers as `decide` says.
    pub fn for_alerts(
        key: &str,
        decide: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_signed(key, TcpListener::bind("127.0.0.1:0").unwrap(), decide)
    }

    pub fn start_on(
        listener: TcpListener,
        decide: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_signed(SECRET, listener, decide)
    }

    fn start_signed(
        key: &str,
        listener: TcpListener,
        decide: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let key = Arc::new(Webhook::new(key).unwrap());
        let shared = Shared { key, received: Arc::default(), decide: Arc::new(decide) };
        let app = Router::new().fallback(any(receive)).with_state(shared.clone());
        let url = format!("http://{}/builds", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let runtime = Runtime::new().unwrap();
        runtime.spawn(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        Self { url, shared, _runtime: runtime }
    }

    /// All that has come so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until `count` requests have come.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + PATIENCE;
        while self.received().len() < count && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        self.received()
    }

    /// Waits until `count` requests have come, and then for any that should not.
    pub fn settled(&self, count: usize) -> Vec<Received> {
        self.wait_for(count);
        thread::sleep(SETTLED);
        self.received()
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    // The specification's own library: what it does not verify is never a build request.
    shared.key.verify(&body, &headers).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let received = Received { at: Instant::now(), headers, body };
    let number = {
        let mut all = shared.received.lock().unwrap();
        all.push(received.clone());
        all.len() - 1
    };
    match (shared.decide)(&received, number) {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::With { status, headers, body } => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Reply::Hang => std::future::pending().await,
    }
}

/// Stands before an origin and breaks the first connections off: each half way, one after the request's
/// first bytes, the next in the middle of the answer's first line. Gives its URL and the count of the
/// connections it broke.
pub fn breaking(origin: &Origin, connections: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/builds", listener.local_addr().unwrap());
    let target = origin.url.trim_start_matches("http://").trim_end_matches("/builds").to_owned();
    let broken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&broken);
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let number = count.load(Ordering::SeqCst);
            if number < connections {
                client.read_exact(&mut [0; 100]).unwrap();
                if number % 2 == 1 {
                    client.write_all(b"HTTP/1.1 20").unwrap();
                }
                let _ = client.shutdown(Shutdown::Both);
                count.fetch_add(1, Ordering::SeqCst);
            } else {
                let server = TcpStream::connect(&target).unwrap();
                pipe(client.try_clone().unwrap(), server.try_clone().unwrap());
                pipe(server, client);
            }
        }
    });
    (url, broken)
}

fn pipe(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

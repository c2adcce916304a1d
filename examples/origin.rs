//! An origin to start from: takes build requests, verifies each, and starts each build once.
//!
//! ```sh
//! cargo run --example origin -- --help
//! ```
//!
//! The order is the contract (docs/origin.md): verify, then do nothing if the id is
//! known, then answer 2xx. The known ids are kept in SQLite, so that a restart does not build twice.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Parser;
use rusqlite::Connection;
use serde::Deserialize;
use standardwebhooks::Webhook;

/// The largest build request: a queue message has at most 128,000 bytes.
const LARGEST_BODY: usize = 128_000;

/// A small origin: takes build requests from buildgate by POST at /builds.
///
/// What they are signed with is the environment's ORIGIN_SECRET, or else that of .dev.vars: whsec_ and base64, or
/// several of them separated by spaces.
#[derive(Parser)]
struct Settings {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8788")]
    listen: SocketAddr,

    /// The file in which the ids of known build requests are kept.
    #[arg(long, default_value = "origin.sqlite")]
    database: PathBuf,

    /// Fail one in this many requests at random, before or after taking it over: to try out how the gate
    /// bears it.
    #[arg(long)]
    fail_one_in: Option<usize>,
}

struct Origin {
    keys: Vec<Webhook>,
    builds: Mutex<Connection>,
    fail_one_in: Option<usize>,
}

/// What this origin reads of a build request; it has more to tell.
#[derive(Deserialize)]
struct BuildRequest {
    id: String,
    repository: Repository,
    commit: Commit,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
    #[serde(rename = "ref")]
    reference: String,
}

/// Takes a build request over. 2xx: the gate need not send it again. 401 and 500: it will. 422: it never
/// will, and keeps it as a dead letter.
async fn receive(
    State(origin): State<Arc<Origin>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if !origin.keys.iter().any(|key| key.verify(&body, &headers).is_ok()) {
        return (StatusCode::UNAUTHORIZED, "the signature does not verify".to_owned());
    }
    let request: BuildRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            return (StatusCode::UNPROCESSABLE_ENTITY, format!("not a build request: {error}"));
        }
    };
    if origin.fails() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "failed, as asked".to_owned());
    }
    match origin.remember(&request.id) {
        Ok(true) => println!(
            "build request {}: build {} at {} ({})\n{}",
            printable(&request.id),
            printable(&request.repository.full_name),
            printable(&request.commit.sha),
            printable(&request.commit.reference),
            printable(&String::from_utf8_lossy(&body))
        ),
        Ok(false) => {
            println!("build request {}: known already, nothing to do", printable(&request.id));
        }
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot remember the id: {error}"));
        }
    }
    if origin.fails() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "failed after all, as asked".to_owned());
    }
    (StatusCode::ACCEPTED, String::new())
}

/// A text from outside, without the characters that would command a terminal or hide what stands there.
fn printable(text: &str) -> String {
    let hides = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}');
    text.chars().map(|c| if c.is_control() || hides(c) { '\u{fffd}' } else { c }).collect()
}

impl Origin {
    /// Remembers an id, and says whether it is new.
    fn remember(&self, id: &str) -> rusqlite::Result<bool> {
        let builds = self.builds.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(builds.execute("INSERT OR IGNORE INTO builds (id) VALUES (?)", [id])? == 1)
    }

    /// Whether to fail now: asked twice a request, so each time half as often.
    fn fails(&self) -> bool {
        self.fail_one_in.is_some_and(|one_in| fastrand::usize(..2 * one_in) == 0)
    }
}

fn secret_of_dev_vars() -> Option<String> {
    let mut variables = dotenvy::from_path_iter(".dev.vars").ok()?.filter_map(Result::ok);
    variables.find(|(name, _)| name == "ORIGIN_SECRET").map(|(_, secret)| secret)
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse();
    let secret = std::env::var("ORIGIN_SECRET").ok().or_else(secret_of_dev_vars);
    let secret = secret.ok_or("there is no ORIGIN_SECRET")?;
    let keys = secret.split_whitespace().map(Webhook::new).collect::<Result<_, _>>()?;
    let builds = Connection::open(&settings.database)?;
    builds.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE IF NOT EXISTS builds (id TEXT PRIMARY KEY) WITHOUT ROWID;",
    )?;
    let origin = Origin { keys, builds: Mutex::new(builds), fail_one_in: settings.fail_one_in };

    let app = Router::new()
        .route("/builds", post(receive))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(origin));
    let listener = tokio::net::TcpListener::bind(settings.listen).await.map_err(|error| {
        format!("cannot listen on {} ({error}): does another origin run there? Stop it, or choose another address with --listen", settings.listen)
    })?;
    println!("waiting for build requests on http://{}/builds", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

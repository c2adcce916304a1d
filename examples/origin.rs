//! An origin to start from: takes build requests, verifies each, and starts each build once.
//!
//! ```sh
//! cargo run --example origin -- --help
//! ```
//!
//! The order is the contract (docs/origin.md): verify, then do nothing if the id is
//! known, then answer 2xx. The known ids are kept in SQLite, so that a restart does not build twice.
//! What becomes of a build is reported to the gate, signed with the same secret.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use clap::Parser;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::json;
use standardwebhooks::Webhook;

/// How long a build takes that this origin plays.
const BUILDING: Duration = Duration::from_secs(3);

/// How long is waited before a report is sent again that the gate did not take.
const AGAIN_AFTER: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

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

    /// The gate's URL: what becomes of a build is reported there. If not given, nothing is reported.
    #[arg(long)]
    gate: Option<String>,
}

struct Origin {
    /// Its own URL.
    url: String,
    gate: Option<String>,
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
        Ok(Known::No) => {
            println!(
                "build request {}: build {} at {} ({})\n{}",
                printable(&request.id),
                printable(&request.repository.full_name),
                printable(&request.commit.sha),
                printable(&request.commit.reference),
                printable(&String::from_utf8_lossy(&body))
            );
            if origin.gate.is_some() {
                tokio::spawn(build(Arc::clone(&origin), request.id));
            }
        }
        Ok(Known::Begun) => {
            println!("build request {}: known already, nothing to do", printable(&request.id));
        }
        Ok(Known::Built) => {
            println!("build request {}: built already", printable(&request.id));
            // The operator may have redriven it, and then the gate waits to hear of it.
            if origin.gate.is_some() {
                let (origin, id) = (Arc::clone(&origin), request.id);
                tokio::spawn(async move { report(&origin, &id, success(&id)).await });
            }
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

/// Plays a build, and reports what becomes of it.
async fn build(origin: Arc<Origin>, id: String) {
    let log = format!("{}/logs/{}", origin.url, utf8_percent_encode(&id, NON_ALPHANUMERIC));
    report(&origin, &id, json!({"build": id, "state": "in_progress", "log_url": log})).await;
    tokio::time::sleep(BUILDING).await;
    if let Err(error) = origin.note_built(&id) {
        println!("build request {}: cannot note that it is built: {error}", printable(&id));
    }
    report(&origin, &id, success(&id)).await;
}

fn success(id: &str) -> serde_json::Value {
    json!({"build": id, "state": "success", "description": "built"})
}

/// Reports to the gate, and says what it answers. What the gate cannot take now is sent again; what it refuses is not.
async fn report(origin: &Arc<Origin>, id: &str, report: serde_json::Value) {
    let state = report["state"].as_str().unwrap_or_default().to_owned();
    for delay in AGAIN_AFTER {
        tokio::time::sleep(delay).await;
        let (origin, body) = (Arc::clone(origin), report.to_string());
        let sent = tokio::task::spawn_blocking(move || origin.send(&body)).await;
        match sent.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(status) => {
                println!("build request {}: reported {state}, answered {status}", printable(id));
                if status < 500 {
                    return;
                }
            }
            Err(error) => {
                println!("build request {}: cannot report {state}: {error}", printable(id));
            }
        }
    }
}

/// What there is to read of a build.
async fn log(Path(id): Path<String>) -> String {
    format!("{}: this origin only plays that it builds.\n", printable(&id))
}

/// A text from outside, without the characters that would command a terminal or hide what stands there.
fn printable(text: &str) -> String {
    let hides = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}');
    text.chars().map(|c| if c.is_control() || hides(c) { '\u{fffd}' } else { c }).collect()
}

/// What was known of a build request.
enum Known {
    No,
    Begun,
    Built,
}

impl Origin {
    /// Remembers an id, and says what was known of it.
    fn remember(&self, id: &str) -> rusqlite::Result<Known> {
        let builds = self.builds.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if builds.execute("INSERT OR IGNORE INTO builds (id) VALUES (?)", [id])? == 1 {
            return Ok(Known::No);
        }
        let is_built =
            builds.query_one("SELECT is_built FROM builds WHERE id = ?", [id], |row| row.get(0))?;
        Ok(if is_built { Known::Built } else { Known::Begun })
    }

    /// Remembers that a build has ended well.
    fn note_built(&self, id: &str) -> rusqlite::Result<()> {
        let builds = self.builds.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        builds.execute("UPDATE builds SET is_built = TRUE WHERE id = ?", [id]).map(drop)
    }

    /// Sends a report, signed with the newest secret, and gives the status of the answer.
    fn send(&self, body: &str) -> Result<u16, String> {
        let (Some(gate), Some(key)) = (&self.gate, self.keys.first()) else {
            return Err("there is no gate to report to".to_owned());
        };
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let id = format!("report-{:016x}", fastrand::u64(..));
        let signature = key
            .sign(&id, now.as_secs() as i64, body.as_bytes())
            .map_err(|error| error.to_string())?;
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        let answer = agent
            .post(format!("{}/-/reports", gate.trim_end_matches('/')))
            .header("Content-Type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", now.as_secs().to_string())
            .header("webhook-signature", &signature)
            .send(body);
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
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
         CREATE TABLE IF NOT EXISTS builds (id TEXT PRIMARY KEY, is_built BOOLEAN NOT NULL DEFAULT FALSE) WITHOUT ROWID;",
    )?;
    // An earlier version remembered the ids alone.
    if builds.prepare("SELECT is_built FROM builds").is_err() {
        builds.execute_batch(
            "ALTER TABLE builds ADD COLUMN is_built BOOLEAN NOT NULL DEFAULT FALSE",
        )?;
    }
    let listener = tokio::net::TcpListener::bind(settings.listen).await.map_err(|error| {
        format!("cannot listen on {} ({error}): does another origin run there? Stop it, or choose another address with --listen", settings.listen)
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("waiting for build requests on {url}/builds");
    let Settings { gate, fail_one_in, .. } = settings;
    let origin = Origin { url, gate, keys, builds: Mutex::new(builds), fail_one_in };
    let app = Router::new()
        .route("/builds", post(receive))
        .route("/logs/{id}", get(log))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(origin));
    axum::serve(listener, app).await?;
    Ok(())
}

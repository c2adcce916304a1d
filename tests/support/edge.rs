//! The built worker in workerd alone, with stand-ins for what Cloudflare has around it: KV, queues and D1, each of which can
//! be told to hang, to refuse, or to lose its answers. (The simulators of `wrangler dev`, on which the other tests run, always
//! work.) They speak what workerd speaks to them, and the ledger is SQLite, as D1 is.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64ct::{Base64, Encoding};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use rusqlite::Connection;
use rusqlite::types::{Value as Sql, ValueRef};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::fixtures::PROJECT;
use super::gate::{OPERATOR_TOKEN, PATIENCE, SECRET, migrations};
use super::origin;

/// How many messages are handed over at a time, and how many such batches side by side.
const BATCH: usize = 10;
const SIDE_BY_SIDE: usize = 8;

/// How a stand-in is disposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Does what it is asked, and says so.
    Well,
    /// Does nothing, and never answers.
    Hangs,
    /// Does nothing, and says so at once.
    Refuses,
    /// Does what it is asked, and never answers.
    LosesAnswers,
}

/// What a gate has used so far. (benches/scale reads it.)
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// The CPU time of workerd, in microseconds.
    pub cpu: f64,
    /// Statements in the ledger, the time that SQLite took for them in microseconds, and the rows that they changed.
    pub statements: f64,
    pub sqlite: f64,
    pub rows: f64,
    /// The ledger's size, in bytes.
    pub bytes: f64,
    /// Messages that were put on queues, those of the journal and the others.
    pub journal_messages: f64,
    pub messages: f64,
}

/// A message on a queue.
struct Message {
    id: String,
    sent_at: u64,
    attempts: u32,
    body: String,
}

/// What lies on a queue: by when it is due, and by when it came.
#[derive(Default)]
struct Queue {
    messages: BTreeMap<(u64, u64), Message>,
    came: u64,
}

impl Queue {
    fn put(&mut self, due_at: u64, message: Message) {
        self.came += 1;
        self.messages.insert((due_at, self.came), message);
    }

    /// The first few that are due.
    fn take(&mut self, most: usize) -> Vec<Message> {
        let now = now();
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(first) = self.messages.first_entry()
            && first.key().0 <= now
        {
            taken.push(first.remove());
        }
        taken
    }
}

struct Shared {
    /// Whether queues keep what they have.
    is_paused: AtomicBool,
    moods: Mutex<BTreeMap<String, Mood>>,
    policies: Mutex<HashMap<String, String>>,
    queues: Mutex<BTreeMap<String, Queue>>,
    ledger: Mutex<Connection>,
    statements: Mutex<(u64, Duration)>,
    sent: Mutex<BTreeMap<String, u64>>,
    /// Where the other doors are opened.
    pump: String,
    client: reqwest::Client,
}

/// A gate on such an edge; dropped, it is stopped.
pub struct Edge {
    pub url: String,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    process: Child,
    directory: TempDir,
    stand_in: String,
    vars: Vec<(&'static str, String)>,
}

/// In milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The configuration of workerd: the gate, with so many build queues, and the worker by which its other doors are opened.
fn config(stand_in: &str, vars: &[(&str, String)], shards: &[u32]) -> String {
    let date: toml::Table =
        std::fs::read_to_string(Path::new(PROJECT).join("wrangler.toml")).unwrap().parse().unwrap();
    let date = date["compatibility_date"].as_str().unwrap();
    let queues = queues(shards);
    let service = |name: &str| {
        format!(
            r#"(name = "{name}", external = (address = "{stand_in}", http = (injectRequestHeaders = [(name = "X-Stand-In", value = "{name}")])))"#
        )
    };
    let names = queues.iter().map(|(_, queue)| queue.as_str()).chain(["kv", "d1"]);
    let services: Vec<String> = names.map(service).collect();
    let mut bindings = vec![
        r#"(name = "REPO_TRIGGERS", kvNamespace = "kv")"#.to_owned(),
        r#"(name = "LEDGER", wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [(name = "fetcher", service = "d1")]))"#.to_owned(),
    ];
    bindings.extend(
        queues.iter().map(|(binding, queue)| format!(r#"(name = "{binding}", queue = "{queue}")"#)),
    );
    bindings
        .extend(vars.iter().map(|(name, value)| format!(r#"(name = "{name}", text = "{value}")"#)));
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "gate", worker = (
      modules = [(name = "index.js", esModule = embed "index.js"), (name = "index_bg.wasm", wasm = embed "index_bg.wasm")],
      compatibilityDate = "{date}",
      bindings = [{bindings}],
      globalOutbound = "internet",
    )),
    (name = "pump", worker = (
      modules = [(name = "pump.js", esModule = embed "pump.js")],
      compatibilityDate = "{date}",
      compatibilityFlags = ["service_binding_extra_handlers"],
      bindings = [(name = "GATE", service = "gate")],
    )),
    (name = "internet", network = (allow = ["public", "private"])),
    {services}
  ],
  sockets = [
    (name = "gate", address = "127.0.0.1:0", http = (), service = "gate"),
    (name = "pump", address = "127.0.0.1:0", http = (), service = "pump"),
  ],
);
"#,
        bindings = bindings.join(", "),
        services = services.join(",\n    "),
    )
}

/// Opens the doors of the gate's that are not HTTP.
const PUMP: &str = r#"
export default {
  async fetch(request, env) {
    const { queue, messages, cron } = await request.json();
    if (cron) return Response.json(await env.GATE.scheduled({ cron, scheduledTime: new Date() }));
    const dated = messages.map((message) => ({ ...message, timestamp: new Date(message.timestamp) }));
    return Response.json(await env.GATE.queue(queue, dated));
  },
};
"#;

/// The bindings of the gate's queues, and the queues' names.
fn queues(shards: &[u32]) -> Vec<(String, String)> {
    let shard = |number: &u32| match number {
        1 => ("BUILD_QUEUE".to_owned(), "builds".to_owned()),
        _ => (format!("BUILD_QUEUE_{number}"), format!("builds-{number}")),
    };
    let journal = ("JOURNAL_QUEUE".to_owned(), "journal".to_owned());
    shards.iter().map(shard).chain([journal]).collect()
}

impl Edge {
    /// Starts a gate with the build queues of these numbers, which hands over to an origin, with these variables besides.
    pub fn start(origin_url: &str, shards: &[u32], vars: &[(&'static str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in ["index.js", "index_bg.wasm"] {
            let built = Path::new(PROJECT).join("build").join(file);
            std::fs::copy(built, directory.path().join(file))
                .expect("the worker is not built: run the tests with `npm test`");
        }
        std::fs::write(directory.path().join("pump.js"), PUMP).unwrap();
        let mut all = vec![
            ("WEBHOOK_SECRET", SECRET),
            ("ORIGIN_URL", origin_url),
            ("ORIGIN_SECRET", origin::SECRET),
            ("OPERATOR_TOKEN", OPERATOR_TOKEN),
            ("POLICY_CACHE_SECONDS", "0"),
        ];
        all.retain(|(name, _)| !vars.iter().any(|(other, _)| other == name));
        all.extend(vars);
        let vars: Vec<_> = all.into_iter().map(|(name, value)| (name, value.to_owned())).collect();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stand_in = listener.local_addr().unwrap().to_string();
        let (gate, pump) = (free_address(), free_address());
        let runtime = Runtime::new().unwrap();
        let shared = Arc::new(Shared {
            is_paused: AtomicBool::new(false),
            moods: Mutex::default(),
            policies: Mutex::default(),
            queues: Mutex::default(),
            ledger: Mutex::new(ledger()),
            statements: Mutex::default(),
            sent: Mutex::default(),
            pump: format!("http://{pump}/"),
            client: reqwest::Client::new(),
        });
        let app = Router::new().fallback(any(stand_in_for)).with_state(Arc::clone(&shared));
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        for (_, queue) in queues(&[1, 2, 3]) {
            runtime.spawn(deliver(Arc::clone(&shared), queue));
        }
        let url = format!("http://{gate}/");
        let process = serve(directory.path(), &config(&stand_in, &vars, shards), &gate, &pump);
        let runtime = Some(runtime);
        let edge = Self { url, shared, runtime, process, directory, stand_in, vars };
        edge.wait_until(|| ureq::get(&edge.url).call().is_ok());
        edge
    }

    /// Goes on with the build queues of these numbers bound, as a gate does that is deployed anew: what lies on the others
    /// is still delivered.
    pub fn bind(&mut self, shards: &[u32]) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let address = |url: &str| url.trim_start_matches("http://").trim_matches('/').to_owned();
        let (gate, pump) = (address(&self.url), address(&self.shared.pump));
        let config = config(&self.stand_in, &self.vars, shards);
        self.process = serve(self.directory.path(), &config, &gate, &pump);
        self.wait_until(|| ureq::get(&self.url).call().is_ok());
    }

    /// Has the queues keep what they have, or deliver it.
    pub fn pause(&self, is_paused: bool) {
        self.shared.is_paused.store(is_paused, Ordering::SeqCst);
    }

    /// How many messages lie on a queue.
    pub fn on_queue(&self, queue: &str) -> usize {
        self.shared.queues.lock().unwrap().get(queue).map_or(0, |queue| queue.messages.len())
    }

    /// Sets a policy.
    pub fn set(&self, key: &str, policy: &str) {
        self.shared.policies.lock().unwrap().insert(key.to_owned(), policy.to_owned());
    }

    /// Tells a stand-in how to be: `kv`, `d1`, or a queue by its name.
    pub fn tell(&self, stand_in: &str, mood: Mood) {
        self.shared.moods.lock().unwrap().insert(stand_in.to_owned(), mood);
    }

    /// What the operator's API answers.
    pub fn ask(&self, route: &str) -> Value {
        let answer = ureq::get(format!("{}-/{route}", self.url))
            .header("Authorization", format!("Bearer {OPERATOR_TOKEN}"))
            .call();
        serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Has a cron trigger go off.
    pub fn cron(&self, expression: &str) {
        let body = json!({ "cron": expression }).to_string();
        let answer = ureq::post(&self.shared.pump).send(body).unwrap().body_mut().read_to_string();
        let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        assert_eq!(answer["outcome"], "ok", "{answer}");
    }

    /// The number that a statement selects from the ledger.
    pub fn number(&self, sql: &str) -> u64 {
        self.shared.ledger.lock().unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// What it has used so far.
    #[allow(dead_code)]
    pub fn used(&self) -> Used {
        let clock = clock_getcpuclockid(Pid::from_raw(self.process.id() as i32));
        let cpu: Duration = clock.and_then(clock_gettime).unwrap().into();
        let (statements, sqlite) = *self.shared.statements.lock().unwrap();
        let sent = self.shared.sent.lock().unwrap();
        let of_journal = sent.get("journal").copied().unwrap_or(0);
        Used {
            cpu: cpu.as_secs_f64() * 1e6,
            statements: statements as f64,
            sqlite: sqlite.as_secs_f64() * 1e6,
            rows: self.number("SELECT total_changes()") as f64,
            bytes: self
                .number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
                as f64,
            journal_messages: of_journal as f64,
            messages: (sent.values().sum::<u64>() - of_journal) as f64,
        }
    }

    /// Changes the ledger.
    pub fn change(&self, sql: &str) {
        self.shared.ledger.lock().unwrap().execute_batch(sql).unwrap();
    }

    /// What workerd has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Waits until something is true of the gate.
    pub fn wait_until(&self, wanted: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted() {
            assert!(Instant::now() < deadline, "waited in vain:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // What hangs there would be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts workerd in a directory, by a configuration, with the gate and the pump at these addresses.
fn serve(directory: &Path, config: &str, gate: &str, pump: &str) -> Child {
    let file = directory.join("edge.capnp");
    std::fs::write(&file, config).unwrap();
    let log = OpenOptions::new().create(true).append(true).open(directory.join("log")).unwrap();
    Command::new(format!("{PROJECT}/node_modules/workerd/bin/workerd"))
        .args(["serve", "--experimental", file.to_str().unwrap(), "config"])
        .args(["--socket-addr", &format!("gate={gate}")])
        .args(["--socket-addr", &format!("pump={pump}")])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A ledger with its tables.
fn ledger() -> Connection {
    let ledger = Connection::open_in_memory().unwrap();
    for migration in migrations() {
        ledger.execute_batch(&std::fs::read_to_string(migration).unwrap()).unwrap();
    }
    ledger
}

async fn stand_in_for(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let name = headers["X-Stand-In"].to_str().unwrap().to_owned();
    let mood = shared.moods.lock().unwrap().get(&name).copied().unwrap_or(Mood::Well);
    match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Refuses => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "refused, as it was told").into_response();
        }
        Mood::Well | Mood::LosesAnswers => {}
    }
    let answer = match name.as_str() {
        "kv" => read_policies(&shared, &body),
        "d1" => query(&shared, &uri, &body),
        queue => put(&shared, queue, &uri, &headers, &body),
    };
    if mood == Mood::LosesAnswers {
        std::future::pending().await
    }
    answer
}

fn read_policies(shared: &Shared, body: &[u8]) -> Response {
    let body: Value = serde_json::from_slice(body).unwrap();
    let policies = shared.policies.lock().unwrap();
    let keys = body["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
    let values = keys.map(|key| (key.to_owned(), json!(policies.get(key))));
    axum::Json(values.collect::<serde_json::Map<_, _>>()).into_response()
}

/// Puts what a producer sends on a queue.
fn put(shared: &Shared, queue: &str, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sent {
        body: String,
        #[serde(default)]
        delay_secs: u64,
    }
    let sent: Vec<Sent> = match uri.path() {
        "/message" => {
            let delay = headers.get("X-Msg-Delay-Secs");
            let delay_secs = delay.map_or(0, |delay| delay.to_str().unwrap().parse().unwrap());
            vec![Sent { body: String::from_utf8(body.to_vec()).unwrap(), delay_secs }]
        }
        "/batch" => {
            #[derive(Deserialize)]
            struct Batch {
                messages: Vec<Sent>,
            }
            let Batch { mut messages } = serde_json::from_slice(body).unwrap();
            let bytes: usize = messages
                .iter_mut()
                .map(|sent| {
                    sent.body = String::from_utf8(Base64::decode_vec(&sent.body).unwrap()).unwrap();
                    sent.body.len()
                })
                .sum();
            // https://developers.cloudflare.com/queues/platform/limits/
            assert!(messages.len() <= 100 && bytes <= 256_000, "{} {bytes}", messages.len());
            messages
        }
        other => panic!("a queue is asked for {other}"),
    };
    let sent_at = now();
    *shared.sent.lock().unwrap().entry(queue.to_owned()).or_default() += sent.len() as u64;
    let mut queues = shared.queues.lock().unwrap();
    let queue = queues.entry(queue.to_owned()).or_default();
    for Sent { body, delay_secs } in sent {
        let id = uuid::Uuid::new_v4().to_string();
        queue.put(sent_at + 1_000 * delay_secs, Message { id, sent_at, attempts: 1, body });
    }
    axum::Json(json!({ "metadata": { "metrics": { "backlogCount": 0, "backlogBytes": 0 } } }))
        .into_response()
}

/// Runs statements as D1 does: all of them, or none.
fn query(shared: &Shared, uri: &Uri, body: &[u8]) -> Response {
    #[derive(Deserialize)]
    struct Statement {
        sql: String,
        #[serde(default)]
        params: Vec<Value>,
    }
    let body: Value = serde_json::from_slice(body).unwrap();
    let is_batch = body.is_array();
    let statements: Vec<Statement> =
        serde_json::from_value(if is_batch { body } else { json!([body]) }).unwrap();
    let by_columns = uri.query().unwrap_or_default().contains("ROWS_AND_COLUMNS");
    let mut ledger = shared.ledger.lock().unwrap();
    let mut run = || -> rusqlite::Result<Vec<Value>> {
        let transaction = ledger.transaction()?;
        let mut results = Vec::new();
        for Statement { sql, params } in &statements {
            let mut statement = transaction.prepare_cached(sql)?;
            let columns: Vec<String> =
                statement.column_names().into_iter().map(str::to_owned).collect();
            let params = params.iter().map(|param| match param {
                Value::Null => Sql::Null,
                Value::String(text) => Sql::Text(text.clone()),
                // D1 gives SQLite all numbers of JavaScript's as what they are worth.
                Value::Number(number) => number
                    .as_i64()
                    .map_or_else(|| Sql::Real(number.as_f64().unwrap()), Sql::Integer),
                other => panic!("{other} is no parameter"),
            });
            let rows = statement.query_map(rusqlite::params_from_iter(params), |row| {
                (0..columns.len())
                    .map(|column| {
                        Ok(match row.get_ref(column)? {
                            ValueRef::Null => Value::Null,
                            ValueRef::Integer(number) => number.into(),
                            ValueRef::Real(number) => number.into(),
                            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                            ValueRef::Blob(_) => panic!("there are no blobs in the ledger"),
                        })
                    })
                    .collect::<rusqlite::Result<Vec<Value>>>()
            })?;
            let rows: Vec<Vec<Value>> = rows.collect::<rusqlite::Result<_>>()?;
            let results_of = match by_columns {
                true => json!({ "columns": columns, "rows": rows }),
                false => rows
                    .into_iter()
                    .map(|row| columns.iter().cloned().zip(row).collect::<Value>())
                    .collect(),
            };
            results.push(json!({ "success": true, "results": results_of, "meta": {} }));
        }
        transaction.commit()?;
        Ok(results)
    };
    let began = Instant::now();
    let outcome = run();
    {
        let mut used = shared.statements.lock().unwrap();
        used.0 += statements.len() as u64;
        used.1 += began.elapsed();
    }
    match outcome {
        Ok(mut results) => match is_batch {
            true => axum::Json(Value::Array(results)).into_response(),
            false => axum::Json(results.remove(0)).into_response(),
        },
        Err(error) => {
            axum::Json(json!({ "success": false, "error": error.to_string() })).into_response()
        }
    }
}

/// Delivers what lies on a queue, as Cloudflare does: at least once, in batches, and again what was not acknowledged.
async fn deliver(shared: Arc<Shared>, queue: String) {
    // The journal has one consumer at a time, the others several.
    let side_by_side = if queue == "journal" { 1 } else { SIDE_BY_SIDE };
    let most = if queue == "journal" { 100 } else { BATCH };
    let room = Arc::new(tokio::sync::Semaphore::new(side_by_side));
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if shared.is_paused.load(Ordering::SeqCst) {
            continue;
        }
        let room = Arc::clone(&room).acquire_owned().await.unwrap();
        let batch = match shared.queues.lock().unwrap().get_mut(&queue) {
            None => continue,
            Some(messages) => messages.take(most),
        };
        if batch.is_empty() {
            continue;
        }
        let (shared, queue) = (Arc::clone(&shared), queue.clone());
        tokio::spawn(async move {
            let left = hand_in(&shared, &queue, batch).await;
            let mut queues = shared.queues.lock().unwrap();
            let queue = queues.entry(queue).or_default();
            for (due_at, message) in left {
                queue.put(due_at, message);
            }
            drop(room);
        });
    }
}

/// Hands a batch to the gate, and gives what is to be delivered again, with when.
async fn hand_in(shared: &Shared, queue: &str, batch: Vec<Message>) -> Vec<(u64, Message)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Retried {
        msg_id: String,
        #[serde(default)]
        delay_seconds: u64,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outcome {
        outcome: String,
        retry_messages: Vec<Retried>,
        explicit_acks: Vec<String>,
    }
    let messages: Vec<Value> = batch
        .iter()
        .map(|message| {
            json!({
                "id": message.id,
                "timestamp": message.sent_at,
                "attempts": message.attempts,
                "body": message.body,
            })
        })
        .collect();
    let body = json!({ "queue": queue, "messages": messages }).to_string();
    let answered = async {
        let answer = shared.client.post(&shared.pump).body(body).send().await.ok()?;
        serde_json::from_slice::<Outcome>(&answer.bytes().await.ok()?).ok()
    };
    let outcome = answered.await;
    let again = |message: &Message| match &outcome {
        None => Some(0),
        Some(outcome) if outcome.explicit_acks.contains(&message.id) => None,
        Some(outcome) => {
            let retried =
                outcome.retry_messages.iter().find(|retried| retried.msg_id == message.id);
            match retried {
                Some(retried) => Some(retried.delay_seconds),
                None => (outcome.outcome != "ok").then_some(0),
            }
        }
    };
    let delays: Vec<Option<u64>> = batch.iter().map(again).collect();
    let left = batch.into_iter().zip(delays).filter_map(|(message, delay)| {
        let due_at = now() + 1_000 * delay?;
        Some((due_at, Message { attempts: message.attempts + 1, ..message }))
    });
    left.collect()
}

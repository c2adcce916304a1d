//! Load: many signed deliveries at once, to an origin that fails one in five at random. Every delivery
//! that was answered 202 has to arrive. `npm run soak` makes it 20,000 deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::support::delivery::Delivery;
use crate::support::fixtures::{event_of, payload};
use crate::support::gate::{Gate, Setup};
use crate::support::origin;

const CONNECTIONS: usize = 64;

/// How long the origin may get nothing new before the soak is over.
const STANDSTILL: Duration = Duration::from_secs(60);

/// The fixtures, mixed, with the repository they are delivered for. Those that build are given ids of
/// their own, so that each asks for another build.
const MIX: [(&str, &str); 8] = [
    ("deployment.created", "octocat/Hello-World"),
    ("push", "octocat/Hello-World"),
    ("push", "octocat/Spoon-Knife"),
    ("deployment.payload-object", "octocat/Hello-World"),
    ("status", "octocat/Hello-World"),
    ("push.forced", "octocat/Spoon-Knife"),
    ("deployment.staging", "octocat/Hello-World"),
    ("push.tag", "octocat/Spoon-Knife"),
];

/// `examples/origin.rs`, as a process; dropped, it is stopped.
struct ExampleOrigin {
    process: Child,
    url: String,
    database: PathBuf,
}

impl ExampleOrigin {
    fn start(directory: &std::path::Path) -> Self {
        // Cargo puts the examples beside the folder that this test is in.
        let test = std::env::current_exe().unwrap();
        let example = test.ancestors().nth(2).unwrap().join("examples/origin");
        assert!(example.exists(), "the example origin is not built: run the tests with `npm test`");
        let database = directory.join("origin.sqlite");
        let mut process = Command::new(example)
            .args(["--listen", "127.0.0.1:0", "--fail-one-in", "5"])
            .args(["--database", database.to_str().unwrap()])
            .env("ORIGIN_SECRET", origin::SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        thread::spawn(move || lines.for_each(drop));
        let url = first.split_whitespace().last().unwrap().to_owned();
        Self { process, url, database }
    }

    /// The ids that it knows.
    fn ids(&self) -> BTreeSet<String> {
        let database = Connection::open(&self.database).unwrap();
        let mut query = database.prepare("SELECT id FROM builds").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

impl Drop for ExampleOrigin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The delivery number `number`.
fn delivery(number: usize) -> Delivery {
    let (name, repository) = MIX[number % MIX.len()];
    let id = 1_000_000 + number;
    let mut payload = payload(name);
    payload["repository"]["full_name"] = repository.into();
    payload["repository"]["clone_url"] = format!("https://github.com/{repository}.git").into();
    if let Some(deployment) = payload.get_mut("deployment") {
        deployment["id"] = id.into();
    } else if payload.get("after").is_some() {
        payload["after"] = format!("{id:040x}").into();
    }
    Delivery::json(event_of(name), payload.to_string())
}

#[test]
fn every_202_arrives_at_an_origin_that_fails_one_in_five() {
    let deliveries = std::env::var("SOAK_DELIVERIES").map_or(400, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let origin = ExampleOrigin::start(directory.path());
    let gate = Gate::start(&Setup::with_origin(&origin.url).impatient());
    gate.set(&[("octocat/hello-world", "deployment"), ("octocat/spoon-knife", "commit")]);

    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(BTreeMap::<String, usize>::new());
    let accepted = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(deliveries) {
            scope.spawn(|| {
                let agent = Delivery::agent();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= deliveries {
                        break;
                    }
                    let answer = delivery(number).send_by(&agent, &gate);
                    let (status, code) = answer.code();
                    *answers.lock().unwrap().entry(format!("{status} {code}")).or_default() += 1;
                    if status == 202 {
                        let build = answer.json()["build"].as_str().unwrap().to_owned();
                        assert!(
                            accepted.lock().unwrap().insert(build),
                            "{number} is not the first of its id"
                        );
                    }
                }
            });
        }
    });
    let delivered_in = began.elapsed();
    let accepted = accepted.into_inner().unwrap();

    let mut arrived = origin.ids();
    let mut progress = Instant::now();
    while arrived.len() < accepted.len() && progress.elapsed() < STANDSTILL {
        thread::sleep(Duration::from_millis(250));
        // Where five in a row failed, the others are held, and the cron trigger lets them go.
        gate.cron("* * * * *");
        let now = origin.ids();
        if now.len() > arrived.len() {
            progress = Instant::now();
        }
        arrived = now;
    }

    println!(
        "{deliveries} deliveries over {CONNECTIONS} connections in {:.1} s:",
        delivered_in.as_secs_f64()
    );
    for (answer, count) in answers.into_inner().unwrap() {
        println!("  {count:>6}  {answer}");
    }
    let retried = gate.output().matches("\"outcome\":\"retried\"").count();
    println!("handovers retried: {retried}");
    println!("all at the origin after {:.1} s", began.elapsed().as_secs_f64());
    println!("accepted: {}", accepted.len());
    println!("distinct ids at the origin: {}", arrived.len());
    assert!(retried > 0, "the origin never failed");
    assert_eq!(accepted.len(), deliveries / MIX.len() * 5, "five of the eight build");
    assert_eq!(accepted, arrived);
}

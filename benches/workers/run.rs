//! The run: what is sent to whom, how often, and what is measured of it.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::{Contender, Running};
use crate::delivery::Delivery;
use crate::load::{Until, drive};
use crate::report;

const ROUNDS: usize = 9;
/// How long a case lasts in a round.
const SPELL: Duration = Duration::from_millis(700);
/// How long each case is sent before it counts, so that engines have optimised what they will.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// How many connections send side by side.
const CONNECTIONS: usize = 8;
/// How many deliveries of 1 MB a fresh process gets while its memory is watched.
const WATCHED: usize = 16;
/// How many deliveries of 25 MB a fresh process gets, one after the other.
const FIRST: usize = 4;
/// How long a process is left alone before its memory counts as idle.
const IDLE: Duration = Duration::from_millis(300);

const MB: usize = 1024 * 1024;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    Forged,
    Push7K,
    Push100K,
    Deployment,
    Push1M,
    Push25M,
}

impl Case {
    pub const ALL: [Self; 6] =
        [Self::Forged, Self::Push7K, Self::Push100K, Self::Deployment, Self::Push1M, Self::Push25M];

    pub fn name(self) -> &'static str {
        match self {
            Self::Forged => "forged signature, 7 KB",
            Self::Push7K => "ignored push, 7 KB",
            Self::Push100K => "ignored push, 100 KB",
            Self::Deployment => "queued deployment, 8 KB",
            Self::Push1M => "ignored push, 1 MB",
            Self::Push25M => "ignored push, 25 MB, first four",
        }
    }

    /// A name that fits under a bar.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Forged => "forged, 7 KB",
            Self::Push7K => "push, 7 KB",
            Self::Push100K => "push, 100 KB",
            Self::Deployment => "deployment, 8 KB",
            Self::Push1M => "push, 1 MB",
            Self::Push25M => "push, 25 MB",
        }
    }

    fn delivery(self) -> Delivery {
        match self {
            Self::Forged => Delivery::push(0).forged(),
            Self::Push7K => Delivery::push(0),
            Self::Push100K => Delivery::push(100 * 1024),
            Self::Deployment => Delivery::deployment(),
            Self::Push1M => Delivery::push(MB),
            Self::Push25M => Delivery::push(25 * MB - 4096),
        }
    }

    /// The status of the answer that is due.
    fn status(self, contender: Contender) -> u16 {
        match (contender, self) {
            (Contender::Floor, _) => 200,
            (_, Self::Forged) => 401,
            (_, Self::Deployment) => 202,
            _ => 200,
        }
    }
}

/// What is measured of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// CPU time of the process, in microseconds a request.
    Cpu,
    /// Requests a second.
    Rate,
    /// The median time to an answer, in milliseconds.
    Median,
    /// The 99th percentile of the time to an answer, in milliseconds.
    P99,
    /// The most memory above that of the idle process, in MiB.
    Memory,
}

/// The figures of all rounds.
#[derive(Default)]
pub struct Results {
    /// A value for each round.
    pub figures: BTreeMap<(Figure, Case, &'static str), Vec<f64>>,
    /// The time from a process's start to its first answer to a push, in milliseconds, for each round.
    pub first_answer: BTreeMap<&'static str, Vec<f64>>,
}

impl Results {
    fn note(&mut self, figure: Figure, case: Case, contender: Contender, value: f64) {
        self.figures.entry((figure, case, contender.name())).or_default().push(value);
    }
}

/// Runs the benchmark and reports it.
pub fn run() {
    let started = Instant::now();
    let deliveries: BTreeMap<Case, Delivery> =
        Case::ALL.into_iter().map(|case| (case, case.delivery())).collect();
    let mut results = Results::default();

    let warm = Case::ALL.into_iter().filter(|case| *case != Case::Push25M);
    let running = Contender::ALL.map(|contender| (contender, Running::start(contender)));
    for case in warm.clone() {
        for (contender, process) in &running {
            let status = case.status(*contender);
            drive(&process.url, &deliveries[&case], status, CONNECTIONS, Until::Elapsed(WARM_UP));
        }
    }
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}, {} s so far", round + 1, started.elapsed().as_secs());
        // Each round begins with another contender, so that none always follows the same one.
        let turn = |position: usize| (position + round) % Contender::ALL.len();
        for case in warm.clone() {
            for position in 0..Contender::ALL.len() {
                let (contender, process) = &running[turn(position)];
                let delivery = &deliveries[&case];
                let measure = || {
                    let until = Until::Elapsed(SPELL);
                    drive(&process.url, delivery, case.status(*contender), CONNECTIONS, until)
                };
                timed(&mut results, case, *contender, process, measure);
            }
        }
        for position in 0..Contender::ALL.len() {
            let contender = Contender::ALL[turn(position)];
            watch_memory(&mut results, contender, &deliveries);
            send_first(&mut results, contender, &deliveries[&Case::Push25M]);
        }
    }
    drop(running);
    report::report(&results, ROUNDS, started.elapsed());
}

/// Notes what a load costs and how it is answered.
fn timed(
    results: &mut Results,
    case: Case,
    contender: Contender,
    process: &Running,
    load: impl FnOnce() -> Vec<Duration>,
) {
    let (started, cpu) = (Instant::now(), process.cpu());
    let mut latencies = load();
    let (elapsed, cpu) = (started.elapsed(), process.cpu() - cpu);
    let requests = latencies.len() as f64;
    latencies.sort();
    let percentile = |percent: usize| {
        let rank = (latencies.len() * percent).div_ceil(100).max(1) - 1;
        latencies[rank].as_secs_f64() * 1e3
    };
    results.note(Figure::Cpu, case, contender, cpu.as_secs_f64() * 1e6 / requests);
    results.note(Figure::Rate, case, contender, requests / elapsed.as_secs_f64());
    results.note(Figure::Median, case, contender, percentile(50));
    results.note(Figure::P99, case, contender, percentile(99));
}

/// Notes the time to a fresh process's first answer, and its memory under pushes of 1 MB.
fn watch_memory(
    results: &mut Results,
    contender: Contender,
    deliveries: &BTreeMap<Case, Delivery>,
) {
    let process = Running::start(contender);
    let status = Case::Push7K.status(contender);
    drive(&process.url, &deliveries[&Case::Push7K], status, 1, Until::Sent(1));
    let first_answer = process.age().as_secs_f64() * 1e3;
    results.first_answer.entry(contender.name()).or_default().push(first_answer);

    thread::sleep(IDLE);
    let idle = process.memory();
    let (delivery, status) = (&deliveries[&Case::Push1M], Case::Push1M.status(contender));
    drive(&process.url, delivery, status, CONNECTIONS, Until::Sent(WATCHED / CONNECTIONS));
    note_memory(results, Case::Push1M, contender, &process, idle);
}

/// Notes what the first deliveries of 25 MB cost a fresh process.
fn send_first(results: &mut Results, contender: Contender, delivery: &Delivery) {
    let process = Running::start(contender);
    thread::sleep(IDLE);
    let idle = process.memory();
    let status = Case::Push25M.status(contender);
    let send = || drive(&process.url, delivery, status, 1, Until::Sent(FIRST));
    timed(results, Case::Push25M, contender, &process, send);
    note_memory(results, Case::Push25M, contender, &process, idle);
}

fn note_memory(
    results: &mut Results,
    case: Case,
    contender: Contender,
    process: &Running,
    idle: u64,
) {
    let above_idle = process.peak_memory().saturating_sub(idle);
    results.note(Figure::Memory, case, contender, above_idle as f64 / MB as f64);
}

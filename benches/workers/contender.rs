//! A contender: a worker in a workerd process of its own, and what the operating system says of it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::delivery::SECRET;
use crate::fixtures::PROJECT;
use crate::load;

/// The workers that are compared, by their names in `workers.capnp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    Floor,
    Handwritten,
    Octokit,
    Buildgate,
}

impl Contender {
    pub const ALL: [Self; 4] = [Self::Floor, Self::Handwritten, Self::Octokit, Self::Buildgate];

    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Handwritten => "handwritten",
            Self::Octokit => "octokit",
            Self::Buildgate => "buildgate",
        }
    }

    /// All that would be uploaded for it.
    pub fn files(self) -> Vec<String> {
        match self {
            Self::Buildgate => {
                vec![format!("{PROJECT}/build/index.js"), format!("{PROJECT}/build/index_bg.wasm")]
            }
            _ => vec![format!("{PROJECT}/target/bench/{}.js", self.name())],
        }
    }
}

/// A running contender; dropped, it is stopped.
pub struct Running {
    pub url: String,
    process: Child,
    started: Instant,
}

/// The variables that the shipped configuration sets, for `fromEnvironment` in `workers.capnp`.
fn shipped_variable(name: &str) -> String {
    let config: toml::Table = std::fs::read_to_string(format!("{PROJECT}/wrangler.toml"))
        .expect("wrangler.toml")
        .parse()
        .expect("wrangler.toml is TOML");
    config["vars"].get(name).map_or_else(String::new, |value| value.to_string().replace('"', ""))
}

impl Running {
    /// Starts a contender, and comes back when it answers.
    pub fn start(contender: Contender) -> Self {
        let address = free_address();
        let log = File::create(format!("{PROJECT}/target/bench/{}.log", contender.name()))
            .expect("a log file");
        let started = Instant::now();
        let process = Command::new(format!("{PROJECT}/node_modules/workerd/bin/workerd"))
            .args(["serve", &format!("{PROJECT}/benches/workers/workers.capnp")])
            .args([contender.name(), "--socket-addr", &format!("http={address}")])
            .env("WEBHOOK_SECRET", SECRET)
            .env("POLICY_CACHE_SECONDS", shipped_variable("POLICY_CACHE_SECONDS"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log file"))
            .stderr(log)
            .spawn()
            .expect("workerd starts");
        let running = Self { url: format!("http://{address}/"), process, started };
        load::wait_for_an_answer(&running.url);
        running
    }

    /// How long ago the process was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// The CPU time that the process has used so far, in all its threads.
    pub fn cpu(&self) -> Duration {
        let clock = clock_getcpuclockid(Pid::from_raw(self.process.id() as i32));
        clock.and_then(clock_gettime).expect("the CPU clock of workerd").into()
    }

    /// The memory that it has in use, in bytes.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it has had in use, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// A field of <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>, which counts in KiB.
    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the status of workerd");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib: u64 = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.parse().ok())
            .expect("a size in the status of workerd");
        kib * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address of this machine that nothing listens on.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

//! A gate of a test's own: the built worker in workerd, run by `wrangler dev` with its own KV and
//! queue.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::described;
use super::fixtures::PROJECT;
use super::origin;

pub const SECRET: &str = "the current webhook secret";
pub const PREVIOUS: &str = "the previous webhook secret";
pub const OPERATOR_TOKEN: &str = "the operator's token";

/// How long a gate may take to start, to answer, and to write a line of its log, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Where wrangler keeps a local D1 database, in the folder that it runs in.
const LEDGER: &str = ".wrangler/state/v3/d1/miniflare-D1DatabaseObject";

/// What wrangler says before the URL, once it serves.
const READY: &str = "Ready on ";

/// What a gate is started with.
pub struct Setup {
    /// Secrets and variables, as a `.dev.vars` file holds them.
    pub vars: Vec<(&'static str, String)>,
    /// Changes wrangler.toml.
    pub config: fn(&mut toml::Table),
    /// Whether the ledger has its tables.
    pub ledger: bool,
}

impl Setup {
    /// Both webhook secrets, and an origin.
    pub fn with_origin(origin_url: &str) -> Self {
        Self {
            vars: vec![
                ("WEBHOOK_SECRET", SECRET.into()),
                ("WEBHOOK_SECRET_PREVIOUS", PREVIOUS.into()),
                ("ORIGIN_URL", origin_url.into()),
                ("ORIGIN_SECRET", origin::SECRET.into()),
                ("OPERATOR_TOKEN", OPERATOR_TOKEN.into()),
                ("POLICY_CACHE_SECONDS", "0".into()),
            ],
            config: |_| {},
            ledger: true,
        }
    }

    /// With a variable set to another value.
    pub fn var(mut self, name: &'static str, value: &str) -> Self {
        self.vars.retain(|(present, _)| *present != name);
        self.vars.push((name, value.to_owned()));
        self
    }

    /// Without a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.vars.retain(|(present, _)| *present != name);
        self
    }

    /// With the delays of production cut to what a test can wait for: a second each.
    pub fn impatient(self) -> Self {
        self.var("RETRY_FIRST_SECONDS", "1").var("RETRY_LONGEST_SECONDS", "1")
    }

    /// Both webhook secrets, and an origin that no test should reach.
    pub fn without_origin() -> Self {
        Self::with_origin("http://127.0.0.1:9/")
    }
}

/// A running gate; dropped, it is stopped.
pub struct Gate {
    pub url: String,
    directory: TempDir,
    process: Child,
    output: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    pub fn start(setup: &Setup) -> Self {
        let project = Path::new(PROJECT);
        let worker = project.join("build/index.js");
        assert!(worker.exists(), "the worker is not built: run the tests with `npm test`");

        let directory = tempfile::tempdir().unwrap();
        let mut config: toml::Table =
            std::fs::read_to_string(project.join("wrangler.toml")).unwrap().parse().unwrap();
        config.remove("build");
        config.insert("main".into(), worker.to_str().unwrap().into());
        config["assets"]["directory"] = project.join("build/console").to_str().unwrap().into();
        config["d1_databases"][0]
            .as_table_mut()
            .unwrap()
            .insert("migrations_dir".into(), project.join("migrations").to_str().unwrap().into());
        (setup.config)(&mut config);
        std::fs::write(directory.path().join("wrangler.toml"), config.to_string()).unwrap();
        write_vars(directory.path(), &setup.vars);

        if setup.ledger {
            copy(made_ledger(&config), &directory.path().join(LEDGER));
        }

        let output = Arc::new(Mutex::new(Vec::new()));
        let process = serve(directory.path(), "0", &output);
        let mut gate = Self { url: String::new(), directory, process, output };
        let line = gate.wait_for_line(|line| line.contains(READY));
        gate.url = format!("{}/", line.split(READY).nth(1).unwrap().trim());
        gate
    }

    /// Goes on with other secrets and variables, at the same URL and with the same policies, as a deployed gate does after
    /// `wrangler secret put`. What is on its queues is lost, which a deployed one's is not.
    pub fn restart(&mut self, setup: &Setup) {
        self.stop();
        write_vars(self.directory.path(), &setup.vars);
        self.restart_as_it_is();
    }

    /// Goes on with what its `.dev.vars` now says.
    pub fn restart_as_it_is(&mut self) {
        self.stop();
        self.output.lock().unwrap().retain(|line| !line.contains(READY));
        let port = self.url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
        self.process = serve(self.directory.path(), &port, &self.output);
        self.wait_for_line(|line| line.contains(READY));
    }

    /// Goes on with one variable more.
    pub fn set_var(&mut self, name: &str, value: &str) {
        let path = self.directory.path().join(".dev.vars");
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{before}\n{name}=\"{value}\"\n")).unwrap();
        self.restart_as_it_is();
    }

    /// Ends it, until it is restarted.
    pub fn stop(&mut self) {
        // The whole group: wrangler starts a node and workerd of its own.
        let group = Pid::from_raw(self.process.id() as i32);
        let _ = killpg(group, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.process.wait();
    }

    /// Its wrangler.toml.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("wrangler.toml")
    }

    /// Sets policies as an operator does.
    pub fn set(&self, policies: &[(&str, &str)]) {
        if let [(key, value)] = policies {
            return self.put(key, &[value]);
        }
        let pairs: Vec<Value> =
            policies.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let file = self.directory.path().join("policies.json");
        std::fs::write(&file, json!(pairs).to_string()).unwrap();
        let put = ["kv", "bulk", "put", "--local", "--binding", "REPO_TRIGGERS"];
        self.wrangler(&[&put, [file.to_str().unwrap()].as_slice()].concat());
    }

    /// Sets a policy to the content of a file.
    pub fn set_to_file(&self, key: &str, content: &[u8]) {
        let file = self.directory.path().join("value");
        std::fs::write(&file, content).unwrap();
        self.put(key, &["--path", file.to_str().unwrap()]);
    }

    fn put(&self, key: &str, value: &[&str]) {
        let put = ["kv", "key", "put", "--local", "--binding", "REPO_TRIGGERS", key];
        self.wrangler(&[&put, value].concat());
    }

    fn wrangler(&self, arguments: &[&str]) {
        run(self.directory.path(), arguments);
    }

    /// Makes the ledger's tables.
    pub fn make_ledger(&self) {
        apply_migrations(self.directory.path());
    }

    /// Runs SQL in the ledger.
    pub fn sql(&self, sql: &str) {
        self.wrangler(&["d1", "execute", "LEDGER", "--local", "--command", sql]);
    }

    /// Asks an operator's route, and gives what it answers.
    pub fn operator(&self, method: &str, route: &str) -> Value {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}-/{route}", self.url))
            .header("Authorization", format!("Bearer {OPERATOR_TOKEN}"))
            .body(())
            .unwrap();
        let mut answer = agent.run(request).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        described::hold(method, &format!("/-/{route}"), answer.status().as_u16(), &text);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Has a cron trigger go off, as the runtime does
    /// (<https://developers.cloudflare.com/workers/configuration/cron-triggers/#test-cron-triggers>).
    pub fn cron(&self, expression: &str) {
        let cron = expression.replace(' ', "+");
        let url = format!("{}cdn-cgi/handler/scheduled?cron={cron}", self.url);
        let status = ureq::get(url).call().unwrap().status();
        assert!(status.is_success(), "{status}");
    }

    /// Runs the command-line tool's `dead-letters` against the gate, with `--json`.
    pub fn dead_letters(&self, arguments: &[&str]) -> Value {
        let output = self.run_dead_letters(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs the command-line tool's `dead-letters` against the gate.
    pub fn run_dead_letters(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_buildgate"))
            .current_dir(PROJECT)
            .env("OPERATOR_TOKEN", OPERATOR_TOKEN)
            .arg("dead-letters")
            .args(arguments)
            .args(["--url", &self.url])
            .output()
            .unwrap()
    }

    /// Waits until the ledger holds `count` dead letters, and gives the list.
    pub fn wait_for_dead_letters(&self, count: usize) -> Vec<Value> {
        let list = || self.dead_letters(&["list"])["dead_letters"].as_array().unwrap().clone();
        self.wait_until(|| list().len() >= count);
        let letters = list();
        assert_eq!(letters.len(), count, "{letters:?}");
        letters
    }

    /// The memory of each of its processes, in KiB, by their ids: the worker is alone in one of them.
    pub fn memory(&self) -> BTreeMap<String, usize> {
        let group = self.process.id().to_string();
        let statuses = std::fs::read_dir("/proc").unwrap().filter_map(|process| {
            let process = process.ok()?.path();
            let id = process.file_name()?.to_str()?.to_owned();
            let stat = std::fs::read_to_string(process.join("stat")).ok()?;
            // After the name, which may hold anything: state, parent, group.
            let is_workerd = stat.contains("(workerd)");
            let of_group = stat.rsplit(')').next()?.split_whitespace().nth(2)? == group;
            let status = std::fs::read_to_string(process.join("status")).ok()?;
            (is_workerd && of_group).then_some((id, status))
        });
        let resident = statuses.filter_map(|(id, status)| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            Some((id, line.split_whitespace().next()?.parse().ok()?))
        });
        resident.collect()
    }

    /// Everything that the gate and wrangler have printed so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().join("\n")
    }

    /// The log line of a delivery, once it is there.
    pub fn delivery_line(&self, delivery: &str) -> Value {
        self.log_line(|line| line["log"] == "delivery" && line["delivery"] == delivery)
    }

    /// The first log line of the kind, once there is one.
    pub fn log_line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let json = |line: &str| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok();
        let line = self.wait_for_line(|line| json(line).is_some_and(|line| wanted(&line)));
        json(&line).unwrap()
    }

    /// Waits until something is true of the gate.
    pub fn wait_until(&self, wanted: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted() {
            assert!(Instant::now() < deadline, "waited in vain:\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let find = || self.output.lock().unwrap().iter().find(|line| wanted(line)).cloned();
        self.wait_until(|| find().is_some());
        find().unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves the gate of a directory, on a port of its own where that is 0.
fn serve(directory: &Path, port: &str, output: &Arc<Mutex<Vec<String>>>) -> Child {
    let mut process = wrangler(directory)
        .args(["dev", "--ip", "127.0.0.1", "--port", port, "--inspector-port", "0"])
        .arg("--show-interactive-dev-session=false")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    collect(process.stdout.take().unwrap(), output);
    collect(process.stderr.take().unwrap(), output);
    process
}

fn write_vars(directory: &Path, vars: &[(&'static str, String)]) {
    let vars: String = vars.iter().map(|(name, value)| format!("{name}=\"{value}\"\n")).collect();
    std::fs::write(directory.join(".dev.vars"), vars).unwrap();
}

/// wrangler, to be run in a gate's directory.
fn wrangler(directory: &Path) -> Command {
    let mut command = Command::new(PathBuf::from(PROJECT).join("node_modules/.bin/wrangler"));
    command
        .current_dir(directory)
        .env("PATH", path_with_node())
        .env("NO_COLOR", "1")
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_REGISTRY_PATH", directory.join("registry"))
        .env("WRANGLER_LOG_PATH", directory.join("logs"))
        .env_remove("WEBHOOK_SECRET");
    command
}

/// The PATH, with Node for wrangler first: it is among the project's packages.
pub fn path_with_node() -> String {
    format!("{PROJECT}/node_modules/.bin:{}", std::env::var("PATH").unwrap())
}

fn run(directory: &Path, arguments: &[&str]) {
    // The gate may be writing to the same file just then, which wrangler does not wait for.
    for tries in 1.. {
        let output = wrangler(directory).args(arguments).stdin(Stdio::null()).output().unwrap();
        let is_busy = String::from_utf8_lossy(&output.stderr).contains("SQLITE_BUSY");
        if output.status.success() {
            return;
        }
        assert!(is_busy && tries < 10, "{output:?}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// A ledger with its tables. It takes wrangler longer to make one than everything else that a gate needs to start, so it makes
/// one for these migrations, and each gate has a copy.
fn made_ledger(config: &toml::Table) -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = kept.join(format!("ledger-{}", fingerprint()));
        if !made.exists() {
            let directory = tempfile::tempdir_in(kept).unwrap();
            std::fs::write(directory.path().join("wrangler.toml"), config.to_string()).unwrap();
            apply_migrations(directory.path());
            // Other tests, run at the same time, may have been faster.
            let renamed = std::fs::rename(directory.path().join(LEDGER), &made);
            assert!(renamed.is_ok() || made.exists(), "{renamed:?}");
        }
        made
    })
}

/// Of the migrations, and of the wrangler that applies them.
fn fingerprint() -> String {
    let mut files = migrations();
    files.push(Path::new(PROJECT).join("node_modules/wrangler/package.json"));
    let digest = files.iter().fold(Sha256::new(), |digest, file| {
        let name = file.file_name().unwrap().as_encoded_bytes();
        digest.chain_update(name).chain_update(std::fs::read(file).unwrap())
    });
    hex::encode(&digest.finalize()[..8])
}

/// The files of the ledger's migrations, in their order.
pub fn migrations() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(PROJECT).join("migrations"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    files
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn apply_migrations(directory: &Path) {
    run(directory, &["d1", "migrations", "apply", "LEDGER", "--local"]);
}

fn collect(stream: impl Read + Send + 'static, output: &Arc<Mutex<Vec<String>>>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            output.lock().unwrap().push(line);
        }
    });
}

//! `deploy`, as a real process, between a stand-in for wrangler and one for the deployed gate.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use buildgate::signature::github::sign;
use nix::pty::openpty;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const ORIGIN: &str = "https://origin.example/builds";
const QUEUES: [&str; 5] = ["builds", "github", "journal", "builds-dead", "github-dead"];
const SECRETS: [&str; 3] = ["WEBHOOK_SECRET", "ORIGIN_SECRET", "OPERATOR_TOKEN"];
const ENVIRONMENT: [(&str, &str); 3] = [
    ("WEBHOOK_SECRET", "the webhook secret of the environment"),
    ("OPERATOR_TOKEN", "the operator token of the environment"),
    ("ORIGIN_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
];

/// An operator's clone, an account at Cloudflare, and the gate in it.
struct World {
    clone: TempDir,
    account: TempDir,
    gate: String,
    _runtime: Runtime,
}

/// What the deployed gate answers: it knows the secrets that its worker was given.
async fn answer(State(account): State<PathBuf>, request: Request) -> (StatusCode, String) {
    let secret = |name: &str| fs::read_to_string(account.join("secrets").join(name)).unwrap();
    let (request, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
    let header = |name: &str| request.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let code = |status: StatusCode, code: &str| (status, json!({ "code": code }).to_string());
    let (method, path) = (request.method.as_str(), request.uri.path());
    match (method, path) {
        ("GET", "/") => (StatusCode::OK, "buildgate stands here".into()),
        ("GET", "/-/dead-letters") => {
            let admitted = format!("Bearer {}", secret("OPERATOR_TOKEN"));
            match header("authorization") == Some(admitted) {
                true => (
                    StatusCode::OK,
                    json!({ "items": [], "next": null, "count": 0, "last": null }).to_string(),
                ),
                false => code(StatusCode::UNAUTHORIZED, "unauthorized"),
            }
        }
        ("GET", "/-/health") => {
            let item = json!({
                "name": "reports", "ok": false, "detail": "never reported", "advice": "have it report",
            });
            (StatusCode::OK, json!({ "items": [item] }).to_string())
        }
        ("POST", "/") => {
            let signature = header("x-hub-signature-256");
            match signature == Some(sign(&secret("WEBHOOK_SECRET").into(), &body)) {
                true => code(StatusCode::OK, "pong"),
                false => code(StatusCode::UNAUTHORIZED, "bad-signature"),
            }
        }
        _ => code(StatusCode::NOT_FOUND, "not-found"),
    }
}

impl World {
    fn new() -> Self {
        let (clone, account) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::copy(Path::new(PROJECT).join("wrangler.toml"), clone.path().join("wrangler.toml"))
            .unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let gate = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(account.path().to_owned());
        runtime.spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { clone, account, gate, _runtime: runtime }
    }

    /// Something of the account's, which is there from now on.
    fn add(&self, path: &str, content: &str) {
        let path = self.account.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.account.path().join(path)).unwrap();
    }

    fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.account.path().join("secrets").join(name)).unwrap()
    }

    fn config(&self) -> String {
        fs::read_to_string(self.clone.path().join("wrangler.toml")).unwrap()
    }

    /// What wrangler was asked since the last time.
    fn asked(&self) -> Vec<String> {
        let log = self.account.path().join("log");
        let asked = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        asked.lines().map(str::to_owned).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildgate"));
        let path = std::env::var("PATH").unwrap();
        command
            .current_dir(self.clone.path())
            .env("PATH", format!("{PROJECT}/tests/support/wrangler:{path}"))
            .env("STAND_IN", self.account.path())
            .env("GATE_URL", "https://gate.invalid")
            .env_remove("BUILDGATE_URL")
            .arg("deploy")
            .args(arguments);
        for name in SECRETS {
            command.env_remove(name);
        }
        command
    }

    /// Runs it where there is no terminal.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let output: Output =
            self.command(arguments).envs(environment.iter().copied()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    /// Runs it on a terminal, on which somebody has typed ahead.
    fn run_on_a_terminal(&self, arguments: &[&str], typed: &str) -> (Option<i32>, String) {
        let terminal = openpty(None, None).unwrap();
        let mut screen = fs::File::from(terminal.master);
        screen.write_all(typed.as_bytes()).unwrap();
        let mut command = self.command(arguments);
        command
            .stdin(terminal.slave.try_clone().unwrap())
            .stdout(terminal.slave.try_clone().unwrap())
            .stderr(terminal.slave);
        let mut process = command.spawn().unwrap();
        // What it holds of the terminal would keep that open.
        drop(command);
        let read = std::thread::spawn(move || {
            let (mut text, mut some) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = screen.read(&mut some) {
                text.extend_from_slice(&some[..count]);
            }
            String::from_utf8(text).unwrap()
        });
        let status = process.wait().unwrap();
        (status.code(), read.join().unwrap())
    }
}

/// What is said of steps, without what stands behind the first word of their result.
fn steps(text: &str) -> Vec<String> {
    let is_step = |line: &&str| {
        let step = line.split_whitespace().next().unwrap_or_default();
        ["login", "config", "queue", "ledger", "worker", "secret", "app", "check", "next"]
            .contains(&step)
    };
    text.lines()
        .filter(is_step)
        .map(|line| {
            line.split(':').next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// What wrangler is asked in each deployment of a gate that is there, with the queues that are missing.
fn asked_again(missing: &[&str]) -> Vec<String> {
    let mut asked = vec!["whoami --json".to_owned()];
    for queue in QUEUES {
        asked.push(format!("queues info {queue}"));
        if missing.contains(&queue) {
            asked.push(format!("queues create {queue}"));
        }
    }
    let then = [
        "d1 list --json",
        "d1 migrations apply LEDGER --remote",
        "deploy",
        "secret list --format json",
    ];
    asked.extend(then.map(str::to_owned));
    asked
}

#[test]
fn a_dry_run_says_every_step_and_changes_nothing() {
    let world = World::new();
    let before = world.config();
    let (exit, text) = world.run(&["--dry-run", "--origin-url", ORIGIN], &[]);
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!(
        steps(&text),
        [
            "login ok",
            "config would be set",
            "queue would be made",
            "queue would be made",
            "queue would be made",
            "queue would be made",
            "queue would be made",
            "worker would be deployed",
            "ledger would be migrated",
            "secret would be set",
            "secret would be set",
            "secret would be set",
            "config would be set",
            "app none",
            "check would be made",
        ]
    );
    assert_eq!(world.config(), before);
    let changes = ["create", "apply", "deploy", "bulk", "put"];
    for asked in world.asked() {
        assert!(!changes.iter().any(|change| asked.contains(change)), "{asked}");
    }
}

#[test]
fn on_a_terminal_it_asks_and_shows_once_what_it_has_made_up() {
    let world = World::new();
    let typed = format!("{ORIGIN}\nn\n");
    let (exit, text) = world.run_on_a_terminal(&["--url", &world.gate], &typed);
    assert_eq!(exit, Some(0), "{text}");
    let mut first: Vec<String> = asked_again(&QUEUES);
    // At first there is no database: the deployment makes it.
    first.swap(12, 13);
    assert_eq!(world.asked(), [&first[..], &["secret bulk".to_owned()]].concat());
    assert!(text.contains("check     ok: a signed ping: pong"), "{text}");
    assert!(text.contains("check     ok: GET /-/dead-letters: there are none"), "{text}");
    assert!(text.contains("note: reports: never reported (have it report)"), "{text}");
    assert!(text.contains(&format!("cargo run -- app create --url {}", world.gate)), "{text}");
    for name in SECRETS {
        let secret = world.secret(name);
        assert_eq!(text.matches(&secret).count(), 1, "{name}: {text}");
        assert!(!world.config().contains(&secret));
    }
    assert!(world.secret("ORIGIN_SECRET").starts_with("whsec_"));
    assert!(world.config().contains(&format!("ORIGIN_URL = \"{ORIGIN}\"")), "{}", world.config());

    // Again, all is there; the migrations go before the worker.
    let (exit, text) =
        world.run(&["--yes"], &[("OPERATOR_TOKEN", &world.secret("OPERATOR_TOKEN"))]);
    // Where nothing can be shown, it is looked up at the beginning that nothing will have to be.
    let mut asked = asked_again(&[]);
    asked.insert(1, "secret list --format json".to_owned());
    assert_eq!((exit, world.asked()), (Some(0), asked), "{text}");
    assert!(text.contains("ledger    up to date"), "{text}");
    assert!(text.contains("check     left out: a signed ping needs WEBHOOK_SECRET"), "{text}");
    for name in SECRETS {
        assert!(!text.contains(&world.secret(name)), "{text}");
    }
}

#[test]
fn without_a_terminal_secrets_come_from_the_environment_and_are_not_shown() {
    let world = World::new();
    let arguments = ["--yes", "--no-app", "--origin-url", ORIGIN, "--url", &world.gate];
    let environment = ENVIRONMENT;
    let (exit, text) = world.run(&arguments, &environment[..2]);
    assert_eq!(exit, Some(2), "{text}");
    assert!(
        text.contains(
            "the gate has no ORIGIN_SECRET, and new ones can be shown on a terminal only"
        ),
        "{text}"
    );
    assert_eq!(world.asked(), ["whoami --json", "secret list --format json"]);

    for (value, says) in [
        ("whsec_c2hvcnQ=", "ORIGIN_SECRET in the environment is none of Standard Webhooks'"),
        ("whsec_bG9jYWwtb3JpZ2luLXNlY3JldC1sb2NhbA==", "is the one that comes with the project"),
    ] {
        let (exit, text) = world.run(&arguments, &[("ORIGIN_SECRET", value)]);
        assert_eq!((exit, world.asked().len()), (Some(2), 0), "{text}");
        assert!(text.contains(says) && !text.contains(value), "{text}");
    }
    for urls in [["--origin-url", "builds.example"], ["--url", "nowhere"]] {
        let (exit, text) = world.run(&urls, &environment);
        assert_eq!((exit, world.asked().len()), (Some(2), 0), "{text}");
    }

    let (exit, text) = world.run(&arguments, &environment);
    assert_eq!(exit, Some(0), "{text}");
    for (name, value) in environment {
        assert_eq!(world.secret(name), value);
        assert!(!text.contains(value), "{text}");
    }
    assert!(!text.contains("app create"), "{text}");
    assert!(world.config().contains("# Where build requests are posted"));
}

#[test]
fn the_address_that_wrangler_tells_is_kept_and_the_worker_is_told_it() {
    let world = World::new();
    world.add("worker", "");
    for name in SECRETS {
        world.add(&format!("secrets/{name}"), "a");
    }
    let (exit, text) = world.run(&["--yes", "--no-app", "--contact", "o@example.com"], &[]);
    // There is no gate at that address.
    assert_eq!(exit, Some(1), "{text}");
    assert!(text.contains("check     WRONG: GET /"), "{text}");
    assert!(text.contains("note: ORIGIN_URL is not set"), "{text}");
    let asked = world.asked();
    assert_eq!(asked.iter().filter(|asked| *asked == "deploy").count(), 2, "{asked:?}");
    let config = world.config();
    assert!(config.contains("BUILDGATE_URL = \"https://gate.invalid\""), "{config}");
    assert!(config.contains("OPERATOR_CONTACT = \"o@example.com\""), "{config}");

    let (_, text) = world.run(&["--yes", "--no-app"], &[]);
    let mut asked = asked_again(&[]);
    asked.insert(1, "secret list --format json".to_owned());
    assert_eq!(world.asked(), asked, "{text}");
}

#[test]
fn where_it_is_broken_off_it_says_why_and_goes_on_when_run_again() {
    let world = World::new();
    let arguments = ["--yes", "--no-app", "--url", &world.gate];
    world.add("logged-out", "");
    let (exit, text) = world.run(&arguments, &ENVIRONMENT);
    assert_eq!(exit, Some(2), "{text}");
    assert!(text.contains(
        "error: wrangler is not logged in: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN\n"
    ));
    world.remove("logged-out");
    world.asked();

    world.add("fail", "Queues are not in your plan.");
    for (at, made) in [("queues create github", &["builds"][..]), ("deploy", &QUEUES)] {
        world.add("fail-at", at);
        let (exit, text) = world.run(&arguments, &ENVIRONMENT);
        assert_eq!(exit, Some(2), "{text}");
        assert!(text.contains("error: `npx wrangler ") && text.contains(" failed:"), "{text}");
        assert!(text.contains("✘ [ERROR] Queues are not in your plan."), "{text}");
        for queue in QUEUES {
            let is_made = world.account.path().join("queues").join(queue).exists();
            assert_eq!(is_made, made.contains(&queue), "{at}: {queue}");
        }
        world.asked();
    }
    world.remove("fail");
    let (exit, text) = world.run(&arguments, &ENVIRONMENT);
    assert_eq!(exit, Some(0), "{text}");
    let mut asked = asked_again(&[]);
    asked.swap(7, 8);
    asked.push("secret bulk".to_owned());
    assert_eq!(world.asked(), asked, "{text}");
}

#[test]
fn secrets_that_were_made_up_are_shown_however_setting_them_ends() {
    let world = World::new();
    world.add("fail-after", "secret bulk");
    let arguments = ["--yes", "--no-app", "--url", &world.gate, "--origin-url", ORIGIN];
    let (exit, text) = world.run_on_a_terminal(&arguments, "");
    assert_eq!(exit, Some(2), "{text}");
    // They are set all the same, and nothing else could tell them.
    for name in SECRETS {
        assert_eq!(text.matches(&world.secret(name)).count(), 1, "{name}: {text}");
    }
}

#[test]
fn half_an_app_is_nobody_at_github() {
    let world = World::new();
    world.add("secrets/GITHUB_APP_ID", "1");
    let (exit, text) = world.run(&["--yes", "--url", &world.gate], &ENVIRONMENT);
    assert_eq!(exit, Some(1), "{text}");
    assert!(
        text.contains("WRONG: of GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY only one is set"),
        "{text}"
    );
}

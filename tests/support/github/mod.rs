//! A stand-in for GitHub: an HTTP server of its own, which has repositories with commits, statuses, checks, deployments
//! and Apps, and really delivers webhooks. Every request to it and every answer of it is held against GitHub's
//! OpenAPI description, and what it delivers starts from payloads that were recorded at GitHub.

// Each of those who stand on it uses another part.
#![allow(dead_code)]

use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use buildgate::time::rfc3339;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

mod access;
pub mod app;
pub mod checks;
mod commits;
mod deployments;
pub mod described;
mod events;
pub mod faults;
mod hooks;
mod manifest;
mod repositories;
mod routes;
mod server;
mod statuses;

/// A person's token, which may everything.
pub const TOKEN: &str = "github_pat_of_a_test";

/// A person's token of the newer kind: there is no permission for checks that it could have.
pub const FINE_GRAINED_TOKEN: &str = "github_pat_of_a_test_fine_grained";

/// The repositories that it has, with their ids.
pub const REPOSITORIES: [(&str, u64); 3] =
    [("octocat/Hello-World", 1296269), ("octocat/Spoon-Knife", 1300192), ("octo-org/Recipes", 14)];

/// How GitHub behaves.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Mood {
    #[default]
    Usual,
    Forbidden,
    NotAdmin,
    RateLimited,
}

/// All that it knows.
pub struct State {
    /// Where it is itself: its API, and its pages.
    base: String,
    /// Where repositories are said to be.
    web: String,
    mood: Mood,
    /// How many requests are still answered before the limit is reached, where there is one.
    left: Option<usize>,
    used: u64,
    faults: Vec<faults::Fault>,
    repositories: Vec<repositories::Repository>,
    /// Each with the name of its repository.
    hooks: Vec<(&'static str, Value)>,
    deliveries: Vec<hooks::Delivery>,
    loses_webhooks: bool,
    outgoing: mpsc::Sender<hooks::Outgoing>,
    /// How many deliveries are on their way.
    on_the_way: usize,
    apps: Vec<app::Registered>,
    tokens: Vec<app::Token>,
    /// In seconds.
    token_life: u64,
    /// Apps that wait for their code to be exchanged.
    manifests: Vec<(String, app::Registered)>,
    next_id: u64,
    /// What was asked, and what of it was to change something.
    requests: Vec<String>,
    changes: Vec<String>,
    /// Where a request or an answer is not as GitHub describes it.
    violations: Vec<String>,
}

pub type Shared = Arc<Mutex<State>>;

pub struct GitHub {
    pub api: String,
    shared: Shared,
    _runtime: Runtime,
}

impl GitHub {
    /// Starts it on an address; port 0 is any that is free.
    pub fn start(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let (outgoing, deliveries) = mpsc::channel();
        let repositories =
            REPOSITORIES.iter().map(|(name, id)| repositories::Repository::begun(name, *id, false));
        let state = State {
            base: api.clone(),
            web: "https://github.com".into(),
            mood: Mood::Usual,
            left: None,
            used: 0,
            faults: vec![],
            repositories: repositories.collect(),
            hooks: vec![],
            deliveries: vec![],
            loses_webhooks: false,
            outgoing,
            on_the_way: 0,
            apps: vec![],
            tokens: vec![],
            token_life: 3600,
            manifests: vec![],
            next_id: 1,
            requests: vec![],
            changes: vec![],
            violations: vec![],
        };
        let shared = Arc::new(Mutex::new(state));
        hooks::deliver_in_the_background(Arc::downgrade(&shared), deliveries);
        let app = Router::new().fallback(server::answer).with_state(Arc::clone(&shared));
        runtime.spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { api, shared, _runtime: runtime }
    }

    /// Begins anew, with commits and ids that no stand-in before it had.
    #[allow(dead_code, reason = "for the stand-in that is started by hand")]
    pub fn begin_anew(&self) {
        let mut state = self.state();
        state.next_id = milliseconds() / 1_000;
        let names: Vec<_> = REPOSITORIES.iter().map(|(name, id)| (*name, *id)).collect();
        state.repositories = names
            .into_iter()
            .map(|(name, id)| repositories::Repository::begun(name, id, true))
            .collect();
    }

    /// What it knows. A request that failed while it was held leaves it as it was then.
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.shared)
    }

    /// Where repositories are said to be, and to be cloned from, instead of `https://github.com`.
    pub fn set_web_base(&self, web: &str) {
        self.state().web = web.trim_end_matches('/').to_owned();
    }

    pub fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Answers so many requests more, and then says that they were too many; or answers all again.
    pub fn limit(&self, left: Option<usize>) {
        self.state().left = left;
    }

    /// What was changed since the last time it was asked.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().changes)
    }

    /// The method and the path, as it is described, of all that was asked since the last time.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    /// Everything asked and answered was as GitHub describes it.
    pub fn assert_as_described(&self) {
        let violations = self.state().violations.clone();
        assert_eq!(violations, Vec::<String>::new());
    }
}

pub fn locked(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl State {
    fn is_limited(&self) -> bool {
        self.mood == Mood::RateLimited || self.left == Some(0)
    }

    /// An id that nothing else has.
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// An account as GitHub shows it.
    fn user(&self, login: &str) -> Value {
        let user = described::example("commit")["author"].to_string();
        let user = user.replace("https://api.github.com", &self.base);
        let user: Value = serde_json::from_str(&user.replace("octocat", login)).unwrap();
        let kind = match login {
            "octo-org" => "Organization",
            _ if login.ends_with("[bot]") => "Bot",
            _ => "User",
        };
        let id = if login == "octocat" { 1 } else { id_from(login) };
        described::with(user, json!({"login": login, "id": id, "type": kind}))
    }
}

/// 40 hexadecimal digits that are always the same for a text, and for no other.
fn digits(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..20])
}

/// A number that is always the same for a text.
fn id_from(text: &str) -> u64 {
    u64::from_str_radix(&digits(text)[..7], 16).unwrap() + 100_000
}

fn milliseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// The time, as GitHub writes it.
fn now() -> String {
    rfc3339(milliseconds() / 1000 * 1000)
}

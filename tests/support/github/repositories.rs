//! Repositories: what each of them holds, and how GitHub shows them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::access::Who;
use super::checks::{Run, Suite};
use super::commits::Commit;
use super::described::{example, recorded, with};
use super::server::{Answer, Asked, not_found, ok};
use super::{Mood, REPOSITORIES, State, digits, milliseconds, now};

pub struct Repository {
    pub name: &'static str,
    pub id: u64,
    pub default_branch: String,
    /// What tells its commits from those of another stand-in.
    begun_at: u64,
    pub pushed_at: u64,
    pub commits: BTreeMap<String, Commit>,
    pub branches: BTreeMap<String, String>,
    /// Each with its commit, the oldest first.
    pub statuses: Vec<(String, Value)>,
    pub suites: Vec<Suite>,
    pub runs: Vec<Run>,
    /// Each with its statuses, the oldest first.
    pub deployments: Vec<(Value, Vec<Value>)>,
}

impl Repository {
    /// One with a first commit. `is_another` says that its commits are those of no stand-in before.
    pub fn begun(name: &'static str, id: u64, is_another: bool) -> Self {
        let mut repository = Self::new(name, id, if is_another { milliseconds() } else { 0 });
        let first = repository.commit(vec![], "Initial commit", "README.md");
        repository.branches.insert("main".into(), first);
        repository
    }

    fn new(name: &'static str, id: u64, begun_at: u64) -> Self {
        Self {
            begun_at,
            name,
            id,
            default_branch: "main".into(),
            pushed_at: milliseconds() / 1000,
            commits: BTreeMap::new(),
            branches: BTreeMap::new(),
            statuses: vec![],
            suites: vec![],
            runs: vec![],
            deployments: vec![],
        }
    }

    /// A new commit, on no branch yet.
    pub fn commit(&mut self, parents: Vec<String>, message: &str, file: &str) -> String {
        let order = self.commits.len();
        let sha = digits(&format!("{}#{order}#{}", self.name, self.begun_at));
        let (message, file) = (message.to_owned(), file.to_owned());
        self.commits.insert(sha.clone(), Commit { parents, message, file, order, date: now() });
        sha
    }
}

impl State {
    pub fn repository(&self, name: &str) -> &Repository {
        self.repositories.iter().find(|known| known.name == name).unwrap()
    }

    pub fn repository_mut(&mut self, name: &str) -> &mut Repository {
        self.repositories.iter_mut().find(|known| known.name == name).unwrap()
    }

    /// Something of GitHub's example repository, as of another one.
    pub fn of_repository(&self, name: &str, value: &Value) -> Value {
        let text = value.to_string();
        let text = ["octocat/Hello-World", "octocat/example", "github/hello-world"]
            .iter()
            .fold(text, |text, example| text.replace(&format!("{example}\""), &format!("{name}\"")))
            .replace("/octocat/Hello-World/", &format!("/{name}/"))
            .replace("/octocat/example/", &format!("/{name}/"))
            .replace("/github/hello-world/", &format!("/{name}/"))
            .replace("https://api.github.com", &self.base)
            .replace("https://github.com", &self.web);
        serde_json::from_str(&text).unwrap()
    }

    /// What tells a repository from another, in whatever shows it.
    fn identified(&self, name: &str, repository: Value) -> Value {
        let of = self.repository(name);
        let (owner, short) = name.split_once('/').unwrap();
        let mut repository = with(
            self.of_repository(name, &repository),
            json!({"id": of.id, "name": short, "full_name": name}),
        );
        for (field, value) in [
            ("default_branch", json!(of.default_branch)),
            ("clone_url", json!(format!("{}/{name}.git", self.web))),
        ] {
            if repository.get(field).is_some() {
                repository[field] = value;
            }
        }
        repository["owner"] = self.user(owner);
        repository
    }

    /// A repository as GitHub shows it.
    pub fn full_repository(&self, name: &str, is_admin: bool) -> Value {
        let mut repository = example("full-repository-default-response");
        // What GitHub's own example lacks.
        repository["language"] = Value::Null;
        for of_a_fork in ["parent", "source", "template_repository"] {
            repository.as_object_mut().unwrap().remove(of_a_fork);
        }
        let mut repository = self.identified(name, repository);
        let pushed_at = self.repository(name).pushed_at;
        repository["pushed_at"] = buildgate::time::rfc3339(pushed_at * 1000).into();
        repository["permissions"]["admin"] = is_admin.into();
        repository
    }

    pub fn minimal_repository(&self, name: &str) -> Value {
        self.identified(name, example("combined-commit-status")["repository"].clone())
    }

    /// A repository as it stands in a webhook's payload.
    pub fn repository_in_payload(&self, name: &str, event: &str) -> Value {
        let recorded = recorded("deployment", Some("created"))["repository"].to_string();
        let recorded = recorded.replace("Codertocat/Hello-World", "octocat/Hello-World");
        let mut repository = self.identified(name, serde_json::from_str(&recorded).unwrap());
        let pushed_at = self.repository(name).pushed_at;
        repository["pushed_at"] = match event {
            "push" => pushed_at.into(),
            _ => buildgate::time::rfc3339(pushed_at * 1000).into(),
        };
        if event == "push" {
            repository["created_at"] = 1_557_933_565_u64.into();
            repository["owner"]["name"] = repository["owner"]["login"].clone();
            repository["owner"]["email"] = Value::Null;
        }
        repository
    }

    fn listed(&self, names: impl Iterator<Item = &'static str>) -> Vec<Value> {
        names.map(|name| self.full_repository(name, true)).collect()
    }
}

fn of_owner(owner: &str) -> Vec<&'static str> {
    let names = REPOSITORIES.iter().map(|(name, _)| *name);
    names.filter(|name| name.split('/').next() == Some(owner)).collect()
}

pub fn get(state: &mut State, asked: &Asked) -> Answer {
    let is_admin = state.mood != Mood::NotAdmin && matches!(asked.who, Who::Person { .. });
    ok(state.full_repository(asked.repository, is_admin))
}

pub fn of_organization(state: &mut State, asked: &Asked) -> Answer {
    match asked.parameter("org") {
        "octo-org" => asked.list(state.listed(of_owner("octo-org").into_iter())),
        _ => not_found(),
    }
}

pub fn of_user(state: &mut State, asked: &Asked) -> Answer {
    asked.list(state.listed(of_owner("octocat").into_iter()))
}

pub fn of_installation(state: &mut State, asked: &Asked) -> Answer {
    let Who::Installation(token) = asked.who else {
        return super::server::refused(
            403,
            "You must authenticate with an installation access token",
        );
    };
    let names = state.tokens[token].repositories.clone();
    asked.counted("repositories", state.listed(names.into_iter()))
}

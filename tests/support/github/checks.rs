//! Check runs, and the suites that they are in: what an App says of a commit. Actions speaks by these, and not by
//! commit statuses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::access::Who;
use super::described::{example, recorded, with};
use super::server::{Answer, Asked, created, not_found, ok, refused};
use super::{GitHub, State, id_from, now};

pub struct Suite {
    pub id: u64,
    pub app: String,
    pub sha: String,
    pub branch: Option<String>,
    pub created_at: String,
}

#[derive(Clone)]
pub struct Run {
    pub id: u64,
    pub suite: u64,
    pub name: String,
    pub status: String,
    pub conclusion: Option<String>,
    pub started_at: String,
    pub completed_at: Option<String>,
    pub details_url: Option<String>,
}

/// The conclusions of runs, the one first that decides over their suite.
const WORST_FIRST: [&str; 9] = [
    "startup_failure",
    "failure",
    "timed_out",
    "action_required",
    "cancelled",
    "stale",
    "success",
    "neutral",
    "skipped",
];

impl GitHub {
    /// A check run as an App reports it, in the App's last suite of the commit; gives its id. A run of that name that
    /// is not completed goes on; else it is a new one.
    pub fn check_run(
        &self,
        repository: &str,
        sha: &str,
        app: &str,
        name: &str,
        status: &str,
        conclusion: Option<&str>,
    ) -> u64 {
        let mut state = self.state();
        let suite = state.suite_of(repository, sha, app);
        state.report(repository, suite, name, status, conclusion)
    }

    /// A check run in a suite of its own choice.
    pub fn check_run_in(
        &self,
        repository: &str,
        suite: u64,
        name: &str,
        status: &str,
        conclusion: Option<&str>,
    ) -> u64 {
        self.state().report(repository, suite, name, status, conclusion)
    }

    /// A new suite: an App may have several of a commit. Its branch may be a fork's.
    pub fn check_suite(&self, repository: &str, sha: &str, app: &str, branch: Option<&str>) -> u64 {
        self.state().new_suite(repository, sha, app, branch.map(str::to_owned))
    }
}

impl State {
    fn new_suite(&mut self, repository: &str, sha: &str, app: &str, branch: Option<String>) -> u64 {
        let id = self.id();
        let (app, sha) = (app.to_owned(), sha.to_owned());
        let suite = Suite { id, app, sha, branch, created_at: now() };
        self.repository_mut(repository).suites.push(suite);
        id
    }

    /// An App's last suite of a commit, or a new one.
    fn suite_of(&mut self, repository: &str, sha: &str, app: &str) -> u64 {
        let of = self.repository(repository);
        assert!(of.commits.contains_key(sha), "{sha}");
        if let Some(suite) = of.suites.iter().rev().find(|s| s.sha == sha && s.app == app) {
            return suite.id;
        }
        let branches = [of.branches_at(sha), of.branches_with(sha)].concat();
        self.new_suite(repository, sha, app, branches.first().cloned())
    }

    fn report(
        &mut self,
        repository: &str,
        suite: u64,
        name: &str,
        status: &str,
        conclusion: Option<&str>,
    ) -> u64 {
        let of = self.repository(repository);
        let mut runs = of.runs.iter().rev();
        let going_on = runs.find(|r| r.suite == suite && r.name == name && r.status != "completed");
        let id = match going_on {
            Some(run) => run.id,
            None => self.new_run(repository, suite, name, None),
        };
        self.set_run(repository, id, status, conclusion);
        id
    }

    /// A run that has only just been made.
    fn new_run(
        &mut self,
        repository: &str,
        suite: u64,
        name: &str,
        details_url: Option<String>,
    ) -> u64 {
        let id = self.id();
        let run = Run {
            id,
            suite,
            name: name.to_owned(),
            status: "queued".into(),
            conclusion: None,
            started_at: now(),
            completed_at: None,
            details_url,
        };
        self.repository_mut(repository).runs.push(run);
        self.emit_run(repository, id, "created");
        id
    }

    /// Where a run is now. What is completed is told, and so is that its suite is completed by it.
    fn set_run(&mut self, repository: &str, id: u64, status: &str, conclusion: Option<&str>) {
        let runs = &mut self.repository_mut(repository).runs;
        let run = runs.iter_mut().find(|run| run.id == id).unwrap();
        run.status = if conclusion.is_some() { "completed" } else { status }.to_owned();
        run.conclusion = conclusion.map(str::to_owned);
        run.completed_at = conclusion.map(|_| now());
        let suite = run.suite;
        if conclusion.is_none() {
            return;
        }
        self.emit_run(repository, id, "completed");
        if self.newest_runs(repository, suite).iter().all(|run| run.status == "completed") {
            let suite = self.suite_shown(repository, suite);
            let payload =
                with(recorded("check_suite", Some("completed")), json!({"check_suite": suite}));
            self.emit(repository, "check_suite", payload, "octocat");
        }
    }

    /// The newest run of each name in a suite.
    fn newest_runs(&self, repository: &str, suite: u64) -> Vec<&Run> {
        let in_suite = self.repository(repository).runs.iter().filter(|run| run.suite == suite);
        let by_name: BTreeMap<&str, &Run> = in_suite.map(|run| (run.name.as_str(), run)).collect();
        by_name.into_values().collect()
    }

    fn emit_run(&mut self, repository: &str, id: u64, action: &str) {
        let run = self.run_shown(repository, id, true);
        let payload =
            with(recorded("check_run", Some(action)), json!({"action": action, "check_run": run}));
        self.emit(repository, "check_run", payload, "octocat");
    }

    /// An App as it stands beside what it did.
    pub fn app_shown(&self, slug: &str) -> Value {
        if let Some(app) = self.apps.iter().find(|app| app.slug == slug) {
            return self.integration(app);
        }
        let id = if slug == "github-actions" { 15368 } else { id_from(slug) };
        let mut app = with(
            example("integration"),
            json!({"id": id, "slug": slug, "name": slug, "owner": self.user("github")}),
        );
        app["html_url"] = format!("{}/apps/{slug}", self.base).into();
        app
    }

    /// As the API shows it, or a webhook: there, its suite is told in full.
    fn run_shown(&self, repository: &str, id: u64, in_payload: bool) -> Value {
        let of = self.repository(repository);
        let run = of.runs.iter().find(|run| run.id == id).unwrap();
        let suite = of.suites.iter().find(|suite| suite.id == run.suite).unwrap();
        let html = format!("{}/{repository}/runs/{id}", self.web);
        let suite_shown = if in_payload {
            let mut shown = self.suite_shown(repository, suite.id);
            for field in ["latest_check_runs_count", "check_runs_url", "head_commit", "repository"]
            {
                shown.as_object_mut().unwrap().remove(field);
            }
            shown
        } else {
            json!({"id": suite.id})
        };
        let nothing = "check-run-example-of-in-progress-conclusion";
        let output = json!({
            "title": null, "summary": null, "text": null, "annotations_count": 0,
            "annotations_url": format!("{}/repos/{repository}/check-runs/{id}/annotations", self.base),
        });
        with(
            self.of_repository(repository, &example(nothing)),
            json!({
                "id": id, "name": run.name, "head_sha": suite.sha, "external_id": "",
                "url": format!("{}/repos/{repository}/check-runs/{id}", self.base),
                "html_url": html, "details_url": run.details_url.as_ref().unwrap_or(&html),
                "status": run.status, "conclusion": run.conclusion,
                "started_at": run.started_at, "completed_at": run.completed_at,
                "output": output, "check_suite": suite_shown, "app": self.app_shown(&suite.app),
                "pull_requests": [],
            }),
        )
    }

    fn suite_shown(&self, repository: &str, id: u64) -> Value {
        let of = self.repository(repository);
        let suite = of.suites.iter().find(|suite| suite.id == id).unwrap();
        let runs = self.newest_runs(repository, id);
        let is_completed = !runs.is_empty() && runs.iter().all(|run| run.status == "completed");
        let status = match runs.iter().any(|run| run.status != "queued") {
            _ if is_completed => "completed",
            true => "in_progress",
            false => "queued",
        };
        let conclusion = WORST_FIRST.iter().find(|conclusion| {
            is_completed && runs.iter().any(|run| run.conclusion.as_deref() == Some(conclusion))
        });
        let url = format!("{}/repos/{repository}/check-suites/{id}", self.base);
        let mut head = self.commit_in_payload(repository, &suite.sha);
        head.as_object_mut().unwrap().retain(|field, _| {
            matches!(
                field.as_str(),
                "id" | "tree_id" | "message" | "timestamp" | "author" | "committer"
            )
        });
        json!({
            "id": id, "node_id": "MDEwOkNoZWNrU3VpdGU1", "head_branch": suite.branch,
            "head_sha": suite.sha, "status": status, "conclusion": conclusion, "url": url,
            "before": of.commits[&suite.sha].parents.first(), "after": suite.sha,
            "pull_requests": [], "app": self.app_shown(&suite.app),
            "repository": self.minimal_repository(repository),
            "created_at": suite.created_at, "updated_at": now(), "head_commit": head,
            "latest_check_runs_count": runs.len(), "check_runs_url": format!("{url}/check-runs"),
        })
    }

    /// The newest run of each name in each of a commit's suites.
    pub fn runs_of_commit(&self, repository: &str, sha: &str) -> Vec<Run> {
        let suites = self.repository(repository).suites.iter().filter(|suite| suite.sha == sha);
        suites.flat_map(|suite| self.newest_runs(repository, suite.id)).cloned().collect()
    }

    /// Whose suite it is, as an id.
    fn app_id(&self, repository: &str, suite: u64) -> u64 {
        let suites = &self.repository(repository).suites;
        let suite = suites.iter().find(|known| known.id == suite).unwrap();
        self.app_shown(&suite.app)["id"].as_u64().unwrap()
    }
}

pub fn runs(state: &mut State, asked: &Asked) -> Answer {
    let sha = match state.commit_asked(asked, "ref") {
        Ok(sha) => sha,
        Err(answer) => return answer,
    };
    let of = state.repository(asked.repository);
    let mut runs = match asked.query("filter") {
        Some("all") => {
            let suites: Vec<u64> =
                of.suites.iter().filter(|suite| suite.sha == sha).map(|suite| suite.id).collect();
            of.runs.iter().filter(|run| suites.contains(&run.suite)).cloned().collect()
        }
        _ => state.runs_of_commit(asked.repository, &sha),
    };
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    let app = asked.query("app_id").and_then(|id| id.parse::<u64>().ok());
    let is_wanted = |run: &&Run| {
        asked.query("check_name").is_none_or(|name| name == run.name)
            && asked.query("status").is_none_or(|status| status == run.status)
            && app.is_none_or(|app| state.app_id(asked.repository, run.suite) == app)
    };
    let shown = |run: &Run| state.run_shown(asked.repository, run.id, false);
    asked.counted("check_runs", runs.iter().filter(is_wanted).map(shown).collect())
}

pub fn suites(state: &mut State, asked: &Asked) -> Answer {
    let sha = match state.commit_asked(asked, "ref") {
        Ok(sha) => sha,
        Err(answer) => return answer,
    };
    let app = asked.query("app_id").and_then(|id| id.parse::<u64>().ok());
    let suites = state.repository(asked.repository).suites.iter();
    let wanted = suites.filter(|suite| {
        suite.sha == sha && app.is_none_or(|app| state.app_id(asked.repository, suite.id) == app)
    });
    let shown = wanted.map(|suite| state.suite_shown(asked.repository, suite.id));
    asked.counted("check_suites", shown.collect())
}

fn run_asked(state: &State, asked: &Asked) -> Option<u64> {
    let id = asked.id("check_run_id")?;
    state.repository(asked.repository).runs.iter().any(|run| run.id == id).then_some(id)
}

pub fn get(state: &mut State, asked: &Asked) -> Answer {
    match run_asked(state, asked) {
        Some(id) => ok(state.run_shown(asked.repository, id, false)),
        None => not_found(),
    }
}

/// GitHub lets only Apps do this: a person's token does it as Actions would.
pub fn create(state: &mut State, asked: &Asked) -> Answer {
    let app = match asked.who {
        Who::Installation(token) => state.apps[state.tokens[token].app].slug.clone(),
        _ => "github-actions".into(),
    };
    let sha = asked.text("head_sha").unwrap_or_default();
    if !state.repository(asked.repository).commits.contains_key(sha) {
        return refused(422, &format!("No commit found for SHA: {sha}"));
    }
    let suite = state.suite_of(asked.repository, sha, &app);
    let details = asked.text("details_url").map(str::to_owned);
    let name = asked.text("name").unwrap_or_default();
    let id = state.new_run(asked.repository, suite, name, details);
    let status = asked.text("status").unwrap_or("queued");
    state.set_run(asked.repository, id, status, asked.text("conclusion"));
    created(state.run_shown(asked.repository, id, false))
}

pub fn update(state: &mut State, asked: &Asked) -> Answer {
    let Some(id) = run_asked(state, asked) else { return not_found() };
    let run = state.repository(asked.repository).runs.iter().find(|run| run.id == id).unwrap();
    let status = asked.text("status").unwrap_or(&run.status).to_owned();
    state.set_run(asked.repository, id, &status, asked.text("conclusion"));
    ok(state.run_shown(asked.repository, id, false))
}

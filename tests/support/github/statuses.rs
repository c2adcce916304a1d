//! Commit statuses: what a CI service says of a commit, one context each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::described::{example, recorded, with};
use super::server::{Answer, Asked, created, invalid, ok, refused};
use super::{GitHub, State, now};

/// How many statuses a commit may have of one context.
const MOST: usize = 1000;

impl GitHub {
    pub fn status(&self, repository: &str, sha: &str, context: &str, state: &str) {
        self.status_by(repository, sha, context, state, "octocat");
    }

    /// A status that somebody in particular sets.
    pub fn status_by(&self, repository: &str, sha: &str, context: &str, state: &str, by: &str) {
        let body = json!({"state": state, "context": context});
        self.state().add_status(repository, sha, &body, by);
    }
}

impl State {
    fn add_status(&mut self, repository: &str, sha: &str, body: &Value, by: &str) -> Value {
        let id = self.id();
        let status = with(
            self.of_repository(repository, &example("status")),
            json!({
                "url": format!("{}/repos/{repository}/statuses/{sha}", self.base),
                "id": id, "state": body["state"],
                "description": body["description"], "target_url": body["target_url"],
                "context": body["context"].as_str().unwrap_or("default"),
                "created_at": now(), "updated_at": now(), "creator": self.user(by),
            }),
        );
        self.repository_mut(repository).statuses.push((sha.to_owned(), status.clone()));
        let on = self.repository(repository).branches_with(sha);
        // No more than ten are told.
        let branches: Vec<Value> =
            on.iter().take(10).map(|branch| self.short_branch(repository, branch)).collect();
        let payload = with(
            recorded("status", None),
            json!({
                "id": id, "sha": sha, "name": repository, "state": status["state"],
                "context": status["context"], "description": status["description"],
                "target_url": status["target_url"], "branches": branches,
                "commit": self.full_commit(repository, sha),
                "created_at": status["created_at"], "updated_at": status["updated_at"],
            }),
        );
        self.emit(repository, "status", payload, by);
        status
    }

    /// The newest status of each context: a context is the same however it is written.
    pub fn newest_statuses(&self, repository: &str, sha: &str) -> Vec<Value> {
        let of_commit = self.repository(repository).statuses.iter().filter(|(of, _)| of == sha);
        let by_context = of_commit.map(|(_, status)| {
            (status["context"].as_str().unwrap().to_lowercase(), status.clone())
        });
        by_context.collect::<BTreeMap<String, Value>>().into_values().collect()
    }
}

pub fn create(state: &mut State, asked: &Asked) -> Answer {
    let sha = asked.parameter("sha");
    let of = state.repository(asked.repository);
    if !of.commits.contains_key(sha) {
        return refused(422, &format!("No commit found for SHA: {sha}"));
    }
    let too_long = |field: &str, most: usize| {
        asked.text(field).is_some_and(|text| text.chars().count() > most)
    };
    for (field, most) in [("description", 140), ("context", 255)] {
        if too_long(field, most) {
            let message = format!("{field} is too long (maximum is {most} characters)");
            return invalid("Status", field, &message);
        }
    }
    // https://github.com/ouzi-dev/commit-status-updater/issues/526
    if asked.text("description").is_some_and(|text| text.chars().any(|c| c.len_utf8() == 4)) {
        return invalid("Status", "description", "description doesn't accept 4-byte Unicode");
    }
    if asked.text("target_url").is_some_and(|url| !url.is_empty() && !url.starts_with("http")) {
        return invalid("Status", "target_url", "target_url must use http(s) scheme");
    }
    if !matches!(asked.text("state"), Some("error" | "failure" | "pending" | "success")) {
        return invalid("Status", "state", "state is not included in the list");
    }
    let context = asked.text("context").unwrap_or("default").to_lowercase();
    let same = of.statuses.iter().filter(|(of, status)| {
        of == sha && status["context"].as_str().map(str::to_lowercase) == Some(context.clone())
    });
    if same.count() >= MOST {
        let message = "This SHA and context has reached the maximum number of statuses.";
        return invalid("Status", "sha", message);
    }
    let by = state.login(asked.who);
    created(state.add_status(asked.repository, sha, &asked.body, &by))
}

pub fn list(state: &mut State, asked: &Asked) -> Answer {
    match state.commit_asked(asked, "ref") {
        Ok(sha) => {
            let all = state.repository(asked.repository).statuses.iter().rev();
            asked.list(all.filter(|(of, _)| *of == sha).map(|(_, s)| s.clone()).collect())
        }
        Err(answer) => answer,
    }
}

pub fn combined(state: &mut State, asked: &Asked) -> Answer {
    let sha = match state.commit_asked(asked, "ref") {
        Ok(sha) => sha,
        Err(answer) => return answer,
    };
    let mut statuses = state.newest_statuses(asked.repository, &sha);
    for status in &mut statuses {
        status.as_object_mut().unwrap().remove("creator");
    }
    let any = |state: &str| statuses.iter().any(|status| status["state"] == state);
    let combined = if any("failure") || any("error") {
        "failure"
    } else if statuses.is_empty() || any("pending") {
        // Where nobody has said anything, it is pending as well.
        "pending"
    } else {
        "success"
    };
    let total = statuses.len();
    let (statuses, link) = asked.page(statuses, 30);
    let api = format!("{}/repos/{}/commits/{sha}", state.base, asked.repository);
    let json = json!({
        "state": combined, "statuses": statuses, "sha": sha, "total_count": total,
        "repository": state.minimal_repository(asked.repository),
        "commit_url": api, "url": format!("{api}/status"),
    });
    Answer { link, ..ok(json) }
}

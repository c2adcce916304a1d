//! Deployments and their statuses, with what GitHub demands before it makes one.

use serde_json::{Value, json};

use super::access::Who;
use super::described::{example, recorded, with};
use super::server::{Answer, Asked, created, invalid, not_found, ok, refused};
use super::{GitHub, State, now};

impl GitHub {
    /// All deployments of a repository, in the order in which they were made.
    pub fn deployments(&self, repository: &str) -> Vec<Value> {
        let state = self.state();
        state.repository(repository).deployments.iter().map(|(made, _)| made.clone()).collect()
    }

    /// What was said of a deployment, in the order in which it was said.
    pub fn deployment_statuses(&self, repository: &str, id: u64) -> Vec<Value> {
        let state = self.state();
        let mut all = state.repository(repository).deployments.iter();
        all.find(|(made, _)| made["id"] == id).map(|(_, said)| said.clone()).unwrap_or_default()
    }
}

impl State {
    /// Everything that was said of a commit, under the name that a deployment can require. Here, a job that was
    /// skipped has not succeeded.
    fn contexts(&self, repository: &str, sha: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let statuses = self.newest_statuses(repository, sha);
        let statuses = statuses.iter().map(|s| (text(&s["context"]), text(&s["state"])));
        let runs = self.runs_of_commit(repository, sha).into_iter();
        let runs = runs.map(|run| (run.name, run.conclusion.unwrap_or("pending".into())));
        statuses.chain(runs).collect()
    }

    fn deployment_asked(&self, asked: &Asked) -> Option<usize> {
        let id = asked.id("deployment_id");
        let mut all = self.repository(asked.repository).deployments.iter();
        all.position(|(made, _)| made["id"].as_u64() == id)
    }

    /// What a GitHub App did is told to be its.
    fn by_app(&self, who: Who) -> Value {
        match who {
            Who::Installation(token) => self.integration(&self.apps[self.tokens[token].app]),
            _ => Value::Null,
        }
    }
}

pub fn list(state: &mut State, asked: &Asked) -> Answer {
    let all = state.repository(asked.repository).deployments.iter().rev();
    let is_wanted = |made: &&Value| {
        ["sha", "ref", "task", "environment"]
            .iter()
            .all(|field| asked.query(field).is_none_or(|value| made[*field] == value))
    };
    asked.list(all.map(|(made, _)| made).filter(is_wanted).cloned().collect())
}

pub fn get(state: &mut State, asked: &Asked) -> Answer {
    match state.deployment_asked(asked) {
        Some(number) => ok(state.repository(asked.repository).deployments[number].0.clone()),
        None => not_found(),
    }
}

pub fn create(state: &mut State, asked: &Asked) -> Answer {
    let reference = asked.text("ref").unwrap_or_default();
    let by = state.login(asked.who);
    let of = state.repository(asked.repository);
    let Some(sha) = of.resolved(reference) else {
        return refused(422, &format!("No ref found for: {reference}"));
    };
    let main = of.default_branch.clone();
    let tip = of.branches[&main].clone();
    if asked.body["auto_merge"] != false && !of.ancestry(&sha).contains(&tip) {
        // Only into a branch can anything be merged.
        if !of.branches.contains_key(reference) {
            return refused(409, &format!("Conflict merging {main} into {reference}."));
        }
        let message = format!("Merge {main} into {reference}");
        let of = state.repository_mut(asked.repository);
        let merged = of.commit(vec![sha, tip], &message, "file.txt");
        state.set_branch(asked.repository, reference, Some(&merged), &by);
        let message = format!("Auto-merged {main} into {reference} on deployment.");
        return Answer { status: 202, json: json!({"message": message}), link: None };
    }
    let said = state.contexts(asked.repository, &sha);
    let required = match asked.body["required_contexts"].as_array() {
        None => said,
        Some(names) => {
            let states = names.iter().flat_map(|name| {
                let name = name.as_str().unwrap().to_owned();
                let of_name: Vec<(String, String)> =
                    said.iter().filter(|(n, _)| n.eq_ignore_ascii_case(&name)).cloned().collect();
                if of_name.is_empty() { vec![(name, "pending".into())] } else { of_name }
            });
            states.collect()
        }
    };
    if required.iter().any(|(_, state)| state != "success") {
        let contexts: Vec<Value> =
            required.iter().map(|(name, state)| json!({"context": name, "state": state})).collect();
        let message = format!("Conflict: Commit status checks failed for {reference}.");
        let mut answer = refused(409, &message);
        answer.json["errors"] = json!([{
            "contexts": contexts, "resource": "Deployment", "field": "required_contexts",
            "code": "invalid",
        }]);
        return answer;
    }
    let id = state.id();
    let api = format!("{}/repos/{}", state.base, asked.repository);
    let given = |field: &str, usual: Value| match asked.body.get(field) {
        Some(value) if !value.is_null() => value.clone(),
        _ => usual,
    };
    let environment = given("environment", json!("production"));
    let is_production = given("production_environment", json!(environment == "production"));
    let deployment = with(
        example("deployment"),
        json!({
            "url": format!("{api}/deployments/{id}"), "id": id, "sha": sha, "ref": reference,
            "task": given("task", json!("deploy")), "payload": given("payload", json!({})),
            "original_environment": environment, "environment": environment,
            "description": asked.body["description"], "creator": state.user(&by),
            "created_at": now(), "updated_at": now(), "repository_url": api,
            "statuses_url": format!("{api}/deployments/{id}/statuses"),
            "transient_environment": given("transient_environment", json!(false)),
            "production_environment": is_production,
            "performed_via_github_app": state.by_app(asked.who),
        }),
    );
    state.repository_mut(asked.repository).deployments.push((deployment.clone(), vec![]));
    let payload = with(
        recorded("deployment", Some("created")),
        json!({"deployment": deployment, "workflow": null, "workflow_run": null}),
    );
    state.emit(asked.repository, "deployment", payload, &by);
    created(deployment)
}

pub fn statuses(state: &mut State, asked: &Asked) -> Answer {
    match state.deployment_asked(asked) {
        Some(number) => {
            let said = &state.repository(asked.repository).deployments[number].1;
            asked.list(said.iter().rev().cloned().collect())
        }
        None => not_found(),
    }
}

pub fn create_status(state: &mut State, asked: &Asked) -> Answer {
    let Some(number) = state.deployment_asked(asked) else { return not_found() };
    if asked.text("description").is_some_and(|text| text.chars().count() > 140) {
        let message = "description is too long (maximum is 140 characters)";
        return invalid("DeploymentStatus", "description", message);
    }
    let by = state.login(asked.who);
    if asked.text("state") == Some("success") && asked.body["auto_inactive"] != false {
        deactivate_earlier(state, asked, number, &by);
    }
    let status = add_status(state, asked, number, &asked.body, &by);
    created(status)
}

fn add_status(state: &mut State, asked: &Asked, number: usize, body: &Value, by: &str) -> Value {
    let id = state.id();
    let api = format!("{}/repos/{}", state.base, asked.repository);
    let deployment = state.repository(asked.repository).deployments[number].0.clone();
    let url = format!("{api}/deployments/{}", deployment["id"]);
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let log = if text("log_url").is_empty() { text("target_url") } else { text("log_url") };
    let environment =
        body.get("environment").filter(|e| e.is_string()).unwrap_or(&deployment["environment"]);
    let status = with(
        example("deployment-status"),
        json!({
            "url": format!("{url}/statuses/{id}"), "id": id, "state": body["state"],
            "creator": state.user(by), "description": text("description"),
            "environment": environment, "target_url": log, "log_url": log,
            "environment_url": text("environment_url"), "created_at": now(), "updated_at": now(),
            "deployment_url": url, "repository_url": api,
            "performed_via_github_app": state.by_app(asked.who),
        }),
    );
    let (of, said) = &mut state.repository_mut(asked.repository).deployments[number];
    of["environment"] = status["environment"].clone();
    of["updated_at"] = now().into();
    said.push(status.clone());
    // That something is inactive is told to nobody.
    if body["state"] != "inactive" {
        let payload = with(
            recorded("deployment_status", Some("created")),
            json!({
                "deployment_status": status, "deployment": of, "check_run": null,
                "workflow": null, "workflow_run": null,
            }),
        );
        state.emit(asked.repository, "deployment_status", payload, by);
    }
    status
}

/// What the same environment had before is not active any more, but for production.
fn deactivate_earlier(state: &mut State, asked: &Asked, number: usize, by: &str) {
    let all = &state.repository(asked.repository).deployments;
    let environment = all[number].0["environment"].clone();
    let is_over = |(made, said): &&(Value, Vec<Value>)| {
        made["environment"] == environment
            && made["transient_environment"] == false
            && made["production_environment"] == false
            && said.last().is_some_and(|status| status["state"] == "success")
    };
    let over: Vec<usize> = (0..number).filter(|earlier| is_over(&&all[*earlier])).collect();
    for earlier in over {
        add_status(state, asked, earlier, &json!({"state": "inactive"}), by);
    }
}

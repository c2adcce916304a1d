//! The stand-in for GitHub, where what it does is not obvious: each of it is a fact about GitHub that the gate counts on.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::github::app::{App, Installed};
use crate::support::github::faults::{Fault, Kind};
use crate::support::github::{FINE_GRAINED_TOKEN, GitHub, TOKEN};

const REPOSITORY: &str = "octocat/Hello-World";

struct Client {
    github: GitHub,
    agent: ureq::Agent,
}

impl Client {
    fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(std::time::Duration::from_secs(20)))
            .build();
        Self { github: GitHub::start("127.0.0.1:0"), agent: agent.into() }
    }

    /// What it answers, with the header that leads to the next page.
    fn asked(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<(u16, Value, String), ureq::Error> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.github.api))
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header("Authorization", format!("Bearer {token}"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = self.agent.run(request.body(body).unwrap())?;
        let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let text = answer.body_mut().read_to_string()?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok((answer.status().as_u16(), json, link.unwrap_or_default()))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.get_as(TOKEN, path)
    }

    fn get_as(&self, token: &str, path: &str) -> (u16, Value) {
        let path = path.replace("REPO", "/repos/octocat/Hello-World");
        let (status, json, _) = self.asked("GET", &path, token, &Value::Null).unwrap();
        (status, json)
    }

    fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send_as(TOKEN, method, path, body)
    }

    fn send_as(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let path = path.replace("REPO", "/repos/octocat/Hello-World");
        let (status, json, _) = self.asked(method, &path, token, &body).unwrap();
        (status, json)
    }

    /// A token of an App's installation, or why there is none.
    fn token(&self, app: &Installed, body: Value) -> (u16, Value) {
        let path = format!("/app/installations/{}/access_tokens", app.installation);
        self.send_as(&jwt(app, json!(app.client_id), -30, 540), "POST", &path, body)
    }
}

/// A JWT of an App, made and ending so many seconds from now.
fn jwt(app: &Installed, issuer: Value, made: i64, ends: i64) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let claims = json!({"iat": now + made, "exp": now + ends, "iss": issuer});
    let key = EncodingKey::from_rsa_pem(app.pem.as_bytes()).unwrap();
    encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

fn deploys<'a>(repositories: &'a [&'a str]) -> App<'a> {
    App {
        permissions: &[
            ("checks", "read"),
            ("contents", "read"),
            ("deployments", "write"),
            ("statuses", "write"),
        ],
        events: &["push", "status", "check_run", "check_suite", "deployment"],
        hook_url: Some("http://127.0.0.1:9/app"),
        secret: Some("a secret of a test"),
        repositories,
    }
}

#[test]
fn standin_knows_how_commits_and_branches_lie_to_each_other() {
    let client = Client::new();
    let github = &client.github;
    let first = github.tip(REPOSITORY, "main");
    let second = github.push(REPOSITORY, "main");
    let side = github.commit(REPOSITORY, &[&first]);
    github.set_branch(REPOSITORY, "feature/x", &first);
    for (basehead, status, ahead, behind) in [
        (format!("{first}...main"), "ahead", 1, 0),
        (format!("main...{first}"), "behind", 0, 1),
        ("main...main".to_owned(), "identical", 0, 0),
        (format!("main...{side}"), "diverged", 1, 1),
        ("main...feature/x".to_owned(), "behind", 0, 1),
    ] {
        let (code, told) = client.get(&format!("REPO/compare/{basehead}"));
        let found = (&told["status"], &told["ahead_by"], &told["behind_by"]);
        assert_eq!(code, 200, "{told}");
        assert_eq!(found, (&json!(status), &json!(ahead), &json!(behind)), "{basehead}");
        assert_eq!(told["merge_base_commit"]["sha"] == first, status != "identical");
    }
    assert_eq!(client.get("REPO/compare/main...nowhere").0, 404);
    for path in ["REPO/branches/feature/x", "REPO/branches/feature%2Fx"] {
        assert_eq!(client.get(path).1["commit"]["sha"], first);
    }
    assert_eq!(client.get("REPO/branches/none").0, 404);
    assert_eq!(client.get("REPO").1["default_branch"], "main");
    assert_eq!(client.get(&format!("REPO/commits/{second}")).1["sha"], second);
    let (_, at) = client.get(&format!("REPO/commits/{second}/branches-where-head"));
    assert_eq!((at.as_array().unwrap().len(), &at[0]["name"]), (1, &json!("main")));
    assert_eq!(client.get(&format!("REPO/commits/{side}/branches-where-head")).1, json!([]));
    let (code, told) = client.get(&format!("REPO/commits/{}/status", "0".repeat(40)));
    assert!(code == 422 && told["message"].as_str().unwrap().starts_with("No commit found"));

    // Pages lead to each other.
    let path = "/repos/octocat/Hello-World/branches?per_page=1";
    let (_, page, link) = client.asked("GET", path, TOKEN, &Value::Null).unwrap();
    assert_eq!(page.as_array().unwrap().len(), 1);
    assert!(link.contains("per_page=1&page=2") && link.ends_with("rel=\"next\""), "{link}");

    // How a person pushes.
    let change = json!({"message": "More", "content": "aGk=", "branch": "feature/x"});
    let (code, put) = client.send("PUT", "REPO/contents/notes/new.txt", change.clone());
    assert_eq!((code, &put["commit"]["parents"][0]["sha"]), (201, &json!(first)), "{put}");
    assert_eq!(client.send("PUT", "REPO/contents/notes/new.txt", change).0, 200);
    let branch = json!({"ref": "refs/heads/new", "sha": second});
    assert_eq!(client.send("POST", "REPO/git/refs", branch.clone()).0, 201);
    assert_eq!(client.send("POST", "REPO/git/refs", branch).0, 422);
    let back = |force: bool| json!({"sha": first, "force": force});
    assert_eq!(client.send("PATCH", "REPO/git/refs/heads/new", back(false)).0, 422);
    assert_eq!(client.send("PATCH", "REPO/git/refs/heads/new", back(true)).0, 200);
    assert_eq!(client.send("DELETE", "REPO/git/refs/heads/new", Value::Null).0, 204);
    let commit = json!({"message": "Loose", "tree": first, "parents": [second]});
    assert_eq!(client.send("POST", "REPO/git/commits", commit).0, 201);
    github.assert_as_described();
}

#[test]
fn standin_makes_a_deployment_only_of_what_succeeded() {
    let client = Client::new();
    let github = &client.github;
    let old = github.tip(REPOSITORY, "main");
    let sha = github.push(REPOSITORY, "main");
    let deploy = |body: Value| client.send("POST", "REPO/deployments", body);

    // A commit that is behind cannot be merged into.
    let (code, told) = deploy(json!({"ref": old}));
    assert_eq!(
        (code, &told["message"]),
        (409, &json!(format!("Conflict merging main into {old}.")))
    );
    assert_eq!(deploy(json!({"ref": old, "auto_merge": false})).0, 201);
    let (code, told) = deploy(json!({"ref": "nowhere"}));
    assert_eq!((code, &told["message"]), (422, &json!("No ref found for: nowhere")));

    // A job that was skipped counts, and so does a context that nobody has set.
    let body = |more: Value| {
        let mut body = json!({"ref": sha, "auto_merge": false, "payload": {"branch": "main"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let status = json!({"state": "success", "context": "CI"});
    assert_eq!(client.send("POST", &format!("REPO/statuses/{sha}"), status).0, 201);
    let long = json!({"state": "success", "description": "x".repeat(141)});
    assert_eq!(client.send("POST", &format!("REPO/statuses/{sha}"), long).0, 422);
    github.check_run(REPOSITORY, &sha, "github-actions", "docs", "completed", Some("skipped"));
    let (code, told) = deploy(body(json!({})));
    assert_eq!(code, 409, "{told}");
    let contexts = &told["errors"][0]["contexts"];
    assert!(contexts.to_string().contains(r#"{"context":"docs","state":"skipped"}"#), "{told}");
    assert_eq!(deploy(body(json!({"required_contexts": ["ci", "build"]}))).0, 409);
    assert_eq!(deploy(body(json!({"required_contexts": ["ci"], "payload": "text"}))).0, 201);
    let (code, made) = deploy(body(json!({"required_contexts": [], "environment": "staging"})));
    assert_eq!((code, &made["sha"], &made["ref"]), (201, &json!(sha), &json!(sha)));
    assert_eq!(made["payload"], json!({"branch": "main"}));
    let (_, listed) = client.get(&format!("REPO/deployments?sha={sha}&environment=staging"));
    assert_eq!(listed, json!([made]));
    assert_eq!(github.deployments(REPOSITORY).len(), 3);

    // What was successful is inactive once the next one is.
    let (_, next) = deploy(body(json!({"required_contexts": [], "environment": "staging"})));
    for id in [&made["id"], &next["id"]] {
        let path = format!("REPO/deployments/{id}/statuses");
        assert_eq!(client.send("POST", &path, json!({"state": "success"})).0, 201);
    }
    let (_, said) = client.get(&format!("REPO/deployments/{}/statuses", made["id"]));
    assert_eq!((&said[0]["state"], &said[1]["state"]), (&json!("inactive"), &json!("success")));

    // A branch that is behind is merged into, and nothing is deployed.
    github.set_branch(REPOSITORY, "topic", &old);
    let (code, told) = deploy(json!({"ref": "topic"}));
    let message = "Auto-merged main into topic on deployment.";
    assert_eq!((code, &told["message"]), (202, &json!(message)));
    github.assert_as_described();
}

#[test]
fn standin_shows_the_newest_of_what_was_said_of_a_commit() {
    let client = Client::new();
    let github = &client.github;
    let sha = github.tip(REPOSITORY, "main");
    let status = format!("REPO/commits/{sha}/status");
    let runs = format!("REPO/commits/{sha}/check-runs");
    assert_eq!(client.get(&status).1["state"], "pending");
    github.status(REPOSITORY, &sha, "CI", "failure");
    github.status_by(REPOSITORY, &sha, "ci", "success", "somebody");
    let (_, told) = client.get(&status);
    assert_eq!((&told["state"], &told["total_count"]), (&json!("success"), &json!(1)));
    let (_, all) = client.get(&format!("REPO/commits/{sha}/statuses"));
    assert_eq!(all[0]["creator"]["login"], "somebody");
    assert_eq!(all[1]["state"], "failure");

    let run = |name: &str, conclusion| {
        github.check_run(REPOSITORY, &sha, "github-actions", name, "completed", conclusion)
    };
    run("test", Some("failure"));
    run("test", Some("success"));
    let of =
        |told: &Value| (told["total_count"].clone(), told["check_runs"][0]["conclusion"].clone());
    assert_eq!(of(&client.get(&runs).1), (json!(1), json!("success")));
    assert_eq!(client.get(&format!("{runs}?filter=all")).1["total_count"], 2);
    // In a suite of its own, it is another one, of the same App.
    let suite = github.check_suite(REPOSITORY, &sha, "github-actions", Some("main"));
    github.check_run_in(REPOSITORY, suite, "test", "in_progress", None);
    assert_eq!(of(&client.get(&runs).1), (json!(2), json!(null)));
    let (_, suites) = client.get(&format!("REPO/commits/{sha}/check-suites?app_id=15368"));
    let states = [&suites["check_suites"][0], &suites["check_suites"][1]];
    assert_eq!(states.map(|suite| &suite["status"]), [&json!("completed"), &json!("in_progress")]);
    assert_eq!(states[0]["conclusion"], "success");

    // By the API, and by a token that has no permission for it.
    let body = json!({"name": "lint", "head_sha": sha});
    let (code, made) = client.send("POST", "REPO/check-runs", body);
    assert_eq!((code, &made["app"]["id"]), (201, &json!(15368)), "{made}");
    let path = format!("REPO/check-runs/{}", made["id"]);
    let done = json!({"status": "completed", "conclusion": "success"});
    assert_eq!(client.send("PATCH", &path, done).1["conclusion"], "success");
    let (code, told) = client.get_as(FINE_GRAINED_TOKEN, &runs);
    let message = "Resource not accessible by personal access token";
    assert_eq!((code, &told["message"]), (403, &json!(message)));
    assert_eq!(client.get_as(FINE_GRAINED_TOKEN, &status).0, 200);
    github.assert_as_described();
}

#[test]
fn standin_gives_an_app_no_more_than_it_was_granted() {
    let client = Client::new();
    let github = &client.github;
    let app = github.install_app(deploys(&[REPOSITORY, "octocat/Spoon-Knife"]));
    let get_app = |jwt: String| client.get_as(&jwt, "/app").0;
    assert_eq!(get_app(jwt(&app, json!(app.client_id), -30, 540)), 200);
    assert_eq!(get_app(jwt(&app, json!(app.id), -30, 540)), 200);
    assert_eq!(get_app(jwt(&app, json!(app.client_id), -30, 700)), 401);
    assert_eq!(get_app(jwt(&app, json!(app.client_id), 60, 540)), 401);
    assert_eq!(get_app(jwt(&app, json!(app.client_id), -700, -60)), 401);
    assert_eq!(get_app(TOKEN.to_owned()), 401);
    let own = jwt(&app, json!(app.client_id), -30, 540);
    let (_, installation) = client.get_as(&own, "REPO/installation");
    assert_eq!(installation["id"], app.installation);
    assert_eq!(client.get_as(&own, "/repos/octo-org/Recipes/installation").0, 404);
    assert_eq!(client.get_as(&own, "/app/installations").1.as_array().unwrap().len(), 1);
    assert_eq!(client.get_as(&own, "REPO").0, 401);

    let (code, made) = client.token(&app, json!({}));
    assert_eq!(code, 201, "{made}");
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("ghs_") && token.len() > 480, "{token}");
    assert_eq!(client.get_as(token, "REPO/branches").0, 200);
    assert_eq!(client.get_as(token, "REPO/hooks").0, 403);
    assert_eq!(client.get_as(token, "/repos/octo-org/Recipes").0, 404);
    assert_eq!(client.get_as(token, "/app").0, 401);

    let narrow = json!({"repositories": ["Spoon-Knife"], "permissions": {"deployments": "read"}});
    let (code, made) = client.token(&app, narrow);
    assert_eq!((code, &made["repositories"][0]["name"]), (201, &json!("Spoon-Knife")), "{made}");
    let token = made["token"].as_str().unwrap();
    assert_eq!(client.get_as(token, "REPO").0, 404);
    assert_eq!(client.get_as(token, "/repos/octocat/Spoon-Knife/deployments").0, 200);
    assert_eq!(client.get_as(token, "/repos/octocat/Spoon-Knife/branches").0, 403);
    let path = "/repos/octocat/Spoon-Knife/deployments";
    assert_eq!(client.send_as(token, "POST", path, json!({"ref": "main"})).0, 403);
    assert_eq!(client.token(&app, json!({"permissions": {"checks": "write"}})).0, 422);
    assert_eq!(client.token(&app, json!({"repository_ids": [14]})).0, 422);

    // Tokens end, and new ones are not known everywhere at once.
    github.set_token_life(0);
    let (_, made) = client.token(&app, json!({}));
    assert_eq!(client.get_as(made["token"].as_str().unwrap(), "REPO").0, 401);
    github.set_token_life(3600);
    let kind = Kind::FreshTokenRefused;
    github.fault(Fault { method: "*", template: "*", times: 2, kind });
    let (_, made) = client.token(&app, json!({}));
    let token = made["token"].as_str().unwrap();
    let answers = [0; 3].map(|_| client.get_as(token, "REPO").0);
    assert_eq!(answers, [401, 401, 200]);
    github.assert_as_described();
}

#[test]
fn standin_makes_an_app_of_a_manifest_once() {
    let client = Client::new();
    let manifest = json!({
        "name": "A gate", "url": "https://gate.example", "redirect_url": "https://gate.example/back",
        "hook_attributes": {"url": "http://127.0.0.1:9/app"},
        "default_permissions": {"statuses": "read", "contents": "read"},
        "default_events": ["status", "push"],
    });
    let post = |manifest: &Value| {
        let url =
            format!("{}/organizations/octo-org/settings/apps/new?state=a%20b", client.github.api);
        client.agent.post(url).send_form([("manifest", manifest.to_string())]).unwrap()
    };
    for (field, value, part) in [
        ("url", Value::Null, "\"url\" wasn't supplied"),
        ("hook_attributes", json!({"active": false}), "Hook url cannot be blank"),
        (
            "hook_attributes",
            json!({"url": "https://a.example", "secret": "s"}),
            "not a permitted key",
        ),
        ("default_events", json!(["check_run"]), "not supported by permissions: check_run"),
        ("default_events", json!(["installation"]), "unsupported: installation"),
        ("name", json!("x".repeat(35)), "too long"),
    ] {
        let mut wrong = manifest.clone();
        wrong[field] = value;
        let mut answer = post(&wrong);
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status() == 422 && text.contains(part), "{part}: {text}");
    }
    let answer = post(&manifest);
    assert_eq!(answer.status(), 302);
    let location = answer.headers()["location"].to_str().unwrap();
    let query = location.strip_prefix("https://gate.example/back?code=").unwrap();
    let code = query.strip_suffix("&state=a+b").unwrap();
    let path = format!("/app-manifests/{code}/conversions");
    let (status, made) = client.send("POST", &path, Value::Null);
    assert_eq!((status, &made["slug"], &made["name"]), (201, &json!("a-gate"), &json!("A gate")));
    assert_eq!(client.send("POST", &path, Value::Null).0, 404);

    let app = client.github.install("a-gate", &["octo-org/Recipes"]);
    assert_eq!((&json!(app.client_id), &json!(app.pem)), (&made["client_id"], &made["pem"]));
    let own = jwt(&app, json!(app.client_id), -30, 540);
    let (_, config) = client.get_as(&own, "/app/hook/config");
    assert_eq!((&config["secret"], &config["content_type"]), (&json!("********"), &json!("json")));
    let (_, config) =
        client.send_as(&own, "PATCH", "/app/hook/config", json!({"url": "http://127.0.0.1:9/new"}));
    assert_eq!(config["url"], "http://127.0.0.1:9/new");
    client.github.assert_as_described();
}

#[test]
fn standin_tells_of_what_happens_and_fails_as_it_is_told_to() {
    let client = Client::new();
    let github = &client.github;
    let app = github.install_app(deploys(&[REPOSITORY]));
    let sha = github.push(REPOSITORY, "main");
    let fork = github.commit(REPOSITORY, &[&sha]);
    github.status(REPOSITORY, &sha, "ci", "success");
    github.status(REPOSITORY, &fork, "ci", "success");
    github.check_run(REPOSITORY, &sha, "github-actions", "test", "completed", Some("success"));
    let deploy = json!({"ref": sha, "auto_merge": false});
    assert_eq!(client.send("POST", "REPO/deployments", deploy.clone()).0, 201);
    let events = |event: &str| -> Vec<Value> {
        github.delivered(event).into_iter().map(|(payload, _)| payload).collect()
    };
    let push = &events("push")[0];
    assert_eq!((&push["after"], &push["ref"]), (&json!(sha), &json!("refs/heads/main")));
    assert_eq!(push["head_commit"]["id"], sha);
    assert_eq!(push["installation"]["id"], app.installation);
    let clone_url = "https://github.com/octocat/Hello-World.git";
    assert_eq!(push["repository"]["clone_url"], clone_url);
    assert_eq!(push["repository"]["id"], 1296269);
    let statuses = events("status");
    assert_eq!(statuses[0]["branches"][0]["name"], "main");
    assert_eq!(statuses[1]["branches"], json!([]));
    let runs = events("check_run");
    assert_eq!((&runs[0]["action"], &runs[1]["action"]), (&json!("created"), &json!("completed")));
    assert_eq!(runs[1]["check_run"]["check_suite"]["head_branch"], "main");
    assert_eq!(runs[1]["check_run"]["app"]["slug"], "github-actions");
    let suite = &events("check_suite")[0]["check_suite"];
    assert_eq!((&suite["conclusion"], &suite["head_sha"]), (&json!("success"), &json!(sha)));
    assert_eq!(suite["latest_check_runs_count"], 1);
    let deployment = &events("deployment")[0];
    assert_eq!(
        (&deployment["deployment"]["sha"], &deployment["workflow_run"]),
        (&json!(sha), &Value::Null)
    );

    // What is lost is a delivery that failed; delivered again, it has the same id.
    github.lose_webhooks(true);
    github.push(REPOSITORY, "main");
    github.lose_webhooks(false);
    github.redeliver("push");
    github.settle();
    let own = jwt(&app, json!(app.client_id), -30, 540);
    let (_, deliveries) = client.get_as(&own, "/app/hook/deliveries?per_page=2");
    assert_eq!(deliveries[0]["guid"], deliveries[1]["guid"]);
    assert_eq!(deliveries[0]["redelivery"], true);

    // An answer that gets lost does not undo what was done.
    github.requests();
    let fault = |kind| {
        let template = "/repos/{owner}/{repo}/deployments";
        github.fault(Fault { method: "POST", template, times: 1, kind });
        client.asked("POST", "/repos/octocat/Hello-World/deployments", TOKEN, &deploy)
    };
    assert!(fault(Kind::LostAnswer).is_err());
    assert_eq!(github.deployments(REPOSITORY).len(), 2);
    assert_eq!(fault(Kind::Status(502)).unwrap().0, 502);
    assert_eq!(fault(Kind::RateLimited { reset_in: 60 }).unwrap().0, 403);
    assert_eq!(fault(Kind::Secondary { retry_after: 1 }).unwrap().0, 403);
    assert_eq!(github.deployments(REPOSITORY).len(), 2);
    assert_eq!(github.requests(), ["POST /repos/{owner}/{repo}/deployments"; 4]);
    github.assert_as_described();
}

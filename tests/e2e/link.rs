//! `link`, `unlink` and `check`, as real processes, between a stand-in for GitHub and a real gate.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::fixtures::{PROJECT, fixture};
use crate::support::gate::{Gate, OPERATOR_TOKEN, SECRET, Setup};
use crate::support::github::{GitHub, Mood, TOKEN};
use crate::support::origin::{Origin, Reply};

const REPOSITORY: &str = "octocat/Hello-World";
const KEY: &str = "octocat/hello-world";

pub struct World {
    pub github: GitHub,
    pub gate: Gate,
}

impl World {
    fn new(origin_url: &str) -> Self {
        Self::with(&Setup::with_origin(origin_url))
    }

    /// With a gate of this setup.
    pub fn with(setup: &Setup) -> Self {
        Self { github: GitHub::start("127.0.0.1:0"), gate: Gate::start(setup) }
    }

    fn without_origin() -> Self {
        Self::new("http://127.0.0.1:9/")
    }

    /// Runs a command for a repository.
    pub fn run(&self, command: &str, repository: &str, more: &[&str]) -> Output {
        self.run_with_secret(SECRET, command, repository, more)
    }

    /// Runs a command for a repository, or `--all`, with a webhook secret in the environment.
    pub fn run_with_secret(
        &self,
        secret: &str,
        command: &str,
        repository: &str,
        more: &[&str],
    ) -> Output {
        Command::new(env!("CARGO_BIN_EXE_buildgate"))
            .current_dir(PROJECT)
            .env("PATH", crate::support::gate::path_with_node())
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", &self.github.api)
            .env("WEBHOOK_SECRET", secret)
            .env("OPERATOR_TOKEN", OPERATOR_TOKEN)
            .env("BUILDGATE_URL", &self.gate.url)
            .args([command, repository, "--local"])
            .args(["--config", self.gate.config().to_str().unwrap()])
            .args(more)
            .output()
            .unwrap()
    }

    /// Runs it with `--json`, and gives its exit status and what it told.
    fn json(&self, command: &str, more: &[&str]) -> (i32, Value) {
        let output = self.run(command, REPOSITORY, &[more, &["--json"]].concat());
        let told = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.status.code().unwrap(), told)
    }

    fn link(&self, policy: &str) -> (i32, Vec<(String, String)>) {
        let (exit, told) = self.json("link", &["--trigger", policy]);
        (exit, steps(&told))
    }

    /// Runs `check`, and gives its exit status, what is wrong, and the command that fixes it, or what to do.
    fn check(&self) -> (i32, Vec<(String, String)>) {
        let (exit, told) = self.json("check", &[]);
        assert_eq!(told["builds"], exit == 0, "{told}");
        (exit, wrong(&told))
    }

    /// Does what `check` printed, as a person does in a shell.
    fn fix(&self, command: &str) {
        let command = command.replace("cargo run --", env!("CARGO_BIN_EXE_buildgate"));
        let output = Command::new("bash")
            .current_dir(PROJECT)
            .env("PATH", crate::support::gate::path_with_node())
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", &self.github.api)
            .env("WEBHOOK_SECRET", SECRET)
            .env("BUILDGATE_URL", "")
            .args(["-c", &command])
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
}

/// What a report of `check` says is wrong, and the command that fixes it, or what to do.
fn wrong(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let wrong = findings.filter(|finding| finding["result"] == "wrong");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pair = |finding: &Value| {
        let fix = text(&finding["fix"]).or_else(|| text(&finding["advice"]));
        (text(&finding["check"]).unwrap(), fix.unwrap())
    };
    wrong.map(pair).collect()
}

fn steps(told: &Value) -> Vec<(String, String)> {
    let text = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
    told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (text(step, "step"), text(step, "result")))
        .collect()
}

fn did(steps: &[(&str, &str)]) -> Vec<(String, String)> {
    steps.iter().map(|(step, result)| ((*step).to_owned(), (*result).to_owned())).collect()
}

#[test]
fn link_does_all_that_linking_takes_and_can_be_run_again() {
    let origin = Origin::start();
    let world = World::new(&origin.url);

    // A dry run prints every step and changes nothing.
    let (exit, told) = world.json("link", &["--trigger", "deployment", "--dry-run"]);
    assert_eq!(exit, 0);
    assert_eq!(
        steps(&told),
        did(&[
            ("trigger", "would be set"),
            ("webhook", "would be created"),
            ("ping", "would be sent")
        ])
    );
    assert_eq!((world.github.hooks().len(), world.github.changes().len()), (0, 0));
    assert_eq!(world.check().1[0].0, "trigger");

    // The first time, it creates.
    let created = [("trigger", "set"), ("webhook", "created"), ("ping", "pong")];
    assert_eq!(world.link("deployment"), (0, did(&created)));
    let hook = &world.github.hooks()[0];
    assert_eq!(hook["config"]["url"], format!("{}{REPOSITORY}", world.gate.url));
    assert_eq!(hook["config"]["content_type"], "json");
    assert_eq!(hook["config"]["insecure_ssl"], "0");
    assert_eq!(
        (&hook["active"], &hook["events"]),
        (&json!(true), &json!(["deployment", "deployment_status", "push"]))
    );
    assert_eq!(world.github.changes().len(), 2);

    // Again, it sets the webhook anew, for nobody can see what secret one has.
    let set = [("trigger", "set"), ("webhook", "set"), ("ping", "pong")];
    assert_eq!(world.link("deployment"), (0, did(&set)));
    assert_eq!(
        world.github.changes(),
        [
            "PATCH /repos/{owner}/{repo}/hooks/{hook_id}",
            "POST /repos/{owner}/{repo}/hooks/{hook_id}/pings"
        ]
    );

    // Whatever is not as it should be, it puts right.
    for (pointer, value) in [
        ("/active", json!(false)),
        ("/events", json!(["push"])),
        ("/events", json!(["push", "deployment", "status"])),
        ("/config/insecure_ssl", json!("1")),
        ("/config/content_type", json!("form")),
        ("/config/url", json!(world.gate.url)),
        ("/config/secret", json!("another")),
    ] {
        world.github.change_hook(0, pointer, value);
        assert_eq!(world.link("deployment"), (0, did(&set)), "{pointer}");
    }
    // What else somebody ticked stays so.
    let events = json!(["deployment", "deployment_status", "push", "status"]);
    assert_eq!(world.github.hooks()[0]["events"], events);

    // Without a trigger, the policy that is there is kept, whatever it says; with one, the one before is told.
    let narrow = r#"{"trigger":"deployment","environments":["production"]}"#;
    world.gate.set(&[(KEY, narrow)]);
    let (exit, told) = world.json("link", &[]);
    assert_eq!((exit, &told["steps"][0]["result"]), (0, &json!("kept")), "{told}");
    assert!(told["steps"][0]["detail"].as_str().unwrap().contains(narrow), "{told}");
    let delivered = world.github.deliver("deployment", &fixture("deployment.staging"));
    assert_eq!(delivered["code"], "environment-not-enabled");
    let (_, told) = world.json("link", &["--trigger", "deployment"]);
    let detail = told["steps"][0]["detail"].as_str().unwrap();
    assert!(detail.ends_with(&format!("(it was {narrow}, under {KEY})")), "{detail}");
    assert_eq!(world.github.hooks().len(), 1);

    // And a linked repository builds.
    assert_eq!(world.check(), (0, vec![]));
    world.github.deliver("deployment", &fixture("deployment.created"));
    assert_eq!(origin.settled(1).len(), 1);

    // A name that somebody else registers anew does not inherit the policy.
    let anew = fixture("deployment.created").replace("\"id\": 1296269", "\"id\": 7");
    assert_eq!(world.github.deliver("deployment", &anew)["code"], "repository-mismatch");
    assert_eq!(origin.settled(1).len(), 1);

    // Unlinked, nothing of it is left, and another webhook stays.
    world.github.add_hook("https://elsewhere.example/");
    let (_, told) = world.json("unlink", &["--dry-run"]);
    assert_eq!(
        steps(&told),
        did(&[("webhook", "would be deleted"), ("trigger", "would be deleted")])
    );
    assert_eq!(world.github.hooks().len(), 2);
    let (exit, told) = world.json("unlink", &[]);
    assert_eq!((exit, steps(&told)), (0, did(&[("webhook", "deleted"), ("trigger", "deleted")])));
    assert_eq!(world.github.hooks()[0]["config"]["url"], "https://elsewhere.example/");
    assert_eq!(world.check().0, 1);

    // Where no webhook points here but others are, the gate's URL may be wrong: then the policy stays.
    world.gate.set(&[(KEY, "deployment"), ("octocat/*", "deployment")]);
    let refused = world.run("unlink", REPOSITORY, &[]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && text.contains("nothing was changed"), "{text}");
    assert!(text.contains("there are: https://elsewhere.example/"), "{text}");

    // Another webhook may be that of a gate which has the same policies, at another address.
    world.github.change_hook(0, "/config/url", json!(format!("{}{KEY}", world.gate.url)));
    world.github.add_hook("https://another.example/octocat/Hello-World");
    let (exit, told) = world.json("unlink", &[]);
    let kept = [("webhook", "deleted"), ("trigger", "kept")];
    assert_eq!((exit, steps(&told)), (0, did(&kept)), "{told}");
    let what = told["steps"][1]["detail"].as_str().unwrap();
    assert!(what.contains("https://another.example/octocat/Hello-World"), "{told}");
    let delete = what.rsplit_once("To take the policy away: ").unwrap().1;
    assert!(
        delete.contains("kv key delete --local --binding REPO_TRIGGERS octocat/hello-world"),
        "{delete}"
    );

    // What counts for all of the owner's repositories still does, and that is said.
    world.github.change_hook(0, "/config/url", json!(world.gate.url));
    let (_, told) = world.json("unlink", &[]);
    let trigger = told["steps"][1]["detail"].as_str().unwrap();
    assert!(trigger.ends_with("(it was deployment)"), "{told}");
    let last = told["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["result"], "still in force", "{told}");
    let manual =
        "npx wrangler kv key put --local --binding REPO_TRIGGERS octocat/hello-world manual";
    assert!(last["detail"].as_str().unwrap().contains(manual), "{told}");
    world.github.assert_as_described();
}

#[test]
fn check_finds_each_thing_that_is_wrong_and_what_it_prints_mends_it() {
    let world = World::without_origin();
    let policy =
        r#"{"trigger":"deployment","environments":["production"],"repository_id":1296269}"#;
    let wrong = |what: &str| {
        let (exit, wrong) = world.check();
        assert_eq!(exit, 1);
        assert_eq!(wrong.first().map(|(what, _)| what.as_str()), Some(what), "{wrong:?}");
        wrong[0].1.clone()
    };
    // From nothing at all: the first command links.
    world.fix(&wrong("trigger"));
    assert_eq!(world.check(), (0, vec![]));

    // What is printed for one thing does not undo what is printed for another.
    world.gate.set(&[(KEY, "manual")]);
    world.github.change_hook(0, "/active", json!(false));
    for (_, mend) in world.check().1 {
        world.fix(&mend);
    }
    assert_eq!(world.check(), (0, vec![]));

    for (pointer, value, what) in [
        ("/config/url", json!(format!("{}octocat/Other", world.gate.url)), "url"),
        ("/active", json!(false), "active"),
        ("/events", json!(["push", "status"]), "events"),
        ("/events", json!(["deployment", "push"]), "events"),
        ("/events", json!(["deployment_status", "push"]), "events"),
        ("/config/insecure_ssl", json!("1"), "ssl"),
        ("/config/insecure_ssl", json!(1), "ssl"),
        ("/config/secret", Value::Null, "secret"),
        ("/config/content_type", json!("xml"), "content"),
    ] {
        assert_eq!(world.link(policy).0, 0);
        world.github.change_hook(0, pointer, value);
        world.fix(&wrong(what));
        assert_eq!(world.check(), (0, vec![]), "{what}");
    }
    // The policy was kept while the webhook was mended.
    let (_, told) = world.json("check", &[]);
    assert!(told["findings"][0]["detail"].as_str().unwrap().contains(policy), "{told}");

    // A command that fixes a policy changes what is wrong with it, and nothing else.
    let stored_now = || {
        let (_, told) = world.json("check", &[]);
        told["findings"][0]["detail"].as_str().unwrap().to_owned()
    };
    for (stored, fixed) in [
        ("manual", "deployment (under"),
        ("Deploy", "deployment (under"),
        (
            r#"{"trigger":"manual","environments":["production"]}"#,
            r#"{"trigger":"deployment","environments":["production"]} (under"#,
        ),
        (
            r#"{"trigger":"deployment","environment":["production"]}"#,
            r#"{"trigger":"deployment","environments":["production"]} (under"#,
        ),
        (
            r#"{"trigger":"deployment","branches":["refs/heads/main"]}"#,
            r#"{"trigger":"deployment","branches":["main"]} (under"#,
        ),
        (
            r#"{"trigger":"deployment","branches":["main"],"repository_id":7}"#,
            r#"{"trigger":"deployment","branches":["main"],"repository_id":1296269} (under"#,
        ),
    ] {
        world.gate.set(&[(KEY, stored)]);
        world.fix(&wrong("trigger"));
        assert_eq!(world.check(), (0, vec![]), "{stored}");
        assert!(stored_now().starts_with(fixed), "{}", stored_now());
    }
    // Where it cannot be told what was meant, there is no command.
    for (stored, part) in [
        ("nonsense", "allowed is one of the words"),
        (r#"{"trigger":"deployment","branches":["!main"]}"#, "allowed is one of the words"),
        (
            r#"{"trigger":"deployment","environments":[]}"#,
            "name in `environments` what is to build",
        ),
        (r#"{"trigger":"deployment","branches":[]}"#, "name in `branches` what is to build"),
    ] {
        world.gate.set(&[(KEY, stored)]);
        let words = wrong("trigger");
        assert!(
            words.contains(part) && !words.contains("npx") && !words.contains("cargo"),
            "{words}"
        );
        let (_, told) = world.json("check", &[]);
        let finding = &told["findings"][0];
        assert!(
            finding["fix"].is_null() && finding["detail"].as_str().unwrap().contains(stored),
            "{told}"
        );
    }

    // A key with capitals is never used.
    world.fix(&format!(
        "npx wrangler kv key delete --local --binding REPO_TRIGGERS {KEY} --config {}",
        world.gate.config().display()
    ));
    world.gate.set(&[(REPOSITORY, policy), ("octocat/*", "deployment")]);
    let delivered = world.github.deliver("deployment", &fixture("deployment.created"));
    assert_eq!(delivered["code"], "invalid-policy");
    world.fix(&wrong("trigger"));
    world.github.deliver("deployment", &fixture("deployment.created"));
    assert_eq!(world.check(), (0, vec![]));

    // The wrong secret shows in the last delivery.
    world.github.change_hook(0, "/config/secret", json!("another"));
    world.github.deliver("deployment", &fixture("deployment.created"));
    world.fix(&wrong("delivery"));
    assert_eq!(world.check(), (0, vec![]));
    let (_, told) = world.json("check", &[]);
    let codes: Vec<&str> = told["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes[..2], ["pong", "bad-signature"]);

    // Under commit, it is the pushes that have to come.
    world.gate.set(&[(KEY, "commit")]);
    assert_eq!(world.check(), (0, vec![]));
    world.github.change_hook(0, "/events", json!(["deployment"]));
    world.fix(&wrong("events"));
    assert_eq!(world.check(), (0, vec![]));

    // What people see.
    let told = world.run("check", REPOSITORY, &[]);
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(
        text.contains("ok    trigger") && text.ends_with("octocat/Hello-World builds.\n"),
        "{text}"
    );
    world.github.assert_as_described();
}

#[test]
fn check_tells_what_is_good_to_know_and_what_the_origin_did_not_take() {
    let origin = Origin::start_with(|_, _| Reply::Status(410));
    let world = World::new(&origin.url);
    assert_eq!(world.link("deployment").0, 0);
    let finding = |told: &Value, what: &str, result: &str| {
        let findings = told["findings"].as_array().unwrap().iter();
        let found = findings.filter(|f| f["check"] == what && f["result"] == result);
        found.map(|f| f["detail"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
    };

    // By which secret the ping was verified.
    let (_, told) = world.json("check", &[]);
    assert!(
        finding(&told, "secret", "ok").contains("signed with what was the current one then"),
        "{told}"
    );

    // What has no effect, and that two webhooks point here.
    world.gate.set(&[(KEY, r#"{"trigger":"deployment"}"#)]);
    let idle = r#"{"trigger":"commit","environments":["production"],"build_when":"success"}"#;
    world.gate.set(&[(KEY, idle)]);
    world.github.add_hook(&world.gate.url);
    let (exit, told) = world.json("check", &[]);
    assert_eq!((exit, wrong(&told)[0].0.as_str()), (1, "webhook"), "{told}");
    let notes = finding(&told, "trigger", "note");
    for field in ["environments", "build_when"] {
        assert!(
            notes.contains(&format!("`{field}` has no effect under the trigger commit")),
            "{notes}"
        );
    }
    assert!(finding(&told, "webhook", "wrong").starts_with("2 webhooks point here"), "{told}");
    world.github.change_hook(1, "/config/url", json!("https://elsewhere.example/"));

    // The origin refuses what is handed over.
    world.gate.set(&[(KEY, "deployment")]);
    world.github.deliver("deployment", &fixture("deployment.created"));
    world.gate.wait_for_dead_letters(1);
    let (exit, told) = world.json("check", &[]);
    assert_eq!((exit, wrong(&told)[0].0.as_str()), (1, "gate"), "{told}");
    let detail = finding(&told, "gate", "wrong");
    assert!(
        detail.contains("did not take a build request of the repository")
            && detail.ends_with("origin-refused 410")
    );

    // Without the operator's token that is not known, and no failure.
    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .env("PATH", crate::support::gate::path_with_node())
        .env("GITHUB_TOKEN", TOKEN)
        .env("OPERATOR_TOKEN", "not the gate's")
        .args([
            "check",
            REPOSITORY,
            "--local",
            "--api",
            &world.github.api,
            "--url",
            &world.gate.url,
        ])
        .args(["--config", world.gate.config().to_str().unwrap(), "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        finding(&told, "gate", "note").contains("not asked for dead letters: wrong token"),
        "{told}"
    );

    // Once redriven and dropped, nothing is left to tell of.
    world.gate.dead_letters(&["redrive", "--all"]);
    world.gate.wait_for_dead_letters(2);
    assert_eq!(world.gate.dead_letters(&["drop", "--redriven"])["dropped"], json!([{"id": 1}]));
    assert_eq!(world.gate.wait_for_dead_letters(1)[0]["id"], 2);

    // Where none of the webhooks points here, they are listed.
    for number in [0, 1] {
        world.github.change_hook(number, "/config/url", json!("https://elsewhere.example/"));
    }
    let (_, told) = world.json("check", &[]);
    let detail = finding(&told, "webhook", "wrong");
    assert!(detail.contains("; there are: https://elsewhere.example/ (deployment, "), "{detail}");
    world.github.assert_as_described();
}

#[test]
fn what_goes_wrong_is_said_in_plain_words() {
    let world = World::without_origin();
    let told = |output: Output| {
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let link = ["--trigger", "deployment"];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"guess\n").unwrap();
    let guess = file.path().to_str().unwrap();
    for (mood, part) in [
        (Mood::Forbidden, "the token may not do that"),
        (Mood::NotAdmin, "the token may not do that"),
        (
            Mood::RateLimited,
            "too many requests with this token: try again after 2026-11-22T20:12:00Z",
        ),
    ] {
        world.github.set_mood(mood);
        let (exit, text) = told(world.run("link", REPOSITORY, &link));
        assert!(exit == Some(2) && text.contains(part), "{part} is not in: {text}");
        assert!(!text.contains(TOKEN), "{text}");
    }
    world.github.set_mood(Mood::Usual);
    for (repository, more, part) in [
        ("octocat/Nowhere", &link[..], "GitHub knows no such repository"),
        (
            REPOSITORY,
            &["--trigger", "deployment", "--token-file", guess],
            "GitHub does not accept the token",
        ),
        (
            REPOSITORY,
            &["--trigger", "Deploy"],
            "--trigger cannot be used: `Deploy` is not a trigger; did you mean deployment?",
        ),
        (
            REPOSITORY,
            &["--trigger", "deployment", "--api", "http://127.0.0.1:9"],
            "GitHub cannot be reached at http://127.0.0.1:9",
        ),
        (
            REPOSITORY,
            &["--trigger", "nonsense"],
            "allowed is one of the words `commit`, `deployment` and `manual`, or a JSON object",
        ),
        (REPOSITORY, &[], "the repository has no policy yet: give one with --trigger commit"),
        ("Hello-World", &link[..], "expected a repository's full name"),
    ] {
        let (exit, text) = told(world.run("link", repository, more));
        assert!(exit == Some(2) && text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(world.github.changes(), Vec::<String>::new());
    assert_eq!(world.github.hooks(), Vec::<Value>::new());

    let (exit, text) =
        told(world.run("check", REPOSITORY, &["--url", "http://127.0.0.1:8787/a/b"]));
    assert!(exit == Some(2), "{text}");
    let (exit, text) =
        told(world.run("link", REPOSITORY, &["--trigger", "deployment", "--secret-file", guess]));
    assert!(exit == Some(2) && text.contains("the gate does not know this secret"), "{text}");
    for nowhere in ["http://127.0.0.1:9", &world.github.api] {
        let url = ["--trigger", "deployment", "--url", nowhere, "--dry-run"];
        let (exit, text) = told(world.run("link", REPOSITORY, &url));
        assert!(exit == Some(2) && text.contains("the secret could not be tried"), "{text}");
        let (exit, text) = told(world.run("check", REPOSITORY, &["--url", nowhere]));
        assert!(exit == Some(1) && text.contains("WRONG gate"), "{text}");
    }
    assert_eq!(world.github.changes(), Vec::<String>::new());

    // A policy under another spelling than GitHub's is found, though the gate never uses it.
    let policy = r#"{"trigger":"deployment","environments":["production"]}"#;
    world.gate.set(&[("OctoCat/Hello-World", policy)]);
    let (exit, text) = told(world.run("check", REPOSITORY, &[]));
    assert!(exit == Some(1) && text.contains("is never used: keys are in lower case"), "{text}");
    assert!(text.contains(&format!("REPO_TRIGGERS octocat/hello-world '{policy}'")), "{text}");
    let (exit, text) = told(world.run("link", REPOSITORY, &[]));
    assert!(exit == Some(2) && text.contains(&format!("octocat/hello-world '{policy}'")), "{text}");

    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .env("GITHUB_TOKEN", " ")
        .args(["check", REPOSITORY, "--url", "http://127.0.0.1:8787"])
        .output()
        .unwrap();
    let (exit, text) = told(output);
    assert!(
        exit == Some(2) && text.contains("there is no token for GitHub: set GITHUB_TOKEN"),
        "{text}"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .env("GITHUB_TOKEN", TOKEN)
        .env("BUILDGATE_URL", "")
        .args(["check", REPOSITORY])
        .output()
        .unwrap();
    let (exit, text) = told(output);
    assert!(exit == Some(2) && text.contains("--url, or set BUILDGATE_URL"), "{text}");
    world.github.assert_as_described();
}

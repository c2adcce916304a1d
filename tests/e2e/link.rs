//! `link`, `unlink` and `check`, as real processes, between a stand-in for GitHub and a real gate.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::fixtures::{PROJECT, fixture};
use crate::support::gate::{Gate, SECRET, Setup};
use crate::support::github::{GitHub, Mood, TOKEN};
use crate::support::origin::Origin;

const REPOSITORY: &str = "octocat/Hello-World";
const KEY: &str = "octocat/hello-world";

struct World {
    github: GitHub,
    gate: Gate,
}

impl World {
    fn new(origin_url: &str) -> Self {
        Self {
            github: GitHub::start("127.0.0.1:0"),
            gate: Gate::start(&Setup::with_origin(origin_url)),
        }
    }

    fn without_origin() -> Self {
        Self::new("http://127.0.0.1:9/")
    }

    /// Runs a command for a repository.
    fn run(&self, command: &str, repository: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_buildgate"))
            .current_dir(PROJECT)
            .env("PATH", crate::support::gate::path_with_node())
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", &self.github.api)
            .env("WEBHOOK_SECRET", SECRET)
            .args([command, repository, "--local", "--url", self.gate.url.trim_end_matches('/')])
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

    /// Runs `check`, and gives its exit status, what is wrong, and how that is to be mended.
    fn check(&self) -> (i32, Vec<(String, String)>) {
        let (exit, told) = self.json("check", &[]);
        assert_eq!(told["builds"], exit == 0, "{told}");
        let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
        let wrong =
            told["findings"].as_array().unwrap().iter().filter(|finding| finding["good"] == false);
        (exit, wrong.map(|finding| (text(finding, "check"), text(finding, "mend"))).collect())
    }

    /// Does what `check` printed, as a person does in a shell.
    fn mend(&self, command: &str) {
        let command = command.replace("cargo run --", env!("CARGO_BIN_EXE_buildgate"));
        let output = Command::new("bash")
            .current_dir(PROJECT)
            .env("PATH", crate::support::gate::path_with_node())
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", &self.github.api)
            .env("WEBHOOK_SECRET", SECRET)
            .args(["-c", &command])
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
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
        (&json!(true), &json!(["push", "deployment", "deployment_status", "status"]))
    );
    assert_eq!(world.github.changes().len(), 2);

    // Again, it finds everything in place.
    let present = [("trigger", "set"), ("webhook", "is there"), ("ping", "pong")];
    assert_eq!(world.link("deployment"), (0, did(&present)));
    assert_eq!(world.github.changes(), ["POST /repos/{owner}/{repo}/hooks/{hook_id}/pings"]);

    // What differs is mended: seen by GitHub, or by the gate's answer.
    let updated = [("trigger", "set"), ("webhook", "updated"), ("ping", "pong")];
    for (pointer, value) in [
        ("/active", json!(false)),
        ("/events", json!(["push"])),
        ("/events", json!(["push", "deployment", "status"])),
        ("/config/insecure_ssl", json!("1")),
        ("/config/content_type", json!("form")),
        ("/config/url", json!(world.gate.url)),
    ] {
        world.github.change_hook(0, pointer, value);
        assert_eq!(world.link("deployment"), (0, did(&updated)), "{pointer}");
    }
    world.github.change_hook(0, "/config/secret", json!("another"));
    let secret =
        [("trigger", "set"), ("webhook", "is there"), ("webhook", "updated"), ("ping", "pong")];
    assert_eq!(world.link("deployment"), (0, did(&secret)));
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

    // What counts for all of the owner's repositories still does, and that is said.
    world.gate.set(&[("octocat/*", "deployment")]);
    let (_, told) = world.json("unlink", &[]);
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
    world.mend(&wrong("trigger"));
    assert_eq!(world.check(), (0, vec![]));

    // What is printed for one thing does not undo what is printed for another.
    world.gate.set(&[(KEY, "manual")]);
    world.github.change_hook(0, "/active", json!(false));
    for (_, mend) in world.check().1 {
        world.mend(&mend);
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
        world.mend(&wrong(what));
        assert_eq!(world.check(), (0, vec![]), "{what}");
    }
    // The policy was kept while the webhook was mended.
    let (_, told) = world.json("check", &[]);
    assert!(told["findings"][0]["detail"].as_str().unwrap().contains(policy), "{told}");

    for (stored, what) in [
        ("manual", "trigger"),
        ("Deploy", "trigger"),
        (r#"{"trigger":"deployment","environments":[]}"#, "trigger"),
        (r#"{"trigger":"deployment","branches":[]}"#, "trigger"),
        (r#"{"trigger":"deployment","repository_id":7}"#, "trigger"),
    ] {
        world.gate.set(&[(KEY, stored)]);
        world.mend(&wrong(what));
        assert_eq!(world.check(), (0, vec![]), "{stored}");
    }

    // A key with capitals is never used.
    world.mend(&format!(
        "npx wrangler kv key delete --local --binding REPO_TRIGGERS {KEY} --config {}",
        world.gate.config().display()
    ));
    world.gate.set(&[(REPOSITORY, policy), ("octocat/*", "deployment")]);
    let delivered = world.github.deliver("deployment", &fixture("deployment.created"));
    assert_eq!(delivered["code"], "invalid-policy");
    world.mend(&wrong("trigger"));
    world.github.deliver("deployment", &fixture("deployment.created"));
    assert_eq!(world.check(), (0, vec![]));

    // The wrong secret shows in the last delivery.
    world.github.change_hook(0, "/config/secret", json!("another"));
    world.github.deliver("deployment", &fixture("deployment.created"));
    world.mend(&wrong("delivery"));
    assert_eq!(world.check(), (0, vec![]));
    let (_, told) = world.json("check", &[]);
    let codes: Vec<&str> = told["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes[..3], ["pong", "bad-signature", "bad-signature"]);

    // Under commit, it is the pushes that have to come.
    world.gate.set(&[(KEY, "commit")]);
    assert_eq!(world.check(), (0, vec![]));
    world.github.change_hook(0, "/events", json!(["deployment"]));
    world.mend(&wrong("events"));
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
            "--trigger cannot be used: `Deploy` is not a trigger",
        ),
        (
            REPOSITORY,
            &["--trigger", "deployment", "--api", "http://127.0.0.1:9"],
            "GitHub cannot be reached at http://127.0.0.1:9",
        ),
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
    assert!(exit == Some(1) && text.contains("the gate does not know this secret"), "{text}");

    let output = Command::new(env!("CARGO_BIN_EXE_buildgate"))
        .current_dir(PROJECT)
        .env_remove("GITHUB_TOKEN")
        .args(["check", REPOSITORY, "--url", "http://127.0.0.1:8787"])
        .output()
        .unwrap();
    let (exit, text) = told(output);
    assert!(
        exit == Some(2) && text.contains("there is no token for GitHub: set GITHUB_TOKEN"),
        "{text}"
    );
    world.github.assert_as_described();
}

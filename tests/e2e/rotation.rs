//! The webhook secret is rotated as docs/deploy.md says, step by step, with deliveries in between.

use std::process::Output;

use serde_json::{Value, json};

use crate::link::World;
use crate::support::fixtures::fixture;
use crate::support::gate::Setup;
use crate::support::origin::Origin;

const OLD: &str = "the secret that goes out of use";
const NEW: &str = "the secret that comes into use";

/// The three repositories, in the order of their webhooks.
const LINKED: [&str; 3] = ["octocat/Hello-World", "octocat/Spoon-Knife", "octo-org/Recipes"];
const NARROW: &str =
    r#"{"trigger":"deployment","environments":["production"],"repository_id":1300192}"#;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A gate with the secrets of a step of the rotation.
fn setup(origin: &Origin, current: &str, previous: Option<&str>) -> Setup {
    let setup = Setup::with_origin(&origin.url).var("WEBHOOK_SECRET", current);
    match previous {
        Some(previous) => setup.var("WEBHOOK_SECRET_PREVIOUS", previous),
        None => setup.without("WEBHOOK_SECRET_PREVIOUS"),
    }
}

/// Has every webhook deliver a new deployment, each of which is to be queued; gives the secrets that verified them.
fn deliver(world: &World, builds: &mut usize) -> Vec<Value> {
    let deliver = |(number, name): (usize, &str)| {
        *builds += 1;
        let id = format!("\"id\": {}", 1_000 + *builds);
        let payload = fixture("deployment.created")
            .replace("octocat/Hello-World", name)
            .replace("\"id\": 145988746", &id)
            .replace("\"id\": 1296269", &format!("\"id\": {}", id_of(name)));
        let answer = world.github.deliver_by(number, "deployment", &payload);
        assert_eq!(answer["code"], "deployment-queued", "{name}: {answer}");
        answer["secret"].clone()
    };
    LINKED.into_iter().enumerate().map(deliver).collect()
}

/// Goes on with the secrets of the next step, once all builds of this one are at the origin.
fn go_on(world: &mut World, origin: &Origin, builds: usize, current: &str, previous: Option<&str>) {
    assert_eq!(origin.wait_for(builds).len(), builds);
    world.gate.restart(&setup(origin, current, previous));
}

fn id_of(name: &str) -> u64 {
    let all = crate::support::github::REPOSITORIES;
    all.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn a_rotation_by_the_docs_loses_no_delivery_and_widens_no_policy() {
    let origin = Origin::start();
    let mut world = World::with(&setup(&origin, OLD, None));
    let mut builds = 0;
    world.gate.set(&[("octo-org/*", "deployment"), ("octocat/unlinked", "manual")]);
    for (name, policy) in [
        (LINKED[0], &["--trigger", "deployment"][..]),
        (LINKED[1], &["--trigger", NARROW]),
        (LINKED[2], &[]),
    ] {
        let output = world.run_with_secret(OLD, "link", name, policy);
        assert!(output.status.success(), "{name}: {output:?}");
    }
    assert_eq!(deliver(&world, &mut builds), vec![Value::Null; 3]);

    // 1. WEBHOOK_SECRET_PREVIOUS is the one that is in use.
    go_on(&mut world, &origin, builds, OLD, Some(OLD));
    assert_eq!(deliver(&world, &mut builds), vec![Value::Null; 3]);

    // 2. WEBHOOK_SECRET is the new one.
    go_on(&mut world, &origin, builds, NEW, Some(OLD));
    assert_eq!(deliver(&world, &mut builds), vec![json!("previous"); 3]);
    let report = json(&world.run_with_secret(NEW, "check", LINKED[0], &["--json"]));
    let secret =
        report["findings"].as_array().unwrap().iter().find(|f| f["check"] == "secret").unwrap();
    assert_eq!(secret["result"], "wrong");
    assert!(secret["detail"].as_str().unwrap().contains("WEBHOOK_SECRET_PREVIOUS"), "{secret}");
    let all = world.run_with_secret(NEW, "check", "--all", &["--ping", "--json"]);
    // Of the three linked ones the secret, of the fourth that GitHub knows no such repository.
    assert_eq!((all.status.code(), &json(&all)["wrong"]), (Some(1), &json!(4)));

    // With the old one in the environment, nothing is gained: that is said, and no webhook is touched.
    world.github.changes();
    let output = world.run_with_secret(OLD, "link", LINKED[0], &[]);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("knows this secret as WEBHOOK_SECRET_PREVIOUS"), "{text}");

    // For all of them, that ends it at the first.
    let output = world.run_with_secret(OLD, "link", "--all", &["--json"]);
    let told = json(&output);
    assert_eq!((output.status.code(), &told["linked"]), (Some(2), &json!(0)), "{told}");
    assert!(told["ended"].as_str().unwrap().contains("no webhook was given it"), "{told}");
    assert_eq!(world.github.changes(), Vec::<String>::new());

    // 3. `link --all`. It is broken off by GitHub's limit after the first, and goes on as it says.
    world.github.limit(Some(11));
    let output = world.run_with_secret(NEW, "link", "--all", &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(text.contains("[1/4] octo-org/recipes  linked"), "{text}");
    assert!(text.contains("too many requests with this token"), "{text}");
    let next = text.split("go on with: cargo run -- ").nth(1).unwrap().lines().next().unwrap();
    assert!(next.starts_with("link --all --after octo-org/recipes --url"), "{text}");
    world.github.limit(None);
    assert_eq!(deliver(&world, &mut builds), [json!("previous"), json!("previous"), Value::Null]);

    let output =
        world.run_with_secret(NEW, "link", "--all", &["--after", "octo-org/recipes", "--json"]);
    let told = json(&output);
    assert_eq!((output.status.code(), &told["linked"]), (Some(1), &json!(2)), "{told}");
    assert_eq!(told["failed"], json!(["octocat/unlinked"]));
    assert_eq!(deliver(&world, &mut builds), vec![Value::Null; 3]);

    // Each policy is what it was.
    let check = |name| {
        json(&world.run_with_secret(NEW, "check", name, &["--json"]))["findings"][0]["detail"]
            .clone()
    };
    assert_eq!(check(LINKED[1]), format!("{NARROW} (under octocat/spoon-knife)"));
    assert_eq!(check(LINKED[2]), "deployment (under octo-org/*)");

    // 4. `check --all` finds the previous one nowhere any more.
    let all = json(&world.run_with_secret(NEW, "check", "--all", &["--ping", "--json"]));
    assert_eq!((&all["good"], &all["wrong"]), (&json!(3), &json!(1)), "{all}");

    // 5. WEBHOOK_SECRET_PREVIOUS goes.
    go_on(&mut world, &origin, builds, NEW, None);
    assert_eq!(deliver(&world, &mut builds), vec![Value::Null; 3]);

    assert_eq!(origin.settled(builds).len(), builds);
    assert!(!world.gate.output().contains(OLD) && !world.gate.output().contains(NEW));
    world.github.assert_as_described();
}

//! The console, in a real browser, as an operator uses it.

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::delivery::Delivery;
use crate::support::fixtures::{event_of, fixture};
use crate::support::gate::{Gate, OPERATOR_TOKEN, Setup};
use crate::support::origin::Origin;

/// Opens the console and signs in.
fn sign_in(browser: &Browser, gate: &Gate) {
    browser.open(&format!("{}-/", gate.url));
    browser.type_into("The gate’s OPERATOR_TOKEN", OPERATOR_TOKEN);
    browser.click("Sign in");
    browser.wait_for("What needs a hand");
}

/// Goes to a place in the console, and waits for its heading.
fn go(browser: &Browser, place: &str, heading: &str) {
    browser.evaluate(&format!("(location.hash = {place:?}, null)"));
    browser.wait_until(&format!("document.querySelector('h1')?.innerText === {heading:?}"));
}

/// The page is whole: nothing is being loaded, nothing went wrong, nobody is kept out, and it is no wider than the window.
fn assert_sound(browser: &Browser, place: &str) {
    browser.wait_until("!document.body.innerText.includes('Loading…')");
    assert_eq!(browser.errors(), [] as [String; 0], "{place}");
    assert_eq!(browser.violations(), [] as [String; 0], "{place}");
    let wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth \
                 ? [...document.querySelectorAll('body *')].filter((it) => it.getBoundingClientRect().right > innerWidth) \
                 .map((it) => it.outerHTML.slice(0, 100)) : []";
    assert_eq!(browser.evaluate(wider), json!([]), "{place}");
}

fn deliver(gate: &Gate, name: &str, full_name: &str) -> String {
    let payload = fixture(name).replace("octocat/Hello-World", full_name);
    Delivery::json(event_of(name), payload).send(gate).code().1
}

/// How many rows a table has.
fn rows(browser: &Browser) -> u64 {
    browser.evaluate("document.querySelectorAll('tbody tr').length").as_u64().unwrap()
}

#[test]
fn an_operator_sees_every_page_by_day_and_by_night_on_a_wide_and_on_a_narrow_screen() {
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url).impatient());
    gate.set(&[("octocat/hello-world", "deployment"), ("octocat/spoon-knife", "commit")]);
    for name in ["push", "deployment.created", "deployment.staging", "ping"] {
        deliver(&gate, name, "octocat/Hello-World");
    }
    deliver(&gate, "push", "octocat/Spoon-Knife");
    deliver(&gate, "push", "octocat/unlinked");
    let forged = Delivery::signed("push", "application/json", fixture("push").into(), "guessed");
    forged.send(&gate);
    let items = |route: &str| gate.operator("GET", route)["items"].as_array().unwrap().clone();
    gate.wait_until(|| items("deliveries").len() == 6 && items("builds").len() == 3);
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, build, repository, reason, status, answer, attempts, stored_at, message) \
         VALUES ('builds', 'm', 'deployment:octocat/hello-world:7', 'octocat/Hello-World', 'origin-refused', 422, \
         'no Dockerfile', 1, '2026-11-25T00:00:00Z', '{}'); \
         INSERT INTO auto_deployments (repository_id, repository, sha, environment, branch, state, reason, first_seen_at, since) \
         VALUES (1, 'octocat/Hello-World', 'f95f852bd8fca8fcc58a9a2d6c842781e32a215e', 'production', 'main', 'red', \
         'build is failure', 1795378320000, 1795378320000)",
    );

    let browser = Browser::start();
    // Whoever has not signed in sees nothing, and a wrong token is told so.
    browser.open(&format!("{}-/#/deliveries", gate.url));
    browser.wait_for("This is the console of a buildgate");
    assert_sound(&browser, "sign in");
    browser.screenshot("sign-in", 1280);
    browser.type_into("The gate’s OPERATOR_TOKEN", "a guess");
    browser.press("Enter");
    browser.wait_for("That is not the gate's OPERATOR_TOKEN.");
    let refused = browser.errors();
    assert!(refused.len() == 1 && refused[0].contains("401"), "{refused:?}");
    browser.type_into("The gate’s OPERATOR_TOKEN", OPERATOR_TOKEN);
    browser.press("Enter");
    // To where one wanted to go.
    browser.wait_for("What GitHub delivered");
    assert_eq!(browser.evaluate("document.cookie"), json!(""), "scripts see no session");

    let delivery = items("deliveries?code=deployment-queued")[0]["id"].clone();
    let delivery = format!("#/deliveries/{}", delivery.as_str().unwrap());
    let build = format!(
        "#/builds/{}",
        items("builds")[0]["id"].as_str().unwrap().replace('/', "%2F").replace(':', "%3A")
    );
    let commit = "#/auto-deployments/octocat/Hello-World/f95f852bd8fca8fcc58a9a2d6c842781e32a215e";
    let pages = [
        ("overview", "#/", "Overview", "One request could not be handed over"),
        ("deliveries", "#/deliveries", "Deliveries", "trigger-is-deployment"),
        ("delivery", delivery.as_str(), "Delivery", "goes to the build service"),
        ("builds", "#/builds", "Builds", "deployment to production"),
        ("build", build.as_str(), "Build", "The build service’s last answer"),
        ("auto-deployments", "#/auto-deployments", "Auto-deployments", "build is failure"),
        ("auto-deployment", commit, "Auto-deployment", "Look at it again now"),
        ("dead-letters", "#/dead-letters", "Dead letters", "Redrive all 1"),
        ("dead-letter", "#/dead-letters/1", "Dead letter 1", "no Dockerfile"),
        ("repositories", "#/repositories", "Repositories", "octocat/spoon-knife"),
        (
            "repository",
            "#/repositories/octocat/Hello-World",
            "octocat/Hello-World",
            // What came of the last thing, first.
            "The last build",
        ),
    ];
    for (is_dark, width) in [(false, 1280), (true, 1280), (false, 360)] {
        browser.set_dark(is_dark);
        browser.resize(width, 900);
        for (name, place, heading, words) in pages {
            go(&browser, place, heading);
            browser.wait_for(words);
            assert_sound(&browser, &format!("{name}, {width} pixels, dark: {is_dark}"));
            let suffix = match (is_dark, width) {
                (true, _) => "-dark",
                (_, 360) => "-narrow",
                _ => "",
            };
            browser.screenshot(&format!("{name}{suffix}"), width);
            // Where there is little room, what is listed comes first.
            let folded = browser.evaluate(
                "[...document.querySelectorAll('.filters')].every((it) => it.open === innerWidth >= 768)",
            );
            assert_eq!(folded, json!(true), "{name}, {width} pixels");
        }
    }
    browser.resize(1280, 900);
    go(&browser, "#/nowhere", "There is no such page");

    // One that is not linked is found by its name alone, with what is wrong.
    browser.type_into("Find a repository", "octocat/unlinked");
    browser.press("Enter");
    browser.wait_for("It is not linked");
    browser.wait_for("repository-not-linked");
    // That there is no policy is an answer, and the browser notes it.
    assert!(browser.errors().iter().all(|error| error.contains("404")));

    browser.click("Sign out");
    browser.wait_for("This is the console of a buildgate");
    browser.open(&format!("{}-/#/builds", gate.url));
    browser.wait_for("This is the console of a buildgate");
}

#[test]
fn ten_thousand_rows_are_filtered_and_paged_and_the_url_says_what_is_seen() {
    let gate = Gate::start(&Setup::without_origin());
    gate.sql(
        "INSERT INTO deliveries (id, at, delivery, event, repository, outcome, code, status, ms, message) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
         SELECT printf('%08x-%04x-7000-8000-000000000000', (1795378320000 + n * 1000) / 65536, (1795378320000 + n * 1000) % 65536), \
         1795378320000 + n * 1000, 'guid-' || n, 'push', 'owner' || (n % 10) || '/repository', \
         CASE WHEN n % 500 = 0 THEN 'rejected' ELSE 'ignored' END, \
         CASE WHEN n % 500 = 0 THEN 'invalid-policy' ELSE 'trigger-is-manual' END, 200, 1, 'Row ' || n || '.' FROM n",
    );
    let browser = Browser::start();
    sign_in(&browser, &gate);
    go(&browser, "#/deliveries", "Deliveries");
    browser.wait_for("Row 10000.");
    assert_eq!(rows(&browser), 50);
    browser.click("Next page");
    browser.wait_for("Row 9950.");
    assert!(!browser.text("table").contains("Row 9951."));

    // What is chosen is in the URL, on the first page again.
    browser.type_into("Outcome", "rejected");
    browser.wait_for("Row 500.");
    assert_eq!(
        (rows(&browser), browser.evaluate("location.hash")),
        (20, json!("#/deliveries?outcome=rejected"))
    );
    browser.type_into("Repository", "owner3/repository");
    browser.click("Filter");
    browser.wait_for("Nothing matches these filters.");
    browser.click("Clear the filters");
    browser.wait_for("Row 10000.");
    // A URL that was sent along shows the same.
    browser.evaluate("(location.hash = '#/deliveries?repository=OWNER3%2Frepository', null)");
    browser.wait_for("Row 9993.");
    assert!(!browser.text("table").contains("Row 9994."));
    browser.open(&format!("{}-/#/deliveries?delivery=guid-77", gate.url));
    browser.wait_for("Row 77.");
    assert_eq!(rows(&browser), 1);

    // What comes meanwhile appears by itself, and where somebody turned that off, it does not.
    go(&browser, "#/deliveries", "Deliveries");
    browser.wait_for("Row 10000.");
    deliver(&gate, "ping", "octocat/live");
    browser.wait_for("octocat/live");
    browser.click("Live");
    deliver(&gate, "ping", "octocat/still");
    gate.wait_until(|| {
        let list = gate.operator("GET", "deliveries?repository=octocat/still");
        list["items"].as_array().unwrap().len() == 1
    });
    std::thread::sleep(std::time::Duration::from_secs(7));
    assert!(!browser.text("table").contains("octocat/still"));
    assert_eq!(browser.errors(), [] as [String; 0]);
}

#[test]
fn three_hundred_dead_letters_are_redriven_and_those_that_cannot_be_are_named() {
    let gate = Gate::start(&Setup::without_origin());
    gate.sql(
        "INSERT INTO dead_letters (queue, message_id, build, repository, reason, stored_at, message) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300) \
         SELECT 'builds', 'm' || n, 'b' || n, 'octocat/Hello-World', \
         CASE WHEN n % 100 = 0 THEN 'message-unreadable' ELSE 'origin-unreachable' END, '2026-11-25T00:00:00Z', 'x' FROM n; \
         INSERT INTO dead_letters (queue, message_id, repository, reason, stored_at, message) \
         VALUES ('builds', 'other', 'octocat/other', 'origin-refused', '2026-11-25T00:00:00Z', 'x')",
    );
    let browser = Browser::start();
    sign_in(&browser, &gate);
    go(&browser, "#/dead-letters?repository=octocat%2FHello-World&redriven=no", "Dead letters");
    browser.click("Redrive all 300");
    browser.wait_for("Redrive 300?");
    browser.click("Cancel");
    browser.wait_until("!document.querySelector('dialog')");
    browser.click("Redrive all 300");
    browser.click("Redrive 300");
    browser.wait_for("297 of 300 are back on the queue. 3 could not be.");
    for id in [100, 200, 300] {
        browser.wait_for(&format!("Dead letter {id} cannot be read"));
    }
    browser.click("Close");
    browser.evaluate("(location.hash = '#/dead-letters?redriven=yes', null)");
    browser.wait_for("Drop all 297");
    browser.click("Drop all 297");
    browser.wait_for("What is dropped is gone for good");
    browser.click("Drop 297");
    browser.wait_for("297 of 297 are dropped.");
    let other = gate.operator("GET", "dead-letters?repository=octocat/other");
    assert_eq!(other["count"], 1);
    assert_eq!(browser.errors(), [] as [String; 0]);
}

#[test]
fn a_trigger_is_changed_after_it_was_said_what_changes_and_the_next_delivery_obeys() {
    let gate = Gate::start(&Setup::without_origin());
    gate.set(&[("octocat/hello-world", "deployment")]);
    assert_eq!(deliver(&gate, "push", "octocat/Hello-World"), "trigger-is-deployment");
    let browser = Browser::start();
    sign_in(&browser, &gate);
    go(&browser, "#/repositories/octocat/Hello-World", "octocat/Hello-World");
    browser.click("Change the policy");
    browser.evaluate("(document.querySelector('input[value=commit]').click(), null)");
    browser.click("Show what would change");
    browser.wait_for(
        "A push now builds nothing: deployments do; then it builds if it is to the default branch.",
    );
    assert_eq!(deliver(&gate, "push", "octocat/Hello-World"), "trigger-is-deployment");
    browser.click("Save it");
    browser.wait_for("Saved. Deliveries obey it within 60 seconds.");
    assert_eq!(deliver(&gate, "push", "octocat/Hello-World"), "push-queued");
    // As JSON, what is wrong is said before anything is done.
    browser.click("Edit as JSON");
    browser.evaluate("(document.querySelector('textarea').select(), null)");
    browser.evaluate("(document.execCommand('insertText', false, '{\"trigger\":\"commit\",\"branch\":[]}'), null)");
    browser.click("Show what would change");
    browser.wait_for("That is no policy");
    assert!(browser.errors().iter().all(|error| error.contains("400")));
    // Deleted, after it was said what that means.
    browser.click("Delete it");
    browser.wait_for("then it is refused: no policy is set");
    assert_eq!(deliver(&gate, "push", "octocat/Hello-World"), "push-queued");
    browser.evaluate("([...document.querySelectorAll('button.dangerous')][0].click(), null)");
    browser.wait_for("It is not linked");
    assert_eq!(deliver(&gate, "push", "octocat/Hello-World"), "repository-not-linked");
}

#[test]
fn what_attackers_write_is_text() {
    const BRANCH: &str = "<img/src=x/onerror=document.title='broken'>";
    const ENVIRONMENT: &str = "\\\"><script>document.title='broken'</script>";
    let origin = Origin::start();
    let gate = Gate::start(&Setup::with_origin(&origin.url).impatient());
    gate.set(&[
        ("octocat/hello-world", r#"{"trigger":"commit","branches":["**"]}"#),
        ("octocat/spoon-knife", "deployment"),
    ]);
    let push = fixture("push").replace("refs/heads/main", &format!("refs/heads/{BRANCH}"));
    let pushed = Delivery::json("push", push).send(&gate);
    assert_eq!(pushed.code().1, "push-queued", "{pushed:?}");
    let deployment = fixture("deployment.created")
        .replace("octocat/Hello-World", "octocat/Spoon-Knife")
        .replace("\"production\"", &format!("\"{ENVIRONMENT}\""))
        .replace("\"login\": \"octocat\"", "\"login\": \"<b onclick=alert(1)>\"");
    let deployed = Delivery::json("deployment", deployment).send(&gate);
    assert_eq!(deployed.code().1, "deployment-queued", "{deployed:?}");
    let builds = || gate.operator("GET", "builds")["items"].as_array().unwrap().clone();
    gate.wait_until(|| builds().len() == 2);
    gate.sql(
        "UPDATE builds SET state = 'failure', log_url = 'javascript:alert(1)', description = '<svg onload=alert(1)>'; \
         INSERT INTO dead_letters (queue, message_id, repository, reason, answer, detail, stored_at, message) \
         VALUES ('builds', 'm', 'octocat/Hello-World', 'origin-refused', '<script>alert(1)</script>', '<i>detail</i>', \
         '2026-11-25T00:00:00Z', '<script>alert(1)</script>')",
    );
    gate.wait_until(|| gate.operator("GET", "deliveries")["items"].as_array().unwrap().len() == 2);

    let browser = Browser::start();
    sign_in(&browser, &gate);
    let id = |index: usize| builds()[index]["id"].as_str().unwrap().to_owned();
    let encoded = |id: &str| form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>();
    let delivery = gate.operator("GET", "deliveries?event=push")["items"][0]["id"].clone();
    for (place, heading, words) in [
        ("#/deliveries".to_owned(), "Deliveries", "onerror=document.title='broken'>"),
        (format!("#/deliveries/{}", delivery.as_str().unwrap()), "Delivery", "<img/src=x"),
        ("#/builds".to_owned(), "Builds", "<svg onload=alert(1)>"),
        (
            format!("#/builds/{}", encoded(&id(0))),
            "Build",
            "<script>document.title='broken'</script>",
        ),
        (format!("#/builds/{}", encoded(&id(1))), "Build", "<img/src=x"),
        ("#/dead-letters/1".to_owned(), "Dead letter 1", "<script>alert(1)</script>"),
        ("#/repositories/octocat/Hello-World".to_owned(), "octocat/Hello-World", "<img/src=x"),
        (
            "#/repositories/%3Cimg%20src=x%3E/%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
            "<img src=x>/<script>alert(1)</script>",
            "Try again",
        ),
    ] {
        go(&browser, &place, heading);
        browser.wait_for(words);
        assert_eq!(
            browser.evaluate(
                "document.querySelectorAll('main img, main script, main b, main i').length"
            ),
            0
        );
        let links = browser
            .evaluate("[...document.links].filter((it) => it.protocol === 'javascript:').length");
        assert_eq!(links, 0, "{place}");
        assert!(
            !browser.evaluate("document.title").as_str().unwrap().contains("broken"),
            "{place}"
        );
    }
    let errors = browser.errors();
    assert!(
        errors.iter().all(|error| error.contains("404") || error.contains("400")),
        "{errors:?}"
    );
}

//! `app`, as a real process, between a stand-in for GitHub, one for wrangler, a real gate, and a browser that is played.

use std::cell::OnceCell;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::auto_deploy::{EVENTS, PERMISSIONS};
use crate::support::fixtures::PROJECT;
use crate::support::gate::{Gate, OPERATOR_TOKEN, SECRET, Setup, path_with_node};
use crate::support::github::app::{App, PEM};
use crate::support::github::{GitHub, TOKEN};

fn buildgate(arguments: &[&str], github: &GitHub, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildgate"));
    command
        .current_dir(folder)
        .env("GITHUB_API_URL", &github.api)
        .env("GITHUB_URL", &github.api)
        .env_remove("OPERATOR_TOKEN")
        .env_remove("BUILDGATE_URL")
        .env("PATH", path_with_node())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// `app create`, which waits for a browser.
struct Creation {
    process: Child,
    page: String,
    /// What the page's browser has.
    cookie: OnceCell<String>,
    said: BufReader<std::process::ChildStderr>,
}

impl Drop for Creation {
    /// Where a test fails, it would wait for an hour.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A page as a browser gets it: its status, where it leads on, and its text.
fn browse(request: ureq::RequestBuilder<ureq::typestate::WithoutBody>) -> (u16, String, String) {
    let request = request.config().http_status_as_error(false).max_redirects(0);
    let request = request.max_redirects_will_error(false).build();
    shown(request.call().unwrap())
}

fn shown(mut page: ureq::http::Response<ureq::Body>) -> (u16, String, String) {
    let location = page.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    let text = page.body_mut().read_to_string().unwrap();
    (page.status().as_u16(), location.unwrap_or_default(), text)
}

/// The value of an attribute, after a part of the page.
fn attribute(page: &str, after: &str, name: &str) -> String {
    let rest = page.split_once(after).unwrap().1;
    let rest = rest.split_once(&format!("{name}=\"")).unwrap().1;
    let value = rest.split_once('"').unwrap().0;
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

impl Creation {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let lines = said.by_ref().lines().map_while(Result::ok);
        let page =
            lines.filter_map(|line| Some(line.split_once("its button: ")?.1.to_owned())).next();
        Self { process, page: page.unwrap_or_default(), cookie: OnceCell::new(), said }
    }

    /// Presses the button, and gives where GitHub sends the browser.
    fn press(&self) -> String {
        assert!(!self.page.is_empty(), "it told no page");
        let opened = ureq::get(&self.page).call().unwrap();
        let cookie = opened.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
        self.cookie.set(cookie.to_owned()).unwrap();
        let (_, _, page) = shown(opened);
        let action = attribute(&page, "<form", "action");
        let manifest = attribute(&page, "name=\"manifest\"", "value");
        let sent = ureq::post(&action)
            .config()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .send_form([("manifest", manifest)])
            .unwrap();
        let (status, location, page) = shown(sent);
        assert_eq!(status, 302, "{page}");
        location
    }

    /// Where GitHub sends the browser, as the browser gets it.
    fn come_back(&self, url: &str) -> (u16, String, String) {
        let cookie = self.cookie.get().map_or("", String::as_str);
        browse(ureq::get(url).header("Cookie", cookie))
    }

    /// What became of it: its exit status, what it printed, and what else it said.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut printed, mut said) = (String::new(), String::new());
        self.process.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        self.said.read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap().code(), printed, said)
    }
}

fn page_of(github: &GitHub, slug: &str) -> String {
    format!("{}/apps/{slug}", github.api)
}

fn text(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn the_gate_becomes_the_app_that_a_browser_had_made() {
    let github = GitHub::start("127.0.0.1:0");
    let mut gate = Gate::start(&Setup::without_origin().var("GITHUB_API_URL", &github.api));
    let folder = gate.config().parent().unwrap().to_owned();
    let url = &*gate.url.trim_end_matches('/').to_owned();
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--url", url]].concat();
        text(buildgate(&all, &github, &folder).output().unwrap())
    };

    let (exit, said) = run(&["app", "check"]);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains(&format!("cargo run -- app create --url {url}")), "{said}");
    let (exit, said) = run(&["app", "set-hook"]);
    assert_eq!(exit, Some(2), "{said}");

    let arguments =
        ["app", "create", "--local", "--no-browser", "--url", url, "--name", "<Gate & \"Co\">"];
    let creation = Creation::start(buildgate(&arguments, &github, &folder));
    let back = creation.press();
    let (address, state) = back.split_once("&state=").unwrap();
    assert!(state.len() >= 43, "{back}");
    // What did not come from the form is said so, and it goes on waiting.
    for wrong in [address.to_owned(), format!("{address}&state={}", "0".repeat(64))] {
        let (status, _, page) = creation.come_back(&wrong);
        assert!(status == 400 && page.contains("did not come from the form"), "{page}");
    }
    // Nor is it taken from another browser than the form's.
    let (status, _, _) = browse(ureq::get(&back));
    assert_eq!(status, 400);
    let (status, _, page) = creation.come_back(&back);
    assert!(status == 200 && page.contains("go back to the terminal"), "{page}");
    let (exit, printed, said) = creation.end();
    assert_eq!(exit, Some(0), "{printed}{said}");

    assert!(printed.contains(&format!("cargo run -- app set-hook --url {url}")), "{printed}");
    assert!(printed.contains("end npm start, and start it again"), "{printed}");
    gate.restart_as_it_is();
    let (exit, said) = run(&["app", "set-hook"]);
    assert_eq!(exit, Some(0), "{said}");

    // It is the App in all that it is asked, by the key as wrangler reads it; its webhook has the gate's own secret.
    let app = github.apps().remove(0);
    let hook = github.app_hook(&app.slug);
    assert_eq!((&hook["url"], &hook["secret"]), (&json!(gate.url), &json!(SECRET)));
    assert!(
        printed.contains(&format!("{}/installations/new", page_of(&github, &app.slug))),
        "{printed}"
    );
    assert!(printed.contains(&format!("cargo run -- app check --url {url}")), "{printed}");
    for secret in [SECRET, OPERATOR_TOKEN, PEM, PEM.lines().nth(1).unwrap()] {
        assert!(!printed.contains(secret) && !said.contains(secret), "{printed}{said}");
    }
    let file = folder.join(".dev.vars");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let read = |name: &str| {
        let mut all = dotenvy::from_path_iter(&file).unwrap().map(Result::unwrap);
        all.find(|(found, _)| found == name).map(|(_, value)| value)
    };
    assert_eq!(read("GITHUB_APP_PRIVATE_KEY").as_deref(), Some(PEM));
    assert_eq!(read("GITHUB_APP_ID").as_ref(), Some(&app.client_id));
    assert_eq!(read("WEBHOOK_SECRET").as_deref(), Some(SECRET));

    let (exit, said) = run(&["app", "check"]);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("LACKS  it is not installed"), "{said}");
    let page = format!("{}/installations/new", page_of(&github, &app.slug));
    let mut form = ureq::get(&page).call().unwrap();
    assert!(form.body_mut().read_to_string().unwrap().contains("value=octocat/Hello-World"));
    ureq::post(&page).send_form([("repository", "octocat/Hello-World")]).unwrap();
    let (exit, said) = run(&["app", "check"]);
    assert_eq!(exit, Some(0), "{said}");
    let (exit, said) = run(&["app", "check", "octocat/Hello-World", "--json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((exit, &told["kind"], &told["good"]), (Some(0), &json!("app"), &json!(true)));
    let (exit, said) = run(&["app", "check", "octo-org/Recipes"]);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("not installed on octo-org/Recipes"), "{said}");

    // A second one is not made unasked.
    let (exit, said) = run(&["app", "create", "--local", "--no-browser"]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("give --yes to replace the App that the gate is"), "{said}");
    github.assert_as_described();
}

#[test]
fn what_an_app_lacks_is_told() {
    let github = GitHub::start("127.0.0.1:0");
    let app = github.install_app(App {
        permissions: &PERMISSIONS[1..],
        events: &EVENTS[..4],
        hook_url: Some("https://elsewhere.example/"),
        secret: None,
        repositories: &["octocat/Hello-World"],
    });
    let setup = Setup::without_origin()
        .var("GITHUB_API_URL", &github.api)
        .var("GITHUB_APP_ID", &app.client_id)
        .var("GITHUB_APP_PRIVATE_KEY", &app.pem);
    let gate = Gate::start(&setup);
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], token: &str| {
        let all = [arguments, &["--url", &gate.url]].concat();
        let mut command = buildgate(&all, &github, folder.path());
        text(command.env("OPERATOR_TOKEN", token).output().unwrap())
    };
    let (exit, said) = run(&["app", "check"], OPERATOR_TOKEN);
    assert_eq!(exit, Some(1), "{said}");
    let lacks = "the permissions checks: read and the events check_run, check_suite";
    assert!(said.contains(&format!("LACKS  the App does not ask for {lacks}")), "{said}");
    assert!(said.contains(&format!("is not granted {lacks}")), "{said}");
    let (exit, said) = run(&["app", "check"], "another");
    assert_eq!(exit, Some(2), "{said}");

    // A rotation reaches the App's webhook, too.
    let config = gate.config();
    let link =
        ["link", "--all", "--local", "--config", config.to_str().unwrap(), "--url", &gate.url];
    let linked = |token: &str| {
        let mut command = buildgate(&link, &github, Path::new(PROJECT));
        command.env("GITHUB_TOKEN", TOKEN).env("WEBHOOK_SECRET", SECRET);
        text(command.env("OPERATOR_TOKEN", token).output().unwrap())
    };
    for (token, exit, told) in [
        (OPERATOR_TOKEN, 0, format!("the App's webhook  set: {}", gate.url)),
        ("another", 1, "the App's webhook  FAILED: wrong token".to_owned()),
    ] {
        let (status, said) = linked(token);
        assert!(status == Some(exit) && said.contains(&told), "{said}");
    }
    assert_eq!(github.app_hook(&app.slug)["url"], gate.url);

    // A new App of a deployed gate is given its secret at once.
    let account = Account::with(&["WEBHOOK_SECRET"]);
    let mut create = account.create(&github, &["--url", &gate.url]);
    create.env("OPERATOR_TOKEN", OPERATOR_TOKEN);
    let creation = Creation::start(create);
    creation.come_back(&creation.press());
    let (exit, printed, said) = creation.end();
    assert_eq!(exit, Some(0), "{printed}{said}");
    assert!(
        printed.contains(&format!("webhook   set: {}, with the gate's own", gate.url)),
        "{printed}"
    );

    let (exit, said) = run(&["app", "set-hook", "--json"], OPERATOR_TOKEN);
    assert_eq!((exit, said.trim_end()), (Some(0), &*json!({ "url": gate.url }).to_string()));
    assert_eq!(github.app_hook(&app.slug)["secret"], SECRET);
    github.assert_as_described();
}

/// An account at Cloudflare with a gate that is deployed.
struct Account(TempDir);

impl Account {
    fn with(secrets: &[&str]) -> Self {
        let account = Self(tempfile::tempdir().unwrap());
        fs::write(account.0.path().join("worker"), "").unwrap();
        fs::create_dir(account.0.path().join("secrets")).unwrap();
        for name in secrets {
            fs::write(account.0.path().join("secrets").join(name), "before").unwrap();
        }
        account
    }

    fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join("secrets").join(name)).unwrap()
    }

    fn create(&self, github: &GitHub, more: &[&str]) -> Command {
        let arguments = ["app", "create", "--no-browser"];
        let mut command = buildgate(&[&arguments, more].concat(), github, self.0.path());
        command.env("BUILDGATE_URL", "https://gate.invalid");
        let path = format!("{PROJECT}/tests/support/wrangler:{}", path_with_node());
        command.env("PATH", path).env("STAND_IN", self.0.path());
        command
    }
}

#[test]
fn a_deployed_gate_is_given_the_app_and_keeps_the_secret_that_webhooks_have() {
    let github = GitHub::start("127.0.0.1:0");

    // It has none: GitHub's is the one.
    let account = Account::with(&[]);
    let more = ["--json", "--organization", "octo-org"];
    let creation = Creation::start(account.create(&github, &more));
    creation.come_back(&creation.press());
    let (exit, printed, said) = creation.end();
    assert_eq!(exit, Some(0), "{printed}{said}");
    let app = github.apps().remove(0);
    let page = page_of(&github, &app.slug);
    assert_eq!(
        serde_json::from_str::<Value>(&printed).unwrap(),
        json!({
            "slug": app.slug,
            "html_url": page,
            "install_url": format!("{page}/installations/new"),
            "client_id": app.client_id,
        })
    );
    assert_eq!(account.secret("GITHUB_APP_ID"), app.client_id);
    assert_eq!(account.secret("GITHUB_APP_PRIVATE_KEY"), PEM);
    let hook = github.app_hook(&app.slug);
    assert_eq!(hook["secret"], account.secret("WEBHOOK_SECRET"));
    assert_eq!(hook["url"], "https://gate.invalid/");

    // It has one: that stays, and how the App's webhook gets it is said.
    let account = Account::with(&["WEBHOOK_SECRET", "GITHUB_APP_ID"]);
    let more = ["--name", "Another"];
    let (exit, said) = text(account.create(&github, &more).output().unwrap());
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("the worker has GITHUB_APP_ID, and there is no terminal"), "{said}");
    let creation = Creation::start(account.create(&github, &[&more[..], &["--yes"]].concat()));
    creation.come_back(&creation.press());
    let (exit, printed, said) = creation.end();
    assert_eq!(exit, Some(0), "{printed}{said}");
    assert!(printed.contains("cargo run -- app set-hook --url https://gate.invalid"), "{printed}");
    assert_eq!(account.secret("WEBHOOK_SECRET"), "before");
    assert_eq!(account.secret("GITHUB_APP_ID"), github.apps()[1].client_id);

    // wrangler was told no secret but by its standard input.
    let log = fs::read_to_string(account.0.path().join("log")).unwrap();
    let asked: Vec<&str> = log.lines().collect();
    let list = "secret list --format json";
    assert_eq!(asked, [list, list, "secret bulk"]);
    github.assert_as_described();
}

//! `app create`: GitHub makes the App of a manifest that the operator's browser brings it, and what it answers becomes
//! the gate's secrets.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use buildgate::github::settings::api_url;
use buildgate::repository::GitHubUrl;
use buildgate::url::is_local;
use clap::Args;
use secrecy::SecretString;
use serde_json::json;

use super::check::set_hook;
use super::loopback::{Loopback, NoCode};
use super::manifest::{LONGEST_NAME, Made, convert, manifest, usual_name};
use super::store::Store;
use crate::gate::Gate;
use crate::local::{confirm, given_secret, given_url, random, say_json, setting};
use crate::steps::Steps;
use crate::target::without_path;
use crate::wrangler::Wrangler;

/// How long a code of GitHub's is good for
/// (<https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest>).
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// How long the gate may take to have the secrets that it was given.
const UNTIL_IT_KNOWS: Duration = Duration::from_secs(30);

/// Who the App is.
const WHO: [&str; 2] = ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY"];

/// Make the gate's GitHub App: one form in your browser, and the App's id and key become the gate's secrets.
///
/// Nothing secret is shown, and nothing is written to the disk but .dev.vars, with --local. A WEBHOOK_SECRET that the gate
/// has is kept, for repositories' webhooks are signed with it: the App's webhook is then given that one.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- app create --url https://buildgate.example.workers.dev
  cargo run -- app create --url https://… --organization octo-org --name 'Deploys of octo-org'
  cargo run -- app create --url https://… --github-url https://github.example")]
pub struct Create {
    /// The gate's URL, without a path; if not given, the environment's BUILDGATE_URL.
    #[arg(long)]
    pub url: Option<String>,

    /// The organization that is to own the App; if not given, it is yours.
    #[arg(long)]
    pub organization: Option<String>,

    /// The GitHub to make it at; if not given, the environment's GITHUB_URL, or else https://github.com.
    #[arg(long)]
    pub github_url: Option<String>,

    /// The App's name, at most 34 characters; if not given, buildgate and the gate's host.
    #[arg(long)]
    pub name: Option<String>,

    /// Put the App's id and key into .dev.vars, for the gate on your own machine.
    #[arg(long)]
    pub local: bool,

    /// The gate's wrangler.toml; if not given, the one in this folder.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Open no browser: only say which page to open.
    #[arg(long)]
    pub no_browser: bool,

    /// Replace the App that the gate is, without being asked.
    #[arg(long)]
    pub yes: bool,

    /// Print JSON, for scripts.
    #[arg(long)]
    pub json: bool,

    /// The gate's OPERATOR_TOKEN, where it was made up just now; if not, the environment's.
    #[arg(skip)]
    pub operator_token: Option<SecretString>,
}

impl Create {
    /// Makes it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = given_url(self.url.as_deref()).ok_or(
            "there is no gate to make it for: give its URL with --url, or set BUILDGATE_URL in the environment",
        )?;
        let gate = without_path(&gate)?;
        let github = self.github_url.clone().or_else(|| setting("GITHUB_URL"));
        let github = GitHubUrl::parse(github.as_deref())
            .map_err(|_| "--github-url is no https URL of a GitHub")?
            .to_string();
        let api = api_url(setting("GITHUB_API_URL").as_deref(), Some(&github))
            .ok_or("GITHUB_API_URL is no https URL")?;
        let name = self.name.clone().unwrap_or_else(|| usual_name(&gate));
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(format!("--name has 1 to {LONGEST_NAME} characters").into());
        }
        let of_owner = self.of_owner()?;
        let store = match self.local {
            true => Store::Local,
            false => Store::Worker(Wrangler { config: self.config.as_deref() }),
        };
        let token = match &self.operator_token {
            Some(token) => Some(token.clone()),
            None => given_secret("OPERATOR_TOKEN", None)?,
        };
        let mut steps = Steps::telling(self.json);

        steps.doing("looking the gate's secrets up");
        let names = ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "WEBHOOK_SECRET"];
        // On one's own machine, the secret that comes with the project works like any other.
        let there = store.present(&names, is_local(&gate))?;
        self.may_replace(&there, &store)?;

        let loopback = Loopback::open()?;
        let page = loopback.url();
        eprintln!("Open this page, and press its button: {page}");
        if !self.no_browser && open::that_detached(&page).is_err() {
            eprintln!("No browser can be opened from here: open it in one on this machine.");
        }
        eprintln!("waiting for GitHub, for at most an hour; Ctrl-C ends it …");
        let secrets = (hex::encode(random::<32>()?), hex::encode(random::<32>()?));
        let manifest = manifest(&name, &gate, &loopback.back());
        let action = format!("{github}/{of_owner}settings/apps/new");
        let code = loopback.code(&action, secrets, &manifest, PATIENCE).map_err(|why| match why {
            NoCode::TooLate => "GitHub sent no code within an hour: run it again",
            NoCode::OpenedTwice => {
                "the page was opened by two browsers, of which one may be somebody else's on this machine, so no App of \
                 theirs is taken for yours: run it again, and open the page once"
            }
        })?;
        let made = convert(&api, &code).map_err(|why| {
            format!(
                "GitHub did not give the App's key: {why}. If it made an App, delete that ({github}/{of_owner}settings/\
                 apps), and run this again"
            )
        })?;
        steps.did("app", "made", &made.html_url);

        let keeps = there.contains(&"WEBHOOK_SECRET");
        let was_given = self.keep(&made, &store, keeps).map_err(|why| {
            let slug = made.slug.as_deref().unwrap_or_default();
            format!(
                "{why}\nThe App is made, and its key is lost: delete it ({github}/{of_owner}settings/apps/{slug}/advanced), \
                 and run this again; or generate another key on its page, and set GITHUB_APP_ID and \
                 GITHUB_APP_PRIVATE_KEY yourself"
            )
        })?;
        steps.did("secrets", "set", &format!("{} in {}", was_given.join(" and "), store.name()));

        let hooked = !was_given.contains(&"WEBHOOK_SECRET") || made.webhook_secret().is_none();
        let done = !hooked || self.give_hook(&gate, token, &mut steps);
        let check = format!("cargo run -- app check --url {gate}");
        if self.json {
            say_json(
                &json!({
                    "slug": made.slug,
                    "html_url": made.html_url,
                    "install_url": made.install_url(),
                    "client_id": made.client_id(),
                }),
                false,
            );
        } else {
            if self.local {
                let what =
                    "the gate reads .dev.vars as it starts: end npm start, and start it again";
                steps.did("next", "start anew", what);
            }
            steps.did("next", "install it", &made.install_url());
            steps.did("next", "then", &check);
        }
        Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The part of the path that says whose settings are meant.
    fn of_owner(&self) -> Result<String, String> {
        let Some(organization) = &self.organization else { return Ok(String::new()) };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if organization.is_empty() || !organization.chars().all(plain) {
            return Err(format!("{organization} is not the name of an organization"));
        }
        Ok(format!("organizations/{organization}/"))
    }

    /// Errors where the gate is an App already, and is not to become another.
    fn may_replace(&self, there: &[&str], store: &Store) -> Result<(), String> {
        let who: Vec<&str> = there.iter().filter(|name| WHO.contains(name)).copied().collect();
        if who.is_empty() || self.yes {
            return Ok(());
        }
        let who = who.join(" and ");
        match confirm(&format!("{} has {who}: replace the App that the gate is?", store.name())) {
            Some(true) => Ok(()),
            Some(false) => Err("nothing was done".to_owned()),
            None => Err(format!(
                "{} has {who}, and there is no terminal to ask on: give --yes to replace the App that the gate is",
                store.name()
            )),
        }
    }

    /// Keeps what GitHub answered, but for its webhook secret where the gate keeps its own. Gives the names.
    fn keep(&self, made: &Made, store: &Store, keeps: bool) -> Result<Vec<&'static str>, String> {
        let id = SecretString::from(made.app_id());
        let mut secrets = vec![("GITHUB_APP_ID", &id), ("GITHUB_APP_PRIVATE_KEY", &made.pem)];
        let generated = SecretString::from(hex::encode(random::<32>()?));
        if !keeps {
            secrets.push(("WEBHOOK_SECRET", made.webhook_secret().unwrap_or(&generated)));
        }
        store.set(&secrets)?;
        Ok(secrets.into_iter().map(|(name, _)| name).collect())
    }

    /// Has the gate give the App's webhook the secret that it keeps, or says how. Gives whether nothing failed.
    fn give_hook(&self, gate: &str, token: Option<SecretString>, steps: &mut Steps) -> bool {
        let command = format!("cargo run -- app set-hook --url {gate}");
        if self.local {
            let what = format!(
                "once the gate is started anew, with OPERATOR_TOKEN in the environment: {command}"
            );
            self.tell(steps, "to be set", &what);
            return true;
        }
        let Some(token) = token else {
            let what = format!(
                "the gate keeps its WEBHOOK_SECRET, which the App's webhook does not have yet; with OPERATOR_TOKEN in \
                 the environment: {command}"
            );
            self.tell(steps, "to be set", &what);
            return true;
        };
        steps.doing("having the gate give the App's webhook its secret");
        let gate = Gate { url: gate.to_owned(), token };
        let deadline = Instant::now() + UNTIL_IT_KNOWS;
        loop {
            match set_hook(&gate) {
                Ok(set) => {
                    let what = format!("{}, with the gate's own WEBHOOK_SECRET", set.url);
                    steps.did("webhook", "set", &what);
                    return true;
                }
                // It takes a moment until the worker that answers is the one with the new secrets, and until a new gate's
                // address is known.
                Err(_) if Instant::now() < deadline => {
                    sleep(Duration::from_secs(1));
                }
                Err(why) => {
                    let what = format!("{}; then: {command}", why.why());
                    self.tell(steps, "FAILED", &what);
                    return false;
                }
            }
        }
    }

    /// Says what is left to do with the webhook, which has no place in the JSON.
    fn tell(&self, steps: &mut Steps, result: &str, what: &str) {
        if self.json {
            eprintln!("webhook {result}: {what}");
        } else {
            steps.did("webhook", result, what);
        }
    }
}

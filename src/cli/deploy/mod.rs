//! `deploy`: all that it takes to have the gate run at Cloudflare, and to have it run there anew.

mod check;
mod config;

use std::error::Error;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use base64ct::{Base64, Encoding};
use buildgate::published::is_published;
use buildgate::signature::standard_webhooks::OriginSecrets;
use buildgate::url::{is_local, scheme_and_host};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::app::create::Create;
use crate::local::{ask, confirm, exit_code, given_secret, random, say};
use crate::steps::Steps;
use crate::target::without_path;
use crate::wrangler::{Wrangler, json};
use config::Config;

/// What wrangler says in the line before the first address of the worker.
const TRIGGERS: [&str; 2] = ["Deployed ", " triggers"];

/// A secret that the gate needs, and is given one where it has none.
struct Needed {
    name: &'static str,
    /// Who has to have it, too.
    whose: &'static str,
    make: fn() -> Result<String, String>,
}

/// The secrets that the gate needs.
const NEEDED: [Needed; 3] = [
    Needed {
        name: "WEBHOOK_SECRET",
        whose: "keep it in a safe place: link and check want it in the environment, and Cloudflare never shows it again",
        make: hexadecimal,
    },
    Needed {
        name: "ORIGIN_SECRET",
        whose: "give it to the origin's engineer: build requests are signed with it",
        make: standard_webhooks,
    },
    Needed {
        name: "OPERATOR_TOKEN",
        whose: "keep it in a safe place: it admits to the gate's routes under /-/",
        make: hexadecimal,
    },
];

/// Deploy the gate: everything from the queues to the check that it answers.
///
/// Asks for what it does not know. It can be run again at any time, after a change or where it was broken off: what is
/// there is left as it is, and what is missing is made. It drives wrangler, which has to be logged in, and nothing else.
/// Secrets that it makes up are shown once, on the terminal; where they are in the environment, those are set, and not
/// shown. Exits with 0 if the gate is deployed and answers, 1 if it does not answer as it should, and 2 where it could not
/// be deployed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- deploy --dry-run
  cargo run -- deploy
  cargo run -- deploy --origin-url https://builds.example/requests --contact builds@example.com --yes --no-app")]
pub struct Deploy {
    /// Where build requests are posted: ORIGIN_URL of wrangler.toml. If not given and not set there, it is asked for.
    #[arg(long)]
    origin_url: Option<String>,

    /// Whom the owner of a repository can ask: OPERATOR_CONTACT of wrangler.toml.
    #[arg(long)]
    contact: Option<String>,

    /// The gate's URL, without a path: BUILDGATE_URL of wrangler.toml. If not given and not set there, the first address
    /// that wrangler tells.
    #[arg(long)]
    url: Option<String>,

    /// Ask nothing.
    #[arg(long)]
    yes: bool,

    /// Print every step and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Do not offer to make a GitHub App.
    #[arg(long)]
    no_app: bool,

    /// The gate's wrangler.toml; if not given, the one in this folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Who is logged in, as wrangler tells it.
#[derive(Deserialize)]
struct WhoAmI {
    #[serde(default)]
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    name: String,
}

/// A database, as wrangler lists it.
#[derive(Deserialize)]
struct Database {
    name: String,
}

/// The secrets that the environment gives. Errors where one would be refused by the gate, or is everybody's.
fn given_secrets() -> Result<Vec<(&'static str, SecretString)>, String> {
    let mut given = Vec::new();
    for Needed { name, .. } in &NEEDED {
        let Some(value) = given_secret(name, None)? else { continue };
        if is_published(value.expose_secret()) {
            return Err(format!(
                "{name} in the environment is the one that comes with the project, which everybody knows: unset it, and a \
                 new one is made"
            ));
        }
        if *name == "ORIGIN_SECRET" {
            OriginSecrets::parse(Some(value.expose_secret()), false).map_err(|_| {
                "ORIGIN_SECRET in the environment is none of Standard Webhooks': whsec_ and the base64 of at least 24 bytes"
            })?;
        }
        given.push((*name, value));
    }
    Ok(given)
}

/// Errors where build requests cannot be posted to a URL.
fn is_good_origin(origin: &str) -> Result<(), String> {
    let scheme = scheme_and_host(origin).map(|(scheme, _)| scheme);
    if scheme == Some("https") || scheme == Some("http") && is_local(origin) {
        return Ok(());
    }
    Err(format!("{origin} is no https URL, so no build requests can be posted to it"))
}

impl Deploy {
    /// Deploys.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let wrangler = Wrangler { config: self.config.as_deref() };
        let file = wrangler.config_file();
        let mut config = Config::read(&file)?;
        let mut steps = Steps::telling(false);
        let known = self.url.as_deref().map(without_path).transpose()?;
        if let Some(origin) = &self.origin_url {
            is_good_origin(origin)?;
        }
        let given = given_secrets()?;

        steps.doing("asking wrangler who is logged in");
        let who: WhoAmI = json(&wrangler.run(&["whoami", "--json"])?, '{')
            .ok_or("wrangler did not tell who is logged in")?;
        let accounts: Vec<String> = who.accounts.into_iter().map(|account| account.name).collect();
        steps.did("login", "ok", &accounts.join(", "));

        // Before anything is made: in the middle, it would be too late to ask.
        let is_lacking = |needed: &&Needed| given.iter().all(|(name, _)| *name != needed.name);
        let is_shown_nowhere = !self.dry_run && !stdout().is_terminal();
        if is_shown_nowhere && NEEDED.iter().any(|needed| is_lacking(&needed)) {
            let there = wrangler.secrets()?.unwrap_or_default();
            let is_there = |needed: &&Needed| there.iter().any(|name| name == needed.name);
            let lacking: Vec<&str> = NEEDED
                .iter()
                .filter(|needed| is_lacking(needed) && !is_there(needed))
                .map(|needed| needed.name)
                .collect();
            if !lacking.is_empty() {
                let lacking = lacking.join(", ");
                return Err(format!(
                    "the gate has no {lacking}, and new ones can be shown on a terminal only: run this in one, or set \
                     {lacking} in the environment; nothing was changed"
                )
                .into());
            }
        }
        let mut values = self.values(&config)?;
        values.extend(known.clone().map(|url| ("BUILDGATE_URL", url)));
        for (name, value) in &values {
            self.set_var(&mut config, name, value, &mut steps)?;
        }
        if config.var("ORIGIN_URL").is_none() {
            let what = "ORIGIN_URL is not set: until it is, build requests wait on the queue";
            steps.did("config", "note", what);
        }

        self.queues(&wrangler, &config, &mut steps)?;
        let has_ledger = has_ledger(&wrangler, &config)?;
        // A migration adds what the worker that still runs can do without. At first there is neither: the first deployment
        // makes the database.
        if has_ledger {
            self.migrate(&wrangler, &mut steps)?;
        }
        let said = self.deploy_worker(&wrangler, "the worker", &mut steps)?;
        if !has_ledger {
            self.migrate(&wrangler, &mut steps)?;
        }
        let before = config.var("BUILDGATE_URL").map(str::to_owned);
        let url = known.or(before).or_else(|| said.as_deref().and_then(first_address));
        if let (Some(url), None) = (&url, config.var("BUILDGATE_URL")) {
            self.set_var(&mut config, "BUILDGATE_URL", url, &mut steps)?;
            self.deploy_worker(&wrangler, "the worker, which now knows its URL", &mut steps)?;
        }

        let there = wrangler.secrets()?.unwrap_or_default();
        let set = self.secrets(&wrangler, &there, given, &mut steps)?;
        let at_hand = |name: &str| -> Result<Option<SecretString>, String> {
            let set = set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone());
            Ok(set.or(given_secret(name, None)?))
        };
        let (webhook_secret, token) = (at_hand("WEBHOOK_SECRET")?, at_hand("OPERATOR_TOKEN")?);
        let Some(url) = url else {
            if self.dry_run {
                steps.did("config", "would be set", "BUILDGATE_URL, once wrangler tells it");
                self.app(None, &there, None, &mut steps)?;
                steps.did("check", "would be made", "of the gate's answers");
                return Ok(ExitCode::SUCCESS);
            }
            return Err(
                "the gate is deployed, but wrangler told no address of it: run it again with --url"
                    .into(),
            );
        };
        let app_works = self.app(Some(&url), &there, token.clone(), &mut steps)?;
        if self.dry_run {
            steps.did("check", "would be made", &format!("of what {url} answers"));
            return Ok(ExitCode::SUCCESS);
        }
        let answers = check::check(&url, webhook_secret, token, !set.is_empty(), &mut steps);
        let link = format!("cargo run -- link OWNER/NAME --trigger deployment --url {url}");
        steps.did("next", "link a repository", &link);
        Ok(exit_code(answers && app_works))
    }

    /// The variables that were given, or are asked for.
    fn values(&self, config: &Config) -> Result<Vec<(&'static str, String)>, String> {
        let mut values = Vec::new();
        let mut origin = self.origin_url.clone();
        if origin.is_none() && config.var("ORIGIN_URL").is_none() && !self.yes && !self.dry_run {
            let question =
                "Where are build requests to be posted, an https URL? (Enter: not yet known)";
            origin = ask(question).filter(|answer| !answer.is_empty());
        }
        if let Some(origin) = origin {
            is_good_origin(&origin)?;
            values.push(("ORIGIN_URL", origin));
        }
        values.extend(self.contact.clone().map(|contact| ("OPERATOR_CONTACT", contact)));
        Ok(values)
    }

    /// Sets a variable in wrangler.toml.
    fn set_var(
        &self,
        config: &mut Config,
        name: &str,
        value: &str,
        steps: &mut Steps,
    ) -> Result<(), String> {
        let what = format!("{name} = {value}, in wrangler.toml");
        if config.var(name) == Some(value) {
            steps.did("config", "kept", &what);
            return Ok(());
        }
        config.set_var(name, value)?;
        if self.dry_run {
            steps.did("config", "would be set", &what);
            return Ok(());
        }
        config.write(&Wrangler { config: self.config.as_deref() }.config_file())?;
        steps.did("config", "set", &what);
        Ok(())
    }

    /// Makes the queues that are missing.
    fn queues(
        &self,
        wrangler: &Wrangler,
        config: &Config,
        steps: &mut Steps,
    ) -> Result<(), Box<dyn Error>> {
        steps.doing("looking the queues up");
        for queue in config.queues() {
            match wrangler.run(&["queues", "info", &queue]) {
                // It may find another one of which this is but a part of the name.
                Ok(info) if info.lines().any(|line| line == format!("Queue Name: {queue}")) => {
                    steps.did("queue", "there", &queue);
                    continue;
                }
                Ok(_) => {}
                Err(failed) if failed.says("does not exist") => {}
                Err(failed) => return Err(failed.into()),
            }
            if self.dry_run {
                steps.did("queue", "would be made", &queue);
            } else {
                wrangler.run(&["queues", "create", &queue])?;
                steps.did("queue", "made", &queue);
            }
        }
        Ok(())
    }

    /// Makes the ledger's tables.
    fn migrate(&self, wrangler: &Wrangler, steps: &mut Steps) -> Result<(), Box<dyn Error>> {
        const APPLY: [&str; 5] = ["d1", "migrations", "apply", "LEDGER", "--remote"];
        if self.dry_run {
            steps.did("ledger", "would be migrated", &format!("npx wrangler {}", APPLY.join(" ")));
            return Ok(());
        }
        steps.doing("making the ledger's tables");
        let said = wrangler.run(&APPLY)?;
        let result =
            if said.contains("No migrations to apply") { "up to date" } else { "migrated" };
        steps.did("ledger", result, "the tables of the database LEDGER");
        Ok(())
    }

    /// Deploys the worker; gives what wrangler said.
    fn deploy_worker(
        &self,
        wrangler: &Wrangler,
        what: &str,
        steps: &mut Steps,
    ) -> Result<Option<String>, Box<dyn Error>> {
        if self.dry_run {
            steps.did("worker", "would be deployed", "npx wrangler deploy");
            return Ok(None);
        }
        steps.doing("building and deploying the worker; the first time, that takes minutes");
        let said = wrangler.run(&["deploy"])?;
        let address = first_address(&said);
        let at = address.map(|address| format!(", at {address}")).unwrap_or_default();
        steps.did("worker", "deployed", &format!("{what}{at}"));
        Ok(Some(said))
    }

    /// Sets the secrets that are missing: those of the environment, or else new ones, which are then shown. Gives what was
    /// set.
    fn secrets(
        &self,
        wrangler: &Wrangler,
        there: &[String],
        given: Vec<(&'static str, SecretString)>,
        steps: &mut Steps,
    ) -> Result<Vec<(&'static str, SecretString)>, Box<dyn Error>> {
        let (present, missing): (Vec<&Needed>, Vec<&Needed>) =
            NEEDED.iter().partition(|needed| there.iter().any(|name| name == needed.name));
        for Needed { name, .. } in present {
            steps.did("secret", "there", name);
        }
        let (mut set, mut shown) = (Vec::new(), Vec::new());
        for needed in missing {
            let given = given.iter().find(|(name, _)| *name == needed.name);
            if self.dry_run {
                let source = if given.is_some() { "to the environment's" } else { "to a new one" };
                steps.did("secret", "would be set", &format!("{}, {source}", needed.name));
                continue;
            }
            let value = match given {
                Some((_, value)) => value.clone(),
                None => {
                    shown.push(needed);
                    (needed.make)()?.into()
                }
            };
            set.push((needed.name, value));
        }
        // Shown first: however it ends to set them, nobody could ask for them again.
        for (name, value) in &set {
            if let Some(needed) = shown.iter().find(|needed| needed.name == *name) {
                steps.did("secret", "made", &format!("{name}; {}", needed.whose));
                say(format_args!("\n          {}\n", value.expose_secret()));
            }
        }
        if !set.is_empty() {
            steps.doing("setting the secrets");
            let all: Vec<(&str, &SecretString)> = set.iter().map(|(n, v)| (*n, v)).collect();
            wrangler.set_secrets(&all).map_err(|failed| match shown.is_empty() {
                true => failed.message,
                false => format!(
                    "{}\nThe secrets that are shown above may be set or not. Run this again: where it then shows others, \
                     those count, and else these do",
                    failed.message
                ),
            })?;
        }
        for (name, _) in &set {
            let is_shown = shown.iter().any(|needed| needed.name == *name);
            let to = if is_shown { "to the one above" } else { "to the environment's" };
            steps.did("secret", "set", &format!("{name}, {to}"));
        }
        Ok(set)
    }

    /// Offers to make a GitHub App where the gate is nobody at GitHub. Gives whether nothing failed.
    fn app(
        &self,
        url: Option<&str>,
        there: &[String],
        operator_token: Option<SecretString>,
        steps: &mut Steps,
    ) -> Result<bool, Box<dyn Error>> {
        let is_there = |name: &str| there.iter().any(|there| there == name);
        let by = match (is_there("GITHUB_APP_ID"), is_there("GITHUB_APP_PRIVATE_KEY")) {
            (true, true) => Some("GITHUB_APP_ID"),
            (false, false) => Some("GITHUB_TOKEN").filter(|token| is_there(token)),
            _ => {
                let what = "of GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY only one is set, and a GitHub App needs both: set \
                            the other, or make the App anew with app create";
                steps.did("app", "WRONG", what);
                return Ok(false);
            }
        };
        if let Some(name) = by {
            steps.did("app", "there", &format!("the gate is somebody at GitHub, by {name}"));
            return Ok(true);
        }
        if self.no_app {
            return Ok(true);
        }
        let command = format!("cargo run -- app create --url {}", url.unwrap_or("https://…"));
        let question =
            "Make a GitHub App for the gate, with which it can make deployments once CI is green?";
        let wanted = if self.dry_run || self.yes { None } else { confirm(question) };
        let (Some(true), Some(url)) = (wanted, url) else {
            let what =
                format!("for policies with auto_deploy, the gate has to be an App: {command}");
            steps.did("app", "none", &what);
            return Ok(true);
        };
        let create = Create {
            url: Some(url.to_owned()),
            organization: ask("Which organization is to own it? (Enter: you)")
                .filter(|name| !name.is_empty()),
            github_url: Config::read(&Wrangler { config: self.config.as_deref() }.config_file())?
                .var("GITHUB_URL")
                .map(str::to_owned),
            name: None,
            local: false,
            config: self.config.clone(),
            no_browser: false,
            yes: false,
            json: false,
            operator_token,
        };
        match create.run() {
            Ok(exit) => Ok(exit == ExitCode::SUCCESS),
            // The gate works without.
            Err(why) => {
                steps.did("app", "FAILED", &format!("{why}; then: {command}"));
                Ok(false)
            }
        }
    }
}

/// Whether the ledger's database is there.
fn has_ledger(wrangler: &Wrangler, config: &Config) -> Result<bool, Box<dyn Error>> {
    let databases = wrangler.run(&["d1", "list", "--json"])?;
    let databases: Vec<Database> =
        json(&databases, '[').ok_or("wrangler did not tell the databases")?;
    let ledger = config.database().ok_or("wrangler.toml has no database_name for LEDGER")?;
    Ok(databases.iter().any(|database| database.name == ledger))
}

/// The first address of the worker, of those that wrangler lists once it is deployed.
fn first_address(said: &str) -> Option<String> {
    let is_head = |line: &&str| TRIGGERS.iter().all(|part| line.contains(part));
    let mut lines = said.lines().skip_while(|line| !is_head(line)).skip(1);
    lines.find_map(|line| {
        let word = line.trim().split(' ').next()?;
        let url = match line.contains("(custom domain") {
            true => format!("https://{word}"),
            false => word.to_owned(),
        };
        if url.starts_with("https://") { without_path(&url).ok() } else { None }
    })
}

fn hexadecimal() -> Result<String, String> {
    Ok(hex::encode(random::<32>()?))
}

/// As Standard Webhooks writes secrets
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme>).
fn standard_webhooks() -> Result<String, String> {
    Ok(format!("whsec_{}", Base64::encode_string(&random::<32>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_first_that_a_browser_can_open() {
        let said = |targets: &str| {
            format!("Uploaded gate (1 sec)\nDeployed gate triggers (2 sec)\n{targets}\nX")
        };
        for (targets, address) in [
            (
                "  https://gate.octo.workers.dev\n  schedule: * * * * *",
                Some("https://gate.octo.workers.dev"),
            ),
            ("  schedule: * * * * *\n  gate.example (custom domain)", Some("https://gate.example")),
            ("  gate.example/* (zone name: gate.example)", None),
            ("  Producer for builds", None),
        ] {
            assert_eq!(first_address(&said(targets)).as_deref(), address, "{targets}");
        }
        assert_eq!(first_address("https://elsewhere.example"), None);
    }

    #[test]
    fn new_secrets_are_of_their_forms_and_never_the_same() {
        assert_eq!(hexadecimal().unwrap().len(), 64);
        assert_ne!(hexadecimal(), hexadecimal());
        let secret = standard_webhooks().unwrap();
        let bytes = Base64::decode_vec(secret.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(bytes.len(), 32);
    }
}

//! `dead-letters`: what the origin did not take over, and how it gets there after all.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use buildgate::ledger::dead_letters::{DeadLetterPage, DeadLetterSummary, StoredDeadLetter};
use buildgate::operator::answer::{Dropped, Redriven};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::local::{complain, given_secret, say, say_json, secret, unanswered};

const PATIENCE: Duration = Duration::from_secs(30);

/// Look after the build requests that the origin did not take over.
///
/// Exits with 0 if it was done, 1 if the gate refused, and 2 where the gate could not be asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- dead-letters list
  cargo run -- dead-letters show 7
  cargo run -- dead-letters redrive 7
  cargo run -- dead-letters redrive --all --url https://buildgate.example.workers.dev/
  cargo run -- dead-letters drop 7 --json")]
pub struct DeadLetters {
    #[command(subcommand)]
    action: Action,

    /// The gate.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8787/")]
    url: String,

    /// A file with the gate's OPERATOR_TOKEN, or - for standard input; if not given, the environment's
    /// OPERATOR_TOKEN, or else the one in .dev.vars or .dev.vars.example.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Print JSON, for scripts; errors are still plain text, on standard error.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// List them, the oldest first.
    List,
    /// Show one: the message, why it is kept, and what the origin last answered.
    Show {
        /// Its id.
        id: u64,
    },
    /// Put one back on the queue, or all that were not yet.
    #[command(override_usage = "cargo run -- dead-letters redrive [OPTIONS] <ID|--all>")]
    Redrive {
        /// Its id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<u64>,
        /// All that were not redriven yet.
        #[arg(long)]
        all: bool,
    },
    /// Drop one for good.
    Drop {
        /// Its id.
        id: u64,
    },
}

/// The gate, as its operator talks to it.
struct Gate {
    url: String,
    token: SecretString,
}

/// Why something could not be done.
#[derive(Debug)]
enum Failure {
    /// The gate refused, and says why.
    Refused(String),
    /// The gate could not be asked, or answered what it never answers.
    Unanswered(String),
}

impl DeadLetters {
    /// Does what is asked for, and prints what came of it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let token = given_secret("OPERATOR_TOKEN", self.token_file.as_deref())?
            .or_else(|| secret("OPERATOR_TOKEN").map(Into::into))
            .ok_or("there is no operator token: set OPERATOR_TOKEN in the environment, or put it into .dev.vars")?;
        let gate = Gate { url: self.url.trim_end_matches('/').to_owned(), token };
        let done = match self.action {
            Action::List => list(&gate, self.json),
            Action::Show { id } => show(&gate, id, self.json),
            Action::Redrive { id: Some(id), .. } => redrive(&gate, &[id], self.json),
            Action::Redrive { id: None, .. } => redrive_all(&gate, self.json),
            Action::Drop { id } => drop_letter(&gate, id, self.json),
        };
        match done {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(Failure::Refused(why)) => {
                complain(why);
                Ok(ExitCode::FAILURE)
            }
            Err(Failure::Unanswered(why)) => Err(why.into()),
        }
    }
}

fn list(gate: &Gate, as_json: bool) -> Result<(), Failure> {
    let letters = gate.list()?;
    if as_json {
        say_json(&json!({ "dead_letters": letters }), false);
        return Ok(());
    }
    if letters.is_empty() {
        say("There are no dead letters.");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "ID",
        "STORED",
        "REASON",
        "STATUS",
        "ATTEMPTS",
        "REDRIVEN",
        "BUILD REQUEST",
    ]);
    for letter in &letters {
        table.add_row([
            letter.id.to_string(),
            letter.stored_at.clone(),
            letter.reason.clone(),
            or_dash(letter.status),
            or_dash(letter.attempts),
            or_dash(letter.redriven_at.as_ref()),
            or_dash(letter.build.as_ref()),
        ]);
    }
    say(table.trim_fmt());
    Ok(())
}

fn show(gate: &Gate, id: u64, as_json: bool) -> Result<(), Failure> {
    let letter: StoredDeadLetter = gate.ask("GET", &format!("dead-letters/{id}"))?;
    if as_json {
        say_json(&json!(letter), false);
        return Ok(());
    }
    let message = serde_json::from_str::<Value>(&letter.message)
        .map_or(letter.message, |message| format!("{message:#}"));
    for (name, value) in [
        ("id", letter.summary.id.to_string()),
        ("build request", or_dash(letter.summary.build)),
        ("repository", or_dash(letter.summary.repository)),
        ("reason", letter.summary.reason),
        ("detail", or_dash(letter.detail)),
        ("last status", or_dash(letter.summary.status)),
        ("last answer", or_dash(letter.answer.filter(|answer| !answer.is_empty()))),
        ("attempts", or_dash(letter.summary.attempts)),
        ("stored", letter.summary.stored_at),
        ("redriven", or_dash(letter.summary.redriven_at)),
    ] {
        say(format_args!("{name:<13}  {value}"));
    }
    say(format_args!("\n{message}"));
    Ok(())
}

/// Redrives all that were not yet, but for what is no build request: that would come back as another dead letter.
fn redrive_all(gate: &Gate, as_json: bool) -> Result<(), Failure> {
    let mut ids = Vec::new();
    for letter in gate.list()?.iter().filter(|letter| letter.redriven_at.is_none()) {
        if letter.reason == "message-unreadable" {
            eprintln!("{} is left out: it is no build request; drop it", letter.id);
        } else {
            ids.push(letter.id);
        }
    }
    redrive(gate, &ids, as_json)
}

/// Redrives each; one that the gate refuses keeps no other from being redriven.
fn redrive(gate: &Gate, ids: &[u64], as_json: bool) -> Result<(), Failure> {
    let (mut redriven, mut refused) = (Vec::new(), Vec::new());
    for id in ids {
        let letter: Redriven = match gate.ask("POST", &format!("dead-letters/{id}/redrive")) {
            Err(Failure::Refused(why)) => {
                refused.push(format!("{id} is not redriven: {why}"));
                continue;
            }
            letter => letter?,
        };
        if !as_json {
            say(format_args!(
                "{} is back on the queue: {}",
                letter.id,
                or_dash(letter.build.as_ref())
            ));
        }
        redriven.push(letter);
    }
    if as_json {
        say_json(&json!({ "redriven": redriven, "refused": refused }), false);
    } else if redriven.is_empty() && refused.is_empty() {
        say("There is nothing to redrive.");
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::Refused(refused.join("\n"))) }
}

fn drop_letter(gate: &Gate, id: u64, as_json: bool) -> Result<(), Failure> {
    let letter: Dropped = gate.ask("DELETE", &format!("dead-letters/{id}"))?;
    if as_json {
        say_json(&json!(letter), false);
    } else {
        say(format_args!("{} is dropped.", letter.id));
    }
    Ok(())
}

impl Gate {
    fn list(&self) -> Result<Vec<DeadLetterSummary>, Failure> {
        let mut letters = Vec::new();
        let mut after = Some(0);
        while let Some(id) = after {
            let page: DeadLetterPage = self.ask("GET", &format!("dead-letters?after={id}"))?;
            letters.extend(page.dead_letters);
            after = page.next;
        }
        Ok(letters)
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, route: &str) -> Result<T, Failure> {
        let url = format!("{}/-/{route}", self.url);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("Authorization", format!("Bearer {}", self.token.expose_secret()))
            .body(())
            .map_err(|error| Failure::Unanswered(format!("cannot ask {url}: {error}")))?;
        let mut answer = agent
            .run(request)
            .map_err(|error| Failure::Unanswered(unanswered(&self.url, &error)))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| Failure::Unanswered(unanswered(&self.url, &error)))?;
        let strange = || Failure::Unanswered(format!("{url} answered {status}: is it a gate?"));
        if status.is_success() {
            return serde_json::from_str(&body).map_err(|_| strange());
        }
        let refusal: Value = serde_json::from_str(&body).map_err(|_| strange())?;
        let code = refusal.get("code").and_then(Value::as_str);
        let message = refusal.get("message").and_then(Value::as_str);
        match (code, message) {
            // The gate itself answers like that where it has no operator's routes.
            (Some("not-found"), _) => Err(Failure::Refused(
                "the gate has no operator routes: set its OPERATOR_TOKEN, to one of your own, \
                 with npx wrangler secret put OPERATOR_TOKEN"
                    .to_owned(),
            )),
            (Some("unauthorized"), _) => Err(Failure::Refused(
                "wrong token: set OPERATOR_TOKEN in the environment to the gate's".to_owned(),
            )),
            (_, Some(message)) => Err(Failure::Refused(message.to_owned())),
            _ => Err(strange()),
        }
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

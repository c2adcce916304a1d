//! `dead-letters`: what the origin did not take over, or GitHub did not do, and how it is done after all.

use std::error::Error;
use std::process::ExitCode;

use buildgate::ledger::dead_letters::StoredDeadLetter;
use buildgate::operator::answer::{Dropped, Redriven};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::gate::{Failure, Gate, Operated, ended};
use crate::local::{say, say_json};

/// Look after the build requests that the origin did not take over, and after what was to be done at GitHub and was not.
///
/// Exits with 0 if it was done, 1 if the gate refused, and 2 where the gate could not be asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- dead-letters list
  cargo run -- dead-letters show 7
  cargo run -- dead-letters redrive 7
  cargo run -- dead-letters redrive --all --url https://buildgate.example.workers.dev/
  cargo run -- dead-letters drop 7 --json
  cargo run -- dead-letters drop --redriven")]
pub struct DeadLetters {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    operated: Operated,

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
    /// Drop one for good, or all that were redriven.
    #[command(override_usage = "cargo run -- dead-letters drop [OPTIONS] <ID|--redriven>")]
    Drop {
        /// Its id.
        #[arg(required_unless_present = "redriven", conflicts_with = "redriven")]
        id: Option<u64>,
        /// All that were redriven: what became of them is another letter, if it is one.
        #[arg(long)]
        redriven: bool,
    },
}

impl DeadLetters {
    /// Does what is asked for, and prints what came of it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = self.operated.gate()?;
        let done = match self.action {
            Action::List => list(&gate, self.json),
            Action::Show { id } => show(&gate, id, self.json),
            Action::Redrive { id: Some(id), .. } => redrive(&gate, &[id], self.json),
            Action::Redrive { id: None, .. } => redrive_all(&gate, self.json),
            Action::Drop { id: Some(id), .. } => drop_letters(&gate, &[id], self.json),
            Action::Drop { id: None, .. } => drop_redriven(&gate, self.json),
        };
        ended(done.map(|()| ExitCode::SUCCESS))
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
    table
        .load_preset(presets::NOTHING)
        .set_header(["ID", "STORED", "REASON", "STATUS", "ATTEMPTS", "REDRIVEN", "QUEUE", "OF"]);
    for letter in &letters {
        table.add_row([
            letter.id.to_string(),
            letter.stored_at.clone(),
            letter.reason.clone(),
            or_dash(letter.status),
            or_dash(letter.attempts),
            or_dash(letter.redriven_at.as_ref()),
            letter.queue.clone(),
            or_dash(letter.build.as_ref().or(letter.repository.as_ref())),
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
        ("queue", letter.summary.queue),
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
        // What the origin answered may have lines of its own, and none of them is to look like one of these.
        say(format_args!("{name:<13}  {}", value.replace('\n', "\n               ")));
    }
    say(format_args!("\n{message}"));
    Ok(())
}

/// Redrives all that were not yet, but for what cannot be read: that would come back as another dead letter.
fn redrive_all(gate: &Gate, as_json: bool) -> Result<(), Failure> {
    let mut ids = Vec::new();
    for letter in gate.list()?.iter().filter(|letter| letter.redriven_at.is_none()) {
        if letter.reason == "message-unreadable" {
            eprintln!("{} is left out: it cannot be read; drop it", letter.id);
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
            let before = letter.redriven_at.as_ref();
            let before = before.map(|at| format!(" (it was redriven before, at {at})"));
            say(format_args!(
                "{} is back on the queue: {}{}",
                letter.id,
                or_dash(letter.build.as_ref()),
                before.unwrap_or_default()
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

fn drop_redriven(gate: &Gate, as_json: bool) -> Result<(), Failure> {
    let letters = gate.list()?.into_iter().filter(|letter| letter.redriven_at.is_some());
    let ids: Vec<u64> = letters.map(|letter| letter.id).collect();
    drop_letters(gate, &ids, as_json)
}

/// Drops each; one that the gate refuses keeps no other from being dropped.
fn drop_letters(gate: &Gate, ids: &[u64], as_json: bool) -> Result<(), Failure> {
    let (mut dropped, mut refused) = (Vec::new(), Vec::new());
    for id in ids {
        match gate.ask::<Dropped>("DELETE", &format!("dead-letters/{id}")) {
            Err(Failure::Refused(why)) => refused.push(format!("{id} is not dropped: {why}")),
            letter => {
                let letter = letter?;
                if !as_json {
                    say(format_args!("{} is dropped.", letter.id));
                }
                dropped.push(letter);
            }
        }
    }
    if as_json {
        say_json(&json!({ "dropped": dropped, "refused": refused }), false);
    } else if ids.is_empty() {
        say("There is nothing to drop.");
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::Refused(refused.join("\n"))) }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

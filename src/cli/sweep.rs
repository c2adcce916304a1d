//! `sweep`: deliveries that failed are found, and delivered again.

use std::error::Error;
use std::process::ExitCode;

use buildgate::message::sweep::Sweep as Swept;
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;

use crate::gate::{Operated, ended};
use crate::local::{say, say_json};

/// How many of the last sweeps are shown.
const LISTED: usize = 20;

/// Have the gate look now for deliveries that failed, and have GitHub deliver them again.
///
/// The gate does so by itself every ten minutes, so this is for who cannot wait. Exits with 0 if it was done and all could be
/// looked at, 1 if not all of it or the gate refused, and 2 where the gate could not be asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- sweep
  cargo run -- sweep --last --url https://buildgate.example.workers.dev")]
pub struct Sweep {
    /// Only show what the last sweeps came to.
    #[arg(long)]
    last: bool,

    #[command(flatten)]
    operated: Operated,

    /// Print JSON, for scripts; errors are still plain text, on standard error.
    #[arg(long)]
    json: bool,
}

impl Sweep {
    /// Does it, and prints what came of it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = self.operated.gate()?;
        let done = if self.last {
            gate.items("sweeps", &[], LISTED).map(|items| {
                self.list(&items);
                ExitCode::SUCCESS
            })
        } else {
            eprintln!("asking the gate, which asks GitHub for the deliveries …");
            gate.ask::<Swept>("POST", "sweeps").map(|swept| self.tell(&swept))
        };
        ended(done)
    }

    fn tell(&self, swept: &Swept) -> ExitCode {
        if self.json {
            say_json(&json!(swept), false);
        } else {
            for (count, what) in [
                (swept.hooks, "webhooks were looked at"),
                (swept.listed, "deliveries are new since the last sweep"),
                (swept.missed, "events were missed, and are found now"),
                (swept.delivered, "that were missed earlier have arrived since"),
                (swept.redelivering, "are delivered again now, one a second"),
                (swept.given_up, "are given up: too old, or delivered again three times in vain"),
            ] {
                say(format_args!("{count:>5}  {what}"));
            }
            if swept.is_cut {
                say(
                    "       GitHub's list is longer than one sweep looks at; the next one goes on there",
                );
            }
            for problem in &swept.problems {
                say(format_args!("WRONG  {problem}"));
            }
        }
        if swept.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn list(&self, items: &[Swept]) {
        if self.json {
            return say_json(&json!({ "items": items }), false);
        }
        if items.is_empty() {
            return say("There was no sweep yet.");
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "AT", "WEBHOOKS", "LISTED", "MISSED", "CAME", "AGAIN", "GIVEN UP", "PROBLEMS",
        ]);
        for item in items {
            let counts = [
                item.hooks,
                item.listed,
                item.missed,
                item.delivered,
                item.redelivering,
                item.given_up,
            ];
            let mut row = vec![item.at.clone()];
            row.extend(counts.iter().map(u64::to_string));
            row.push(item.problems.join("; "));
            table.add_row(row);
        }
        say(table.trim_fmt());
    }
}

//! `deliveries`: what came, and what the gate answered, as the journal remembers it.

use std::error::Error;
use std::process::ExitCode;

use buildgate::message::journal::{CODES, OUTCOMES, Received};
use buildgate::repository::RepositoryName;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::gate::{Failure, Gate, Operated, ended};
use crate::local::{say, say_json};

/// What cannot stand in a path as it is; an id of the journal's can.
const NOT_IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');

/// How many are listed where nothing else is asked for.
const LISTED: usize = 30;

/// See what came from GitHub, and what each delivery was answered: why a container was not built.
///
/// Exits with 0 if it was done, 1 if there is no such delivery or the gate refused, and 2 where the gate could not be asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- deliveries list --repository octocat/Hello-World
  cargo run -- deliveries list --outcome rejected --since 2026-11-25T00:00:00Z
  cargo run -- deliveries show 019ab3c2-5f1e-7d2a-9c3b-4a5d6e7f8091")]
pub struct Deliveries {
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
    /// List them, the newest first.
    List {
        /// Only this repository's.
        #[arg(long)]
        repository: Option<RepositoryName>,
        /// Only those of this owner's repositories.
        #[arg(long)]
        owner: Option<String>,
        /// Only those of this event, such as `push`.
        #[arg(long)]
        event: Option<String>,
        /// Only those with this outcome.
        #[arg(long, value_parser = PossibleValuesParser::new(OUTCOMES))]
        outcome: Option<String>,
        /// Only those that were answered with this code.
        #[arg(long, hide_possible_values = true, value_parser = PossibleValuesParser::new(CODES.map(|(code, _)| code)))]
        code: Option<String>,
        /// Only those with this GUID, by which GitHub names a delivery.
        #[arg(long)]
        delivery: Option<String>,
        /// Only those at this time, by RFC 3339, or later.
        #[arg(long)]
        since: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = LISTED)]
        limit: usize,
    },
    /// Show all that is known of one.
    Show {
        /// Its id in the journal, as `list --json` and the console have it; or its GUID, of which the last one is shown.
        id: String,
    },
}

impl Deliveries {
    /// Does what is asked for, and prints what came of it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = self.operated.gate()?;
        let done = match &self.action {
            Action::List { repository, owner, event, outcome, code, delivery, since, limit } => {
                let filters = [
                    ("repository", repository.as_ref().map(RepositoryName::as_spelt)),
                    ("owner", owner.as_deref()),
                    ("event", event.as_deref()),
                    ("outcome", outcome.as_deref()),
                    ("code", code.as_deref()),
                    ("delivery", delivery.as_deref()),
                    ("since", since.as_deref()),
                ];
                gate.items("deliveries", &filters, *limit).map(|items| list(&items, self.json))
            }
            Action::Show { id } => show(&gate, id, self.json),
        };
        ended(done.map(|()| ExitCode::SUCCESS))
    }
}

fn or_dash(text: Option<&str>) -> &str {
    text.unwrap_or("-")
}

fn list(items: &[Received], as_json: bool) {
    if as_json {
        return say_json(&json!({ "items": items }), false);
    }
    if items.is_empty() {
        return say("The journal has no such delivery.");
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["AT", "EVENT", "REPOSITORY", "CODE", "GUID"]);
    for item in items {
        let (event, repository) = (item.event.as_deref(), item.repository.as_deref());
        let guid = item.delivery.as_deref();
        table.add_row([&*item.at, or_dash(event), or_dash(repository), &item.code, or_dash(guid)]);
    }
    say(table.trim_fmt());
}

fn show(gate: &Gate, id: &str, as_json: bool) -> Result<(), Failure> {
    let by_guid: Vec<Received> = gate.items("deliveries", &[("delivery", Some(id))], 1)?;
    let delivery = match by_guid.into_iter().next() {
        Some(delivery) => delivery,
        None => {
            let id = utf8_percent_encode(id, NOT_IN_A_PATH);
            gate.ask("GET", &format!("deliveries/{id}"))?
        }
    };
    if as_json {
        say_json(&json!(delivery), false);
        return Ok(());
    }
    for (name, value) in [
        ("id", &*delivery.id),
        ("at", &*delivery.at),
        ("GUID", or_dash(delivery.delivery.as_deref())),
        ("event", or_dash(delivery.event.as_deref())),
        ("repository", or_dash(delivery.repository.as_deref())),
        ("trigger", or_dash(delivery.trigger.as_deref())),
        ("answer", &*format!("{} {}: {}", delivery.status, delivery.outcome, delivery.code)),
        ("why", &*delivery.message),
        ("build", or_dash(delivery.build.as_deref())),
        ("took", &*format!("{} ms", delivery.ms)),
    ] {
        say(format_args!("{name:<10}  {}", value.replace('\n', "\n            ")));
    }
    Ok(())
}

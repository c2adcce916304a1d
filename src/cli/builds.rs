//! `builds`: what became of each build request, as far as the gate knows.

use std::error::Error;
use std::process::ExitCode;

use buildgate::message::build::{BuildRow, State};
use buildgate::repository::RepositoryName;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::gate::{Failure, Gate, Operated, ended};
use crate::local::{say, say_json};

/// How many are listed where nothing else is asked for.
const LISTED: usize = 30;

/// See what became of the builds: queued, handed over, and what the build service reports.
///
/// Exits with 0 if it was done, 1 if there is no such build or the gate refused, and 2 where the gate could not be asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- builds list
  cargo run -- builds list --repository octocat/Hello-World --state error
  cargo run -- builds show deployment:octocat/hello-world:145988746")]
pub struct Builds {
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
        /// Only those of this commit: its hash, or how it begins.
        #[arg(long)]
        sha: Option<String>,
        /// Only those in this state.
        #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
        state: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = LISTED)]
        limit: usize,
    },
    /// Show all that is known of one, and its request.
    Show {
        /// The build request's id, as `list`, the gate's answers and its log have it.
        build: String,
    },
}

impl Builds {
    /// Does what is asked for, and prints what came of it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = self.operated.gate()?;
        let done = match &self.action {
            Action::List { repository, sha, state, limit } => {
                let filters = [
                    ("repository", repository.as_ref().map(RepositoryName::as_spelt)),
                    ("sha", sha.as_deref()),
                    ("state", state.as_deref()),
                ];
                gate.items("builds", &filters, *limit).map(|items| list(&items, self.json))
            }
            Action::Show { build } => show(&gate, build, self.json),
        };
        ended(done.map(|()| ExitCode::SUCCESS))
    }
}

fn list(items: &[BuildRow], as_json: bool) {
    if as_json {
        return say_json(&json!({ "items": items }), false);
    }
    if items.is_empty() {
        return say("There are no builds.");
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["SINCE", "STATE", "WHY", "BUILD"]);
    for item in items {
        table.add_row([&item.since, item.state.as_str(), &why(item), &item.id]);
    }
    say(table.trim_fmt());
}

/// Why a build is in its state, in words: of one that waits, what for.
pub fn why(build: &BuildRow) -> String {
    if build.state != State::Queued {
        return build.description.clone();
    }
    match (&build.handed_over_at, &build.answer) {
        (Some(_), _) => "taken by the build service, which has not reported of it yet".to_owned(),
        (None, _) if build.is_held => {
            "held while the build service takes nothing, or has asked for a pause; posted by itself after that"
                .to_owned()
        }
        (None, Some(answer)) => format!(
            "not taken yet, after {} attempt{}: {}",
            build.attempts,
            if build.attempts == 1 { "" } else { "s" },
            answer.lines().next().unwrap_or_default()
        ),
        (None, None) => build.description.clone(),
    }
}

/// The commit, and what it was pushed or deployed as, where that is not its hash.
fn commit(build: &BuildRow) -> String {
    match build.reference == build.sha {
        true => build.sha.clone(),
        false => format!("{} ({})", build.sha, build.reference),
    }
}

fn show(gate: &Gate, id: &str, as_json: bool) -> Result<(), Failure> {
    let path = format!("builds/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
    let build: BuildRow = gate.ask("GET", &path)?;
    if as_json {
        say_json(&json!(build), false);
        return Ok(());
    }
    let dash = || "-".to_owned();
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(dash);
    let on_github = match (build.on_github, &build.github_error) {
        (None, None) => "nothing was said".to_owned(),
        (Some(state), None) => state.as_str().to_owned(),
        (state, Some(error)) => {
            format!("{} ({error})", state.map_or("nothing was said", State::as_str))
        }
    };
    for (name, value) in [
        ("build", build.id.clone()),
        ("repository", build.repository.clone()),
        ("commit", commit(&build)),
        ("deployment", build.deployment.map_or_else(dash, |id| id.to_string())),
        ("environment", or_dash(&build.environment)),
        ("state", format!("{} since {}", build.state.as_str(), build.since)),
        ("why", why(&build)),
        ("log", or_dash(&build.log_url)),
        ("result URL", or_dash(&build.environment_url)),
        ("on GitHub", on_github),
        ("queued", build.queued_at.clone()),
        ("handed over", or_dash(&build.handed_over_at)),
        ("reported", or_dash(&build.reported_at)),
        ("attempts", build.attempts.to_string()),
        ("last answer", or_dash(&build.answer)),
        ("delivery", build.delivery.clone()),
    ] {
        // What the origin answered may have lines of its own, and none of them is to look like one of these.
        say(format_args!("{name:<11}  {}", value.replace('\n', "\n             ")));
    }
    if let Some(request) = build.request {
        let request = serde_json::from_str::<Value>(&request)
            .map_or(request, |request| format!("{request:#}"));
        say(format_args!("\n{request}"));
    }
    Ok(())
}

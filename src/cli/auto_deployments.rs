//! `auto-deployments`: what became of the commits that the gate may deploy, and what they wait for.

use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

use buildgate::message::auto_deployment::{AutoDeployment, State};
use buildgate::operator::answer::Retried;
use buildgate::repository::RepositoryName;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::json;

use crate::gate::{Failure, Gate, Operated, ended};
use crate::local::{say, say_json};

/// How many are listed where nothing else is asked for.
const LISTED: usize = 30;

/// See what became of the commits that the gate may deploy (policies with auto_deploy).
///
/// Exits with 0 if it was done, 1 if there is nothing of the kind or the gate refused, and 2 where the gate could not be
/// asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- auto-deployments list
  cargo run -- auto-deployments list --repository octocat/Hello-World --state waiting
  cargo run -- auto-deployments show octocat/Hello-World@f95f852
  cargo run -- auto-deployments retry octocat/Hello-World@f95f852")]
pub struct AutoDeployments {
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
        /// Only those in this state.
        #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::as_str)))]
        state: Option<String>,
        /// Only those of this environment.
        #[arg(long)]
        environment: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = LISTED)]
        limit: usize,
    },
    /// Show what became of a commit, and why.
    Show {
        /// The repository and the commit, or how its hash begins: octocat/Hello-World@f95f852.
        commit: CommitName,
    },
    /// Have the gate look at a commit again, also one that was given up or superseded.
    Retry {
        /// The repository and the commit, or how its hash begins: octocat/Hello-World@f95f852.
        commit: CommitName,
    },
}

/// `OWNER/NAME@SHA`
#[derive(Clone, Debug)]
struct CommitName {
    repository: RepositoryName,
    sha: String,
}

impl FromStr for CommitName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a repository and a commit, such as octocat/Hello-World@f95f852";
        let (repository, sha) = text.split_once('@').ok_or(expected)?;
        let repository = repository.parse().map_err(|_| expected)?;
        let is_hash = (4..=64).contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash {
            return Err("a commit is given by 4 to 64 hexadecimal digits".to_owned());
        }
        Ok(Self { repository, sha: sha.to_ascii_lowercase() })
    }
}

impl AutoDeployments {
    /// Does what is asked for, and prints what came of it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = self.operated.gate()?;
        let done = match &self.action {
            Action::List { repository, state, environment, limit } => {
                let filters = [
                    ("repository", repository.as_ref().map(RepositoryName::as_spelt)),
                    ("state", state.as_deref()),
                    ("environment", environment.as_deref()),
                ];
                gate.items("auto-deployments", &filters, *limit).map(|items| self.list(&items))
            }
            Action::Show { commit } => of_commit(&gate, commit).map(|items| self.show(&items)),
            Action::Retry { commit } => self.retry(&gate, commit),
        };
        ended(done)
    }

    fn list(&self, items: &[AutoDeployment]) -> ExitCode {
        if self.json {
            say_json(&json!({ "items": items }), false);
            return ExitCode::SUCCESS;
        }
        if items.is_empty() {
            say("There are none.");
            return ExitCode::SUCCESS;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "SINCE",
            "STATE",
            "COMMIT",
            "ENVIRONMENT",
            "WHY",
        ]);
        for item in items {
            let short = item.sha.get(..7).unwrap_or(&item.sha);
            table.add_row([
                item.since.clone(),
                item.state.as_str().to_owned(),
                format!("{}@{short}", item.repository),
                item.environment.clone(),
                item.reason.clone(),
            ]);
        }
        say(table.trim_fmt());
        ExitCode::SUCCESS
    }

    fn show(&self, items: &[AutoDeployment]) -> ExitCode {
        if self.json {
            say_json(&json!({ "items": items }), false);
        } else if items.is_empty() {
            say(
                "The gate keeps nothing of this commit: it never heard that it may be green, its job still waits on the queue \
                 (it is tried again while GitHub does not answer, and then a dead letter: cargo run -- dead-letters list), \
                 or it lies on no branch whose commits are deployed.",
            );
        } else {
            for item in items {
                tell(item);
            }
        }
        if items.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn retry(&self, gate: &Gate, commit: &CommitName) -> Result<ExitCode, Failure> {
        let items = of_commit(gate, commit)?;
        let Some(first) = items.first() else { return Ok(self.show(&items)) };
        let route = format!("auto-deployments/{}/{}/retry", commit.repository, first.sha);
        let retried: Retried = gate.ask("POST", &route)?;
        if self.json {
            say_json(&json!(retried), false);
        } else {
            for item in &retried.items {
                say(format_args!(
                    "{}@{} is looked at again for {}",
                    item.repository, item.sha, item.environment
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Tells everything of one.
fn tell(item: &AutoDeployment) {
    let dash = || "-".to_owned();
    for (name, value) in [
        ("commit", format!("{}@{}", item.repository, item.sha)),
        ("branch", if item.branch.is_empty() { dash() } else { item.branch.clone() }),
        ("environment", item.environment.clone()),
        ("state", format!("{} since {}", item.state.as_str(), item.since)),
        ("why", item.reason.clone()),
        ("deployment", item.deployment.map_or_else(dash, |id| id.to_string())),
        ("first seen", item.first_seen_at.clone()),
        ("next look", item.look_at.as_ref().map_or_else(dash, |at| format!("after {at}"))),
        ("last hint", item.delivery.clone().unwrap_or_else(dash)),
    ] {
        say(format_args!("{name:<12}  {}", value.replace('\n', " ")));
    }
    say("");
}

/// What the gate has of a commit, by environment. Where several hashes begin so, that is refused.
fn of_commit(gate: &Gate, commit: &CommitName) -> Result<Vec<AutoDeployment>, Failure> {
    let filters =
        [("repository", Some(commit.repository.as_spelt())), ("sha", Some(commit.sha.as_str()))];
    let items: Vec<AutoDeployment> = gate.items("auto-deployments", &filters, usize::MAX)?;
    match items.iter().find(|item| Some(&item.sha) != items.first().map(|first| &first.sha)) {
        Some(other) => Err(Failure::Refused(format!(
            "several commits begin with {}, one of them {}: give more of it",
            commit.sha, other.sha
        ))),
        None => Ok(items),
    }
}

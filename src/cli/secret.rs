//! `secret`: the webhook secret of one repository.

use std::error::Error;
use std::process::ExitCode;

use buildgate::repository::RepositoryName;
use buildgate::signature::github::derive;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::local::{say, secret};

/// Print a repository's own webhook secret.
///
/// Enter it in the settings of the repository's webhook, together with the Payload URL of the repository:
/// the gate's URL and the repository's full name.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- secret octocat/Hello-World
  WEBHOOK_SECRET=... cargo run --quiet -- secret octocat/Hello-World")]
pub struct Secret {
    /// The repository's full name, such as octocat/Hello-World.
    repository: RepositoryName,

    /// The gate's WEBHOOK_SECRET, which it is derived from; if not given, the one in .dev.vars or else
    /// .dev.vars.example.
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<SecretString>,

    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

impl Secret {
    /// Prints the secret.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let webhook_secret = self
            .secret
            .filter(|secret| !secret.expose_secret().trim().is_empty())
            .or_else(local_secret)
            .ok_or("there is no webhook secret: give --secret, set WEBHOOK_SECRET, or put it into .dev.vars")?;
        let derived = derive(&webhook_secret, &self.repository);
        if self.json {
            let repository = self.repository.as_spelt();
            say(serde_json::json!({ "repository": repository, "secret": derived.expose_secret() }));
        } else {
            say(derived.expose_secret());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The local gate's secret, with a word of warning: it is not that of a deployed gate.
fn local_secret() -> Option<SecretString> {
    let local = secret("WEBHOOK_SECRET")?;
    eprintln!("derived from the WEBHOOK_SECRET of .dev.vars: it is good for the local gate only");
    Some(local.into())
}

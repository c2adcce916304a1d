//! `secret`: what is derived from the gate's webhook secret: the secret of one repository, or the key of alerts.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use buildgate::repository::RepositoryName;
use buildgate::signature::github::derive;
use buildgate::signature::standard_webhooks::OriginSecrets;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::local::{given_secret, say, say_json, secret};

/// Print a repository's own webhook secret, or the key that alerts are signed with.
///
/// Enter the secret in the settings of the repository's webhook, together with the Payload URL of the repository: the gate's
/// URL and the repository's full name. The key is for whoever gets the POSTs to ALERT_URL and wants to verify them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- secret octocat/Hello-World
  cargo run -- secret --alerts
  WEBHOOK_SECRET=... cargo run --quiet -- secret octocat/Hello-World")]
pub struct Secret {
    /// The repository's full name, such as octocat/Hello-World.
    #[arg(required_unless_present = "alerts", conflicts_with = "alerts")]
    repository: Option<RepositoryName>,

    /// The key of alerts.
    #[arg(long)]
    alerts: bool,

    /// A file with the gate's WEBHOOK_SECRET, which it is derived from, or - for standard input; if not given,
    /// the environment's WEBHOOK_SECRET, or else the one in .dev.vars or .dev.vars.example.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

impl Secret {
    /// Prints the secret.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let webhook_secret = given_secret("WEBHOOK_SECRET", self.secret_file.as_deref())?
            .or_else(local_secret)
            .ok_or("there is no webhook secret: set WEBHOOK_SECRET in the environment, or put it into .dev.vars")?;
        let derived = match &self.repository {
            Some(repository) => derive(&webhook_secret, repository),
            None => {
                let key = OriginSecrets::for_alerts(webhook_secret.expose_secret());
                key.shown().unwrap_or_default().into()
            }
        };
        if self.json {
            let repository = self.repository.as_ref().map(RepositoryName::as_spelt);
            let secret = derived.expose_secret();
            say_json(&serde_json::json!({ "repository": repository, "secret": secret }), false);
        } else {
            say(derived.expose_secret());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The local gate's secret, with a word of warning: it is not that of a deployed gate.
fn local_secret() -> Option<SecretString> {
    let local = secret("WEBHOOK_SECRET")?;
    let file = local.file;
    eprintln!("derived from the WEBHOOK_SECRET of {file}: it is good for the local gate only");
    Some(local.value)
}

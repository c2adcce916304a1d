//! `app check` and `app set-hook`: what the gate says of itself at GitHub.

use std::error::Error;
use std::process::ExitCode;

use buildgate::operator::answer::{AppAnswer, AppHookSet, Identity, InstallationAnswer};
use buildgate::repository::RepositoryName;
use clap::Args;
use serde_json::json;

use crate::gate::{Failure, Gate, Operated};
use crate::local::{exit_code, say, say_json};

/// Ask the gate who it is at GitHub, and whether it may do all that it has to.
///
/// Exits with 0 if it is an App that lacks nothing and is installed (on the repository, where one is given), 1 if not, and
/// 2 where that could not be found out.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- app check --url https://buildgate.example.workers.dev
  cargo run -- app check octocat/Hello-World --json")]
pub struct Check {
    /// Look at the App's installation on this repository only.
    repository: Option<RepositoryName>,

    #[command(flatten)]
    operated: Operated,

    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Give the App's webhook the gate's URL and its WEBHOOK_SECRET, as after a change of either.
#[derive(Args)]
pub struct SetHook {
    #[command(flatten)]
    operated: Operated,

    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

impl SetHook {
    /// Has the gate do it.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let AppHookSet { url } = set_hook(&self.operated.gate()?).map_err(Failure::why)?;
        if self.json {
            say_json(&json!({ "url": url }), false);
        } else {
            say(format_args!(
                "The App's events are delivered to {url}, signed with the gate's secret."
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Has the gate give its App's webhook its own URL and secret.
pub fn set_hook(gate: &Gate) -> Result<AppHookSet, Failure> {
    gate.ask("PUT", "app/hook")
}

/// Has the gate do that where it is an App; none where it is not.
pub fn set_hook_of_app(gate: &Gate) -> Result<Option<AppHookSet>, Failure> {
    let identity: Identity = gate.ask("GET", "app")?;
    if identity.app.is_some() { set_hook(gate).map(Some) } else { Ok(None) }
}

impl Check {
    /// Asks, and prints what is found.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let gate = self.operated.gate()?;
        let query = self.repository.as_ref().map(|name| format!("?repository={name}"));
        let route = format!("app{}", query.unwrap_or_default());
        let identity: Identity = gate.ask("GET", &route).map_err(Failure::why)?;
        let good = is_good(&identity);
        if self.json {
            let mut told = json!(identity);
            if let Some(fields) = told.as_object_mut() {
                fields.insert("good".to_owned(), good.into());
            }
            say_json(&told, false);
        } else {
            for line in told(&identity, self.repository.as_ref(), &gate.url) {
                say(line);
            }
        }
        Ok(exit_code(good))
    }
}

/// Whether it is an App that lacks nothing and is installed, and so is every installation of it.
fn is_good(identity: &Identity) -> bool {
    let has_all = |app: &AppAnswer| app.lacks_permissions.is_empty() && app.lacks_events.is_empty();
    let is_granted = |installation: &InstallationAnswer| {
        !installation.is_suspended
            && installation.lacks_permissions.is_empty()
            && installation.lacks_events.is_empty()
    };
    let installations = &identity.installations;
    identity.app.as_ref().is_some_and(has_all)
        && !installations.is_empty()
        && installations.iter().all(is_granted)
}

/// What is found, line by line.
fn told(identity: &Identity, repository: Option<&RepositoryName>, gate: &str) -> Vec<String> {
    let create = format!("cargo run -- app create --url {gate}");
    let Some(app) = &identity.app else {
        return match identity.kind.as_str() {
            "token" => vec![
                "The gate is whoever has its GITHUB_TOKEN. What that may do, GitHub does not tell; a fine-grained token \
                 cannot read checks."
                    .to_owned(),
                format!("To have it be an App in its place: {create}"),
            ],
            _ => vec![
                "The gate is nobody at GitHub, so it makes no deployments.".to_owned(),
                format!("To have it be an App: {create}"),
            ],
        };
    };
    let page = &app.html_url;
    let slug = app.slug.as_deref().unwrap_or("of unknown name");
    let mut lines = vec![format!("The gate is the App {slug}: {page}")];
    let lacks_of_app = lacks(&app.lacks_permissions, &app.lacks_events);
    if let Some(lacks) = &lacks_of_app {
        lines.push(format!("LACKS  the App does not ask for {lacks}"));
        lines.push(format!(
            "       add it in the App's settings (from {page}, as its owner: App settings, Permissions & events)"
        ));
    }
    if identity.installations.is_empty() {
        let on = repository.map(|name| format!(" on {name}")).unwrap_or_default();
        lines.push(format!("LACKS  it is not installed{on}: {page}/installations/new"));
    }
    for installation in &identity.installations {
        let account =
            installation.account.as_deref().unwrap_or("an account that GitHub does not name");
        let on = format!("{account} ({} repositories)", installation.repositories);
        if installation.is_suspended {
            lines.push(format!("LACKS  {on}: suspended; its owner can end that"));
        }
        let lacks = lacks(&installation.lacks_permissions, &installation.lacks_events);
        match &lacks {
            Some(lacks) => {
                lines.push(format!("LACKS  {on}: is not granted {lacks}"));
                let then = if lacks_of_app.is_some() { "once the App asks for it, " } else { "" };
                lines.push(format!(
                    "       {then}{account} accepts it on the page of the installation: in the account's settings, under \
                     Applications, GitHub Apps"
                ));
            }
            None if !installation.is_suspended => lines.push(format!("ok     {on}")),
            None => {}
        }
    }
    lines
}

/// What is lacking, in words.
fn lacks(permissions: &[String], events: &[String]) -> Option<String> {
    let list = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("the {what} {}", names.join(", ")))
    };
    let lacking: Vec<String> =
        [list("permissions", permissions), list("events", events)].into_iter().flatten().collect();
    (!lacking.is_empty()).then(|| lacking.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(app: &[&str], installation: Option<(&[&str], bool)>) -> Identity {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let app = AppAnswer {
            slug: Some("gate".into()),
            html_url: "https://github.com/apps/gate".into(),
            lacks_permissions: texts(app),
            lacks_events: Vec::new(),
        };
        let installation = installation.map(|(lacks, is_suspended)| InstallationAnswer {
            id: 1,
            account: Some("octocat".into()),
            repositories: "selected".into(),
            is_suspended,
            lacks_permissions: Vec::new(),
            lacks_events: texts(lacks),
        });
        let installations = installation.into_iter().collect();
        Identity { kind: "app".into(), app: Some(app), installations }
    }

    #[test]
    fn what_is_lacking_is_told_and_how_to_grant_it() {
        let nobody =
            |kind: &str| Identity { kind: kind.into(), app: None, installations: Vec::new() };
        for (identity, good, part) in [
            (identity(&[], Some((&[], false))), true, "ok     octocat (selected repositories)"),
            (
                identity(&[], None),
                false,
                "not installed: https://github.com/apps/gate/installations/new",
            ),
            (identity(&[], Some((&[], true))), false, "suspended"),
            (identity(&[], Some((&["push"], false))), false, "octocat accepts it on the page"),
            (
                identity(&["checks: read"], Some((&["push"], false))),
                false,
                "once the App asks for it",
            ),
            (nobody("nobody"), false, "cargo run -- app create --url https://gate.example"),
            (nobody("token"), false, "whoever has its GITHUB_TOKEN"),
        ] {
            assert_eq!(is_good(&identity), good, "{identity:?}");
            let told = told(&identity, None, "https://gate.example").join("\n");
            assert!(told.contains(part), "{told}");
            assert_eq!(told.contains("LACKS"), !good && identity.app.is_some(), "{told}");
        }
    }
}

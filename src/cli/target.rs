//! What `link`, `unlink` and `check` have in common: which gate, which KV, which GitHub, and whose secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use buildgate::repository::RepositoryName;
use buildgate::signature::github::derive;
use clap::Args;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::gate::Gate;
use crate::github::{Failure, GateAnswer, GitHub, Hook};
use crate::local::{given_secret, given_url, secret, setting};
use crate::signed::Signed;
use crate::triggers::Triggers;

/// GitHub's own REST API.
const GITHUB_API: &str = "https://api.github.com";

/// Which gate, which KV, which GitHub.
#[derive(Args)]
pub struct Target {
    /// The gate's URL, without a path; if not given, the environment's BUILDGATE_URL.
    #[arg(long)]
    url: Option<String>,

    #[command(flatten)]
    pub triggers: Triggers,

    /// A file with a token that may read and write the repositories' webhooks, or - for standard input; if not
    /// given, the environment's GITHUB_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// GitHub's REST API; if not given, the environment's GITHUB_API_URL, or else https://api.github.com. Another
    /// one for GitHub Enterprise Server.
    #[arg(long)]
    api: Option<String>,

    /// A file with the gate's WEBHOOK_SECRET, or - for standard input; if not given, the environment's
    /// WEBHOOK_SECRET, or with --local the one in .dev.vars or .dev.vars.example.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Print JSON, for scripts.
    #[arg(long)]
    pub json: bool,
}

/// Reads a gate's URL, and leaves a slash at its end away: with a path, it would be the Payload URL of some
/// webhook.
pub fn without_path(text: &str) -> Result<String, String> {
    let uri: ureq::http::Uri = text.parse().map_err(|_| format!("{text} is not a URL"))?;
    match (uri.scheme_str(), uri.authority(), uri.path_and_query().map(|path| path.as_str())) {
        (Some(scheme @ ("http" | "https")), Some(authority), None | Some("/")) => {
            Ok(format!("{scheme}://{authority}"))
        }
        (Some(scheme @ ("http" | "https")), Some(authority), _) => {
            Err(format!("the gate's URL has no path: {scheme}://{authority}"))
        }
        _ => Err(format!("{text} is not an http or https URL")),
    }
}

impl Target {
    /// Finds the gate that is meant.
    pub fn find_gate(&self) -> Result<Service<'_>, String> {
        let url = given_url(self.url.as_deref()).ok_or(
            "there is no gate to talk of: give its URL with --url, or set BUILDGATE_URL in the environment",
        )?;
        Ok(Service { target: self, url: without_path(&url)? })
    }

    /// GitHub, to talk to.
    pub fn github(&self) -> Result<GitHub, String> {
        let token = given_secret("GITHUB_TOKEN", self.token_file.as_deref())?.ok_or(
            "there is no token for GitHub: set GITHUB_TOKEN to one that may read and write the \
             repository's webhooks",
        )?;
        let api = self.api.clone().or_else(|| setting("GITHUB_API_URL"));
        Ok(GitHub::new(api.as_deref().unwrap_or(GITHUB_API), token))
    }
}

/// A gate, and what it takes to have repositories deliver to it.
pub struct Service<'a> {
    /// What the command was told.
    pub target: &'a Target,
    /// The gate's URL, without a slash at its end.
    pub url: String,
}

impl Service<'_> {
    /// The Payload URL of a repository's own route.
    pub fn payload_url(&self, repository: &RepositoryName) -> String {
        format!("{}/{repository}", self.url)
    }

    /// Whether a webhook points at this gate, by whichever route.
    pub fn is_ours(&self, hook: &Hook) -> bool {
        let rest = hook.config.url.strip_prefix(&self.url);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The webhooks that point at the gate: by the repository's own route, or else by another.
    pub fn ours(&self, repository: &RepositoryName, hooks: Vec<Hook>) -> Vec<Hook> {
        let own = self.payload_url(repository);
        let mut ours: Vec<Hook> = hooks.into_iter().filter(|hook| self.is_ours(hook)).collect();
        ours.sort_by_key(|hook| !hook.config.url.eq_ignore_ascii_case(&own));
        ours
    }

    /// The gate's webhook secret.
    pub fn webhook_secret(&self) -> Result<SecretString, String> {
        // The local gate's secret is known to everybody, and never that of a deployed one.
        let local = || secret("WEBHOOK_SECRET").filter(|_| self.target.triggers.is_local());
        let given = given_secret("WEBHOOK_SECRET", self.target.secret_file.as_deref())?;
        given.or_else(|| local().map(|found| found.value)).ok_or_else(|| {
            "there is no webhook secret: set WEBHOOK_SECRET in the environment to the gate's"
                .to_owned()
        })
    }

    /// The webhook secret of one repository.
    pub fn secret_of(&self, repository: &RepositoryName) -> Result<SecretString, String> {
        Ok(derive(&self.webhook_secret()?, repository))
    }

    /// Asks the gate, by a ping as GitHub would send it, whether a repository's secret is of its current webhook secret.
    ///
    /// Errors only where it answers that it is not: where it cannot be asked from here, GitHub's own ping will tell.
    pub fn is_its_current(
        &self,
        secret: &SecretString,
        repository: &RepositoryName,
        id: u64,
    ) -> Result<(), AnotherSecret> {
        let url = self.payload_url(repository);
        let ping = json!({
            "zen": "Is this your secret?",
            "hook_id": 0,
            "hook": {
                "type": "Repository",
                "active": true,
                "events": ["push", "deployment", "deployment_status"],
                "config": { "url": url },
            },
            "repository": { "id": id, "full_name": repository },
        });
        let ping = Signed {
            event: "ping",
            delivery: &Uuid::new_v4().to_string(),
            content_type: "application/json",
            body: &ping.to_string(),
        };
        let answer = ping.post(&url, secret).ok();
        let answer: Option<GateAnswer> =
            answer.and_then(|(_, text)| serde_json::from_str(&text).ok());
        match answer {
            Some(answer) if answer.code == "bad-signature" => Err(AnotherSecret::Unknown),
            Some(answer) if answer.is_by_the_previous_secret() => Err(AnotherSecret::Previous),
            _ => Ok(()),
        }
    }

    /// The gate, as its operator talks to it; none where there is no token at hand.
    pub fn operators_gate(&self) -> Result<Option<Gate>, String> {
        let local = || secret("OPERATOR_TOKEN").filter(|_| self.target.triggers.is_local());
        let token =
            given_secret("OPERATOR_TOKEN", None)?.or_else(|| local().map(|found| found.value));
        Ok(token.map(|token| Gate { url: self.url.clone(), token }))
    }

    /// The options that say which gate and which KV, to be shown.
    pub fn flags(&self) -> String {
        format!("--url {}{}", self.url, self.target.triggers.flags())
    }

    /// The command that links a repository and leaves its policy as it is, or sets it to `trigger`; to be shown.
    pub fn link_command(&self, repository: &RepositoryName, trigger: Option<&str>) -> String {
        let trigger = trigger.map(|trigger| format!("--trigger {trigger} ")).unwrap_or_default();
        format!("cargo run -- link {repository} {trigger}{}", self.flags())
    }
}

/// The webhook secret at hand is not the gate's current one.
#[derive(Clone, Copy, Debug)]
pub enum AnotherSecret {
    /// The gate does not know it.
    Unknown,
    /// It is the one that is going out of use.
    Previous,
}

impl fmt::Display for AnotherSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "the gate does not know this secret, so no webhook was given it: set WEBHOOK_SECRET to the gate's own"
            }
            Self::Previous => {
                "the gate knows this secret as WEBHOOK_SECRET_PREVIOUS, so no webhook was given it: set WEBHOOK_SECRET to \
                 the gate's current one"
            }
        })
    }
}

impl Error for AnotherSecret {}

/// All that have a policy, in the order of their names.
pub struct Everybody {
    /// The policies by their keys.
    pub policies: BTreeMap<String, String>,
    /// The repositories with a policy of their own, and those of an owner who has one for all.
    pub repositories: Vec<RepositoryName>,
}

impl Everybody {
    /// Looks them up: policies in KV, and on GitHub the repositories that the policies for all of an owner's mean.
    /// Only what comes after a repository, where one is given.
    pub fn look_up(
        service: &Service,
        github: &GitHub,
        after: Option<&RepositoryName>,
    ) -> Result<Self, Box<dyn Error>> {
        eprintln!("looking the policies up with wrangler …");
        let policies = service.target.triggers.all()?;
        let mut names = BTreeSet::new();
        for key in policies.keys() {
            match key.strip_suffix("/*") {
                Some(owner) => {
                    eprintln!("looking the repositories of {owner} up …");
                    let of_the_owner = github.repositories_of(owner)?;
                    names.extend(of_the_owner.iter().map(|name| name.as_lower().to_owned()));
                }
                None => {
                    names.insert(key.to_ascii_lowercase());
                }
            }
        }
        let wanted = |name: &String| after.is_none_or(|after| name.as_str() > after.as_lower());
        let mut repositories = Vec::new();
        for name in names.iter().filter(|name| wanted(name)) {
            match name.parse() {
                Ok(name) => repositories.push(name),
                Err(_) => eprintln!("{name} is left out: that key is no repository's"),
            }
        }
        Ok(Self { policies, repositories })
    }

    /// A repository's policy: the key that it lies under, and its text.
    pub fn policy_of(&self, repository: &RepositoryName) -> Option<(String, String)> {
        let keys = buildgate::policy::lookup::keys(repository);
        let values = keys.iter().map(|key| self.policies.get(key).cloned()).collect();
        buildgate::policy::lookup::stored(keys, values)
    }

    /// Whether a repository has a policy of its own, and is not only one of an owner's.
    pub fn has_its_own(&self, repository: &RepositoryName) -> bool {
        self.policy_of(repository).is_some_and(|(key, _)| !key.ends_with("/*"))
    }
}

/// Whether an error would come with every other repository, too.
pub fn ends_it_all(error: &(dyn Error + 'static)) -> bool {
    error.is::<AnotherSecret>()
        || matches!(
            error.downcast_ref(),
            Some(Failure::Unauthorized | Failure::RateLimited(_) | Failure::Unreachable(_))
        )
}

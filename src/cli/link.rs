//! `link` and `unlink`: everything that it takes to have a repository's events come to the gate, and to
//! end that.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use buildgate::policy::{InvalidPolicy, Policy};
use buildgate::repository::RepositoryName;
use buildgate::signature::github::derive;
use clap::Args;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::github::{Failure, GateAnswer, GitHub, Hook, HookSettings};
use crate::local::{given_secret, say, say_json, secret};
use crate::triggers::Triggers;

/// The events that a linked webhook gets: the first three can start builds, under one policy or another, and `status`
/// costs nothing.
const EVENTS: [&str; 4] = ["push", "deployment", "deployment_status", "status"];

/// Among how many of the last deliveries a ping is looked for.
const LAST_DELIVERIES: usize = 30;

/// How long GitHub may take to deliver a ping.
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// Which repository, on which GitHub, at which gate.
#[derive(Args)]
pub struct Target {
    /// The repository's full name, such as octocat/Hello-World.
    pub repository: RepositoryName,

    /// The gate's URL, without a path.
    #[arg(long, value_parser = gate_url)]
    pub url: String,

    #[command(flatten)]
    pub triggers: Triggers,

    /// A file with a token that may read and write the repository's webhooks, or - for standard input; if not
    /// given, the environment's GITHUB_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// GitHub's REST API; another one for GitHub Enterprise Server.
    #[arg(long, env = "GITHUB_API_URL", default_value = "https://api.github.com")]
    api: String,

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
fn gate_url(text: &str) -> Result<String, String> {
    let uri: ureq::http::Uri = text.parse().map_err(|_| "it is not a URL".to_owned())?;
    match (uri.scheme_str(), uri.authority(), uri.path_and_query().map(|path| path.as_str())) {
        (Some(scheme @ ("http" | "https")), Some(authority), None | Some("/")) => {
            Ok(format!("{scheme}://{authority}"))
        }
        (Some(scheme @ ("http" | "https")), Some(authority), _) => {
            Err(format!("the gate's URL has no path: {scheme}://{authority}"))
        }
        _ => Err("it is not an http or https URL".to_owned()),
    }
}

impl Target {
    /// GitHub, to talk to.
    pub fn github(&self) -> Result<GitHub, String> {
        let token = given_secret("GITHUB_TOKEN", self.token_file.as_deref())?.ok_or(
            "there is no token for GitHub: set GITHUB_TOKEN to one that may read and write the \
             repository's webhooks",
        )?;
        Ok(GitHub::new(&self.api, token))
    }

    /// The Payload URL of the repository's own route.
    pub fn payload_url(&self) -> String {
        format!("{}/{}", self.url, self.repository)
    }

    /// Whether a webhook points at this gate, by whichever route.
    pub fn is_ours(&self, hook: &Hook) -> bool {
        let rest = hook.config.url.strip_prefix(&self.url);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Finds the webhook that points at the gate: by the repository's own route, or else by another.
    pub fn find_hook(&self, hooks: Vec<Hook>) -> Option<Hook> {
        let own = self.payload_url();
        let mut ours: Vec<Hook> = hooks.into_iter().filter(|hook| self.is_ours(hook)).collect();
        ours.sort_by_key(|hook| !hook.config.url.eq_ignore_ascii_case(&own));
        ours.into_iter().next()
    }

    fn webhook_secret(&self) -> Result<SecretString, String> {
        // The local gate's secret is known to everybody, and never that of a deployed one.
        let local =
            || secret("WEBHOOK_SECRET").filter(|_| self.triggers.is_local()).map(Into::into);
        let given = given_secret("WEBHOOK_SECRET", self.secret_file.as_deref())?;
        let webhook_secret = given.or_else(local).ok_or(
            "there is no webhook secret: set WEBHOOK_SECRET in the environment to the gate's",
        )?;
        Ok(derive(&webhook_secret, &self.repository))
    }
}

/// Link a repository: set its trigger, and have GitHub send its events to the gate.
///
/// Sets the policy in KV with wrangler, creates or mends the webhook, has GitHub ping it, and shows what
/// the gate answered. It can be run again at any time. Exits with 0 if the gate's answer says that the
/// webhook can work, 1 if not, and 2 if linking failed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- link octocat/Hello-World --trigger deployment --url https://buildgate.example.workers.dev
  cargo run -- link octocat/Hello-World --trigger commit --url https://… --dry-run
  cargo run -- link octocat/Hello-World --url https://… \\
    --trigger '{\"trigger\":\"deployment\",\"environments\":[\"production\"]}'")]
pub struct Link {
    #[command(flatten)]
    target: Target,

    /// The policy to set: commit, deployment, manual or a JSON object.
    #[arg(long)]
    trigger: String,

    /// Print every step and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Unlink a repository: take its webhook and its trigger away.
///
/// Deletes every webhook of the repository that points at the gate, and then the policy in KV.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- unlink octocat/Hello-World --url https://buildgate.example.workers.dev
  cargo run -- unlink octocat/Hello-World --url https://… --dry-run")]
pub struct Unlink {
    #[command(flatten)]
    target: Target,

    /// Print every step and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The steps taken, told as they are taken.
struct Steps {
    json: bool,
    taken: Vec<Value>,
}

impl Steps {
    /// Says before a step that takes a while what is being done.
    fn doing(&self, what: &str) {
        eprintln!("{what} …");
    }

    fn did(&mut self, step: &str, result: &str, what: &str) {
        if !self.json {
            say(format_args!("{step:<9} {result}: {what}"));
        }
        self.taken.push(json!({ "step": step, "result": result, "detail": what }));
    }

    fn end(self, repository: &RepositoryName, answer: Option<&GateAnswer>) {
        if self.json {
            let (steps, gate) = (self.taken, answer);
            say_json(&json!({ "repository": repository, "steps": steps, "gate": gate }), false);
        }
    }
}

impl Link {
    /// Links.
    pub fn run(mut self) -> Result<ExitCode, Box<dyn Error>> {
        Policy::parse(&self.trigger)
            .map_err(|InvalidPolicy(problem)| format!("--trigger cannot be used: {problem}"))?;
        let github = self.target.github()?;
        let mut steps = Steps { json: self.target.json, taken: Vec::new() };

        steps.doing("looking the repository up");
        let repository = github.repository(&self.target.repository)?;
        if repository.permissions.is_some_and(|permissions| !permissions.admin) {
            return Err(Failure::Forbidden.into());
        }
        // From here on as its owner spells it: so it will be looked up.
        self.target.repository = repository.full_name;
        let target = &self.target;
        let hooks = github.hooks(&target.repository)?;
        let secret = target.webhook_secret()?;
        let url = target.payload_url();
        let settings = HookSettings { url: &url, secret: &secret, events: &EVENTS };

        let policy = pinned(&self.trigger, repository.id)?;
        let command = target.triggers.put_command(target.repository.as_lower(), &policy);
        if self.dry_run {
            steps.did("trigger", "would be set", &command);
        } else {
            steps.doing("setting the trigger with wrangler");
            target.triggers.put(&target.repository, &policy)?;
            steps.did("trigger", "set", &command);
        }

        let events = EVENTS.join(", ");
        let found = target.find_hook(hooks);
        let described = format!("{url} for {events}");
        if self.dry_run {
            match found {
                None => steps.did("webhook", "would be created", &described),
                Some(hook) if settings.fit(&hook) => steps.did("webhook", "is there", &described),
                Some(_) => steps.did("webhook", "would be updated", &described),
            }
            steps.did("ping", "would be sent", "GitHub would send a ping, and the gate answer it");
            steps.end(&target.repository, None);
            return Ok(ExitCode::SUCCESS);
        }
        let hook = match found {
            None => {
                let hook = github.create_hook(&target.repository, &settings)?;
                steps.did("webhook", "created", &described);
                hook
            }
            Some(hook) if settings.fit(&hook) => {
                steps.did("webhook", "is there", &described);
                hook
            }
            Some(hook) => {
                let hook = github.update_hook(&target.repository, hook.id, &settings)?;
                steps.did("webhook", "updated", &described);
                hook
            }
        };

        steps.doing("waiting for GitHub's ping and the gate's answer");
        let mut answer = ping(&github, &target.repository, hook.id)?;
        // GitHub does not tell a webhook's secret, but the gate's answer tells whether it is right.
        if answer.as_ref().is_some_and(|answer| answer.code == "bad-signature") {
            github.update_hook(&target.repository, hook.id, &settings)?;
            steps.did("webhook", "updated", "its secret was not the one given");
            answer = ping(&github, &target.repository, hook.id)?;
        }
        match &answer {
            Some(answer) if answer.code == "bad-signature" => steps.did(
                "ping",
                &answer.code,
                "the gate does not know this secret: is WEBHOOK_SECRET the gate's own?",
            ),
            Some(answer) => steps.did("ping", &answer.code, &answer.message),
            None => steps.did(
                "ping",
                "no answer",
                &format!("GitHub got no answer of a gate from {url}; can it be reached from the internet?"),
            ),
        }
        let works = answer.as_ref().is_some_and(|answer| answer.code == "pong");
        steps.end(&target.repository, answer.as_ref());
        Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A policy that counts for the repository of this id only: whoever registers its name anew does not inherit it.
fn pinned(policy: &str, id: u64) -> Result<String, String> {
    let policy = policy.trim();
    if !policy.starts_with('{') {
        return Ok(json!({ "trigger": policy, "repository_id": id }).to_string());
    }
    let mut policy: Value = serde_json::from_str(policy).map_err(|error| error.to_string())?;
    let fields = policy.as_object_mut().ok_or("the policy is no JSON object")?;
    match fields.get("repository_id").and_then(Value::as_u64) {
        Some(given) if given != id => {
            return Err(format!(
                "--trigger has the repository_id {given}, but GitHub's id of the repository is {id}"
            ));
        }
        _ => fields.insert("repository_id".to_owned(), id.into()),
    };
    Ok(policy.to_string())
}

/// Has GitHub ping a webhook, and waits for what the gate answered; `None` where nothing like it came.
fn ping(
    github: &GitHub,
    repository: &RepositoryName,
    hook: u64,
) -> Result<Option<GateAnswer>, Failure> {
    let pings = || -> Result<Vec<u64>, Failure> {
        let deliveries = github.deliveries(repository, hook, LAST_DELIVERIES)?;
        let pings = deliveries.into_iter().filter(|delivery| delivery.event == "ping");
        Ok(pings.map(|ping| ping.id).collect())
    };
    let before = pings()?;
    github.ping_hook(repository, hook)?;
    let deadline = Instant::now() + PING_PATIENCE;
    while Instant::now() < deadline {
        if let Some(ping) = pings()?.into_iter().find(|ping| !before.contains(ping)) {
            return github.gate_answer(repository, hook, ping);
        }
        sleep(Duration::from_millis(500));
    }
    Ok(None)
}

impl Unlink {
    /// Says so where a policy for all of the owner's repositories is in force for this one, too.
    fn tell_of_the_owners_policy(&self, steps: &mut Steps) -> Result<(), String> {
        let (target, key) = (&self.target, self.target.repository.as_lower());
        let stored = target.triggers.find(&target.repository)?;
        if let Some((all, policy)) = stored.filter(|(stored, _)| stored.ends_with("/*")) {
            let manual = target.triggers.put_command(key, "manual");
            let what = format!(
                "{all} is {}, which counts for {key}, too; to have no webhook build it: {manual}",
                policy.trim()
            );
            steps.did("trigger", "still in force", &what);
        }
        Ok(())
    }

    /// Unlinks.
    pub fn run(mut self) -> Result<ExitCode, Box<dyn Error>> {
        let github = self.target.github()?;
        let mut steps = Steps { json: self.target.json, taken: Vec::new() };
        steps.doing("looking the repository up");
        self.target.repository = github.repository(&self.target.repository)?.full_name;
        let target = &self.target;
        let hooks = github.hooks(&target.repository)?;
        let ours: Vec<Hook> = hooks.into_iter().filter(|hook| target.is_ours(hook)).collect();
        if ours.is_empty() {
            steps.did("webhook", "is not there", "no webhook points at the gate");
        }
        for hook in ours {
            if self.dry_run {
                steps.did("webhook", "would be deleted", &hook.config.url);
            } else {
                github.delete_hook(&target.repository, hook.id)?;
                steps.did("webhook", "deleted", &hook.config.url);
            }
        }
        let command = target.triggers.delete_command(target.repository.as_lower());
        if self.dry_run {
            steps.did("trigger", "would be deleted", &command);
        } else {
            steps.doing("deleting the trigger with wrangler");
            target.triggers.delete(&target.repository)?;
            steps.did("trigger", "deleted", &command);
        }
        self.tell_of_the_owners_policy(&mut steps)?;
        steps.end(&target.repository, None);
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_pinned_to_its_repository() {
        for (policy, expected) in [
            ("deployment", r#"{"trigger":"deployment","repository_id":7}"#),
            (
                r#"{"trigger":"commit","branches":["main"]}"#,
                r#"{"trigger":"commit","branches":["main"],"repository_id":7}"#,
            ),
            (
                r#"{"repository_id":7,"trigger":"commit"}"#,
                r#"{"repository_id":7,"trigger":"commit"}"#,
            ),
        ] {
            assert_eq!(pinned(policy, 7).as_deref(), Ok(expected));
            let parsed = Policy::parse(expected).map(|policy| policy.repository_id);
            assert_eq!(parsed, Ok(Some(7)));
        }
        assert!(pinned(r#"{"repository_id":8,"trigger":"commit"}"#, 7).is_err());
    }
}

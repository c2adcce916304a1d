//! `link`: everything that it takes to have a repository's events come to the gate, and to keep it so when the webhook
//! secret changes.

use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use buildgate::delivery::decision::SIGNS;
use buildgate::operator::answer::InstallationAnswer;
use buildgate::policy::lookup::{NoPolicy, judge};
use buildgate::policy::{ALLOWED, BuildWhen, InvalidPolicy, Policy};
use buildgate::repository::RepositoryName;
use clap::Args;
use serde_json::{Value, json};

use crate::app::set_hook_of_app;
use crate::correction::{advice, correction};
use crate::github::{Failure, GateAnswer, GitHub, Hook, HookSettings};
use crate::local::{complain, exit_code, say, say_json};
use crate::steps::Steps;
use crate::target::{Everybody, Service, Target, ends_it_all};
use crate::triggers::Triggers;

/// The events that start builds, under one policy or another: a linked webhook gets them all, and where the gate is to
/// deploy, those by which it hears that a commit may be green, too.
const EVENTS: [&str; 3] = ["push", "deployment", "deployment_status"];

/// Among how many of the last deliveries a ping is looked for.
const LAST_DELIVERIES: usize = 30;

/// How long GitHub may take to deliver a ping.
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// Link a repository: set its trigger, and have GitHub send its events to the gate.
///
/// Sets the policy in KV with wrangler where --trigger gives one, and else keeps the one that is there. Creates or
/// corrects the webhook and sets its secret, has GitHub ping it, and shows what the gate answered. It can be run again at
/// any time: after a change of WEBHOOK_SECRET it has to be, for each repository, which --all does. Exits with 0 if the
/// gate's answers say that the webhooks can work, 1 if not, and 2 if linking failed.
#[derive(Args)]
#[command(
    override_usage = "cargo run -- link [OPTIONS] <REPOSITORY|--all>",
    after_help = "\
Examples:
  cargo run -- link octocat/Hello-World --trigger deployment --url https://buildgate.example.workers.dev
  cargo run -- link octocat/Hello-World --trigger commit --url https://… --dry-run
  cargo run -- link octocat/Hello-World --url https://… \\
    --trigger '{\"trigger\":\"deployment\",\"environments\":[\"production\"]}'
  cargo run -- link octocat/Hello-World --auto-deploy build,docker-hub --url https://…
  cargo run -- link --all --url https://…
  cargo run -- link --all --after octocat/Hello-World --url https://…"
)]
pub struct Link {
    /// The repository's full name, such as octocat/Hello-World.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    repository: Option<RepositoryName>,

    /// Every repository that has a policy, and each that has a webhook here and whose owner has one for all. Every
    /// policy stays as it is.
    #[arg(long, conflicts_with = "trigger")]
    all: bool,

    /// With --all: go on after this repository.
    #[arg(long, value_name = "REPOSITORY", requires = "all")]
    after: Option<RepositoryName>,

    #[command(flatten)]
    target: Target,

    /// The policy to set: commit, deployment, manual or a JSON object. If not given, the one that is there is kept.
    #[arg(long)]
    trigger: Option<String>,

    /// Have the gate itself deploy what is green: once these commit statuses or check runs are there and green, separated
    /// by commas; with an empty text, once all that are there are. Sets `auto_deploy` in the policy, and leaves the rest of
    /// it as it is.
    #[arg(long, value_name = "CONTEXTS", conflicts_with = "all")]
    auto_deploy: Option<String>,

    /// Print every step and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What came of linking one.
enum Linked {
    /// The webhook can work.
    Works(GateAnswer),
    /// It cannot.
    DoesNot(Option<GateAnswer>),
    /// It needs no webhook of its own: the gate's App delivers its events.
    ByApp,
    /// Nothing was changed, as asked; it would have been.
    Planned,
    /// No webhook of it points here, and none is wanted.
    NotHooked,
}

impl Link {
    /// Links.
    pub fn run(mut self) -> Result<ExitCode, Box<dyn Error>> {
        if let Some(trigger) = &self.trigger {
            Policy::parse(trigger).map_err(|InvalidPolicy(problem)| {
                format!("--trigger cannot be used: {problem}; {}", advice(trigger))
            })?;
        }
        let github = self.target.github()?;
        let repository = self.repository.take();
        let service = self.target.find_gate()?;
        match repository {
            Some(repository) => self.link(&service, &github, &repository),
            None => self.link_all(&service, &github),
        }
    }

    /// Links one.
    fn link(
        &self,
        service: &Service,
        github: &GitHub,
        repository: &RepositoryName,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let mut steps = Steps::telling(self.target.json);
        let policy_of = |repository: &RepositoryName| {
            eprintln!("looking the trigger up with wrangler …");
            self.target.triggers.find(repository)
        };
        let linked = self.link_one(service, github, repository, policy_of, false, &mut steps)?;
        let answer = match &linked {
            Linked::Works(answer) => Some(answer),
            Linked::DoesNot(answer) => answer.as_ref(),
            Linked::ByApp | Linked::Planned | Linked::NotHooked => None,
        };
        steps.end(repository, answer);
        Ok(exit_code(!matches!(linked, Linked::DoesNot(_))))
    }

    /// Links everybody.
    fn link_all(&self, service: &Service, github: &GitHub) -> Result<ExitCode, Box<dyn Error>> {
        service.webhook_secret()?;
        let everybody = Everybody::look_up(service, github, self.after.as_ref())?;
        let count = everybody.repositories.len();
        let (mut done, mut failed, mut left_out) = (0, Vec::new(), 0);
        let (mut told, mut again) = (Vec::new(), Vec::new());
        let mut last = self.after.clone();
        let mut ended = None;
        for (number, repository) in everybody.repositories.iter().enumerate() {
            let mut steps = Steps::silent();
            let only_if_hooked = !everybody.has_its_own(repository);
            let policy_of = |repository: &RepositoryName| Ok(everybody.policy_of(repository));
            let linked =
                self.link_one(service, github, repository, policy_of, only_if_hooked, &mut steps);
            let what = match linked {
                Ok(Linked::Works(_)) => {
                    done += 1;
                    "linked".to_owned()
                }
                Ok(Linked::ByApp) => {
                    done += 1;
                    "linked: the App delivers its events".to_owned()
                }
                Ok(Linked::Planned) => {
                    done += 1;
                    "would be linked".to_owned()
                }
                Ok(Linked::NotHooked) => {
                    left_out += 1;
                    "left out: no webhook of its own points here".to_owned()
                }
                Ok(Linked::DoesNot(Some(answer))) if is_by_another_secret(&answer) => {
                    ended = Some(
                        format!(
                            "{repository} was given a secret that the gate does not know as its current one, so no \
                             other is: set WEBHOOK_SECRET to the gate's own, then link it again"
                        )
                        .into(),
                    );
                    break;
                }
                Ok(Linked::DoesNot(answer)) => {
                    failed.push(repository.clone());
                    again.push(service.link_command(repository, None));
                    match answer {
                        Some(answer) => format!("FAILED: {}: {}", answer.code, answer.message),
                        None => "FAILED: GitHub got no answer of the gate".to_owned(),
                    }
                }
                Err(error) if ends_it_all(&*error) => {
                    ended = Some(error);
                    break;
                }
                Err(error) => {
                    failed.push(repository.clone());
                    let gone = matches!(error.downcast_ref(), Some(Failure::NotFound));
                    if gone {
                        format!("FAILED: {error}. {}", service.if_gone(repository))
                    } else {
                        // To link it again helps only where it was GitHub that did not do it.
                        if error.is::<Failure>() {
                            again.push(service.link_command(repository, None));
                        }
                        format!("FAILED: {error}")
                    }
                }
            };
            last = Some(repository.clone());
            if !self.target.json {
                say(format_args!("[{}/{count}] {repository}  {what}", number + 1));
            }
            told.push(json!({ "repository": repository, "result": what, "steps": steps.taken() }));
        }
        let app_hook = if ended.is_none() { self.give_app_hook(service)? } else { None };
        let app_failed = app_hook.as_ref().is_some_and(|told| told.starts_with("FAILED"));
        if self.target.json {
            say_json(
                &json!({
                    "repositories": told,
                    "linked": done,
                    "left_out": left_out,
                    "failed": failed,
                    "app_hook": app_hook,
                    "ended": ended.as_ref().map(ToString::to_string),
                }),
                false,
            );
        } else {
            let verb = if self.dry_run { "would be linked" } else { "linked" };
            say(format_args!("{done} {verb}, {} failed, {left_out} left out.", failed.len()));
            for command in &again {
                say(format_args!("again   {command}"));
            }
            if let Some(told) = app_hook {
                say(format_args!("the App's webhook  {told}"));
            }
            for owner in everybody.owners() {
                say(format_args!(
                    "note  {owner}: if it is an organization with a webhook of its own, enter WEBHOOK_SECRET in that \
                     webhook's settings"
                ));
            }
        }
        if let Some(error) = ended {
            complain(error);
            let after = last.map(|last| format!(" --after {last}")).unwrap_or_default();
            complain(format_args!(
                "it ended before all were linked; go on with: cargo run -- link --all{after} {}",
                service.flags()
            ));
            return Ok(ExitCode::from(2));
        }
        Ok(exit_code(failed.is_empty() && !app_failed))
    }

    /// Gives the webhook of the gate's App the gate's secret, too. Says what came of it; nothing where the gate is no App.
    fn give_app_hook(&self, service: &Service) -> Result<Option<String>, String> {
        let command = format!("cargo run -- app set-hook --url {}", service.url);
        let Some(gate) = service.operators_gate()? else {
            return Ok(Some(format!(
                "left out: if the gate is a GitHub App, set OPERATOR_TOKEN in the environment, and run {command}"
            )));
        };
        if self.dry_run {
            return Ok(Some("would be set, if the gate is a GitHub App".to_owned()));
        }
        Ok(match set_hook_of_app(&gate) {
            Ok(set) => set.map(|set| format!("set: {}", set.url)),
            Err(failure) => Some(format!("FAILED: {}; then: {command}", failure.why())),
        })
    }

    /// Links one repository, whose policy `policy_of` tells; or, where `only_if_hooked`, leaves it alone if no webhook
    /// of it points here.
    fn link_one(
        &self,
        service: &Service,
        github: &GitHub,
        name: &RepositoryName,
        policy_of: impl Fn(&RepositoryName) -> Result<Option<(String, String)>, String>,
        only_if_hooked: bool,
        steps: &mut Steps,
    ) -> Result<Linked, Box<dyn Error>> {
        steps.doing("looking the repository and its webhooks up");
        if only_if_hooked && service.ours(name, github.hooks(name)?).is_empty() {
            return Ok(Linked::NotHooked);
        }
        let found = github.repository(name)?;
        if found.permissions.is_some_and(|permissions| !permissions.admin) {
            return Err(Failure::Forbidden.into());
        }
        // From here on as its owner spells it: so it will be looked up.
        let repository = &found.full_name;
        let ours = service.ours(repository, github.hooks(repository)?);
        let secret = service.secret_of(repository)?;
        // Before anything is changed: a webhook that works would be broken by another gate's secret.
        service.is_its_current(&secret, repository, found.id)?;
        let stored = policy_of(repository)?;
        let triggers = &self.target.triggers;
        let given = match &self.auto_deploy {
            None => self.trigger.clone(),
            Some(contexts) => Some(deploying(self.trigger.as_deref(), stored.as_ref(), contexts)?),
        };
        let policy = PolicyStep::of(given.as_deref(), stored, found.id, triggers)?;
        self.take_policy_step(repository, &policy, steps)?;

        let deploys = Policy::parse(policy.text()).is_ok_and(|policy| policy.auto_deploy.is_some());
        if ours.is_empty() && self.is_delivered_by_the_app(service, repository, steps)? {
            return Ok(Linked::ByApp);
        }
        let url = service.payload_url(repository);
        let hook = ours.into_iter().next();
        // What else it gets, somebody may have ticked for a reason.
        let events: BTreeSet<String> = hook
            .iter()
            .flat_map(|hook| hook.events.iter().cloned())
            .chain(EVENTS.map(str::to_owned))
            .chain(SIGNS.iter().filter(|_| deploys).map(|event| (*event).to_owned()))
            .collect();
        let events: Vec<String> = match events.contains("*") {
            true => vec!["*".to_owned()],
            false => events.into_iter().collect(),
        };
        let settings = HookSettings { url: &url, secret: &secret, events: &events };
        let described =
            format!("{url} for {}, with the repository's own secret", events.join(", "));
        if self.dry_run {
            let what = if hook.is_some() { "would be set" } else { "would be created" };
            steps.did("webhook", what, &described);
            steps.did("ping", "would be sent", "GitHub would send a ping, and the gate answer it");
            return Ok(Linked::Planned);
        }
        let hook: Hook = match hook {
            None => {
                let hook = github.create_hook(repository, &settings)?;
                steps.did("webhook", "created", &described);
                hook
            }
            // Always: GitHub never tells what secret a webhook has.
            Some(hook) => {
                let hook = github.update_hook(repository, hook.id, &settings)?;
                steps.did("webhook", "set", &described);
                hook
            }
        };

        steps.doing("waiting for GitHub's ping and the gate's answer");
        let answer = ping(github, repository, hook.id)?;
        let outdated = answer.as_ref().is_some_and(GateAnswer::is_by_the_previous_secret);
        match &answer {
            Some(_) if outdated => steps.did(
                "ping",
                "previous",
                "the gate knows this secret as WEBHOOK_SECRET_PREVIOUS: the WEBHOOK_SECRET given here is the one \
                 that is going out of use",
            ),
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
        Ok(match answer {
            Some(answer) if answer.code == "pong" && !outdated => Linked::Works(answer),
            answer => Linked::DoesNot(answer),
        })
    }

    /// Whether the gate's App delivers a repository's events, so that it needs no webhook of its own.
    fn is_delivered_by_the_app(
        &self,
        service: &Service,
        repository: &RepositoryName,
        steps: &mut Steps,
    ) -> Result<bool, Box<dyn Error>> {
        let Some(gate) = service.operators_gate()? else { return Ok(false) };
        // What is wrong with the App is `app check`'s to say; the repository gets a webhook then.
        let Ok(identity) = gate.identity(repository) else { return Ok(false) };
        let Some(app) = identity.app else { return Ok(false) };
        let is_good = |one: &InstallationAnswer| !one.is_suspended && one.lacks_events.is_empty();
        if !identity.installations.iter().any(is_good) {
            return Ok(false);
        }
        let what = format!(
            "the gate's GitHub App ({}) is installed on the repository, and delivers its events",
            app.html_url
        );
        steps.did("webhook", "not needed", &what);
        Ok(true)
    }

    fn take_policy_step(
        &self,
        repository: &RepositoryName,
        step: &PolicyStep,
        steps: &mut Steps,
    ) -> Result<(), Box<dyn Error>> {
        match step {
            PolicyStep::Keep { key, policy } => {
                steps.did("trigger", "kept", &format!("{policy} (under {key})"));
                let pinned =
                    Policy::parse(policy).is_ok_and(|policy| policy.repository_id.is_some());
                if !pinned && !key.ends_with("/*") {
                    let what = "it has no repository_id: given anew with --trigger, it is pinned to the repository's";
                    steps.did("trigger", "note", what);
                }
            }
            PolicyStep::Set { policy, before } => {
                let command = self.target.triggers.put_command(repository.as_lower(), policy);
                let was = match before {
                    Some((key, before)) => format!(" (it was {before}, under {key})"),
                    None => " (there was none)".to_owned(),
                };
                let result = if self.dry_run {
                    "would be set"
                } else {
                    steps.doing("setting the trigger with wrangler");
                    self.target.triggers.put(repository, policy)?;
                    "set"
                };
                steps.did("trigger", result, &format!("{command}{was}"));
                for field in before.iter().flat_map(|(_, before)| no_longer_there(before, policy)) {
                    steps.did(
                        "trigger",
                        "note",
                        &format!("`{field}` of the policy before is not in this one"),
                    );
                }
                let parsed = Policy::parse(policy);
                for field in parsed.iter().flat_map(Policy::without_effect) {
                    steps.did(
                        "trigger",
                        "note",
                        &format!("`{field}` has no effect under this trigger"),
                    );
                }
                if let Ok(Policy { build_when: Some(when), auto_deploy: Some(_), .. }) = parsed
                    && when != BuildWhen::Created
                {
                    let what = format!(
                        "`build_when` is {when}: a deployment that the gate makes is not built until somebody gives it that \
                         status"
                    );
                    steps.did("trigger", "note", &what);
                }
            }
        }
        Ok(())
    }
}

/// Whether the secret that was set is not the gate's current one.
fn is_by_another_secret(answer: &GateAnswer) -> bool {
    answer.code == "bad-signature" || answer.is_by_the_previous_secret()
}

/// The fields of a policy that another one, in its place, no longer has.
fn no_longer_there(before: &str, after: &str) -> Vec<String> {
    let fields = |policy: &str| match serde_json::from_str(policy) {
        Ok(Value::Object(fields)) => fields.into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    let after = fields(after);
    fields(before).into_iter().filter(|name| !after.contains(name)).collect()
}

/// What is to be done with the policy.
#[derive(Debug, PartialEq, Eq)]
enum PolicyStep {
    /// It stays as it is.
    Keep { key: String, policy: String },
    /// It is set; `before` is what counts until then, with its key.
    Set { policy: String, before: Option<(String, String)> },
}

/// A policy under which the gate deploys once these contexts are green: the given one, or else the repository's own, with
/// `auto_deploy` set.
///
/// Errors where that one is of another trigger: to change it would be a guess.
fn deploying(
    given: Option<&str>,
    stored: Option<&(String, String)>,
    contexts: &str,
) -> Result<String, String> {
    // Also one that lies under another key: what counts for the repository now is not to count less afterwards.
    let counts = stored.map(|(_, policy)| policy.as_str());
    let policy = given.or(counts).unwrap_or("deployment").trim();
    if let Err(InvalidPolicy(problem)) = Policy::parse(policy) {
        return Err(format!("the policy ({policy}) cannot be used: {problem}; {}", advice(policy)));
    }
    let mut fields = match serde_json::from_str(policy) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::from_iter([("trigger".to_owned(), policy.into())]),
    };
    let contexts: Vec<&str> =
        contexts.split(',').map(str::trim).filter(|context| !context.is_empty()).collect();
    let auto_deploy = fields.entry("auto_deploy").or_insert_with(|| json!({}));
    let Some(auto_deploy) = auto_deploy.as_object_mut() else {
        return Err(format!("the policy ({policy}) has an `auto_deploy` that is no JSON object"));
    };
    match contexts.as_slice() {
        [] => auto_deploy.remove("contexts"),
        contexts => auto_deploy.insert("contexts".to_owned(), json!(contexts)),
    };
    let policy = Value::Object(fields).to_string();
    Policy::parse(&policy)
        .map(|_| policy)
        .map_err(|InvalidPolicy(problem)| format!("--auto-deploy cannot be used: {problem}"))
}

impl PolicyStep {
    /// The policy that counts after it.
    fn text(&self) -> &str {
        match self {
            Self::Keep { policy, .. } | Self::Set { policy, .. } => policy,
        }
    }

    /// Takes the policy that was given, the one that is stored, with its key, and GitHub's id of the repository.
    ///
    /// Errors where none is given and what is stored cannot be used for this repository.
    fn of(
        given: Option<&str>,
        stored: Option<(String, String)>,
        id: u64,
        triggers: &Triggers,
    ) -> Result<Self, String> {
        if let Some(given) = given {
            let before = stored.map(|(key, policy)| (key, policy.trim().to_owned()));
            return Ok(Self::Set { policy: pinned(given, id)?, before });
        }
        let (key, text) = stored.ok_or(
            "the repository has no policy yet: give one with --trigger commit, --trigger deployment or --trigger \
             manual",
        )?;
        let policy = text.trim().to_owned();
        match judge(key.clone(), &policy) {
            Ok(Policy { repository_id: Some(pinned), .. }) if pinned != id => Err(format!(
                "its policy ({policy}, under {key}) is for the repository whose id is {pinned}, and this one's is \
                 {id}: the name was registered anew. If this one is to build, give the policy with --trigger"
            )),
            Ok(_) => Ok(Self::Keep { key, policy }),
            Err(NoPolicy::Capitals { .. }) => Err(format!(
                "its policy lies under {key}, and keys are in lower case. Fix it: {}",
                triggers.to_lower_case(&key, &policy)
            )),
            Err(NoPolicy::Invalid { problem, .. }) => Err(match correction(&policy) {
                Some(corrected) => format!(
                    "its policy ({policy}, under {key}) cannot be used: {problem}. This was probably meant: {}",
                    triggers.put_command(&key, &corrected)
                ),
                None => format!(
                    "its policy ({policy}, under {key}) cannot be used: {problem}; allowed is {ALLOWED}"
                ),
            }),
            Err(NoPolicy::NotLinked) => Err("the repository has no policy yet".to_owned()),
        }
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
pub fn ping(
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

    #[test]
    fn auto_deploy_is_set_and_nothing_else() {
        let stored = |policy: &str| Some(("octocat/hello-world".to_owned(), policy.to_owned()));
        let all = r#"{"trigger":"deployment","environments":["staging"]}"#;
        let all = Some(("octocat/*".to_owned(), all.to_owned()));
        for (given, stored, contexts, expected) in [
            (
                None,
                None,
                "build, docker-hub",
                r#"{"trigger":"deployment","auto_deploy":{"contexts":["build","docker-hub"]}}"#,
            ),
            (
                None,
                all,
                "",
                r#"{"trigger":"deployment","environments":["staging"],"auto_deploy":{}}"#,
            ),
            (
                None,
                stored("deployment"),
                "a",
                r#"{"trigger":"deployment","auto_deploy":{"contexts":["a"]}}"#,
            ),
            (
                None,
                stored(
                    r#"{"trigger":"deployment","branches":["main"],"auto_deploy":{"branches":["main"],"contexts":["x"]}}"#,
                ),
                "a",
                r#"{"trigger":"deployment","branches":["main"],"auto_deploy":{"branches":["main"],"contexts":["a"]}}"#,
            ),
            (
                Some(r#"{"trigger":"deployment","environments":["staging"]}"#),
                stored("commit"),
                "",
                r#"{"trigger":"deployment","environments":["staging"],"auto_deploy":{}}"#,
            ),
        ] {
            assert_eq!(deploying(given, stored.as_ref(), contexts).as_deref(), Ok(expected));
        }
        for (given, stored) in [(None, stored("commit")), (Some("manual"), None)] {
            let error = deploying(given, stored.as_ref(), "a").unwrap_err();
            assert!(error.contains("under the trigger"), "{error}");
        }
    }

    #[test]
    fn without_a_trigger_the_policy_stays_and_what_cannot_stay_is_refused() {
        let (own, triggers) = ("octocat/hello-world", Triggers::default());
        let stored = |key: &str, policy: &str| Some((key.to_owned(), policy.to_owned()));
        for (key, policy) in [
            (own, "deployment"),
            (own, r#"{"trigger":"commit","branches":["main"]}"#),
            (own, r#"{"trigger":"commit","repository_id":7}"#),
            ("octocat/*", "manual"),
        ] {
            let step = PolicyStep::of(None, stored(key, policy), 7, &triggers);
            assert_eq!(step, Ok(PolicyStep::Keep { key: key.into(), policy: policy.into() }));
        }
        for (stored, part) in [
            (None, "give one with --trigger"),
            (stored(own, r#"{"trigger":"commit","repository_id":8}"#), "whose id is 8"),
            (stored("octocat/Hello-World", "commit"), "lower case"),
            (
                stored(own, "deploy"),
                "This was probably meant: npx wrangler kv key put --remote --binding REPO_TRIGGERS octocat/hello-world \
                 deployment",
            ),
        ] {
            let error = PolicyStep::of(None, stored, 7, &triggers).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(
            PolicyStep::of(Some("commit"), stored("octocat/*", " manual\n"), 7, &triggers),
            Ok(PolicyStep::Set {
                policy: r#"{"trigger":"commit","repository_id":7}"#.into(),
                before: stored("octocat/*", "manual"),
            })
        );
    }
}

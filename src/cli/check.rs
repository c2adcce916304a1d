//! `check`: the answer to "why is my deployment not built?", from everything that can be looked at.

use std::error::Error;
use std::process::ExitCode;

use buildgate::delivery::decision::{DeploymentPart, EnoughFor, enough_for};
use buildgate::ledger::dead_letters::DeadLetterSummary;
use buildgate::message::Work;
use buildgate::policy::lookup::{NoPolicy, judge};
use buildgate::policy::{ALLOWED, BuildWhen, Policy, Trigger};
use buildgate::repository::RepositoryName;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::chain::{
    WhoItIs, check_build, check_commit, check_identity, check_signs, check_way_back,
    is_delivered_by_the_app,
};
use crate::correction::correction;
use crate::gate;
use crate::github::{Delivery, Failure, GateAnswer, GitHub, Hook};
use crate::link::ping;
use crate::local::{complain, exit_code, say, say_json};
use crate::target::{Everybody, Service, Target, ends_it_all};

/// How many of the last deliveries are shown.
const LAST_DELIVERIES: usize = 5;

/// Check a repository: whether a deployment, or a push under `commit`, would be built.
///
/// Looks at the trigger in KV, at the webhook and at its last deliveries as GitHub saw them, and, where the operator's
/// token is at hand (OPERATOR_TOKEN), at the gate's dead letters; and says for each thing that is wrong how to fix it.
/// Changes nothing: --ping only has GitHub deliver a ping. Exits with 0 only if a build would start, 1 if none would, and 2 where it could not be checked.
#[derive(Args)]
#[command(
    override_usage = "cargo run -- check [OPTIONS] <REPOSITORY|--all>",
    after_help = "\
Examples:
  cargo run -- check octocat/Hello-World --url https://buildgate.example.workers.dev
  cargo run -- check octocat/Hello-World --url http://127.0.0.1:8787 --local --json
  cargo run -- check --all --ping --url https://…"
)]
pub struct Check {
    /// The repository's full name, such as octocat/Hello-World.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    repository: Option<RepositoryName>,

    /// Every repository that has a policy, and each that has a webhook here and whose owner has one for all.
    #[arg(long)]
    all: bool,

    /// With --all: go on after this repository.
    #[arg(long, value_name = "REPOSITORY", requires = "all")]
    after: Option<RepositoryName>,

    /// Have GitHub ping each webhook first, so that the answer tells by which secret it is verified now.
    #[arg(long)]
    ping: bool,

    #[command(flatten)]
    target: Target,
}

/// What a finding means for builds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// All is well.
    Good,
    /// It keeps builds, or some of them, from being made.
    Wrong,
    /// It is good to know.
    Note,
}

impl Meaning {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Wrong => "WRONG",
            Self::Note => "note",
        }
    }
}

/// What puts something right.
#[derive(Default)]
pub struct Fix {
    /// What to do or to know first, in words.
    advice: Option<String>,
    /// A command that changes what is wrong and nothing else.
    command: Option<String>,
}

impl Fix {
    /// By a command.
    pub fn by(command: impl Into<String>) -> Self {
        Self { advice: None, command: Some(command.into()) }
    }

    /// By what is said in words.
    pub fn words(advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), command: None }
    }

    /// By a command, if what is said in words is so.
    pub fn by_if_so(advice: impl Into<String>, command: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), command: Some(command.into()) }
    }
}

/// Something that was looked at.
struct Finding {
    what: &'static str,
    meaning: Meaning,
    text: String,
    fix: Fix,
}

/// What was found, in the order in which it was looked at.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// All is well with something.
    pub fn good(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding {
            what,
            meaning: Meaning::Good,
            text: text.into(),
            fix: Fix::default(),
        });
    }

    /// Something is good to know.
    pub fn note(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding {
            what,
            meaning: Meaning::Note,
            text: text.into(),
            fix: Fix::default(),
        });
    }

    /// Something keeps builds from being made.
    pub fn wrong(&mut self, what: &'static str, text: impl Into<String>, fix: Fix) {
        self.0.push(Finding { what, meaning: Meaning::Wrong, text: text.into(), fix });
    }

    fn are_good(&self) -> bool {
        self.0.iter().all(|finding| finding.meaning != Meaning::Wrong)
    }
}

/// What was found out about one repository.
struct Report {
    repository: RepositoryName,
    findings: Findings,
    deliveries: Vec<Value>,
}

/// The dead letters that wait, or why they are not known.
type Letters = Result<Vec<DeadLetterSummary>, NoLetters>;

/// Why the dead letters are not known.
enum NoLetters {
    /// The gate was not asked, or does not tell.
    NotAsked(String),
    /// No gate answers.
    NoGate(String),
}

impl Check {
    /// Checks.
    pub fn run(mut self) -> Result<ExitCode, Box<dyn Error>> {
        let github = self.target.github()?;
        let repository = self.repository.take();
        let service = self.target.find_gate()?;
        let checking = Checking { letters: letters(&service)?, service, github, ping: self.ping };
        match repository {
            Some(repository) => checking.check(&repository),
            None => checking.check_all(self.after.as_ref()),
        }
    }
}

/// Asks the gate for its dead letters that were not redriven.
fn letters(service: &Service) -> Result<Letters, String> {
    eprintln!("asking the gate …");
    if let Err(why) = gate::is_there(&service.url) {
        return Ok(Err(NoLetters::NoGate(why)));
    }
    let not_asked = |why: &str| NoLetters::NotAsked(format!("not asked for dead letters: {why}"));
    let Some(gate) = service.operators_gate()? else {
        return Ok(Err(not_asked("OPERATOR_TOKEN is not set")));
    };
    Ok(match gate.list() {
        Ok(letters) => {
            Ok(letters.into_iter().filter(|letter| letter.redriven_at.is_none()).collect())
        }
        Err(gate::Failure::Refused(why) | gate::Failure::Unanswered(why)) => Err(not_asked(&why)),
    })
}

/// What it takes to check.
struct Checking<'a> {
    service: Service<'a>,
    github: GitHub,
    letters: Letters,
    /// Whether webhooks are pinged first.
    ping: bool,
}

impl Checking<'_> {
    /// Checks one.
    fn check(&self, repository: &RepositoryName) -> Result<ExitCode, Box<dyn Error>> {
        eprintln!("looking the repository and its webhooks up …");
        let policy_of = |repository: &RepositoryName| {
            eprintln!("looking the trigger up with wrangler …");
            self.service.target.triggers.find(repository)
        };
        let report = self.look_at(repository, policy_of, LAST_DELIVERIES)?;
        if self.service.target.json {
            say_json(&report.json(), false);
        } else {
            report.tell();
        }
        Ok(exit_code(report.findings.are_good()))
    }

    /// Checks everybody.
    fn check_all(&self, after: Option<&RepositoryName>) -> Result<ExitCode, Box<dyn Error>> {
        let as_json = self.service.target.json;
        let everybody = Everybody::look_up(&self.service, &self.github, after)?;
        let count = everybody.repositories.len();
        let (mut good, mut wrong, mut left_out) = (0, 0, 0);
        let mut reports = Vec::new();
        let mut last = after.cloned();
        for (number, repository) in everybody.repositories.iter().enumerate() {
            let looked_at = if everybody.has_its_own(repository) {
                let policy_of = |repository: &RepositoryName| Ok(everybody.policy_of(repository));
                self.look_at(repository, policy_of, 1).map(Some)
            } else {
                self.look_at_if_hooked(repository, &everybody)
            };
            let place = format!("[{}/{count}] {repository}", number + 1);
            match looked_at {
                Ok(None) => {
                    left_out += 1;
                    if !as_json {
                        say(format_args!("{place}  left out: no webhook of its own points here"));
                    }
                }
                Ok(Some(report)) if report.findings.are_good() => {
                    good += 1;
                    if as_json {
                        reports.push(report.json());
                    } else {
                        say(format_args!("{place}  builds"));
                    }
                }
                Ok(Some(report)) => {
                    wrong += 1;
                    if as_json {
                        reports.push(report.json());
                    } else {
                        say(format_args!("{place}  WRONG"));
                        report.tell_what_is_wrong();
                    }
                }
                Err(error) if ends_it_all(&*error) => {
                    complain(error);
                    let after = last.map(|last| format!(" --after {last}")).unwrap_or_default();
                    complain(format_args!(
                        "it ended before all were checked; go on with: cargo run -- check --all{after} {}",
                        self.service.flags()
                    ));
                    return Ok(ExitCode::from(2));
                }
                Err(error) => {
                    wrong += 1;
                    let gone = matches!(error.downcast_ref(), Some(Failure::NotFound));
                    let advice = gone.then(|| self.service.if_gone(repository));
                    if as_json {
                        reports.push(json!({
                            "repository": repository, "error": error.to_string(), "advice": advice,
                        }));
                    } else {
                        say(format_args!("{place}  WRONG\n      {error}"));
                        advice.iter().for_each(|advice| say(format_args!("      {advice}")));
                    }
                }
            }
            last = Some(repository.clone());
        }
        if as_json {
            let summary = json!({ "repositories": reports, "good": good, "wrong": wrong, "left_out": left_out });
            say_json(&summary, false);
        } else {
            if let Err(NoLetters::NotAsked(why)) = &self.letters {
                say(format_args!("note  gate  {why}"));
            }
            for owner in everybody.owners() {
                say(format_args!(
                    "note  {owner}: if it is an organization with a webhook of its own, that one is not looked at: see its \
                     Recent Deliveries, and have GitHub ping it (gh api -X POST orgs/{owner}/hooks/ID/pings): the answer \
                     says by which secret it was verified"
                ));
            }
            say(format_args!("{good} good, {wrong} wrong, {left_out} left out."));
        }
        Ok(exit_code(wrong == 0))
    }

    /// Looks at a repository that has no policy of its own, if a webhook of it points here.
    fn look_at_if_hooked(
        &self,
        repository: &RepositoryName,
        everybody: &Everybody,
    ) -> Result<Option<Report>, Box<dyn Error>> {
        if self.service.ours(repository, self.github.hooks(repository)?).is_empty() {
            return Ok(None);
        }
        self.look_at(repository, |repository| Ok(everybody.policy_of(repository)), 1).map(Some)
    }

    /// Looks at one repository, whose policy `policy_of` tells, and at so many of its last deliveries.
    fn look_at(
        &self,
        repository: &RepositoryName,
        policy_of: impl Fn(&RepositoryName) -> Result<Option<(String, String)>, String>,
        deliveries: usize,
    ) -> Result<Report, Box<dyn Error>> {
        let (github, service) = (&self.github, &self.service);
        let found = github.repository(repository)?;
        let repository = found.full_name;
        let hooks = github.hooks(&repository)?;
        let stored = policy_of(&repository)?;

        let mut findings = Findings::default();
        let one =
            One { service, repository: &repository, id: found.id, is_stored: stored.is_some() };
        let policy = one.check_policy(stored.as_ref(), &mut findings);
        let there =
            hooks.iter().map(|hook| format!("{} ({})", hook.config.url, hook.events.join(", ")));
        let there = there.collect::<Vec<_>>().join("; ");
        let ours = service.ours(&repository, hooks);
        let mut shown = Vec::new();
        let deploys = policy.as_ref().and_then(|policy| policy.auto_deploy.as_ref());
        let gate = service.operators_gate()?;
        let identity: WhoItIs = match &gate {
            Some(gate) if deploys.is_some() || ours.is_empty() => {
                Some(gate.identity(&repository).map_err(gate::Failure::why))
            }
            _ => None,
        };
        match ours.first() {
            None if is_delivered_by_the_app(&identity) => findings
                .good("webhook", "none of its own: the gate's GitHub App delivers its events"),
            None => findings.wrong(
                "webhook",
                match there.as_str() {
                    "" => "the repository has no webhook".to_owned(),
                    _ => format!(
                        "no webhook of the repository points at {}; there are: {there}",
                        service.url
                    ),
                },
                Fix::by(one.link_command()),
            ),
            Some(hook) => {
                if ours.len() > 1 {
                    let others = ours
                        .iter()
                        .skip(1)
                        .map(|hook| format!("{} (settings/hooks/{})", hook.config.url, hook.id));
                    let others: Vec<String> = others.collect();
                    findings.wrong(
                        "webhook",
                        format!(
                            "{} webhooks point here: each event is delivered by all of them, and built once; only {} \
                             (settings/hooks/{}) is looked at",
                            ours.len(),
                            hook.config.url,
                            hook.id
                        ),
                        Fix::words(format!("delete the other on GitHub: {}", others.join(", "))),
                    );
                }
                one.check_hook(hook, policy.as_ref(), &mut findings);
                if deploys.is_some() && !is_delivered_by_the_app(&identity) {
                    check_signs(hook, &one.link_command(), &mut findings);
                }
                if self.ping {
                    eprintln!("waiting for GitHub's ping of {repository} and the gate's answer …");
                    if ping(github, &repository, hook.id)?.is_none() {
                        let url = &hook.config.url;
                        let text = format!("GitHub got no answer of a gate from {url}");
                        let words = "make sure that GitHub can reach it, then check again";
                        findings.wrong("ping", text, Fix::words(words));
                    }
                }
                shown = one.check_deliveries(github, hook, deliveries, &mut findings)?;
            }
        }
        if let Some(gate) = &gate {
            check_way_back(gate, deploys.is_some(), &mut findings);
            check_build(gate, &repository, &mut findings);
        }
        if let Some(policy) = deploys {
            check_identity(&identity, &mut findings);
            let (gate, branch) = (gate.as_ref(), &found.default_branch);
            check_commit(github, gate, &repository, policy, branch, &mut findings)?;
        }
        one.check_letters(&self.letters, &mut findings);
        Ok(Report { repository, findings, deliveries: shown })
    }
}

/// One repository, as it is looked at.
struct One<'a> {
    service: &'a Service<'a>,
    repository: &'a RepositoryName,
    /// GitHub's id of it.
    id: u64,
    /// Whether it has a policy, or its owner has one for all.
    is_stored: bool,
}

impl One<'_> {
    /// The command that fixes what `link` can fix, and leaves the policy as it is, where there is one.
    fn link_command(&self) -> String {
        let trigger = (!self.is_stored).then_some(Trigger::Deployment.as_str());
        self.service.link_command(self.repository, trigger)
    }

    /// The command that sets a policy.
    fn set(&self, key: &str, policy: &str) -> String {
        self.service.target.triggers.put_command(key, policy)
    }

    fn check_policy(
        &self,
        stored: Option<&(String, String)>,
        findings: &mut Findings,
    ) -> Option<Policy> {
        let Some((key, text)) = stored else {
            let text = "neither the repository nor its owner has a trigger in KV";
            findings.wrong("trigger", text, Fix::by(self.link_command()));
            return None;
        };
        let text = text.trim();
        match judge(key.clone(), text) {
            Err(NoPolicy::NotLinked) => None,
            Err(NoPolicy::Invalid { problem, .. }) => {
                let fix = match correction(text) {
                    Some(corrected) => Fix::by_if_so(
                        format!("allowed is {ALLOWED}. This was probably meant:"),
                        self.set(key, &corrected),
                    ),
                    None => Fix::words(format!("correct it yourself; allowed is {ALLOWED}")),
                };
                let text = format!("{text} (under {key}) cannot be used: {problem}");
                findings.wrong("trigger", text, fix);
                None
            }
            Err(NoPolicy::Capitals { policy, .. }) => {
                let command = self.service.target.triggers.to_lower_case(key, &policy);
                let text = format!("{policy} (under {key}) is never used: keys are in lower case");
                findings.wrong("trigger", text, Fix::by(command));
                None
            }
            Ok(Policy { repository_id: Some(pinned), .. }) if pinned != self.id => {
                let fix = Fix::by_if_so(
                    format!(
                        "the name was registered anew, maybe by somebody else. If {} is the one that is to build:",
                        self.repository
                    ),
                    self.set(key, &with(text, "repository_id", self.id.into())),
                );
                let text = format!(
                    "{text} (under {key}) is for the repository whose id is {pinned}, and this one's is {}",
                    self.id
                );
                findings.wrong("trigger", text, fix);
                None
            }
            Ok(policy) => {
                self.check_good_policy(key, text, &policy, findings);
                Some(policy)
            }
        }
    }

    /// Checks whether anything builds under a policy that can be used.
    fn check_good_policy(&self, key: &str, text: &str, policy: &Policy, findings: &mut Findings) {
        let empty = |list: &str| {
            let fix = format!("name in `{list}` what is to build");
            let text =
                format!("{text} (under {key}): the list `{list}` is empty, so nothing builds");
            (text, Fix::words(fix))
        };
        let no_branches = policy.branches.as_ref().is_some_and(|list| list.patterns().is_empty());
        let no_environments = policy.environments.as_ref().is_some_and(Vec::is_empty);
        if policy.trigger == Trigger::Manual {
            let own = self.repository.as_lower();
            let deployment = with(text, "trigger", Trigger::Deployment.as_str().into());
            let fix = Fix::by_if_so(
                "that is what `manual` is for. If deployments are to build, though:",
                self.set(own, &deployment),
            );
            let text = format!("{text} (under {key}): no webhook builds this repository");
            findings.wrong("trigger", text, fix);
        } else if no_branches {
            let (text, fix) = empty("branches");
            findings.wrong("trigger", text, fix);
        } else if policy.trigger == Trigger::Deployment && no_environments {
            let (text, fix) = empty("environments");
            findings.wrong("trigger", text, fix);
        } else {
            findings.good("trigger", format!("{text} (under {key})"));
        }
        let waits_for = policy.build_when.filter(|when| *when != BuildWhen::Created);
        if let (Some(_), Some(when)) = (&policy.auto_deploy, waits_for) {
            findings.note(
                "trigger",
                format!(
                    "with `build_when` {when}, a deployment that the gate makes is built only once somebody sets that status"
                ),
            );
        }
        for field in policy.without_effect() {
            let trigger = policy.trigger;
            findings
                .note("trigger", format!("`{field}` has no effect under the trigger {trigger}"));
        }
    }

    fn check_hook(&self, hook: &Hook, policy: Option<&Policy>, findings: &mut Findings) {
        let fix = || Fix::by(self.link_command());
        let (url, own) = (&hook.config.url, self.service.payload_url(self.repository));
        let rest = url.strip_prefix(&self.service.url).unwrap_or_default();
        if url.eq_ignore_ascii_case(&own) || matches!(rest, "" | "/") {
            findings.good("url", url.as_str());
        } else {
            findings.wrong("url", format!("{url} is not this repository's route, {own}"), fix());
        }
        if hook.active {
            findings.good("active", "the webhook is active");
        } else {
            let text = "the webhook is not active, so GitHub delivers nothing";
            findings.wrong("active", text, fix());
        }
        let events = hook.events.join(", ");
        match enough_for(policy, |event| hook.gets(event)) {
            EnoughFor::All => findings.good("events", events),
            EnoughFor::Part(part) => {
                let (missing, made) = match part {
                    DeploymentPart::ThroughTheApi => {
                        ("deployment_status", "by GitHub Actions jobs")
                    }
                    DeploymentPart::OfJobs => ("deployment", "through the API"),
                };
                let text = format!(
                    "{events}: {missing} is not among them, so deployments made {made} are not built"
                );
                findings.wrong("events", text, fix());
            }
            EnoughFor::Nothing(needed) => {
                let needed = needed.join(" and ");
                let text = format!(
                    "{events}: the {needed} events that the policy needs are not among them"
                );
                findings.wrong("events", text, fix());
            }
        }
        if hook.config.secret.is_none() {
            findings.wrong("secret", "the webhook has none, so GitHub signs nothing", fix());
        }
        if !hook.config.checks_certificate() {
            let text = "SSL verification is off: GitHub does not check the gate's certificate, so anybody on the \
                        way can read and answer for it";
            findings.wrong("ssl", text, fix());
        }
        match hook.config.content_type.as_str() {
            "json" | "form" => findings.good("content", hook.config.content_type.as_str()),
            other => findings.wrong("content", format!("{other} is neither json nor form"), fix()),
        }
    }

    /// Looks at the last `count` deliveries, and judges the newest: what was wrong with an older one may have been put
    /// right since.
    fn check_deliveries(
        &self,
        github: &GitHub,
        hook: &Hook,
        count: usize,
        findings: &mut Findings,
    ) -> Result<Vec<Value>, Failure> {
        let deliveries = github.deliveries(self.repository, hook.id, count)?;
        let mut shown = Vec::new();
        for delivery in &deliveries {
            let answer = github.gate_answer(self.repository, hook.id, delivery.id)?;
            if shown.is_empty() {
                self.judge_delivery(hook, delivery, answer.as_ref(), findings);
            }
            shown.push(json!({
                "delivered_at": delivery.delivered_at,
                "event": delivery.event,
                "status": delivery.status_code,
                "code": answer.map(|answer| answer.code),
            }));
        }
        if deliveries.is_empty() {
            findings.good("delivery", "none was made yet");
        }
        Ok(shown)
    }

    fn judge_delivery(
        &self,
        hook: &Hook,
        delivery: &Delivery,
        answer: Option<&GateAnswer>,
        findings: &mut Findings,
    ) {
        let last = format!("the last one ({}, {})", delivery.event, delivery.delivered_at);
        // What was wrong then may have been put right: of a ping, a new one tells.
        let ping = || {
            let service = self.service;
            format!("cargo run -- check {} --ping {}", self.repository, service.flags())
        };
        let Some(answer) = answer else {
            let words = format!("make sure that GitHub can reach {}", hook.config.url);
            let text = format!("{last} failed: {}", delivery.status);
            let fix = match delivery.event.as_str() {
                "ping" => Fix {
                    advice: Some(format!("{words}, then check again:")),
                    command: Some(ping()),
                },
                _ => Fix::words(format!("{words}, then redeliver it")),
            };
            findings.wrong("delivery", text, fix);
            return;
        };
        let (status, code) = (delivery.status_code, &answer.code);
        let text = format!("{last} was answered {status} {code}");
        match status {
            200..=299 if code != "hook-misconfigured" => findings.good("delivery", text),
            200..=299 if findings.are_good() => {
                let advice = "what it says of the webhook has been put right since; to see what a new one says:";
                findings.wrong("delivery", text, Fix::by_if_so(advice, ping()));
            }
            200..=299 | 401 | 403 | 404 => {
                findings.wrong("delivery", text, Fix::by(self.link_command()));
            }
            _ => findings.wrong("delivery", text, Fix::words(answer.message.as_str())),
        }
        match answer.secret.as_deref() {
            _ if answer.is_by_the_previous_secret() => findings.wrong(
                "secret",
                format!(
                    "{last} was signed with WEBHOOK_SECRET_PREVIOUS, which is going out of use"
                ),
                Fix::by(self.link_command()),
            ),
            Some(used) => findings.good(
                "secret",
                format!("{last} was signed with what was the {used} one then; --ping tells of now"),
            ),
            // Said of a ping, and of what was signed with the previous one.
            None => {}
        }
    }

    /// Looks for build requests of the repository that the origin did not take.
    fn check_letters(&self, letters: &Letters, findings: &mut Findings) {
        let letters = match letters {
            Ok(letters) => letters,
            Err(NoLetters::NotAsked(why)) => return findings.note("gate", why.as_str()),
            Err(NoLetters::NoGate(why)) => {
                let words = "see whether the gate runs, and is reached at this URL";
                return findings.wrong("gate", why.as_str(), Fix::words(words));
            }
        };
        let is_its = |letter: &&DeadLetterSummary| {
            let repository = letter.repository.as_deref().unwrap_or_default();
            repository.eq_ignore_ascii_case(self.repository.as_spelt())
        };
        let own: Vec<&DeadLetterSummary> = letters.iter().filter(is_its).collect();
        if own.is_empty() {
            return findings.good("gate", "nothing of the repository is a dead letter");
        }
        for (work, what, one, several) in [
            (Work::Builds, "the origin did not take", "a build request", "build requests"),
            (Work::GitHub, "GitHub did not do, or could not be asked,", "a job", "jobs"),
        ] {
            let mut of_queue = own.iter().filter(|letter| letter.queue == work.as_str());
            let count = of_queue.clone().count();
            if let Some(last) = of_queue.next_back() {
                let status = last.status.map_or(String::new(), |status| format!(" {status}"));
                let text = format!(
                    "{what} {} of the repository, the last of {}: {}{status}",
                    match count {
                        1 => one.to_owned(),
                        count => format!("{count} {several}"),
                    },
                    last.stored_at,
                    last.reason
                );
                let url = &self.service.url;
                let advice = format!(
                    "see why, and redrive once the reason is gone: cargo run -- dead-letters show {} --url {url}",
                    last.id
                );
                findings.wrong("gate", text, Fix::words(advice));
            }
        }
    }
}

/// A good policy with one field set to another value; a word becomes an object where that takes it.
fn with(policy: &str, field: &str, value: Value) -> String {
    if !policy.starts_with('{') && field == "trigger" {
        return value.as_str().unwrap_or_default().to_owned();
    }
    let mut fields = match serde_json::from_str(policy) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::from_iter([("trigger".to_owned(), policy.into())]),
    };
    fields.insert(field.to_owned(), value);
    Value::Object(fields).to_string()
}

impl Report {
    fn json(&self) -> Value {
        let findings = self.findings.0.iter().map(|finding| {
            json!({
                "check": finding.what,
                "result": finding.meaning.as_str().to_lowercase(),
                "detail": finding.text,
                "advice": finding.fix.advice,
                "fix": finding.fix.command,
            })
        });
        json!({
            "repository": self.repository,
            "builds": self.findings.are_good(),
            "findings": findings.collect::<Vec<_>>(),
            "deliveries": self.deliveries,
        })
    }

    fn tell_what_is_wrong(&self) {
        self.findings
            .0
            .iter()
            .filter(|finding| finding.meaning == Meaning::Wrong)
            .for_each(Finding::tell);
    }

    fn tell(&self) {
        self.findings.0.iter().for_each(Finding::tell);
        for delivery in &self.deliveries {
            let field = |name: &str| match &delivery[name] {
                Value::String(text) => text.clone(),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            };
            say(format_args!(
                "      {}  {:<12} {} {}",
                field("delivered_at"),
                field("event"),
                field("status"),
                field("code")
            ));
        }
        let repository = &self.repository;
        if self.findings.are_good() {
            say(format_args!("{repository} builds."));
        } else {
            say(format_args!(
                "{repository} does not build as it should: fix what is WRONG above, then check again."
            ));
        }
    }
}

impl Finding {
    fn tell(&self) {
        say(format_args!("{:<5} {:<9} {}", self.meaning.as_str(), self.what, self.text));
        if let Some(advice) = &self.fix.advice {
            say(format_args!("                {advice}"));
        }
        if let Some(command) = &self.fix.command {
            say(format_args!("                fix it: {command}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_is_changed_and_nothing_else() {
        for (policy, field, value, changed) in [
            ("manual", "trigger", json!("deployment"), "deployment"),
            (
                "deployment",
                "repository_id",
                json!(7),
                r#"{"trigger":"deployment","repository_id":7}"#,
            ),
            (
                r#"{"trigger":"manual","branches":["main"]}"#,
                "trigger",
                json!("deployment"),
                r#"{"trigger":"deployment","branches":["main"]}"#,
            ),
            (
                r#"{"repository_id":8,"trigger":"commit"}"#,
                "repository_id",
                json!(7),
                r#"{"repository_id":7,"trigger":"commit"}"#,
            ),
        ] {
            assert_eq!(with(policy, field, value), changed);
        }
    }
}

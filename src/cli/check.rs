//! `check`: the answer to "why is my deployment not built?", from everything that can be looked at.

use std::error::Error;
use std::process::ExitCode;

use buildgate::delivery::decision::{DeploymentPart, EnoughFor, enough_for};
use buildgate::policy::command::quoted;
use buildgate::policy::lookup::{NoPolicy, judge};
use buildgate::policy::{Policy, Trigger};
use clap::Args;
use serde_json::{Value, json};

use crate::github::{Delivery, Failure, GateAnswer, GitHub, Hook};
use crate::link::Target;
use crate::local::{say, say_json};

/// How many of the last deliveries are shown.
const LAST_DELIVERIES: usize = 5;

/// Check a repository: whether a deployment, or a push under `commit`, would be built.
///
/// Looks at the trigger in KV, at the webhook, and at its last deliveries as GitHub saw them, and says for
/// each thing that is wrong how to mend it. Changes nothing. Exits with 0 only if a build would start, 1 if
/// none would, and 2 where it could not be checked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo run -- check octocat/Hello-World --url https://buildgate.example.workers.dev
  cargo run -- check octocat/Hello-World --url http://127.0.0.1:8787 --local --json")]
pub struct Check {
    #[command(flatten)]
    target: Target,
}

/// What was found, in the order in which it was looked at.
#[derive(Default)]
struct Findings(Vec<Finding>);

struct Finding {
    what: &'static str,
    good: bool,
    text: String,
    mend: Option<String>,
}

impl Findings {
    fn good(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding { what, good: true, text: text.into(), mend: None });
    }

    fn wrong(&mut self, what: &'static str, text: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { what, good: false, text: text.into(), mend: Some(mend.into()) });
    }

    fn are_good(&self) -> bool {
        self.0.iter().all(|finding| finding.good)
    }
}

impl Check {
    /// Checks.
    pub fn run(mut self) -> Result<ExitCode, Box<dyn Error>> {
        let github = self.target.github()?;
        eprintln!("looking the repository and its webhooks up …");
        let repository = github.repository(&self.target.repository)?;
        self.target.repository = repository.full_name;
        let target = &self.target;
        let hooks = github.hooks(&target.repository)?;
        eprintln!("looking the trigger up with wrangler …");
        let stored = target.triggers.find(&target.repository)?;

        let mut findings = Findings::default();
        let found = self.check_policy(stored.as_ref(), repository.id, &mut findings);
        // What `link` is told to set: the policy that is there if it is good, or else what mends it.
        let policy = match (&stored, found.as_ref().map(|policy| policy.trigger)) {
            (Some((_, text)), Some(_)) if findings.are_good() => Some(text.trim()),
            (_, Some(Trigger::Commit)) => Some(Trigger::Commit.as_str()),
            _ => None,
        };
        let hook = target.find_hook(hooks);
        let mut deliveries = Vec::new();
        match &hook {
            None => findings.wrong(
                "webhook",
                format!("no webhook of the repository points at {}", target.url),
                self.link_command(policy),
            ),
            Some(hook) => {
                self.check_hook(hook, found.as_ref(), policy, &mut findings);
                eprintln!("looking the last deliveries up …");
                deliveries = self.check_deliveries(&github, hook, policy, &mut findings)?;
            }
        }
        self.tell(&findings, &deliveries);
        Ok(if findings.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The command that mends what `link` can mend, and leaves a good policy as it is.
    fn link_command(&self, policy: Option<&str>) -> String {
        let trigger = quoted(policy.unwrap_or("deployment"));
        let (repository, url) = (&self.target.repository, &self.target.url);
        format!(
            "cargo run -- link {repository} --trigger {trigger} --url {url}{}",
            self.target.triggers.flags()
        )
    }

    fn check_policy(
        &self,
        stored: Option<&(String, String)>,
        id: u64,
        findings: &mut Findings,
    ) -> Option<Policy> {
        let Some((key, text)) = stored else {
            let text = "neither the repository nor its owner has a trigger in KV";
            findings.wrong("trigger", text, self.link_command(None));
            return None;
        };
        let own_key = self.target.repository.as_lower();
        let set = |policy: &str| self.target.triggers.put_command(own_key, policy);
        match judge(key.clone(), text) {
            Err(NoPolicy::NotLinked) => None,
            Err(NoPolicy::Invalid { problem, .. }) => {
                let text = format!("what is stored under {key} cannot be used: {problem}");
                findings.wrong("trigger", text, set("deployment"));
                None
            }
            Err(NoPolicy::Capitals { policy, .. }) => {
                let triggers = &self.target.triggers;
                let mend = format!(
                    "{} && {}",
                    triggers.put_command(&key.to_ascii_lowercase(), &policy),
                    triggers.delete_command(key)
                );
                let text = format!("{policy} (under {key}) is never used: keys are in lower case");
                findings.wrong("trigger", text, mend);
                None
            }
            Ok(Policy { repository_id: Some(pinned), .. }) if pinned != id => {
                let text = format!(
                    "{} (under {key}) is for the repository whose id is {pinned}, and this one's is {id}",
                    text.trim()
                );
                findings.wrong("trigger", text, self.link_command(None));
                None
            }
            Ok(policy) => {
                let (trigger, text) = (policy.trigger, text.trim());
                let nothing_of = |list: &str| {
                    format!("{text} (under {key}): the list `{list}` is empty, so nothing builds")
                };
                if trigger == Trigger::Manual {
                    let text = format!("{text} (under {key}): no webhook builds this repository");
                    findings.wrong("trigger", text, set("deployment"));
                } else if policy
                    .branches
                    .as_ref()
                    .is_some_and(|branches| branches.patterns().is_empty())
                {
                    findings.wrong("trigger", nothing_of("branches"), set(trigger.as_str()));
                } else if trigger == Trigger::Deployment
                    && policy.environments.as_ref().is_some_and(Vec::is_empty)
                {
                    findings.wrong("trigger", nothing_of("environments"), set(trigger.as_str()));
                } else {
                    findings.good("trigger", format!("{text} (under {key})"));
                }
                Some(policy)
            }
        }
    }

    fn check_hook(
        &self,
        hook: &Hook,
        found: Option<&Policy>,
        policy: Option<&str>,
        findings: &mut Findings,
    ) {
        let target = &self.target;
        let mend = || self.link_command(policy);
        let url = &hook.config.url;
        let rest = url.strip_prefix(&target.url).unwrap_or_default();
        if url.eq_ignore_ascii_case(&target.payload_url()) || matches!(rest, "" | "/") {
            findings.good("url", url.as_str());
        } else {
            let text = format!("{url} is not this repository's route, {}", target.payload_url());
            findings.wrong("url", text, mend());
        }
        if hook.active {
            findings.good("active", "the webhook is active");
        } else {
            findings.wrong(
                "active",
                "the webhook is not active, so GitHub delivers nothing",
                mend(),
            );
        }
        let events = hook.events.join(", ");
        match enough_for(found, |event| hook.gets(event)) {
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
                findings.wrong("events", text, mend());
            }
            EnoughFor::Nothing(needed) => {
                let needed = needed.join(" and ");
                let text = format!(
                    "{events}: the {needed} events that the policy needs are not among them"
                );
                findings.wrong("events", text, mend());
            }
        }
        if hook.config.secret.is_none() {
            findings.wrong("secret", "the webhook has none, so GitHub signs nothing", mend());
        }
        if !hook.config.checks_certificate() {
            let text = "GitHub does not check the gate's certificate, so anybody on the way can read \
                        and answer for it";
            findings.wrong("ssl", text, mend());
        }
        match hook.config.content_type.as_str() {
            "json" | "form" => findings.good("content", hook.config.content_type.as_str()),
            other => findings.wrong("content", format!("{other} is neither json nor form"), mend()),
        }
    }

    /// Shows the last deliveries, and judges the newest: an older one may have been mended since.
    fn check_deliveries(
        &self,
        github: &GitHub,
        hook: &Hook,
        policy: Option<&str>,
        findings: &mut Findings,
    ) -> Result<Vec<Value>, Failure> {
        let repository = &self.target.repository;
        let deliveries = github.deliveries(repository, hook.id, LAST_DELIVERIES)?;
        let mut shown = Vec::new();
        for delivery in &deliveries {
            let answer = github.gate_answer(repository, hook.id, delivery.id)?;
            if shown.is_empty() {
                self.judge_delivery(hook, delivery, answer.as_ref(), policy, findings);
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
        policy: Option<&str>,
        findings: &mut Findings,
    ) {
        let last = format!("the last one ({})", delivery.event);
        let Some(GateAnswer { code, message }) = answer else {
            let mend =
                format!("make sure that GitHub can reach {}, then redeliver it", hook.config.url);
            findings.wrong("delivery", format!("{last} failed: {}", delivery.status), mend);
            return;
        };
        let text = format!("{last} was answered {} {code}", delivery.status_code);
        match delivery.status_code {
            200..=299 if code != "hook-misconfigured" => findings.good("delivery", text),
            200..=299 | 401 | 403 | 404 => {
                findings.wrong("delivery", text, self.link_command(policy));
            }
            _ => findings.wrong("delivery", text, message.as_str()),
        }
    }

    fn tell(&self, findings: &Findings, deliveries: &[Value]) {
        let good = findings.are_good();
        if self.target.json {
            let findings: Vec<Value> = findings
                .0
                .iter()
                .map(|f| json!({ "check": f.what, "good": f.good, "detail": f.text, "mend": f.mend }))
                .collect();
            let answer = json!({
                "repository": self.target.repository,
                "builds": good,
                "findings": findings,
                "deliveries": deliveries,
            });
            say_json(&answer, false);
            return;
        }
        for finding in &findings.0 {
            say(format_args!(
                "{} {:<9} {}",
                if finding.good { "ok   " } else { "WRONG" },
                finding.what,
                finding.text
            ));
            if let Some(mend) = &finding.mend {
                say(format_args!("                mend it: {mend}"));
            }
        }
        for delivery in deliveries {
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
        let repository = &self.target.repository;
        if good {
            say(format_args!("{repository} builds."));
        } else {
            say(format_args!(
                "{repository} does not build: mend what is WRONG above, then check again."
            ));
        }
    }
}

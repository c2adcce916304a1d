//! What `check` looks at where the gate itself deploys: who the gate is at GitHub, the events by which it hears of a commit,
//! and what the newest commit waits for, by the gate's own judgement.

use std::time::{SystemTime, UNIX_EPOCH};

use buildgate::auto_deploy::settings::settle;
use buildgate::auto_deploy::verdict::{Fact, Facts, Verdict, judge};
use buildgate::delivery::decision::SIGNS;
use buildgate::github::api::{Branch, Call};
use buildgate::message::auto_deployment::{AutoDeployment, State};
use buildgate::message::build::{self, BuildRow};
use buildgate::operator::answer::Identity;
use buildgate::operator::health::{Health, Item};
use buildgate::policy::auto_deploy::AutoDeploy;
use buildgate::repository::RepositoryName;

use crate::builds::why;
use crate::check::{Findings, Fix};
use crate::gate::Gate;
use crate::github::{Failure, GitHub, Hook};

/// Who the gate is at GitHub; none where it was not asked, and why not where it did not tell.
pub type WhoItIs = Option<Result<Identity, String>>;

/// Whether the gate's App delivers a repository's events.
pub fn is_delivered_by_the_app(identity: &WhoItIs) -> bool {
    let Some(Ok(Identity { app: Some(_), installations, .. })) = identity else { return false };
    installations.iter().any(|one| !one.is_suspended && one.lacks_events.is_empty())
}

/// Looks at who the gate is at GitHub.
pub fn check_identity(identity: &WhoItIs, findings: &mut Findings) {
    const WHAT: &str = "github";
    let identity = match identity {
        None => {
            let text = "not asked who the gate is at GitHub: OPERATOR_TOKEN is not set";
            return findings.note(WHAT, text);
        }
        Some(Err(why)) => {
            let words = "see `cargo run -- app check`";
            return findings.wrong(WHAT, why.as_str(), Fix::words(words));
        }
        Some(Ok(identity)) => identity,
    };
    match (&identity.app, identity.kind.as_str(), identity.installations.first()) {
        (None, "token", _) => findings.note(
            WHAT,
            "the gate has a token in place of an App: a fine-grained one cannot read check runs",
        ),
        (None, ..) => {
            let text =
                "the gate is nobody at GitHub, so it can look at no commit and make no deployment";
            findings.wrong(WHAT, text, Fix::by("cargo run -- app create"));
        }
        (Some(app), _, None) => {
            let text = "the gate's GitHub App is not installed on the repository";
            let words = format!("install it: {}/installations/new", app.html_url);
            findings.wrong(WHAT, text, Fix::words(words));
        }
        (Some(app), _, Some(on)) => {
            let lacks: Vec<String> = on
                .lacks_permissions
                .iter()
                .map(|permission| format!("the permission {permission}"))
                .chain(on.lacks_events.iter().map(|event| format!("the event {event}")))
                .collect();
            if on.is_suspended {
                let text = format!(
                    "the GitHub App {} is suspended there: it gets no events, and can do nothing",
                    app.html_url
                );
                let words = "whoever suspended it, the account's owner or the App's, ends that in the settings of the \
                             installation";
                findings.wrong(WHAT, text, Fix::words(words));
            }
            if on.is_suspended && lacks.is_empty() {
                return;
            }
            if lacks.is_empty() {
                findings.good(
                    WHAT,
                    format!("the GitHub App {} is installed, and lacks nothing", app.html_url),
                );
            } else {
                let text = format!("the GitHub App {} lacks {}", app.html_url, lacks.join(", "));
                let words =
                    "grant it in the App's settings, and accept it where the App is installed";
                findings.wrong(WHAT, text, Fix::words(words));
            }
        }
    }
}

/// Looks whether GitHub is told what becomes of a build. Who the gate is at GitHub is looked at by itself where the gate
/// deploys.
pub fn check_way_back(gate: &Gate, deploys: bool, findings: &mut Findings) {
    let health: Health = match gate.ask("GET", "health") {
        Ok(health) => health,
        Err(why) => {
            let text = format!("not asked whether builds are reported: {}", why.why());
            return findings.note("reports", text);
        }
    };
    for Item { name, detail, advice, .. } in health.items.into_iter().filter(|item| !item.ok) {
        if name == "reports" || name == "LEDGER" || name == "github" && !deploys {
            // What is missing to be somebody at GitHub, the detail says itself.
            let advice = advice.filter(|_| name != "github");
            let advice = advice.map(|advice| format!(": {advice}")).unwrap_or_default();
            findings.note("reports", format!("{detail}{advice}"));
        }
    }
}

/// Looks at what became of the repository's newest build.
pub fn check_build(gate: &Gate, repository: &RepositoryName, findings: &mut Findings) {
    let filters = [("repository", Some(repository.as_spelt()))];
    let newest = match gate.items::<BuildRow>("builds", &filters, 1) {
        // That the gate was not asked is said of the reports already.
        Err(_) => return,
        Ok(newest) => newest.into_iter().next(),
    };
    let Some(build) = newest else { return findings.note("build", "nothing of it was built yet") };
    let text = format!(
        "the last one, {}, is {} since {}: {}",
        build.id,
        build.state.as_str(),
        build.since,
        why(&build)
    );
    match build.state {
        build::State::Success => findings.good("build", text),
        _ => findings.note("build", text),
    }
}

/// Looks whether a webhook sends the events by which the gate hears that a commit may be green.
pub fn check_signs(hook: &Hook, link: &str, findings: &mut Findings) {
    let lacking: Vec<&str> = SIGNS.into_iter().filter(|event| !hook.gets(event)).collect();
    if !lacking.is_empty() {
        let text = format!(
            "{} are not among the events, so the gate hears late, or never, that a commit is green",
            lacking.join(", ")
        );
        findings.wrong("events", text, Fix::by(link));
    }
}

/// Looks at the newest commit of the default branch, or of the first branch that is listed by its name: what is said of it,
/// and what the gate has made of it.
pub fn check_commit(
    github: &GitHub,
    gate: Option<&Gate>,
    repository: &RepositoryName,
    policy: &AutoDeploy,
    default_branch: &str,
    findings: &mut Findings,
) -> Result<(), Failure> {
    const WHAT: &str = "commit";
    let listed = policy.branches.iter().flat_map(|listed| listed.patterns());
    let named = listed.filter(|pattern| !pattern.contains(['*', '?', '[']));
    let mut branches = [default_branch.to_owned()].into_iter().chain(named);
    let Some(branch) = branches.find(|branch| policy.enables_branch(branch, default_branch)) else {
        match policy.builds_nothing_of(default_branch) {
            Some(own) if policy.branches.is_none() => {
                let text = format!(
                    "nothing is ever deployed: without `auto_deploy.branches` it is {default_branch}, the default branch, \
                     and the policy's `branches` ({}) leave that out",
                    own.patterns().join(", ")
                );
                let words = "list the branches to deploy in the policy's `auto_deploy.branches`, or add the default branch \
                             to its `branches`";
                findings.wrong(WHAT, text, Fix::words(words));
            }
            _ => findings.note(WHAT, "no branch whose commits are deployed is known by its name"),
        }
        return Ok(());
    };
    let tip = match github.object::<Branch>(&Call::branch(repository, &branch)) {
        Err(Failure::NotFound) => {
            findings.note(WHAT, format!("there is no branch {branch} yet"));
            return Ok(());
        }
        tip => tip?.tip,
    };
    let commit = format!("{}, the newest of {branch}", tip.short());
    let statuses = github.list(&Call::statuses(repository, &tip))?;
    let mut facts: Vec<Fact> = statuses.into_iter().map(Fact::from_status).collect();
    let has_checks = match github.list(&Call::check_runs(repository, &tip)) {
        Ok(runs) => {
            facts.extend(runs.into_iter().map(Fact::from_run));
            true
        }
        Err(Failure::Forbidden | Failure::NotFound) => false,
        Err(failure) => return Err(failure),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    // The gate's own setting is not known here, and its default is what is meant.
    match judge(&Facts { facts, has_checks }, policy, settle(None), now) {
        Verdict::Green { by } => findings.good(WHAT, format!("{commit}: green by {by}")),
        Verdict::Waiting { reason, .. } => findings.note(WHAT, format!("{commit}: {reason}")),
        Verdict::Red { reason } => findings.note(WHAT, format!("{commit}: {reason}")),
        Verdict::Unknown { .. } => findings.note(
            WHAT,
            format!("{commit}: this token cannot read check runs, so that is not known here"),
        ),
    }
    let Some(gate) = gate else { return Ok(()) };
    let filters = [("repository", Some(repository.as_spelt())), ("sha", Some(tip.as_str()))];
    match gate.items::<AutoDeployment>("auto-deployments", &filters, usize::MAX) {
        Err(failure) => findings.note("deploy", failure.why()),
        Ok(rows) if rows.is_empty() => {
            let text = format!(
                "{commit}: the gate has not looked at it: it heard of no success or push, its job still waits on the queue, or \
                 that is a dead letter"
            );
            findings.note("deploy", text);
        }
        Ok(rows) => {
            for row in rows {
                let text = format!(
                    "{} to {}: {} since {}: {}",
                    tip.short(),
                    row.environment,
                    row.state.as_str(),
                    row.since,
                    row.reason
                );
                match row.state {
                    State::Created => findings.good("deploy", text),
                    State::Refused => {
                        let retry = format!(
                            "cargo run -- auto-deployments retry {repository}@{} --url {}",
                            tip.short(),
                            gate.url
                        );
                        let advice = "once the reason is gone:";
                        findings.wrong("deploy", text, Fix::by_if_so(advice, retry));
                    }
                    State::Waiting | State::Red | State::Superseded | State::TimedOut => {
                        findings.note("deploy", text);
                    }
                }
            }
        }
    }
    Ok(())
}

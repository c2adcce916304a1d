//! Whether a commit is green: a pure function of all that is said of it, of what the policy names, and of the time.

use crate::github::api::{CheckRun, CommitStatus};
use crate::policy::auto_deploy::{AutoDeploy, Context, OWN_CONTEXT};
use crate::time::rfc3339;

/// How many contexts a reason names at most.
const MOST_NAMED: usize = 10;

/// What one status or check run says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The status's context, or the run's name.
    pub name: String,
    /// The slug of the App that says it; of a status, the login of whoever set it.
    pub app: Option<String>,
    /// What it says.
    pub light: Light,
    /// When it said so, in seconds since 1970.
    pub at: u64,
    /// Its id: the newer one's is larger.
    id: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Status,
    Run,
}

/// Green, red, or neither yet, with GitHub's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Light {
    /// `success` or `neutral`.
    Green,
    /// `skipped`: green, where others are that were not skipped.
    Skipped,
    /// It will not become green by itself.
    Red(String),
    /// It may yet.
    Pending(String),
}

impl Fact {
    /// What a newer one takes the place of: GitHub compares contexts without regard to case.
    fn key(&self) -> (Kind, String, Option<&str>) {
        let app = self.app.as_deref().filter(|_| self.kind == Kind::Run);
        (self.kind, self.name.to_ascii_lowercase(), app)
    }

    /// What a commit status says.
    pub fn from_status(status: CommitStatus) -> Self {
        let light = match status.state.as_str() {
            "success" => Light::Green,
            "failure" | "error" => Light::Red(status.state),
            _ => Light::Pending(status.state),
        };
        let app = status.creator.map(|login| match login.strip_suffix("[bot]") {
            Some(slug) => slug.to_owned(),
            None => login,
        });
        let at = status.updated_at.map_or(0, |moment| moment.seconds());
        Self { name: status.context, app, light, at, id: status.id, kind: Kind::Status }
    }

    /// What a check run says.
    pub fn from_run(run: CheckRun) -> Self {
        let conclusion = run.conclusion.filter(|_| run.status == "completed");
        let light = match conclusion.as_deref() {
            Some("success" | "neutral") => Light::Green,
            Some("skipped") => Light::Skipped,
            Some(
                red @ ("failure" | "error" | "cancelled" | "timed_out" | "stale"
                | "action_required" | "startup_failure"),
            ) => Light::Red(red.to_owned()),
            other => Light::Pending(other.unwrap_or(&run.status).to_owned()),
        };
        let at = run.at.map_or(0, |moment| moment.seconds());
        Self { name: run.name, app: run.app, light, at, id: run.id, kind: Kind::Run }
    }
}

/// All that is said of a commit.
#[derive(Debug)]
pub struct Facts {
    /// By statuses and by check runs.
    pub facts: Vec<Fact>,
    /// Whether the check runs are among them: not every token can read those.
    pub has_checks: bool,
}

/// Whether a commit is green.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Green {
        /// What says so.
        by: String,
    },
    /// Not yet.
    Waiting {
        /// What is missing, in words.
        reason: String,
        /// When it is green if nothing else comes, in seconds since 1970; none where something has to come.
        until: Option<u64>,
    },
    /// Something is red.
    Red {
        /// What, in words.
        reason: String,
    },
    /// What has to be known cannot be.
    Unknown {
        /// Why not, and what to do, in words.
        reason: String,
    },
}

/// Judges a commit. Where no contexts are named, it is green `settle` seconds after the newest status or check at the
/// earliest, for others may start late. `now` is in seconds since 1970.
pub fn judge(said: &Facts, policy: &AutoDeploy, settle: u64, now: u64) -> Verdict {
    let others: Vec<&Fact> =
        said.facts.iter().filter(|fact| !fact.name.eq_ignore_ascii_case(OWN_CONTEXT)).collect();
    match &policy.contexts {
        Some(named) => judge_named(&others, named, said.has_checks),
        None if !said.has_checks => Verdict::Unknown { reason: NO_CHECKS.to_owned() },
        None => judge_all(&newest(others), settle, now),
    }
}

const NO_CHECKS: &str = "the gate's token cannot read check runs, and the policy names no contexts that are commit \
    statuses: give the gate a GitHub App (app create), or a classic token";

/// Of each name and App the newest, by their names; a status's name is its own, whoever has set it.
fn newest(mut facts: Vec<&Fact>) -> Vec<&Fact> {
    facts.sort_unstable_by(|one, other| one.key().cmp(&other.key()).then(other.id.cmp(&one.id)));
    facts.dedup_by(|next, kept| next.key() == kept.key());
    facts
}

fn judge_named(facts: &[&Fact], named: &[Context], has_checks: bool) -> Verdict {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for context in named {
        let meant = facts.iter().filter(|fact| context.is(&fact.name, fact.app.as_deref()));
        let meant = newest(meant.copied().collect());
        if meant.is_empty() {
            missing.push(context.shown());
        }
        found.extend(meant);
    }
    if let Some(reason) = red(&found) {
        return Verdict::Red { reason };
    }
    if !has_checks && !missing.is_empty() {
        return Verdict::Unknown {
            reason: format!(
                "there is no commit status {}, and the gate's token cannot read check runs: give the gate a GitHub App \
                 (app create), or a classic token",
                listed(missing)
            ),
        };
    }
    let missing = missing.into_iter().map(|name| format!("{name} (not there yet)"));
    let waited_for: Vec<String> = missing.chain(pending(&found)).collect();
    if !waited_for.is_empty() {
        return Verdict::Waiting {
            reason: format!("waits for {}", listed(waited_for)),
            until: None,
        };
    }
    if let Some(reason) = all_skipped(&found) {
        return Verdict::Waiting { reason, until: None };
    }
    let by = listed(names(&found));
    let by = if has_checks {
        by
    } else {
        format!("{by} (by commit statuses alone: the gate's token cannot read checks)")
    };
    Verdict::Green { by }
}

fn judge_all(facts: &[&Fact], settle: u64, now: u64) -> Verdict {
    if let Some(reason) = red(facts) {
        return Verdict::Red { reason };
    }
    let waited_for = pending(facts);
    if !waited_for.is_empty() {
        return Verdict::Waiting {
            reason: format!("waits for {}", listed(waited_for)),
            until: None,
        };
    }
    let Some(newest) = facts.iter().map(|fact| fact.at).max() else {
        let reason = "waits for a status or a check: there is none yet".to_owned();
        return Verdict::Waiting { reason, until: None };
    };
    if let Some(reason) = all_skipped(facts) {
        return Verdict::Waiting { reason, until: None };
    }
    let by = listed(names(facts));
    let until = newest.saturating_add(settle);
    if now < until {
        let until_then = rfc3339(until.saturating_mul(1_000));
        let reason = format!(
            "green by {by}; the policy names no contexts, so it waits until {until_then} for others that start late"
        );
        return Verdict::Waiting { reason, until: Some(until) };
    }
    Verdict::Green { by }
}

fn red(facts: &[&Fact]) -> Option<String> {
    let red = facts.iter().filter_map(|fact| match &fact.light {
        Light::Red(word) => Some(format!("{} ({word})", fact.name)),
        _ => None,
    });
    let red: Vec<String> = red.collect();
    (!red.is_empty()).then(|| format!("red: {}", listed(red)))
}

fn pending(facts: &[&Fact]) -> Vec<String> {
    let pending = facts.iter().filter_map(|fact| match &fact.light {
        Light::Pending(word) => Some(format!("{} ({word})", fact.name)),
        _ => None,
    });
    pending.collect()
}

fn all_skipped(facts: &[&Fact]) -> Option<String> {
    let skipped = facts.iter().all(|fact| fact.light == Light::Skipped);
    skipped.then(|| format!("waits for one that is not skipped: {}", listed(names(facts))))
}

fn names(facts: &[&Fact]) -> Vec<String> {
    facts.iter().map(|fact| fact.name.clone()).collect()
}

/// Names in a sentence, each once, and not too many of them.
fn listed(mut names: Vec<String>) -> String {
    names.dedup();
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

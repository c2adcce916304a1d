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
    /// The slug of the App that says it; none of a status that a person set.
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
        // A person may have the login that an App has for a slug.
        let app = status.creator.and_then(|login| Some(login.strip_suffix("[bot]")?.to_owned()));
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
            // One of the name that another one said is easily taken for it.
            let other = facts.iter().find(|fact| fact.name.eq_ignore_ascii_case(&context.name));
            let by_another = other.map_or("not there yet".to_owned(), |other| {
                let app = other.app.as_deref().unwrap_or("somebody who is no App");
                format!("not there yet; there is one by {app}, which does not count")
            });
            missing.push((context.shown(), by_another));
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
                listed(missing.into_iter().map(|(name, _)| name).collect())
            ),
        };
    }
    let missing = missing.into_iter().map(|(name, why)| format!("{name} ({why})"));
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
    // Whoever completes a check says when that was, and their clock may be fast.
    let Some(newest) = facts.iter().map(|fact| fact.at.min(now)).max() else {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Policy;
    use crate::time::Moment;

    const NOW: u64 = 1_795_378_320;
    const SETTLE: u64 = 60;

    fn status(id: u64, context: &str, state: &str, creator: &str) -> Fact {
        Fact::from_status(CommitStatus {
            id,
            context: context.into(),
            state: state.into(),
            description: None,
            creator: Some(creator.into()),
            updated_at: Moment::from_seconds(NOW - 100),
        })
    }

    fn run(id: u64, name: &str, conclusion: &str, app: &str) -> Fact {
        let is_done = !matches!(conclusion, "queued" | "in_progress" | "waiting");
        Fact::from_run(CheckRun {
            id,
            name: name.into(),
            status: if is_done { "completed" } else { conclusion }.into(),
            conclusion: is_done.then(|| conclusion.to_owned()),
            app: Some(app.into()),
            at: Moment::from_seconds(NOW - 100),
        })
    }

    fn policy(contexts: &str) -> AutoDeploy {
        let auto_deploy = match contexts {
            "" => "{}".to_owned(),
            contexts => format!("{{\"contexts\":[{contexts}]}}"),
        };
        let policy = format!("{{\"trigger\":\"deployment\",\"auto_deploy\":{auto_deploy}}}");
        Policy::parse(&policy).unwrap().auto_deploy.unwrap()
    }

    fn judged(facts: Vec<Fact>, contexts: &str) -> Verdict {
        judge(&Facts { facts, has_checks: true }, &policy(contexts), SETTLE, NOW)
    }

    /// Green, red or waiting, and what is said of it.
    fn shown(verdict: &Verdict) -> (char, &str) {
        match verdict {
            Verdict::Green { by } => ('g', by),
            Verdict::Waiting { reason, .. } => ('w', reason),
            Verdict::Red { reason } => ('r', reason),
            Verdict::Unknown { reason } => ('u', reason),
        }
    }

    #[test]
    fn each_word_of_githubs_is_green_red_or_neither_yet() {
        for (state, expected) in
            [("success", 'g'), ("failure", 'r'), ("error", 'r'), ("pending", 'w'), ("new", 'w')]
        {
            for contexts in ["", "\"a\""] {
                let verdict = judged(vec![status(1, "a", state, "ci")], contexts);
                assert_eq!(shown(&verdict).0, expected, "{state}: {verdict:?}");
            }
        }
        for (conclusion, expected) in [
            ("success", 'g'),
            ("neutral", 'g'),
            ("skipped", 'w'),
            ("failure", 'r'),
            ("cancelled", 'r'),
            ("timed_out", 'r'),
            ("stale", 'r'),
            ("action_required", 'r'),
            ("startup_failure", 'r'),
            ("error", 'r'),
            ("queued", 'w'),
            ("in_progress", 'w'),
            ("waiting", 'w'),
            ("new", 'w'),
        ] {
            for contexts in ["", "\"a\""] {
                let verdict = judged(vec![run(1, "a", conclusion, "ci")], contexts);
                assert_eq!(shown(&verdict).0, expected, "{conclusion}: {verdict:?}");
                // Beside one that is green, what is skipped is green, too.
                let beside = run(2, "b", "success", "ci");
                let contexts = if contexts.is_empty() { "" } else { "\"a\",\"b\"" };
                let verdict = judged(vec![run(1, "a", conclusion, "ci"), beside], contexts);
                let expected = if conclusion == "skipped" { 'g' } else { expected };
                assert_eq!(shown(&verdict).0, expected, "{conclusion}: {verdict:?}");
            }
        }
    }

    #[test]
    fn the_whole_table() {
        let pinned = r#"{"context":"a","app":"actions"}"#;
        for (facts, contexts, expected) in [
            (vec![], "", ('w', "waits for a status or a check: there is none yet")),
            (vec![], "\"a\",\"b\"", ('w', "waits for a (not there yet), b (not there yet)")),
            // What is not named does not matter.
            (
                vec![status(1, "a", "success", "x"), run(2, "lint", "failure", "x")],
                "\"a\"",
                ('g', "a"),
            ),
            (
                vec![status(1, "a", "success", "x"), run(2, "lint", "failure", "x")],
                "",
                ('r', "red: lint (failure)"),
            ),
            // Without regard to case.
            (vec![status(1, "CI/Build", "success", "x")], "\"ci/build\"", ('g', "CI/Build")),
            // The newest of a name counts: run again, it waits, and then it is what it has become.
            (
                vec![run(1, "a", "failure", "x"), run(2, "a", "in_progress", "x")],
                "\"a\"",
                ('w', "waits for a (in_progress)"),
            ),
            (vec![run(1, "a", "failure", "x"), run(2, "a", "success", "x")], "", ('g', "a")),
            (
                vec![status(2, "a", "pending", "x"), status(1, "a", "success", "y")],
                "\"a\"",
                ('w', "waits for a (pending)"),
            ),
            // A status is its context's, whoever sets it; runs of two Apps are two.
            (vec![status(1, "a", "failure", "x"), status(2, "a", "success", "y")], "", ('g', "a")),
            (
                vec![run(1, "a", "failure", "x"), run(2, "a", "success", "y")],
                "",
                ('r', "red: a (failure)"),
            ),
            (
                vec![run(1, "a", "queued", "x"), status(2, "a", "success", "y")],
                "\"a\"",
                ('w', "waits for a (queued)"),
            ),
            // Pinned, only that App's counts.
            (
                vec![run(1, "a", "success", "other")],
                pinned,
                (
                    'w',
                    "waits for a (by actions) (not there yet; there is one by other, which does not count)",
                ),
            ),
            (
                vec![run(1, "a", "success", "actions"), run(2, "a", "failure", "other")],
                pinned,
                ('g', "a"),
            ),
            (
                vec![status(1, "a", "success", "actions[bot]"), status(2, "a", "failure", "x")],
                pinned,
                ('g', "a"),
            ),
            (
                vec![status(1, "a", "success", "actions")],
                pinned,
                (
                    'w',
                    "waits for a (by actions) (not there yet; there is one by somebody who is no App, which does not count)",
                ),
            ),
            // Red goes before what waits.
            (
                vec![run(1, "a", "failure", "x"), run(2, "b", "queued", "x")],
                "\"a\",\"b\",\"c\"",
                ('r', "red: a (failure)"),
            ),
            // All skipped is not green.
            (
                vec![run(1, "a", "skipped", "x"), run(2, "b", "skipped", "x")],
                "",
                ('w', "waits for one that is not skipped: a, b"),
            ),
            (
                vec![run(1, "a", "skipped", "x")],
                "\"a\"",
                ('w', "waits for one that is not skipped: a"),
            ),
            // What the gate itself says does not count.
            (
                vec![status(1, "buildgate", "failure", "x"), status(2, "a", "success", "x")],
                "",
                ('g', "a"),
            ),
            (
                vec![status(1, "BuildGate", "success", "x")],
                "",
                ('w', "waits for a status or a check: there is none yet"),
            ),
        ] {
            let verdict = judged(facts.clone(), contexts);
            assert_eq!(shown(&verdict), expected, "{facts:?} under {contexts}");
        }
    }

    #[test]
    fn without_names_others_may_start_late() {
        let facts = |age: u64| {
            let mut old = status(1, "a", "success", "x");
            old.at = NOW - 5_000;
            let mut newest = run(2, "b", "success", "x");
            newest.at = NOW - age;
            Facts { facts: vec![old, newest], has_checks: true }
        };
        for (age, until) in [(0, Some(60)), (59, Some(1)), (60, None), (1_000, None)] {
            let verdict = judge(&facts(age), &policy(""), SETTLE, NOW);
            match (verdict, until) {
                (Verdict::Waiting { until: Some(found), reason }, Some(left)) => {
                    assert_eq!(found, NOW + left);
                    assert!(reason.starts_with("green by a, b; "), "{reason}");
                }
                (Verdict::Green { .. }, None) => {}
                other => panic!("{age}: {other:?}"),
            }
        }
        // Named, nothing else has to come.
        let verdict = judge(&facts(0), &policy("\"b\""), SETTLE, NOW);
        assert_eq!(verdict, Verdict::Green { by: "b".into() });
    }

    #[test]
    fn a_token_that_cannot_read_checks_is_enough_where_statuses_are() {
        let judge = |facts, contexts| {
            judge(&Facts { facts, has_checks: false }, &policy(contexts), SETTLE, NOW)
        };
        for (facts, contexts, expected, part) in [
            (vec![status(1, "a", "success", "x")], "\"a\"", 'g', "commit statuses alone"),
            (vec![status(1, "a", "pending", "x")], "\"a\"", 'w', "waits for a (pending)"),
            (vec![status(1, "a", "failure", "x")], "\"a\",\"b\"", 'r', "red: a (failure)"),
            (vec![status(1, "a", "success", "x")], "\"a\",\"b\"", 'u', "no commit status b"),
            (vec![status(1, "a", "success", "x")], "", 'u', "a classic token"),
        ] {
            let verdict = judge(facts, contexts);
            let (light, reason) = shown(&verdict);
            assert!(light == expected && reason.contains(part), "{contexts}: {verdict:?}");
        }
    }

    #[test]
    fn a_reason_is_not_endless() {
        let facts = (0..40).map(|id| run(id, &format!("job {id}"), "queued", "x")).collect();
        let verdict = judged(facts, "");
        let (_, reason) = shown(&verdict);
        assert!(reason.ends_with(" and 30 more") && reason.len() < 400, "{reason}");
    }

    fn any_fact() -> impl Strategy<Value = (bool, u8, &'static str, u8)> {
        let words = prop::sample::select(vec![
            "success",
            "failure",
            "error",
            "pending",
            "neutral",
            "skipped",
            "cancelled",
            "queued",
        ]);
        (any::<bool>(), 0..4_u8, words, 0..2_u8)
    }

    proptest! {
        /// Facts come in whatever order; the verdict is the same, and green only where each name's newest is.
        #[test]
        fn no_order_of_the_same_facts_gives_another_verdict(
            facts in prop::collection::vec(any_fact(), 0..12), seed: u64, named: bool,
        ) {
            let facts: Vec<Fact> = facts
                .iter()
                .enumerate()
                .map(|(id, (is_status, name, word, app))| {
                    let (name, app) = (format!("n{name}"), format!("app{app}"));
                    match is_status {
                        true => status(id as u64, &name, word, &app),
                        false => run(id as u64, &name, word, &app),
                    }
                })
                .collect();
            let contexts = if named { "\"n0\",\"n1\"" } else { "" };
            let verdict = judged(facts.clone(), contexts);
            let mut shuffled = facts.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            prop_assert_eq!(&verdict, &judged(shuffled, contexts));

            let counts = |fact: &&Fact| !named || matches!(fact.name.as_str(), "n0" | "n1");
            let newest_is_red = facts.iter().filter(counts).any(|fact| {
                let is_newest = !facts.iter().any(|other| other.key() == fact.key() && other.id > fact.id);
                is_newest && matches!(fact.light, Light::Red(_))
            });
            prop_assert_eq!(matches!(verdict, Verdict::Red { .. }), newest_is_red);
            if matches!(verdict, Verdict::Green { .. }) {
                prop_assert!(facts.iter().filter(counts).any(|fact| fact.light == Light::Green));
            }
        }
    }
}

//! What the gate is set up with and what it lacks, each with what to do: for the operator, and for `check`.

use serde::{Deserialize, Serialize};

use crate::breaker::{Breaker, State};
use crate::github::limit::Limit;
use crate::message::build::Handovers;
use crate::message::sweep::Sweep;
use crate::time::{length, milliseconds_of_rfc3339, rfc3339};

/// How long a build may wait to be taken, in milliseconds, until that needs a hand.
const WAITS: u64 = 10 * 60_000;

/// How old the last sweep may be, in milliseconds: the cron trigger makes one every ten minutes.
const SWEPT_WITHIN: u64 = 35 * 60_000;

/// How long a message may wait for a queue that takes it, in milliseconds: the cron trigger tries each minute.
const KEPT: u64 = 3 * 60_000;

/// What is known of how the gate is set up.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When that is, in milliseconds since 1970.
    pub now: u64,
    /// Whether the gate is reached from its own machine only: cron triggers may not run there.
    pub is_local: bool,
    /// Whether there is a webhook secret.
    pub has_webhook_secret: bool,
    /// What is wrong with `ORIGIN_URL`, if something is.
    pub origin_url: Option<String>,
    /// What is wrong with `ORIGIN_SECRET`, if something is.
    pub origin_secret: Option<String>,
    /// Why the gate is nobody at GitHub, if it is not.
    pub nobody_at_github: Option<String>,
    /// The bindings of the build queue's shards.
    pub build_queues: Vec<String>,
    /// Whether there is a queue for what is to be done at GitHub.
    pub has_github_queue: bool,
    /// Whether the gate knows its own URL.
    pub knows_its_url: bool,
    /// What the journal remembers, in words. Errors with what is wrong with its settings.
    pub journal: Result<String, String>,
    /// Whether somebody is told what needs a hand. Errors with what is wrong with `ALERT_URL`.
    pub tells: Result<bool, String>,
    /// What the ledger knows. Errors with what it said instead.
    pub ledger: Result<Known, String>,
}

/// What the ledger knows of how it goes.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Since when the build service reports, by RFC 3339: none where it never has.
    pub reporting_since: Option<String>,
    /// How the handovers go.
    pub handovers: Handovers,
    /// Of how many builds GitHub could not be told, and why not of the last one.
    pub untold: (u64, Option<String>),
    /// About how many commits GitHub could not be asked, and why not about the last one.
    pub unasked: (u64, Option<String>),
    /// Whether the build service is asked.
    pub breaker: Breaker,
    /// How many build requests are held because it is not.
    pub held: u64,
    /// How many messages are kept that no queue took in time, and since when the oldest is, in milliseconds since 1970.
    pub outbox: (u64, Option<u64>),
    /// How many dead letters wait for somebody.
    pub dead_letters: u64,
    /// How many events GitHub could not deliver, nor when it was asked to once more.
    pub failed_again: u64,
    /// The last sweep.
    pub swept: Option<Sweep>,
    /// How much GitHub may still be asked.
    pub limit: Option<Limit>,
}

/// How the gate is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Health {
    /// Each thing that was looked at.
    pub items: Vec<Item>,
}

/// A thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Item {
    /// What it is: a setting's name, or a word.
    pub name: String,
    /// Whether nothing is missing.
    pub ok: bool,
    /// How it is, in words.
    pub detail: String,
    /// What to do, where something is missing.
    pub advice: Option<String>,
}

fn good(name: &str, detail: impl Into<String>) -> Item {
    Item { name: name.to_owned(), ok: true, detail: detail.into(), advice: None }
}

fn lacking(name: &str, detail: impl Into<String>, advice: &str) -> Item {
    let advice = Some(advice.to_owned());
    Item { name: name.to_owned(), ok: false, detail: detail.into(), advice }
}

/// Looks at what is known.
pub fn health(facts: &Facts) -> Health {
    let put = |name: &str| format!("npx wrangler secret put {name}");
    let webhook_secret = match facts.has_webhook_secret {
        true => good("WEBHOOK_SECRET", "set"),
        false => {
            let detail = "not set, so every delivery is refused";
            lacking("WEBHOOK_SECRET", detail, &put("WEBHOOK_SECRET"))
        }
    };
    let queue = match facts.build_queues.as_slice() {
        [] => lacking(
            "BUILD_QUEUE",
            "there is no such queue, so whatever is to be built is refused",
            "cargo run -- deploy",
        ),
        [_] => good("BUILD_QUEUE", "one queue"),
        shards => good("BUILD_QUEUE", format!("{} queues: {}", shards.len(), shards.join(", "))),
    };
    let origin_url = match &facts.origin_url {
        None => good("ORIGIN_URL", "set"),
        Some(problem) => lacking(
            "ORIGIN_URL",
            format!("{problem}, so build requests wait on the queue"),
            "set it in wrangler.toml, under [vars], and deploy; an origin that pulls needs none",
        ),
    };
    let origin_secret = match &facts.origin_secret {
        None => good("ORIGIN_SECRET", "set"),
        Some(problem) => lacking("ORIGIN_SECRET", problem.as_str(), &put("ORIGIN_SECRET")),
    };
    let github = match (&facts.nobody_at_github, facts.has_github_queue) {
        (None, true) => good("github", "the gate is known there, by its App or token"),
        (None, false) => lacking(
            "github",
            "there is no queue GITHUB_QUEUE, so on GitHub nothing is said of builds, and no deployment made",
            "cargo run -- deploy",
        ),
        (Some(why), _) => lacking(
            "github",
            format!(
                "on GitHub nothing is said of builds, no deployment is made, and no delivery that failed is delivered \
                 again: {why}"
            ),
            "cargo run -- app create",
        ),
    };
    let url = match facts.knows_its_url {
        true => good("BUILDGATE_URL", "set"),
        false => lacking(
            "BUILDGATE_URL",
            "not set, so repositories' own webhooks are not swept for deliveries that failed",
            "cargo run -- deploy",
        ),
    };
    let journal = match &facts.journal {
        Ok(words) => good("JOURNAL", words.as_str()),
        Err(problem) => lacking("JOURNAL", problem.as_str(), "cargo run -- deploy"),
    };
    let alerts = match &facts.tells {
        Ok(true) => good("ALERT_URL", "set"),
        Ok(false) => good(
            "ALERT_URL",
            "not set, so nobody is told when something needs a hand: it is only shown",
        ),
        Err(problem) => lacking(
            "ALERT_URL",
            format!("{problem}, so nobody is told when something needs a hand"),
            "set it in wrangler.toml, under [vars], and deploy",
        ),
    };
    let mut items = vec![webhook_secret, queue, origin_url, origin_secret];
    match &facts.ledger {
        Ok(known) if github.ok => items.push(at_github(known).unwrap_or(github)),
        _ => items.push(github),
    }
    match &facts.ledger {
        Ok(known) => items.extend(going(facts, known)),
        Err(why) => items.push(lacking(
            "LEDGER",
            format!(
                "does not answer ({why}), so nothing is kept of builds, and nothing said on GitHub"
            ),
            "npx wrangler d1 migrations apply LEDGER --remote, if its tables are missing",
        )),
    }
    items.extend([url, journal, alerts]);
    Health { items }
}

/// What GitHub does not do that it was asked, if there is something.
fn at_github(known: &Known) -> Option<Item> {
    let Known { untold: (builds, build_error), unasked: (commits, commit_error), .. } = known;
    let error = build_error.as_deref().or(commit_error.as_deref())?;
    let plural = |count: &u64| if *count == 1 { "" } else { "s" };
    let of_builds = format!("be told of {builds} build{}", plural(builds));
    let of_commits = format!("be asked about {commits} commit{}", plural(commits));
    let what = match (builds, commits) {
        (0, _) => of_commits,
        (_, 0) => of_builds,
        _ => format!("{of_builds}, nor {of_commits}"),
    };
    Some(lacking(
        "github",
        format!("GitHub could not {what}: {error}"),
        "it is tried again by itself; where GitHub is up (https://www.githubstatus.com), cargo run -- app check",
    ))
}

/// How it goes, by what the ledger knows.
fn going(facts: &Facts, known: &Known) -> Vec<Item> {
    let ago = |at: u64| format!("{} ago", length(facts.now.saturating_sub(at)));
    let Handovers { waiting, waiting_since, last_answer, reported_at } = &known.handovers;
    let last = match last_answer {
        Some((answer, at)) => format!("its last answer, {}: {answer}", ago(*at)),
        None => "it was not asked yet".to_owned(),
    };
    let last = match (known.breaker.state(facts.now), known.held) {
        (State::Closed, 0) => last,
        (State::Closed, held) => {
            format!("{last}; {held} are held yet, and go out at the rate of BACKLOG_PER_MINUTE")
        }
        (State::HalfOpen, _) => {
            format!("{last}; it takes nothing, and the next request tries it again")
        }
        (State::Open { until }, held) => format!(
            "{last}; it takes nothing or has asked for a pause, so nothing is posted until {}, and then one request ({held} are held)",
            rfc3339(until)
        ),
    };
    let origin = match waiting_since {
        None => good("origin", format!("nothing waits for the build service; {last}")),
        Some(since) => {
            let requests =
                if *waiting == 1 { "build request waits" } else { "build requests wait" };
            let oldest = length(facts.now.saturating_sub(*since));
            let detail = format!(
                "{waiting} {requests} for the build service, the oldest for {oldest}; {last}"
            );
            match facts.now.saturating_sub(*since) > WAITS {
                false => good("origin", detail),
                true => lacking(
                    "origin",
                    detail,
                    "mend the build service: what waits is posted to it again by itself",
                ),
            }
        }
    };
    let reports = match (&known.reporting_since, reported_at) {
        (None, _) => lacking(
            "reports",
            "the build service has never reported what becomes of a build: GitHub is told that it was handed over, and no more",
            "have it report, as docs/origin.md says",
        ),
        (Some(since), None) => good("reports", format!("the build service reports, since {since}")),
        (Some(since), Some(at)) => {
            let last = ago(*at);
            good(
                "reports",
                format!("the build service reports, since {since}; the last report came {last}"),
            )
        }
    };
    let outbox = match known.outbox {
        (_, None) => good("outbox", "empty: the queues take what they are given"),
        (count, Some(since)) => {
            let messages = if count == 1 { "message waits" } else { "messages wait" };
            let age = facts.now.saturating_sub(since);
            let detail = format!(
                "{count} {messages} for a queue that takes them, the oldest for {}",
                length(age)
            );
            match age > KEPT {
                false => good("outbox", detail),
                true => lacking(
                    "outbox",
                    detail,
                    "see whether Cloudflare's Queues are up (https://www.cloudflarestatus.com): each minute they are given to the queues again, and none is lost",
                ),
            }
        }
    };
    let letters = match known.dead_letters {
        0 => good("dead letters", "none waits"),
        1 => lacking(
            "dead letters",
            "one request could not be handed over, or done at GitHub, and waits until somebody redrives or drops it",
            "cargo run -- dead-letters list",
        ),
        count => lacking(
            "dead letters",
            format!(
                "{count} requests could not be handed over, or done at GitHub, and wait until somebody redrives or drops them"
            ),
            "cargo run -- dead-letters list",
        ),
    };
    let mut items = vec![outbox, origin, reports, letters];
    if facts.nobody_at_github.is_none() {
        items.push(match known.failed_again {
            0 => good("missed deliveries", "none that failed once more when it was delivered again"),
            count => lacking(
                "missed deliveries",
                match count {
                    1 => "one event failed once more when GitHub delivered it again".to_owned(),
                    count => format!("{count} events failed once more when GitHub delivered them again"),
                },
                "look at the answers under Recent Deliveries of the webhook or App, and at the last sweeps: cargo run -- sweep --last",
            ),
        });
        items.push(sweep(facts, known.swept.as_ref()));
        items.extend(known.limit.filter(|limit| !limit.is_over(facts.now / 1_000)).map(|limit| {
            let Limit { remaining, of, resets_at, seen_at } = limit;
            let (seen, until) = (ago(seen_at * 1_000), rfc3339(resets_at * 1_000));
            let detail =
                format!("{remaining} of {of} requests are left until {until}, as GitHub said {seen}");
            match limit.is_low() {
                false => good("GitHub's limit", detail),
                true => lacking(
                    "GitHub's limit",
                    detail,
                    "nothing: what GitHub is not asked now, it is asked then; an App has a limit for each account that it is installed on",
                ),
            }
        }));
    }
    items
}

/// How the last sweep went.
fn sweep(facts: &Facts, swept: Option<&Sweep>) -> Item {
    const NAME: &str = "sweep";
    let Some(Sweep { at, problems, .. }) = swept else {
        return good(
            NAME,
            match facts.is_local {
                true => "none was made yet: cargo run -- sweep makes one",
                false => "none was made yet: the cron trigger makes one every ten minutes",
            },
        );
    };
    let age = milliseconds_of_rfc3339(at).map_or(0, |at| facts.now.saturating_sub(at));
    let ago = length(age);
    match problems.first() {
        Some(problem) => lacking(
            NAME,
            format!(
                "the last one, {ago} ago, met with problems, the first of {}: {problem}",
                problems.len()
            ),
            "cargo run -- sweep",
        ),
        None if age > SWEPT_WITHIN && !facts.is_local => lacking(
            NAME,
            format!(
                "the last one was {ago} ago, so the cron triggers do not run, and much of the gate hangs on them"
            ),
            "cargo run -- deploy",
        ),
        None => good(NAME, format!("the last one was {ago} ago, and met with no problem")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_378_320_000;
    const MINUTE: u64 = 60_000;

    fn known() -> Known {
        Known { reporting_since: Some("2026-11-25T00:00:00Z".into()), ..Known::default() }
    }

    fn facts() -> Facts {
        Facts {
            now: NOW,
            is_local: false,
            has_webhook_secret: true,
            origin_url: None,
            origin_secret: None,
            nobody_at_github: None,
            build_queues: vec!["BUILD_QUEUE".into()],
            has_github_queue: true,
            knows_its_url: true,
            journal: Ok("on".into()),
            tells: Ok(true),
            ledger: Ok(known()),
        }
    }

    fn with(known: Known) -> Facts {
        Facts { ledger: Ok(known), ..facts() }
    }

    fn waiting(minutes: u64) -> Known {
        let handovers = Handovers {
            waiting: 2,
            waiting_since: Some(NOW - minutes * MINUTE),
            last_answer: Some(("500".into(), NOW - MINUTE)),
            reported_at: None,
        };
        Known { handovers, ..known() }
    }

    fn swept(minutes: u64, problems: &[&str]) -> Known {
        let problems = problems.iter().map(|&problem| problem.to_owned()).collect();
        let at = rfc3339(NOW - minutes * MINUTE);
        Known { swept: Some(Sweep { at, problems, ..Sweep::default() }), ..known() }
    }

    fn limit(remaining: u64, resets_at: u64) -> Known {
        let (resets_at, seen_at) = (resets_at / 1_000, NOW / 1_000 - 5);
        Known { limit: Some(Limit { remaining, of: 5_000, resets_at, seen_at }), ..known() }
    }

    #[test]
    fn each_thing_that_is_missing_is_named_with_what_to_do() {
        for (facts, name, words) in [
            (Facts { has_webhook_secret: false, ..facts() }, "WEBHOOK_SECRET", "refused"),
            (
                Facts { origin_url: Some("ORIGIN_URL is unset".into()), ..facts() },
                "ORIGIN_URL",
                "is unset, so build requests wait on the queue",
            ),
            (
                Facts { origin_secret: Some("ORIGIN_SECRET is unset".into()), ..facts() },
                "ORIGIN_SECRET",
                "is unset",
            ),
            (
                Facts { nobody_at_github: Some("no App".into()), ..facts() },
                "github",
                "nothing is said of builds",
            ),
            (
                with(Known {
                    breaker: Breaker::default().tripped(NOW, Some(300)),
                    held: 7,
                    ..waiting(11)
                }),
                "origin",
                "so nothing is posted until 2026-11-22T20:17:00Z, and then one request (7 are held)",
            ),
            (Facts { build_queues: vec![], ..facts() }, "BUILD_QUEUE", "is refused"),
            (
                with(Known { outbox: (2, Some(NOW - 4 * MINUTE)), ..known() }),
                "outbox",
                "2 messages wait for a queue that takes them, the oldest for 4 minutes",
            ),
            (
                with(Known { untold: (5, Some("GitHub answers 502".into())), ..known() }),
                "github",
                "GitHub could not be told of 5 builds: GitHub answers 502",
            ),
            (
                with(Known {
                    untold: (1, Some("GitHub answers 502".into())),
                    unasked: (1, Some("GitHub answers 500".into())),
                    ..known()
                }),
                "github",
                "GitHub could not be told of 1 build, nor be asked about 1 commit: GitHub answers 502",
            ),
            (Facts { has_github_queue: false, ..facts() }, "github", "GITHUB_QUEUE"),
            (with(Known::default()), "reports", "never reported"),
            (Facts { ledger: Err("D1".into()), ..facts() }, "LEDGER", "(D1)"),
            (Facts { knows_its_url: false, ..facts() }, "BUILDGATE_URL", "not swept"),
            (Facts { journal: Err("no queue".into()), ..facts() }, "JOURNAL", "no queue"),
            (
                Facts { tells: Err("ALERT_URL is not a URL".into()), ..facts() },
                "ALERT_URL",
                "nobody is told",
            ),
            (
                with(waiting(11)),
                "origin",
                "2 build requests wait for the build service, the oldest for 11 minutes; its last answer, 60 seconds ago: 500",
            ),
            (
                with(Known { dead_letters: 3, ..known() }),
                "dead letters",
                "3 requests could not be handed over",
            ),
            (
                with(Known { failed_again: 4, ..known() }),
                "missed deliveries",
                "4 events failed once more",
            ),
            (
                with(Known { dead_letters: 1, ..known() }),
                "dead letters",
                "waits until somebody redrives or drops it",
            ),
            (with(Known { failed_again: 1, ..known() }), "missed deliveries", "one event failed"),
            (with(swept(36, &[])), "sweep", "the cron triggers do not run"),
            (
                with(swept(1, &["app/hook: GitHub answers 502", "and more"])),
                "sweep",
                "met with problems, the first of 2: app/hook: GitHub answers 502",
            ),
            (
                with(limit(499, NOW + MINUTE)),
                "GitHub's limit",
                "499 of 5000 requests are left until 2026-11-22T20:13:00Z, as GitHub said 5 seconds ago",
            ),
        ] {
            let items = health(&facts).items;
            let missing: Vec<&Item> = items.iter().filter(|item| !item.ok).collect();
            assert_eq!(missing.len(), 1, "{missing:?}");
            assert!(missing[0].name == name && missing[0].detail.contains(words), "{missing:?}");
            assert!(missing[0].advice.is_some());
        }
    }

    #[test]
    fn what_goes_well_is_told_and_needs_no_hand() {
        let reported = Handovers { reported_at: Some(NOW - 3 * MINUTE), ..Handovers::default() };
        for (facts, name, words) in [
            (facts(), "origin", "nothing waits for the build service; it was not asked yet"),
            (with(waiting(9)), "origin", "2 build requests wait"),
            (facts(), "BUILD_QUEUE", "one queue"),
            (
                Facts { build_queues: vec!["A".into(), "B".into()], ..facts() },
                "BUILD_QUEUE",
                "2 queues: A, B",
            ),
            (
                with(Known { held: 7, ..waiting(1) }),
                "origin",
                "7 are held yet, and go out at the rate of",
            ),
            (facts(), "outbox", "empty"),
            (
                with(Known { outbox: (1, Some(NOW - MINUTE)), ..known() }),
                "outbox",
                "1 message waits for a queue",
            ),
            (
                with(Known { handovers: reported, ..known() }),
                "reports",
                "since 2026-11-25T00:00:00Z; the last report came 3 minutes ago",
            ),
            (facts(), "sweep", "none was made yet: the cron trigger"),
            (Facts { is_local: true, ..facts() }, "sweep", "cargo run -- sweep"),
            (with(swept(9, &[])), "sweep", "the last one was 9 minutes ago"),
            (Facts { is_local: true, ..with(swept(90, &[])) }, "sweep", "90 minutes ago"),
            (with(limit(500, NOW + MINUTE)), "GitHub's limit", "500 of 5000"),
            (Facts { tells: Ok(false), ..facts() }, "ALERT_URL", "only shown"),
        ] {
            let items = health(&facts).items;
            assert!(items.iter().all(|item| item.ok && item.advice.is_none()), "{items:?}");
            let item = items.iter().find(|item| item.name == name).unwrap();
            assert!(item.detail.contains(words), "{item:?}");
        }
        // When the hour is over, nothing is known of the next one; and whoever is nobody there has no limit.
        let nobody =
            Facts { nobody_at_github: Some("no App".into()), ..with(limit(0, NOW + MINUTE)) };
        for facts in [with(limit(0, NOW)), nobody] {
            assert!(health(&facts).items.iter().all(|item| item.name != "GitHub's limit"));
        }
    }
}

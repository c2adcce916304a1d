//! What the gate is set up with and what it lacks, each with what to do: for the operator, and for `check`.

use serde::{Deserialize, Serialize};

/// What is known of how the gate is set up.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whether there is a webhook secret.
    pub has_webhook_secret: bool,
    /// Whether it is known where build requests are posted.
    pub has_origin_url: bool,
    /// What is wrong with `ORIGIN_SECRET`, if something is.
    pub origin_secret: Option<String>,
    /// Why the gate is nobody at GitHub, if it is not.
    pub nobody_at_github: Option<String>,
    /// Whether there is a queue for what is to be done at GitHub.
    pub has_github_queue: bool,
    /// Since when the build service reports, by RFC 3339: none where it never has. Errors with why that is not known.
    pub reporting_since: Result<Option<String>, String>,
    /// Whether the gate knows its own URL.
    pub knows_its_url: bool,
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
    let origin_url = match facts.has_origin_url {
        true => good("ORIGIN_URL", "set"),
        false => lacking(
            "ORIGIN_URL",
            "not set, so build requests wait on the queue",
            "set it in wrangler.toml, under [vars], and deploy; an origin that pulls needs none",
        ),
    };
    let origin_secret = match &facts.origin_secret {
        None => good("ORIGIN_SECRET", "set"),
        Some(problem) => lacking("ORIGIN_SECRET", problem.as_str(), &put("ORIGIN_SECRET")),
    };
    let github = match (&facts.nobody_at_github, facts.has_github_queue) {
        (None, true) => good("github", "the gate is somebody there"),
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
    let reports = match &facts.reporting_since {
        Ok(Some(since)) => good("reports", format!("the build service reports, since {since}")),
        Ok(None) => lacking(
            "reports",
            "the build service has never reported what becomes of a build: GitHub is told that it was handed over, and no more",
            "have it report, as docs/origin.md says",
        ),
        Err(why) => lacking(
            "LEDGER",
            format!(
                "does not answer ({why}), so nothing is kept of builds, and nothing said on GitHub"
            ),
            "npx wrangler d1 migrations apply LEDGER --remote, if its tables are missing",
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
    Health { items: vec![webhook_secret, origin_url, origin_secret, github, reports, url] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            has_webhook_secret: true,
            has_origin_url: true,
            origin_secret: None,
            nobody_at_github: None,
            has_github_queue: true,
            reporting_since: Ok(Some("2026-11-25T00:00:00Z".into())),
            knows_its_url: true,
        }
    }

    #[test]
    fn each_thing_that_is_missing_is_named_with_what_to_do() {
        assert!(health(&good()).items.iter().all(|item| item.ok && item.advice.is_none()));
        for (facts, name, words) in [
            (Facts { has_webhook_secret: false, ..good() }, "WEBHOOK_SECRET", "refused"),
            (Facts { has_origin_url: false, ..good() }, "ORIGIN_URL", "wait on the queue"),
            (
                Facts { origin_secret: Some("ORIGIN_SECRET is unset".into()), ..good() },
                "ORIGIN_SECRET",
                "is unset",
            ),
            (
                Facts { nobody_at_github: Some("no App".into()), ..good() },
                "github",
                "nothing is said of builds",
            ),
            (Facts { has_github_queue: false, ..good() }, "github", "GITHUB_QUEUE"),
            (Facts { reporting_since: Ok(None), ..good() }, "reports", "never reported"),
            (Facts { reporting_since: Err("D1".into()), ..good() }, "LEDGER", "(D1)"),
            (Facts { knows_its_url: false, ..good() }, "BUILDGATE_URL", "not swept"),
        ] {
            let items = health(&facts).items;
            let missing: Vec<&Item> = items.iter().filter(|item| !item.ok).collect();
            assert_eq!(missing.len(), 1, "{missing:?}");
            assert!(missing[0].name == name && missing[0].detail.contains(words), "{missing:?}");
            assert!(missing[0].advice.is_some());
        }
    }
}

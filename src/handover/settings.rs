//! What a handover is set up with: where to post, with which secret, how long to wait and when to try again.

use crate::retry::{Schedule, number};
use crate::signature::standard_webhooks::OriginSecrets;
use crate::url::{check_to_post, is_local};

/// How long the origin is given to answer, in seconds.
const ORIGIN_TIMEOUT: u64 = 30;

/// The longest that it can be given, in seconds: a batch has 15 minutes in all, and its ten messages are
/// handed over six at a time (<https://developers.cloudflare.com/queues/platform/limits/>).
const LONGEST_TIMEOUT: u64 = 300;

/// How many requests that were held go out in a minute, and how many can at most.
const BACKLOG: u64 = 600;
const LARGEST_BACKLOG: u64 = 60_000;

/// What the handover is set up with.
#[derive(Debug)]
pub struct Settings {
    /// When to try again; the default where a setting is wrong, so that what waits for its correction does not
    /// use its retries up.
    pub schedule: Schedule,
    /// Where to post to, or what is wrong with the settings.
    pub origin: Result<Origin, String>,
    /// How many requests that were held go out in a minute; the default where the setting is wrong.
    pub backlog_per_minute: u64,
}

/// The origin build service.
#[derive(Debug)]
pub struct Origin {
    /// Where build requests are posted.
    pub url: String,
    /// What they are signed with.
    pub secrets: OriginSecrets,
    /// How long an answer is waited for, in seconds.
    pub patience: u32,
}

impl Settings {
    /// Reads the settings through `get`, which gives the value of a variable or a secret by its name, if there
    /// is one.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Self {
        let origin = || {
            let url = get("ORIGIN_URL").unwrap_or_default();
            check_to_post("ORIGIN_URL", &url)?;
            let secrets = OriginSecrets::parse(get("ORIGIN_SECRET").as_deref(), is_local(&url));
            let secrets = secrets.map_err(|error| error.to_string())?;
            let patience = number(&get, "ORIGIN_TIMEOUT_SECONDS", ORIGIN_TIMEOUT)?;
            if !(1..=LONGEST_TIMEOUT).contains(&patience) {
                return Err(format!("ORIGIN_TIMEOUT_SECONDS is not from 1 to {LONGEST_TIMEOUT}"));
            }
            Ok(Origin { url, secrets, patience: patience as u32 })
        };
        let backlog = || match number(&get, "BACKLOG_PER_MINUTE", BACKLOG)? {
            backlog @ 1..=LARGEST_BACKLOG => Ok(backlog),
            _ => Err(format!("BACKLOG_PER_MINUTE is not from 1 to {LARGEST_BACKLOG}")),
        };
        let (schedule, backlog) = (Schedule::read(&get), backlog());
        let problem = schedule.as_ref().err().or(backlog.as_ref().err()).cloned();
        Self {
            origin: problem.map_or_else(origin, Err),
            schedule: schedule.unwrap_or_default(),
            backlog_per_minute: backlog.unwrap_or(BACKLOG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// Reads good settings with some changed; `None` leaves one out.
    fn read(changes: &[(&str, Option<&str>)]) -> Settings {
        Settings::read(|name| {
            let good = match name {
                "ORIGIN_URL" => Some("https://origin.example/builds"),
                "ORIGIN_SECRET" => Some(SECRET),
                _ => None,
            };
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            changed.map_or(good, |(_, value)| *value).map(str::to_owned)
        })
    }

    #[test]
    fn what_is_not_set_is_as_the_docs_say() {
        let settings = read(&[]);
        assert_eq!(settings.schedule, Schedule::default());
        let origin = settings.origin.unwrap();
        assert_eq!((&*origin.url, origin.patience), ("https://origin.example/builds", 30));
        assert_eq!(settings.backlog_per_minute, 600);
    }

    #[test]
    fn what_is_set_counts() {
        let settings = read(&[
            ("RETRY_FIRST_SECONDS", Some("1")),
            ("RETRY_LONGEST_SECONDS", Some(" 2 ")),
            ("MAX_RETRIES", Some("3")),
            ("GIVE_UP_AFTER_SECONDS", Some("4")),
            ("ORIGIN_TIMEOUT_SECONDS", Some("300")),
            ("BACKLOG_PER_MINUTE", Some("60000")),
        ]);
        assert_eq!(settings.schedule, Schedule::new(1, 2, 3, 4).unwrap());
        assert_eq!(settings.origin.unwrap().patience, 300);
        assert_eq!(settings.backlog_per_minute, 60_000);
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is() {
        for (name, value, problem) in [
            ("ORIGIN_URL", None, "ORIGIN_URL is unset or blank"),
            ("ORIGIN_SECRET", None, "ORIGIN_SECRET is unset or blank"),
            ("ORIGIN_SECRET", Some("whsec_MfKQ9"), "ORIGIN_SECRET is not whsec_ and base64"),
            (
                "ORIGIN_SECRET",
                Some("whsec_c2l4dGVlbiBieXRlcyE="),
                "ORIGIN_SECRET has fewer than 24 bytes",
            ),
            (
                "ORIGIN_SECRET",
                Some("whsec_bG9jYWwtb3JpZ2luLXNlY3JldC1sb2NhbA=="),
                "ORIGIN_SECRET is the one of .dev.vars.example, which everybody knows",
            ),
            ("ORIGIN_TIMEOUT_SECONDS", Some("0"), "ORIGIN_TIMEOUT_SECONDS is not from 1 to 300"),
            ("ORIGIN_TIMEOUT_SECONDS", Some("301"), "ORIGIN_TIMEOUT_SECONDS is not from 1 to 300"),
            ("ORIGIN_TIMEOUT_SECONDS", Some("-1"), "ORIGIN_TIMEOUT_SECONDS is not a whole number"),
            ("BACKLOG_PER_MINUTE", Some("0"), "BACKLOG_PER_MINUTE is not from 1 to 60000"),
            ("BACKLOG_PER_MINUTE", Some("60001"), "BACKLOG_PER_MINUTE is not from 1 to 60000"),
            ("BACKLOG_PER_MINUTE", Some("x"), "BACKLOG_PER_MINUTE is not a whole number"),
            ("MAX_RETRIES", Some(" "), "MAX_RETRIES is not a whole number"),
            ("MAX_RETRIES", Some("many"), "MAX_RETRIES is not a whole number"),
            ("MAX_RETRIES", Some("101"), "MAX_RETRIES is 101, which is not from 1 to 100"),
        ] {
            let settings = read(&[(name, value)]);
            assert_eq!(settings.schedule, Schedule::default(), "{name}");
            assert_eq!(settings.origin.unwrap_err(), problem);
        }
        assert!(!format!("{:?}", read(&[])).contains("MfKQ"));
    }
}

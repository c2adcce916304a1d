//! What a list is asked for: filters and a cursor, in the query of its URL. A parameter that is not known, or a value that
//! cannot be, is an error: a filter that does nothing would show what nobody asked for.

use uuid::Uuid;

use crate::message::auto_deployment::{Filter, PAGE, State};
use crate::message::{build, dead_letter, journal, sweep};
use crate::operator::answer::Refusal;
use crate::repository::RepositoryName;
use crate::time::{milliseconds_of_rfc3339, rfc3339};

/// The parameters of a query, each once, and of these names only. What is given without a value is not given.
fn parameters(
    query: Option<&str>,
    names: &[&'static str],
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let known = names.iter().find(|known| **known == name).ok_or_else(|| {
            malformed(format!("`{}` is none of {}", shown(&name), names.join(", ")))
        })?;
        if found.iter().any(|(name, _)| name == known) {
            return Err(malformed(format!("`{known}` is there twice")));
        }
        if !value.is_empty() {
            found.push((known, value.into_owned()));
        }
    }
    Ok(found)
}

/// The same, for what changes something: what is given without a value would be a filter that is left out, or a wish that is
/// not heard.
fn strict_parameters(
    query: Option<&str>,
    names: &[&'static str],
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let found = parameters(query, names)?;
    let mut given = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    match given.find(|(_, value)| value.is_empty()) {
        Some((name, _)) => Err(malformed(format!("`{}` has no value", shown(&name)))),
        None => Ok(found),
    }
}

fn malformed(problem: String) -> Refusal {
    Refusal::MalformedQuery(problem)
}

/// A text from outside, as it is quoted in a sentence.
fn shown(text: &str) -> String {
    crate::json::fields::quote(text)
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, Refusal> {
    let is_number = value.bytes().all(|digit| digit.is_ascii_digit());
    let number =
        value.parse().ok().filter(|_| is_number).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        malformed(format!(
            "`{name}` is `{}`, which is no number from {least} to {most}",
            shown(value)
        ))
    })
}

/// The most that an id can be: what JavaScript's numbers hold.
const LARGEST_ID: u64 = (1 << 53) - 1;

/// The reasons for which a message is kept as a dead letter, and those of a job's.
const QUEUES: [&str; 2] = ["builds", "github"];

/// What a list of dead letters can be asked for; the last two say which page.
const LETTERS: [&str; 11] = [
    "repository",
    "owner",
    "queue",
    "reason",
    "build",
    "redriven",
    "since",
    "until",
    "through",
    "cursor",
    "limit",
];

/// Reads what a list of dead letters is asked for.
pub fn letters(query: Option<&str>) -> Result<dead_letter::Filter, Refusal> {
    letters_of(parameters(query, &LETTERS)?)
}

fn letters_of(given: Vec<(&'static str, String)>) -> Result<dead_letter::Filter, Refusal> {
    let mut filter = dead_letter::Filter { limit: PAGE, ..dead_letter::Filter::default() };
    for (name, value) in given {
        match name {
            "repository" => filter.repository = Some(repository(&value)?),
            "owner" => filter.owner = Some(owner(&value)?),
            "queue" => filter.queue = Some(word(name, value, &QUEUES)?),
            "reason" => filter.reason = Some(value),
            "build" => filter.build = Some(value),
            "redriven" => filter.redriven = Some(word(name, value, &["yes", "no"])? == "yes"),
            "since" => filter.since = Some(rfc3339(time(name, &value)?)),
            "until" => filter.until = Some(rfc3339(time(name, &value)?)),
            "through" => filter.through = Some(number(name, &value, 0, LARGEST_ID)?),
            "cursor" => filter.after = Some(number(name, &value, 0, LARGEST_ID)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
}

/// Reads which dead letters are to be redriven, a page at a time: a list, and the greatest id that its operator saw.
pub fn letters_to_redrive(query: Option<&str>) -> Result<dead_letter::Filter, Refusal> {
    seen_through(letters_of(strict_parameters(query, &LETTERS)?)?)
}

/// Reads which dead letters are to be dropped: all of a list, up to the greatest id that its operator saw.
pub fn letters_to_drop(query: Option<&str>) -> Result<dead_letter::Filter, Refusal> {
    let [names @ .., _, _] = &LETTERS;
    seen_through(letters_of(strict_parameters(query, names)?)?)
}

fn seen_through(filter: dead_letter::Filter) -> Result<dead_letter::Filter, Refusal> {
    if filter.through.is_none() {
        let problem =
            "`through` is missing: the greatest id that is meant, which the list gives as `last`";
        return Err(malformed(problem.to_owned()));
    }
    Ok(filter)
}

/// Reads what a list of auto-deployments is asked for.
pub fn auto_deployments(query: Option<&str>) -> Result<Filter, Refusal> {
    let names =
        ["repository", "owner", "sha", "state", "environment", "since", "until", "cursor", "limit"];
    let mut filter = Filter { limit: PAGE, ..Filter::default() };
    for (name, value) in parameters(query, &names)? {
        match name {
            "repository" => filter.repository = Some(repository(&value)?),
            "sha" => filter.sha = Some(sha(&value)?),
            "state" => {
                let words = State::ALL.map(State::as_str);
                filter.state = State::from_word(&word(name, value, &words)?);
            }
            "environment" => filter.environment = Some(value),
            "owner" => filter.owner = Some(owner(&value)?),
            "since" => filter.since = Some(time(name, &value)?),
            "until" => filter.until = Some(time(name, &value)?),
            "cursor" => filter.before = Some(number(name, &value, 1, LARGEST_ID)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
}

/// Reads what a list of builds is asked for.
pub fn builds(query: Option<&str>) -> Result<build::Filter, Refusal> {
    let names =
        ["repository", "owner", "sha", "state", "delivery", "since", "until", "cursor", "limit"];
    let mut filter = build::Filter { limit: PAGE, ..build::Filter::default() };
    for (name, value) in parameters(query, &names)? {
        match name {
            "repository" => filter.repository = Some(repository(&value)?),
            "sha" => filter.sha = Some(sha(&value)?),
            "state" => {
                let words = build::State::ALL.map(build::State::as_str);
                filter.state = build::State::from_word(&word(name, value, &words)?);
            }
            "owner" => filter.owner = Some(owner(&value)?),
            "delivery" => filter.delivery = Some(value),
            "since" => filter.since = Some(time(name, &value)?),
            "until" => filter.until = Some(time(name, &value)?),
            "cursor" => filter.before = Some(number(name, &value, 1, LARGEST_ID)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
}

/// The most hours whose counts are asked for at once, in milliseconds: those of 31 days.
const MOST_COUNTED: u64 = 31 * 24 * HOUR;

const HOUR: u64 = 60 * 60 * 1_000;

/// Reads what a list of deliveries is asked for.
pub fn deliveries(query: Option<&str>) -> Result<journal::Filter, Refusal> {
    let names = [
        "repository",
        "owner",
        "event",
        "outcome",
        "code",
        "build",
        "delivery",
        "since",
        "until",
        "cursor",
        "limit",
    ];
    let mut filter = journal::Filter { limit: PAGE, ..journal::Filter::default() };
    for (name, value) in parameters(query, &names)? {
        match name {
            "repository" => filter.repository = Some(repository(&value)?),
            "owner" => filter.owner = Some(owner(&value)?),
            "event" => filter.event = Some(value),
            "outcome" => filter.outcome = Some(word(name, value, &journal::OUTCOMES)?),
            "code" => filter.code = Some(word(name, value, &journal::CODES.map(|(code, _)| code))?),
            "build" => filter.build = Some(value),
            "delivery" => filter.delivery = Some(value),
            "since" => filter.since = Some(time(name, &value)?),
            "until" => filter.until = Some(time(name, &value)?),
            "cursor" => filter.before = Some(journal_id(&value)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
}

/// Reads of which hours the counts are asked for, in milliseconds since 1970: from the first to before the second. `now` is
/// such a time, too.
pub fn counts(query: Option<&str>, now: u64) -> Result<(u64, u64), Refusal> {
    let (mut since, mut until) = (None, None);
    for (name, value) in parameters(query, &["since", "until"])? {
        let time = Some(time(name, &value)?);
        if name == "since" { since = time } else { until = time }
    }
    let until = until.unwrap_or(now);
    let since = since.unwrap_or(until.saturating_sub(24 * HOUR));
    // The hour that it lies in counts as a whole.
    let since = since - since % HOUR;
    if until.saturating_sub(since) > MOST_COUNTED {
        return Err(malformed("from `since` to `until` there are more than 31 days".to_owned()));
    }
    Ok((since, until))
}

/// What a list of repositories is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repositories {
    /// What the keys begin with, in lower case.
    pub prefix: String,
    /// Where the list goes on.
    pub cursor: Option<String>,
    /// How many at most.
    pub limit: u64,
}

/// The longest key of KV's, in bytes (<https://developers.cloudflare.com/kv/platform/limits/>).
const LONGEST_KEY: usize = 512;

/// Reads what a list of repositories is asked for: `search` is how their names begin.
pub fn repositories(query: Option<&str>) -> Result<Repositories, Refusal> {
    let mut asked = Repositories { limit: PAGE, ..Repositories::default() };
    for (name, value) in parameters(query, &["owner", "search", "cursor", "limit"])? {
        match name {
            "owner" if asked.prefix.is_empty() => asked.prefix = format!("{}/", owner(&value)?),
            "search" if value.len() > LONGEST_KEY => {
                return Err(malformed(format!("`search` has more than {LONGEST_KEY} bytes")));
            }
            "search" if asked.prefix.is_empty() => asked.prefix = value.to_ascii_lowercase(),
            "owner" | "search" => {
                return Err(malformed("`owner` and `search` cannot be there both".to_owned()));
            }
            "cursor" => asked.cursor = Some(value),
            _ => asked.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(asked)
}

/// Reads whether a change is only to be told: `dry_run`.
pub fn dry_run(query: Option<&str>) -> Result<bool, Refusal> {
    match strict_parameters(query, &["dry_run"])?.pop() {
        Some((name, value)) => Ok(word(name, value, &["true", "false"])? == "true"),
        None => Ok(false),
    }
}

/// Reads one of some words.
fn word(name: &str, value: String, words: &[&str]) -> Result<String, Refusal> {
    if words.contains(&value.as_str()) {
        return Ok(value);
    }
    let words = words.join(", ");
    Err(malformed(format!("`{name}` is `{}`, which is none of {words}", shown(&value))))
}

/// Reads a time, in milliseconds since 1970.
fn time(name: &str, value: &str) -> Result<u64, Refusal> {
    milliseconds_of_rfc3339(value).ok_or_else(|| {
        malformed(format!(
            "`{name}` is `{}`, which is no time by RFC 3339, such as 2026-11-22T20:12:00Z",
            shown(value)
        ))
    })
}

/// Reads the id of a delivery in the journal.
fn journal_id(value: &str) -> Result<String, Refusal> {
    let id = Uuid::try_parse(value).map(|id| id.to_string());
    id.map_err(|_| malformed(format!("`cursor` is `{}`, which no list has given", shown(value))))
}

/// Reads the login of an owner.
fn owner(value: &str) -> Result<String, Refusal> {
    // What makes a repository's name with any other part is an owner.
    let name: Result<RepositoryName, _> = format!("{value}/x").parse();
    let owner = name.ok().filter(|_| !value.contains('/')).map(|_| value.to_ascii_lowercase());
    owner.ok_or_else(|| malformed(format!("`owner` is `{}`, which is no login", shown(value))))
}

/// Reads what a list of sweeps is asked for.
pub fn sweeps(query: Option<&str>) -> Result<sweep::Filter, Refusal> {
    let mut filter = sweep::Filter { limit: PAGE, ..sweep::Filter::default() };
    for (name, value) in parameters(query, &["cursor", "limit"])? {
        match name {
            "cursor" => filter.before = Some(number(name, &value, 1, LARGEST_ID)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
}

/// Reads how a commit's hash begins.
fn sha(value: &str) -> Result<String, Refusal> {
    let is_hash =
        (4..=64).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        return Ok(value.to_ascii_lowercase());
    }
    Err(malformed(format!(
        "`sha` is `{}`, which is not the beginning of a commit's hash: 4 to 64 hexadecimal digits",
        shown(value)
    )))
}

/// Reads the repository that is asked about, if one is.
pub fn app(query: Option<&str>) -> Result<Option<RepositoryName>, Refusal> {
    match parameters(query, &["repository"])?.pop() {
        Some((_, value)) => Ok(Some(
            value
                .parse()
                .map_err(|_| malformed(format!("`{}` is no repository", shown(&value))))?,
        )),
        None => Ok(None),
    }
}

fn repository(value: &str) -> Result<String, Refusal> {
    let name: Result<RepositoryName, _> = value.parse();
    name.map(|name| name.as_lower().to_owned())
        .map_err(|error| malformed(format!("`repository` is `{}`: {error}", shown(value))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_is_read_or_refused_and_never_left_out() {
        let filter = auto_deployments(Some(
            "repository=Octo/Hello&sha=ABCDEF1&state=timed-out&environment=a%20b&cursor=7&limit=1",
        ));
        let expected = Filter {
            repository: Some("octo/hello".into()),
            sha: Some("abcdef1".into()),
            state: Some(State::TimedOut),
            environment: Some("a b".into()),
            before: Some(7),
            limit: 1,
            ..Filter::default()
        };
        assert_eq!(filter, Ok(expected));
        for nothing in [None, Some(""), Some("state=&sha=")] {
            assert_eq!(auto_deployments(nothing), Ok(Filter { limit: 100, ..Filter::default() }));
        }
        for (query, problem) in [
            ("colour=red", "`colour` is none of repository, owner, sha"),
            ("state=green", "none of waiting, red, superseded"),
            ("state=red&state=red", "`state` is there twice"),
            ("sha=%25", "not the beginning of a commit's hash"),
            ("repository=octo", "expected a repository's full name"),
            ("limit=0", "no number from 1 to 100"),
            ("limit=101", "no number from 1 to 100"),
            ("cursor=x", "no number"),
        ] {
            match auto_deployments(Some(query)) {
                Err(Refusal::MalformedQuery(found)) => assert!(found.contains(problem), "{found}"),
                other => panic!("{query}: {other:?}"),
            }
        }
        let filter = builds(Some("repository=O/N&sha=ABCD&state=in_progress&cursor=9&limit=2"));
        let expected = build::Filter {
            repository: Some("o/n".into()),
            sha: Some("abcd".into()),
            state: Some(build::State::InProgress),
            before: Some(9),
            limit: 2,
            ..build::Filter::default()
        };
        assert_eq!(filter, Ok(expected));
        let filter = sweeps(Some("cursor=7&limit=3"));
        assert_eq!(filter, Ok(sweep::Filter { before: Some(7), limit: 3 }));
        assert!(sweeps(Some("state=x")).is_err());
        for query in ["state=built", "environment=a", "sha=x", "limit=101"] {
            assert!(builds(Some(query)).is_err(), "{query}");
        }
        let filter = deliveries(Some(
            "repository=O/N&owner=O&event=push&outcome=ignored&code=pong&build=b%3A1&delivery=g&since=1970-01-01T00:00:01Z\
             &until=1970-01-01T00:00:00.002Z&cursor=01A204E3-1280-7707-8707-070707070003&limit=4",
        ));
        let expected = journal::Filter {
            repository: Some("o/n".into()),
            owner: Some("o".into()),
            event: Some("push".into()),
            outcome: Some("ignored".into()),
            code: Some("pong".into()),
            build: Some("b:1".into()),
            delivery: Some("g".into()),
            since: Some(1_000),
            until: Some(2),
            before: Some("01a204e3-1280-7707-8707-070707070003".into()),
            limit: 4,
        };
        assert_eq!(filter, Ok(expected));
        for query in [
            "owner=a/b",
            "owner=",
            "outcome=built",
            "code=built",
            "since=today",
            "cursor=7",
            "limit=0",
        ] {
            assert_eq!(deliveries(Some(query)).is_err(), query != "owner=", "{query}");
        }
        let filter = letters(Some(
            "repository=O/N&owner=O&queue=github&reason=origin-refused&build=b&redriven=no\
             &since=2026-11-22T21:12:00%2B01:00&until=2026-11-23T00:00:00Z&through=9&cursor=7&limit=2",
        ));
        let expected = dead_letter::Filter {
            repository: Some("o/n".into()),
            owner: Some("o".into()),
            queue: Some("github".into()),
            reason: Some("origin-refused".into()),
            build: Some("b".into()),
            redriven: Some(false),
            since: Some("2026-11-22T20:12:00Z".into()),
            until: Some("2026-11-23T00:00:00Z".into()),
            through: Some(9),
            after: Some(7),
            limit: 2,
        };
        assert_eq!(filter, Ok(expected));
        for query in ["after=7", "redriven=true", "queue=journal", "since=x", "through=-1"] {
            assert!(letters(Some(query)).is_err(), "{query}");
        }
        for (query, redrives, drops) in [
            ("redriven=no", false, false),
            ("through=9", true, true),
            ("through=9&cursor=7&limit=2", true, false),
            ("through=9&cursor=7", true, false),
            // A script's empty variable means no list, and not all of them.
            ("through=9&repository=", false, false),
            ("through=9&owner", false, false),
            ("through=+9", false, false),
        ] {
            let is_read = (letters_to_redrive(Some(query)), letters_to_drop(Some(query)));
            assert_eq!((is_read.0.is_ok(), is_read.1.is_ok()), (redrives, drops), "{query}");
        }
        assert!(app(Some("repository=a/b")).is_ok_and(|name| name.is_some()));
    }

    #[test]
    fn repositories_are_listed_by_how_their_names_begin() {
        let prefix = |query| repositories(Some(query)).map(|asked| asked.prefix);
        assert_eq!(prefix("owner=Octocat"), Ok("octocat/".into()));
        assert_eq!(prefix("search=Octo"), Ok("octo".into()));
        assert!(prefix("search=a&owner=b").is_err() && prefix("name=a").is_err());
        assert_eq!(
            ["", "dry_run=true", "dry_run=false"].map(|query| dry_run(Some(query))),
            [Ok(false), Ok(true), Ok(false)]
        );
        for query in ["dry_run=1", "dry_run", "dry_run="] {
            assert!(dry_run(Some(query)).is_err(), "{query}");
        }
        assert!(repositories(Some(&format!("search={}", "x".repeat(513)))).is_err());
    }

    #[test]
    fn counts_are_those_of_whole_hours() {
        let day = 24 * HOUR;
        assert_eq!(counts(None, 2 * day + 1), Ok((day, 2 * day + 1)));
        assert_eq!(
            counts(Some("since=1970-01-01T01:59:00Z&until=1970-01-01T03:00:00Z"), 0),
            Ok((HOUR, 3 * HOUR))
        );
        assert_eq!(counts(None, 5), Ok((0, 5)));
        for query in
            ["since=1970-01-01T00:00:00Z&until=1970-03-01T00:00:00Z", "since=x", "event=push"]
        {
            assert!(counts(Some(query), 0).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query: String) {
            let _ = (auto_deployments(Some(&query)), letters(Some(&query)), app(Some(&query)));
            let _ = (deliveries(Some(&query)), counts(Some(&query), 0));
        }
    }
}

//! What a list is asked for: filters and a cursor, in the query of its URL. A parameter that is not known, or a value that
//! cannot be, is an error: a filter that does nothing would show what nobody asked for.

use crate::message::auto_deployment::{Filter, PAGE, State};
use crate::message::{build, sweep};
use crate::operator::answer::Refusal;
use crate::repository::RepositoryName;

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

fn malformed(problem: String) -> Refusal {
    Refusal::MalformedQuery(problem)
}

/// A text from outside, as it is quoted in a sentence.
fn shown(text: &str) -> String {
    crate::json::fields::quote(text)
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, Refusal> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        malformed(format!(
            "`{name}` is `{}`, which is no number from {least} to {most}",
            shown(value)
        ))
    })
}

/// The most that an id can be: what JavaScript's numbers hold.
const LARGEST_ID: u64 = (1 << 53) - 1;

/// Reads where a list of dead letters goes on: after this id.
pub fn letters(query: Option<&str>) -> Result<u64, Refusal> {
    match parameters(query, &["cursor"])?.pop() {
        Some((name, value)) => number(name, &value, 0, LARGEST_ID),
        None => Ok(0),
    }
}

/// Reads what a list of auto-deployments is asked for.
pub fn auto_deployments(query: Option<&str>) -> Result<Filter, Refusal> {
    let names = ["repository", "sha", "state", "environment", "cursor", "limit"];
    let mut filter = Filter { limit: PAGE, ..Filter::default() };
    for (name, value) in parameters(query, &names)? {
        match name {
            "repository" => filter.repository = Some(repository(&value)?),
            "sha" => filter.sha = Some(sha(&value)?),
            "state" => {
                let state = State::from_word(&value).ok_or_else(|| {
                    let states = State::ALL.map(State::as_str).join(", ");
                    malformed(format!("`state` is `{}`, which is none of {states}", shown(&value)))
                })?;
                filter.state = Some(state);
            }
            "environment" => filter.environment = Some(value),
            "cursor" => filter.before = Some(number(name, &value, 1, LARGEST_ID)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
}

/// Reads what a list of builds is asked for.
pub fn builds(query: Option<&str>) -> Result<build::Filter, Refusal> {
    let names = ["repository", "sha", "state", "cursor", "limit"];
    let mut filter = build::Filter { limit: PAGE, ..build::Filter::default() };
    for (name, value) in parameters(query, &names)? {
        match name {
            "repository" => filter.repository = Some(repository(&value)?),
            "sha" => filter.sha = Some(sha(&value)?),
            "state" => {
                let state = build::State::from_word(&value).ok_or_else(|| {
                    let states = build::State::ALL.map(build::State::as_str).join(", ");
                    malformed(format!("`state` is `{}`, which is none of {states}", shown(&value)))
                })?;
                filter.state = Some(state);
            }
            "cursor" => filter.before = Some(number(name, &value, 1, LARGEST_ID)?),
            _ => filter.limit = number(name, &value, 1, PAGE)?,
        }
    }
    Ok(filter)
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
        };
        assert_eq!(filter, Ok(expected));
        for nothing in [None, Some(""), Some("state=&sha=")] {
            assert_eq!(auto_deployments(nothing), Ok(Filter { limit: 100, ..Filter::default() }));
        }
        for (query, problem) in [
            ("colour=red", "`colour` is none of repository, sha"),
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
        };
        assert_eq!(filter, Ok(expected));
        let filter = sweeps(Some("cursor=7&limit=3"));
        assert_eq!(filter, Ok(sweep::Filter { before: Some(7), limit: 3 }));
        assert!(sweeps(Some("state=x")).is_err());
        for query in ["state=built", "environment=a", "sha=x", "limit=101"] {
            assert!(builds(Some(query)).is_err(), "{query}");
        }
        assert_eq!((letters(None), letters(Some("cursor=7"))), (Ok(0), Ok(7)));
        assert!(letters(Some("after=7")).is_err());
        assert!(app(Some("repository=a/b")).is_ok_and(|name| name.is_some()));
    }

    proptest! {
        #[test]
        fn no_query_panics(query: String) {
            let _ = (auto_deployments(Some(&query)), letters(Some(&query)), app(Some(&query)));
        }
    }
}

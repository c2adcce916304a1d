//! What GitHub is asked with: where its API is, and who the gate is there.

use crate::github::app::{Identity, NoIdentity};
use crate::repository::GitHubUrl;
use crate::url::{is_loopback, scheme_and_host};

/// What GitHub is asked with.
#[derive(Debug)]
pub struct Settings {
    /// The API's base URL, without a slash at its end.
    pub api: String,
    /// Who the gate is.
    pub identity: Identity,
}

impl Settings {
    /// Reads the settings through `get`, which gives the value of a variable or a secret by its name, if there is one.
    ///
    /// Errors where the gate is nobody at GitHub, or it is not known where that is.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, NoIdentity> {
        let api = api_url(get("GITHUB_API_URL").as_deref(), get("GITHUB_URL").as_deref());
        let identity = Identity::read(get)?;
        Ok(Self { api: api.ok_or(NoIdentity::InvalidUrl)?, identity })
    }
}

/// Whether the gate is set to be somebody at GitHub, rightly or not. `get` gives the value of a variable or a secret.
pub fn is_anybody(get: impl Fn(&'static str) -> Option<String>) -> bool {
    ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "GITHUB_TOKEN"]
        .into_iter()
        .any(|name| get(name).is_some_and(|value| !value.trim().is_empty()))
}

/// The base URL of the API, without a slash at its end: the value of `GITHUB_API_URL`, or else that of the GitHub at
/// `GITHUB_URL`. None where it is no https URL, nor an http one of the machine itself.
pub fn api_url(given: Option<&str>, github: Option<&str>) -> Option<String> {
    let given = given.map(str::trim).filter(|url| !url.is_empty());
    let Some(url) = given else {
        return GitHubUrl::parse(github).ok().map(|github| github.api());
    };
    let url = url.trim_end_matches('/');
    match scheme_and_host(url)? {
        _ if url.contains(['@', '?', '#']) => None,
        ("https", _) => Some(url.to_owned()),
        ("http", host) if is_loopback(host) => Some(url.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_that_of_the_github_that_is_served_or_the_one_that_is_given() {
        for (given, github, api) in [
            (None, None, Some("https://api.github.com")),
            (Some(" "), Some("https://github.com/"), Some("https://api.github.com")),
            (None, Some("https://octo.ghe.com"), Some("https://api.octo.ghe.com")),
            (None, Some("https://github.example"), Some("https://github.example/api/v3")),
            (None, Some("http://127.0.0.1:8789"), Some("http://127.0.0.1:8789/api/v3")),
            (Some("http://127.0.0.1:8789/"), None, Some("http://127.0.0.1:8789")),
            (Some("https://api.example/v3/"), Some("nonsense"), Some("https://api.example/v3")),
            (None, Some("nonsense"), None),
            (Some("http://api.example"), None, None),
            (Some("https://a@b"), None, None),
        ] {
            assert_eq!(api_url(given, github).as_deref(), api, "{given:?} {github:?}");
        }
    }
}

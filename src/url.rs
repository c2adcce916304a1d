//! URLs, taken apart as far as the gate looks into them.

use std::net::Ipv4Addr;

/// A request's URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// Where the gate is reached: the URL without a path.
    pub gate: &'a str,
    /// The path, which begins with `/`.
    pub path: &'a str,
    /// What follows `?`, where there is one.
    pub query: Option<&'a str>,
}

impl<'a> Location<'a> {
    /// Takes apart a URL as a runtime's `Request` gives it: absolute, with a path, without a fragment
    /// (<https://url.spec.whatwg.org/#url-serializing>).
    pub fn parse(url: &'a str) -> Self {
        let (url, query) = match url.split_once('?') {
            Some((url, query)) => (url, Some(query)),
            None => (url, None),
        };
        let path = url.match_indices('/').nth(2).map_or(url.len(), |(path, _)| path);
        let (gate, path) = url.split_at_checked(path).unwrap_or((url, ""));
        Self { gate, path, query }
    }
}

/// The scheme and the host of an absolute URL (RFC 3986, section 3). None where it is no such URL: a
/// character that has to be percent-encoded, such as the backslash, which some take for a slash, is in none.
pub fn scheme_and_host(url: &str) -> Option<(&str, &str)> {
    if url.bytes().any(|b| !b.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&b)) {
        return None;
    }
    let (scheme, rest) = url.split_once(':')?;
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let (host, port) = match host_and_port.find(']') {
        Some(end) => host_and_port.split_at_checked(end + 1)?,
        None => host_and_port.split_at(host_and_port.find(':').unwrap_or(host_and_port.len())),
    };
    let is_port = match port.strip_prefix(':') {
        // An empty port is the scheme's own.
        Some(digits) => {
            digits.is_empty() || digits.parse::<u16>().is_ok() && !digits.starts_with('+')
        }
        None => port.is_empty(),
    };
    let is_closed = host.starts_with('[') == host.ends_with(']');
    let is_whole = !scheme.is_empty() && !host.is_empty() && is_port && is_closed;
    is_whole.then_some((scheme, host))
}

/// Checks a URL that something of the gate's is posted to, which the setting `name` has: `https`, or `http` to a loopback
/// address, for what crosses a network in the clear can be read on its way. Errors with what is wrong.
pub fn check_to_post(name: &str, url: &str) -> Result<(), String> {
    if url.trim().is_empty() {
        return Err(format!("{name} is unset or blank"));
    }
    match scheme_and_host(url) {
        Some(("https", _)) => Ok(()),
        Some(("http", host)) if is_loopback(host) => Ok(()),
        Some(("http", _)) => Err(format!("{name} is plain http to another machine: use https")),
        Some(_) => Err(format!("{name} is not an https URL")),
        None => Err(format!("{name} is not a URL")),
    }
}

/// Whether a URL is reached from the machine itself only.
pub fn is_local(url: &str) -> bool {
    scheme_and_host(url).is_some_and(|(_, host)| is_loopback(host))
}

/// Whether a host's name or address means the machine itself.
pub fn is_loopback(host: &str) -> bool {
    let is_loopback = |address: Ipv4Addr| address.is_loopback();
    matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, gate, path, query) in [
            ("https://gate.example/", "https://gate.example", "/", None),
            ("http://[::1]:8787/o/n/?a=/b", "http://[::1]:8787", "/o/n/", Some("a=/b")),
            (
                "https://gate.example/-/dead-letters?after=7?",
                "https://gate.example",
                "/-/dead-letters",
                Some("after=7?"),
            ),
        ] {
            assert_eq!(Location::parse(url), Location { gate, path, query }, "{url}");
        }
    }

    #[test]
    fn an_origin_is_reached_by_https_or_on_the_machine_itself() {
        for good in [
            "https://origin.example/builds",
            "https://origin.example:8443/?a=b",
            "http://127.0.0.1:8788/builds",
            "http://127.1.2.3/",
            "http://localhost:8788",
            "http://[::1]:8788/builds",
        ] {
            assert_eq!(check_to_post("ORIGIN_URL", good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "unset"),
            ("  ", "unset"),
            ("http://origin.example/builds", "plain http"),
            ("http://localhost.example/", "plain http"),
            ("http://10.0.0.1/", "plain http"),
            ("http://127.0.0.1.example/", "plain http"),
            ("ftp://origin.example/", "not an https URL"),
            ("origin.example/builds", "not"),
            ("/builds", "not a URL"),
            ("https://", "not a URL"),
            ("https://a.example:b:c/", "not a URL"),
            ("https://a.example:65536/", "not a URL"),
            ("https://a.example:+1/", "not a URL"),
            ("https://[::1/", "not a URL"),
            ("https://a]/", "not a URL"),
            ("https://:8443/", "not a URL"),
            ("https://two words/", "not a URL"),
            ("http://127.0.0.1\\@origin.example/", "not a URL"),
            ("http://127.0.0.1@origin.example/", "plain http"),
            ("http://[::2]:8788/", "plain http"),
            ("http://origin.example#@127.0.0.1/", "plain http"),
        ] {
            let error = check_to_post("ORIGIN_URL", bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}

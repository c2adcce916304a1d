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
    let host = match host_and_port.find(']') {
        Some(end) => host_and_port.get(..=end)?,
        None => host_and_port.split(':').next()?,
    };
    if scheme.is_empty() || host.is_empty() { None } else { Some((scheme, host)) }
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
}

//! A web server for one browser on this machine: its page sends the manifest to GitHub, and GitHub sends the browser back
//! to it with the code of the App.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use subtle::ConstantTimeEq;

/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// How long a browser may take to send one, or to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the browser comes back to.
const BACK: &str = "/created";

/// A server that waits for GitHub's code.
pub struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

/// What is served.
struct Served {
    host: String,
    state: String,
    form: String,
    codes: Sender<String>,
}

impl Loopback {
    /// Listens on a free port, for this machine alone.
    pub fn open() -> Result<Self, String> {
        let open = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| Ok(Self { address: listener.local_addr()?, listener }));
        open.map_err(|error| format!("cannot listen on 127.0.0.1: {error}"))
    }

    /// The page to be opened.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Where the browser comes back to.
    pub fn back(&self) -> String {
        format!("http://{}{BACK}", self.address)
    }

    /// Serves the page, whose form sends `manifest` to `action` with a state that nobody can guess, and waits for a code that
    /// comes back with that state. None where none comes in time.
    pub fn code(
        self,
        action: &str,
        state: String,
        manifest: &Value,
        patience: Duration,
    ) -> Option<String> {
        let (codes, received) = channel();
        let form = form(&format!("{action}?state={state}"), manifest);
        let served = Served { host: self.address.to_string(), state, form, codes };
        let served = Arc::new(served);
        let listener = self.listener;
        // A browser may open connections that it sends nothing by: each has a thread of its own.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = Arc::clone(&served);
                thread::spawn(move || served.answer(stream));
            }
        });
        received.recv_timeout(patience).ok()
    }
}

impl Served {
    /// Answers the request of a connection.
    fn answer(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let Some(request) = Request::read(&mut stream) else { return };
        let (status, page, code) = self.page(&request);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nConnection: close\r\n\r\n",
            page.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(page.as_bytes()));
        let _ = stream.flush();
        // Only now, for once it is sent, the command goes on, and it may end before the page is read.
        if let Some(code) = code {
            let _ = self.codes.send(code);
        }
    }

    /// The status and the page of a request, and the code that came with it.
    fn page(&self, request: &Request) -> (&'static str, String, Option<String>) {
        // Under another name, it would be the page of some site that has the name of this machine point here.
        if request.host != self.host {
            return ("421 Misdirected Request", page("This page has another address."), None);
        }
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match (request.method.as_str(), path) {
            ("GET", "/") => ("200 OK", page(&self.form), None),
            ("GET", BACK) => {
                let field = |name: &str| {
                    let mut fields = form_urlencoded::parse(query.as_bytes());
                    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
                };
                let state = field("state").unwrap_or_default();
                let is_ours = bool::from(state.as_bytes().ct_eq(self.state.as_bytes()));
                match field("code").filter(|code| is_code(code)) {
                    Some(code) if is_ours => {
                        ("200 OK", page("The App is made; go back to the terminal."), Some(code))
                    }
                    _ => (
                        "400 Bad Request",
                        page(
                            "This did not come from the form that was opened here, or GitHub sent no code: nothing was \
                             done. Go back to the form, and send it again.",
                        ),
                        None,
                    ),
                }
            }
            (_, "/" | BACK) => ("405 Method Not Allowed", page("This takes GET."), None),
            _ => ("404 Not Found", page("There is nothing here."), None),
        }
    }
}

/// Whether a text may be a code of GitHub's: it becomes a part of a path.
fn is_code(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.chars().all(plain)
}

/// The part of a request that is looked at.
struct Request {
    method: String,
    target: String,
    host: String,
}

impl Request {
    /// Reads one; none where it is no request, or is too large.
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut head = Vec::new();
        let mut some = [0; 1024];
        loop {
            match stream.read(&mut some) {
                Ok(0) => return None,
                Ok(count) => head.extend_from_slice(some.get(..count)?),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return None,
            }
            if head.len() > LARGEST_HEAD {
                return None;
            }
            if let Some(request) = Self::parse(&head).ok()? {
                return Some(request);
            }
        }
    }

    /// Takes the head of one; none where more of it has to come.
    fn parse(head: &[u8]) -> Result<Option<Self>, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(head)?.is_partial() {
            return Ok(None);
        }
        let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
        let host = host.map(|header| String::from_utf8_lossy(header.value).into_owned());
        Ok(Some(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            host: host.unwrap_or_default(),
        }))
    }
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>buildgate</title></head>\n\
         <body><h1>buildgate</h1>\n<p>{body}</p></body></html>\n"
    )
}

/// The form that sends a manifest.
fn form(action: &str, manifest: &Value) -> String {
    let name = manifest.get("name").and_then(Value::as_str).unwrap_or_default();
    format!(
        "GitHub shows the name of the App, which you can change there, and makes it: {}.</p>\n\
         <form method=\"post\" action=\"{}\">\n<input type=\"hidden\" name=\"manifest\" value=\"{}\">\n\
         <button type=\"submit\">Create the GitHub App</button>\n</form><p>",
        escaped(name),
        escaped(action),
        escaped(&manifest.to_string())
    )
}

/// A text as it stands in HTML, also within quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn served() -> (Served, std::sync::mpsc::Receiver<String>) {
        let (codes, received) = channel();
        let form = form("https://github.com/settings/apps/new?state=s", &json!({"name": "<\"&>"}));
        (Served { host: "127.0.0.1:1".into(), state: "s".into(), form, codes }, received)
    }

    #[test]
    fn only_what_comes_from_the_form_is_taken() {
        let (served, _received) = served();
        for (method, target, host, status, code) in [
            ("GET", "/", "127.0.0.1:1", "200 OK", None),
            ("GET", "/created?code=abc&state=s", "127.0.0.1:1", "200 OK", Some("abc")),
            ("GET", "/created?code=abc&state=t", "127.0.0.1:1", "400 Bad Request", None),
            ("GET", "/created?code=abc&state=", "127.0.0.1:1", "400 Bad Request", None),
            ("GET", "/created?code=abc", "127.0.0.1:1", "400 Bad Request", None),
            ("GET", "/created?state=s", "127.0.0.1:1", "400 Bad Request", None),
            ("GET", "/created?code=a%2Fb&state=s", "127.0.0.1:1", "400 Bad Request", None),
            ("POST", "/created?code=abc&state=s", "127.0.0.1:1", "405 Method Not Allowed", None),
            ("GET", "/", "rebound.example:1", "421 Misdirected Request", None),
            (
                "GET",
                "/created?code=abc&state=s",
                "rebound.example",
                "421 Misdirected Request",
                None,
            ),
            ("GET", "/favicon.ico", "127.0.0.1:1", "404 Not Found", None),
        ] {
            let request =
                Request { method: method.into(), target: target.into(), host: host.into() };
            let (said, _, found) = served.page(&request);
            assert_eq!((said, found.as_deref()), (status, code), "{method} {target} {host}");
        }
    }

    #[test]
    fn the_page_holds_the_manifest_whatever_its_name() {
        let (served, _received) = served();
        let manifest = r#"value="{&quot;name&quot;:&quot;&lt;\&quot;&amp;&gt;&quot;}""#;
        assert!(served.form.contains(manifest), "{}", served.form);
    }

    #[test]
    fn a_request_is_read_in_pieces_and_nonsense_is_none() {
        let whole = "GET /created?code=1 HTTP/1.1\r\nHOST: 127.0.0.1:1\r\n\r\n";
        let (first, second) = whole.split_at(20);
        let request = Request::read(&mut first.as_bytes().chain(second.as_bytes())).unwrap();
        assert_eq!((&*request.target, &*request.host), ("/created?code=1", "127.0.0.1:1"));
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(2 * LARGEST_HEAD));
        for none in ["", first, "\u{16}\u{3}\u{1} nonsense\r\n\r\n", &*endless] {
            assert!(Request::read(&mut none.as_bytes()).is_none());
        }
    }
}

//! A web server for one browser on this machine: its page sends the manifest to GitHub, and GitHub sends the browser back
//! to it with the code of the App.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
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

/// The name of the cookie.
const COOKIE: &str = "buildgate-app";

/// A server that waits for GitHub's code.
pub struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

/// Why no code came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCode {
    /// None came in time.
    TooLate,
    /// Somebody else has opened the page, too: whatever comes may be of an App of theirs.
    OpenedTwice,
}

/// What is served.
struct Served {
    host: String,
    /// What GitHub sends back, so that it is known which form was sent.
    state: String,
    /// What the browser has that opened the page first, and nobody else on this machine.
    cookie: String,
    is_opened: AtomicBool,
    form: String,
    codes: Sender<Result<String, NoCode>>,
}

/// What a request is answered.
struct Answered {
    status: &'static str,
    page: String,
    /// The cookie that the browser gets.
    cookie: Option<String>,
    /// What came of waiting for the code.
    code: Option<Result<String, NoCode>>,
}

impl Answered {
    fn with(status: &'static str, body: &str) -> Self {
        Self { status, page: page(body), cookie: None, code: None }
    }
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

    /// Serves the page, whose form sends `manifest` to `action`, and waits for a code that comes back with `state`, to the
    /// browser that got `cookie`: the one that opened the page first. Nobody can guess either.
    ///
    /// Errors where none comes in time, or another browser opens the page: everybody on this machine can.
    pub fn code(
        self,
        action: &str,
        (state, cookie): (String, String),
        manifest: &Value,
        patience: Duration,
    ) -> Result<String, NoCode> {
        let (codes, received) = channel();
        let form = form(&format!("{action}?state={state}"), manifest);
        let (host, is_opened) = (self.address.to_string(), AtomicBool::new(false));
        let served = Arc::new(Served { host, state, cookie, is_opened, form, codes });
        let listener = self.listener;
        // A browser may open connections that it sends nothing by: each has a thread of its own.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = Arc::clone(&served);
                thread::spawn(move || served.answer(stream));
            }
        });
        match received.recv_timeout(patience) {
            Ok(code) => code,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(NoCode::TooLate),
        }
    }
}

impl Served {
    /// Answers the request of a connection.
    fn answer(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let Some(request) = Request::read(&mut stream) else { return };
        let Answered { status, page, cookie, code } = self.answered(&request);
        // Lax: GitHub sends the browser back here.
        let cookie = cookie.map(|value| {
            format!("Set-Cookie: {COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax\r\n")
        });
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n{}\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nConnection: close\r\n\r\n",
            page.len(),
            cookie.unwrap_or_default()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(page.as_bytes()));
        let _ = stream.flush();
        // Only now, for once it is sent, the command goes on, and it may end before the page is read.
        if let Some(code) = code {
            let _ = self.codes.send(code);
        }
    }

    /// What a request is answered.
    fn answered(&self, request: &Request) -> Answered {
        // Under another name, it would be the page of some site that has the name of this machine point here.
        if request.host != self.host {
            return Answered::with("421 Misdirected Request", "This page has another address.");
        }
        let is_first = bool::from(request.cookie.as_bytes().ct_eq(self.cookie.as_bytes()));
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match (request.method.as_str(), path) {
            ("GET", "/") if is_first => Answered::with("200 OK", &self.form),
            ("GET", "/") if !self.is_opened.swap(true, Ordering::SeqCst) => {
                let cookie = Some(self.cookie.clone());
                Answered { cookie, ..Answered::with("200 OK", &self.form) }
            }
            ("GET", "/") => {
                let page = "Another browser has opened this page before, and it may be somebody else's on this machine: \
                            nothing was done. Start the command anew.";
                let code = Some(Err(NoCode::OpenedTwice));
                Answered { code, ..Answered::with("403 Forbidden", page) }
            }
            ("GET", BACK) => {
                let field = |name: &str| {
                    let mut fields = form_urlencoded::parse(query.as_bytes());
                    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
                };
                let state = field("state").unwrap_or_default();
                let is_ours = bool::from(state.as_bytes().ct_eq(self.state.as_bytes()));
                match field("code").filter(|code| is_code(code)) {
                    Some(code) if is_ours && is_first => {
                        let page = "The App is made; go back to the terminal.";
                        Answered { code: Some(Ok(code)), ..Answered::with("200 OK", page) }
                    }
                    _ => Answered::with(
                        "400 Bad Request",
                        "This did not come from the form that was opened here, or GitHub sent no code: nothing was \
                         done. Go back to the form, and send it again.",
                    ),
                }
            }
            (_, "/" | BACK) => Answered::with("405 Method Not Allowed", "This takes GET."),
            _ => Answered::with("404 Not Found", "There is nothing here."),
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
    /// The value of [`COOKIE`].
    cookie: String,
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
        let header = |name: &str| {
            let mut headers = request.headers.iter();
            let header = headers.find(|header| header.name.eq_ignore_ascii_case(name));
            header
                .map(|header| String::from_utf8_lossy(header.value).into_owned())
                .unwrap_or_default()
        };
        let cookies = header("cookie");
        let mut cookies = cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
        Ok(Some(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            host: header("host"),
            cookie: cookies
                .find(|(name, _)| *name == COOKIE)
                .map(|(_, value)| value.to_owned())
                .unwrap_or_default(),
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

    fn served() -> (Served, std::sync::mpsc::Receiver<Result<String, NoCode>>) {
        let (codes, received) = channel();
        let form = form("https://github.com/settings/apps/new?state=s", &json!({"name": "<\"&>"}));
        let (host, state, cookie) = ("127.0.0.1:1".into(), "s".into(), "c".into());
        let is_opened = AtomicBool::new(false);
        (Served { host, state, cookie, is_opened, form, codes }, received)
    }

    fn request(method: &str, target: &str, host: &str, cookie: &str) -> Request {
        let [method, target, host, cookie] = [method, target, host, cookie].map(str::to_owned);
        Request { method, target, host, cookie }
    }

    #[test]
    fn only_what_comes_from_the_form_is_taken() {
        let (served, _received) = served();
        for (method, target, host, cookie, status, code) in [
            ("GET", "/", "127.0.0.1:1", "", "200 OK", None),
            ("GET", "/", "127.0.0.1:1", "c", "200 OK", None),
            ("GET", "/created?code=abc&state=s", "127.0.0.1:1", "c", "200 OK", Some("abc")),
            ("GET", "/created?code=abc&state=s", "127.0.0.1:1", "", "400 Bad Request", None),
            ("GET", "/created?code=abc&state=s", "127.0.0.1:1", "d", "400 Bad Request", None),
            ("GET", "/created?code=abc&state=t", "127.0.0.1:1", "c", "400 Bad Request", None),
            ("GET", "/created?code=abc&state=", "127.0.0.1:1", "c", "400 Bad Request", None),
            ("GET", "/created?code=abc", "127.0.0.1:1", "c", "400 Bad Request", None),
            ("GET", "/created?state=s", "127.0.0.1:1", "c", "400 Bad Request", None),
            ("GET", "/created?code=a%2Fb&state=s", "127.0.0.1:1", "c", "400 Bad Request", None),
            (
                "POST",
                "/created?code=abc&state=s",
                "127.0.0.1:1",
                "c",
                "405 Method Not Allowed",
                None,
            ),
            ("GET", "/", "rebound.example:1", "c", "421 Misdirected Request", None),
            (
                "GET",
                "/created?code=abc&state=s",
                "rebound.example",
                "c",
                "421 Misdirected Request",
                None,
            ),
            ("GET", "/favicon.ico", "127.0.0.1:1", "c", "404 Not Found", None),
        ] {
            let answered = served.answered(&request(method, target, host, cookie));
            let found = answered.code.map(Result::unwrap);
            assert_eq!(
                (answered.status, found.as_deref()),
                (status, code),
                "{method} {target} {host}"
            );
        }
    }

    #[test]
    fn whoever_opens_the_page_second_ends_it_for_everybody() {
        let (served, _received) = served();
        let open = |cookie| served.answered(&request("GET", "/", "127.0.0.1:1", cookie));
        let first = open("");
        assert_eq!(
            (first.status, first.cookie.as_deref(), first.code),
            ("200 OK", Some("c"), None)
        );
        let again = open("c");
        assert_eq!((again.status, again.cookie, again.code), ("200 OK", None, None));
        let second = open("");
        assert_eq!((second.status, second.cookie), ("403 Forbidden", None));
        assert_eq!(second.code, Some(Err(NoCode::OpenedTwice)));
        assert!(!second.page.contains("manifest"), "{}", second.page);
    }

    #[test]
    fn the_page_holds_the_manifest_whatever_its_name() {
        let (served, _received) = served();
        let manifest = r#"value="{&quot;name&quot;:&quot;&lt;\&quot;&amp;&gt;&quot;}""#;
        assert!(served.form.contains(manifest), "{}", served.form);
    }

    #[test]
    fn a_request_is_read_in_pieces_and_nonsense_is_none() {
        let whole = "GET /created?code=1 HTTP/1.1\r\nHOST: 127.0.0.1:1\r\nCookie: a=b; buildgate-app=c\r\n\r\n";
        let (first, second) = whole.split_at(20);
        let request = Request::read(&mut first.as_bytes().chain(second.as_bytes())).unwrap();
        assert_eq!((&*request.target, &*request.host), ("/created?code=1", "127.0.0.1:1"));
        assert_eq!(request.cookie, "c");
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(2 * LARGEST_HEAD));
        for none in ["", first, "\u{16}\u{3}\u{1} nonsense\r\n\r\n", &*endless] {
            assert!(Request::read(&mut none.as_bytes()).is_none());
        }
    }
}

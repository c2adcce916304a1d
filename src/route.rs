//! Every route of the gate, with the methods that it takes.

use percent_encoding::percent_decode_str;

use crate::repository::RepositoryName;
use crate::url::Location;

/// Where every operator's route begins: no GitHub owner can be called `-`.
const OPERATOR: &str = "/-/";

/// Where the origin reports.
const REPORTS: &str = "/-/reports";

/// Where an operator signs in.
const SESSION: &str = "/-/session";

/// Where the answers are explained: no repository's name is without a slash.
pub const HELP: &str = "/help";

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET` of what somebody opens in a browser.
    Page(Page),
    /// `POST` of a webhook.
    Delivery(Entrance),
    /// `/-/reports`: what the origin says of a build. Which method it takes is told to the origin's engineer.
    Report,
    /// `GET /-/`: the console's page.
    Console,
    /// `/-/session`: an operator's at the console.
    Session(SessionRoute),
    /// All else under `/-/`. Whether there is such a route, and with which methods, is told to the operator only.
    Operator(Result<OperatorRoute, NoRoute>),
}

/// What the gate says of itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`: what this is.
    About,
    /// `/help`: what the answers mean.
    Help,
    /// A repository's own Payload URL, by somebody who wonders what it is for.
    PayloadUrl(RepositoryName),
}

/// What is to become of an operator's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRoute {
    /// `POST`: it begins, for whoever gives the token.
    Begin,
    /// `GET`: who is signed in.
    Show,
    /// `DELETE`: it ends.
    End,
}

/// By which route a webhook comes in, which says with which secret it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// `/`: verified with the operator's own secret.
    Shared,
    /// `/{owner}/{name}`: verified with the repository's secret, which is derived from the operator's.
    Repository(RepositoryName),
}

/// What an operator asks for. Ids, names and queries are as they stand in the URL.
#[derive(Debug, PartialEq, Eq)]
pub enum OperatorRoute {
    /// `GET /-/dead-letters`
    ListLetters,
    /// `POST /-/dead-letters/redrive`: some of all that a filter means.
    RedriveLetters,
    /// `POST /-/dead-letters/drop`: all that a filter means.
    DropLetters,
    /// `GET /-/repositories`
    ListRepositories,
    /// `GET /-/repositories/OWNER/NAME`, and the name `*` for all of an owner's.
    ShowRepository(String, String),
    /// `PUT /-/repositories/OWNER/NAME`: it gets another policy.
    SetPolicy(String, String),
    /// `DELETE /-/repositories/OWNER/NAME`: it has no policy any more.
    DeletePolicy(String, String),
    /// `GET /-/deliveries`
    ListDeliveries,
    /// `GET /-/deliveries/ID`
    ShowDelivery(String),
    /// `GET /-/counts`
    Counts,
    /// `GET /-/builds`
    ListBuilds,
    /// `GET /-/builds/ID`, whose id has slashes.
    ShowBuild(String),
    /// `GET /-/health`
    Health,
    /// `GET /-/sweeps`
    ListSweeps,
    /// `POST /-/sweeps`: one is made now.
    Sweep,
    /// `GET /-/auto-deployments`
    ListAutoDeployments,
    /// `POST /-/auto-deployments/OWNER/NAME/SHA/retry`
    RetryAutoDeployment {
        /// The repository's full name.
        repository: String,
        /// The commit's hash.
        sha: String,
    },
    /// `GET /-/app`: who the gate is at GitHub.
    ShowApp,
    /// `PUT /-/app/hook`: the App's webhook gets this gate's URL and secret.
    SetAppHook,
    /// `GET /-/dead-letters/ID`
    ShowLetter(String),
    /// `POST /-/dead-letters/ID/redrive`
    RedriveLetter(String),
    /// `DELETE /-/dead-letters/ID`
    DropLetter(String),
}

/// Why a request is for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// There is nothing at its path.
    NotFound,
    /// There is something, which takes other methods.
    MethodNotAllowed {
        /// The methods that it takes, for the header `Allow`.
        allow: &'static str,
    },
}

impl Route {
    /// Finds the route of a request. For a webhook, a slash at the path's end changes nothing.
    pub fn parse(method: &str, location: &Location) -> Result<Self, NoRoute> {
        if location.path.strip_suffix('/').unwrap_or(location.path) == REPORTS {
            return Ok(Self::Report);
        }
        if location.path == OPERATOR {
            return match method {
                "GET" | "HEAD" => Ok(Self::Console),
                _ => Ok(Self::Operator(Err(NoRoute::MethodNotAllowed { allow: "GET, HEAD" }))),
            };
        }
        if location.path == SESSION {
            return match method {
                "GET" => Ok(Self::Session(SessionRoute::Show)),
                "POST" => Ok(Self::Session(SessionRoute::Begin)),
                "DELETE" => Ok(Self::Session(SessionRoute::End)),
                _ => {
                    let allow = "GET, POST, DELETE";
                    Ok(Self::Operator(Err(NoRoute::MethodNotAllowed { allow })))
                }
            };
        }
        if let Some(path) = location.path.strip_prefix(OPERATOR) {
            return Ok(Self::Operator(OperatorRoute::parse(method, path)));
        }
        if location.path.strip_suffix('/').unwrap_or(location.path) == HELP {
            return match method {
                "GET" | "HEAD" => Ok(Self::Page(Page::Help)),
                _ => Err(NoRoute::MethodNotAllowed { allow: "GET, HEAD" }),
            };
        }
        let entrance = Entrance::parse(location.path).ok_or(NoRoute::NotFound)?;
        match (entrance, method) {
            (entrance, "POST") => Ok(Self::Delivery(entrance)),
            (Entrance::Shared, "GET" | "HEAD") => Ok(Self::Page(Page::About)),
            (Entrance::Repository(repository), "GET" | "HEAD") => {
                Ok(Self::Page(Page::PayloadUrl(repository)))
            }
            _ => Err(NoRoute::MethodNotAllowed { allow: "GET, HEAD, POST" }),
        }
    }
}

impl Entrance {
    fn parse(path: &str) -> Option<Self> {
        if path == "/" {
            return Some(Self::Shared);
        }
        let full_name = path.strip_prefix('/')?;
        let full_name = full_name.strip_suffix('/').unwrap_or(full_name);
        full_name.parse().ok().map(Self::Repository)
    }
}

impl OperatorRoute {
    /// Finds the route of what follows `/-/`.
    fn parse(method: &str, path: &str) -> Result<Self, NoRoute> {
        let not_allowed = |allow| Err(NoRoute::MethodNotAllowed { allow });
        let segments: Vec<&str> = path.split('/').collect();
        match (method, segments.as_slice()) {
            ("GET", ["dead-letters"]) => Ok(Self::ListLetters),
            ("POST", ["dead-letters", "redrive"]) => Ok(Self::RedriveLetters),
            ("POST", ["dead-letters", "drop"]) => Ok(Self::DropLetters),
            (_, ["dead-letters", "redrive" | "drop"]) => not_allowed("POST"),
            ("GET", ["repositories"]) => Ok(Self::ListRepositories),
            (method, ["repositories", owner, name]) => {
                let decoded = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
                let (owner, name) = (decoded(owner), decoded(name));
                match method {
                    "GET" => Ok(Self::ShowRepository(owner, name)),
                    "PUT" => Ok(Self::SetPolicy(owner, name)),
                    "DELETE" => Ok(Self::DeletePolicy(owner, name)),
                    _ => not_allowed("GET, PUT, DELETE"),
                }
            }
            ("GET", ["dead-letters", id]) => Ok(Self::ShowLetter((*id).to_owned())),
            ("DELETE", ["dead-letters", id]) => Ok(Self::DropLetter((*id).to_owned())),
            ("POST", ["dead-letters", id, "redrive"]) => Ok(Self::RedriveLetter((*id).to_owned())),
            ("GET", ["health"]) => Ok(Self::Health),
            ("GET", ["sweeps"]) => Ok(Self::ListSweeps),
            ("POST", ["sweeps"]) => Ok(Self::Sweep),
            (_, ["sweeps"]) => not_allowed("GET, POST"),
            ("GET", ["deliveries"]) => Ok(Self::ListDeliveries),
            ("GET", ["deliveries", id]) => Ok(Self::ShowDelivery((*id).to_owned())),
            ("GET", ["counts"]) => Ok(Self::Counts),
            ("GET", ["builds"]) => Ok(Self::ListBuilds),
            ("GET", ["builds", id @ ..]) => {
                let id = percent_decode_str(&id.join("/")).decode_utf8_lossy().into_owned();
                Ok(Self::ShowBuild(id))
            }
            ("GET", ["auto-deployments"]) => Ok(Self::ListAutoDeployments),
            ("POST", ["auto-deployments", owner, name, sha, "retry"]) => {
                Ok(Self::RetryAutoDeployment {
                    repository: format!("{owner}/{name}"),
                    sha: (*sha).to_owned(),
                })
            }
            ("GET", ["app"]) => Ok(Self::ShowApp),
            ("PUT", ["app", "hook"]) => Ok(Self::SetAppHook),
            (
                _,
                [
                    "dead-letters" | "auto-deployments" | "app" | "health" | "counts"
                    | "deliveries" | "repositories",
                ]
                | ["deliveries", _]
                | ["builds", ..],
            ) => not_allowed("GET"),
            (_, ["dead-letters", _]) => not_allowed("GET, DELETE"),
            (_, ["dead-letters", _, "redrive"] | ["auto-deployments", _, _, _, "retry"]) => {
                not_allowed("POST")
            }
            (_, ["app", "hook"]) => not_allowed("PUT"),
            _ => Err(NoRoute::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(method: &str, url: &str) -> Result<Route, NoRoute> {
        Route::parse(method, &Location::parse(&format!("https://gate.example{url}")))
    }

    #[test]
    fn every_entrance() {
        let own = |name: &str| Ok(Route::Delivery(Entrance::Repository(name.parse().unwrap())));
        for (path, route) in [
            ("/", Ok(Route::Delivery(Entrance::Shared))),
            ("/octocat/Hello-World", own("octocat/Hello-World")),
            ("/Octocat/hello-world/", own("octocat/Hello-World")),
            ("", Err(NoRoute::NotFound)),
            ("//", Err(NoRoute::NotFound)),
            ("/-", Err(NoRoute::NotFound)),
            ("/octocat", Err(NoRoute::NotFound)),
            ("/octocat/", Err(NoRoute::NotFound)),
            ("/octocat/Hello-World/hooks", Err(NoRoute::NotFound)),
            ("/octocat/%2A", Err(NoRoute::NotFound)),
        ] {
            assert_eq!(parse("POST", path), route, "{path}");
        }
    }

    #[test]
    fn every_method_of_an_entrance() {
        let page = |page| Ok(Route::Page(page));
        let payload_url = || page(Page::PayloadUrl("octocat/Hello-World".parse().unwrap()));
        let not_allowed = |allow| Err(NoRoute::MethodNotAllowed { allow });
        for (method, path, route) in [
            ("GET", "/", page(Page::About)),
            ("HEAD", "/", page(Page::About)),
            ("PUT", "/", not_allowed("GET, HEAD, POST")),
            ("GET", "/octocat/Hello-World", payload_url()),
            ("HEAD", "/octocat/Hello-World/", payload_url()),
            ("PUT", "/octocat/Hello-World", not_allowed("GET, HEAD, POST")),
            ("GET", "/help", page(Page::Help)),
            ("HEAD", "/help/", page(Page::Help)),
            ("POST", "/help", not_allowed("GET, HEAD")),
            ("GET", "/octocat", Err(NoRoute::NotFound)),
        ] {
            assert_eq!(parse(method, path), route, "{method} {path}");
        }
    }

    #[test]
    fn a_report_is_not_the_operators() {
        for (method, path) in
            [("POST", "/-/reports?x"), ("POST", "/-/reports/"), ("GET", "/-/reports")]
        {
            assert_eq!(parse(method, path), Ok(Route::Report));
        }
    }

    #[test]
    fn the_console_is_for_whoever_opens_it_and_lets_in_who_has_the_token() {
        let not_allowed = |allow| Ok(Route::Operator(Err(NoRoute::MethodNotAllowed { allow })));
        for (method, path, route) in [
            ("GET", "/-/", Ok(Route::Console)),
            ("HEAD", "/-/?a=b", Ok(Route::Console)),
            ("POST", "/-/", not_allowed("GET, HEAD")),
            ("POST", "/-/session", Ok(Route::Session(SessionRoute::Begin))),
            ("GET", "/-/session", Ok(Route::Session(SessionRoute::Show))),
            ("DELETE", "/-/session", Ok(Route::Session(SessionRoute::End))),
            ("PUT", "/-/session", not_allowed("GET, POST, DELETE")),
        ] {
            assert_eq!(parse(method, path), route, "{method} {path}");
        }
    }

    #[test]
    fn every_operators_route() {
        let not_allowed = |allow| Err(NoRoute::MethodNotAllowed { allow });
        for (method, path, route) in [
            ("GET", "/-/dead-letters", Ok(OperatorRoute::ListLetters)),
            ("GET", "/-/dead-letters?cursor=7", Ok(OperatorRoute::ListLetters)),
            ("GET", "/-/deliveries?code=pong", Ok(OperatorRoute::ListDeliveries)),
            ("GET", "/-/deliveries/7", Ok(OperatorRoute::ShowDelivery("7".into()))),
            ("GET", "/-/deliveries/7/8", Err(NoRoute::NotFound)),
            ("POST", "/-/deliveries", not_allowed("GET")),
            ("DELETE", "/-/deliveries/7", not_allowed("GET")),
            ("GET", "/-/counts", Ok(OperatorRoute::Counts)),
            ("PUT", "/-/counts", not_allowed("GET")),
            ("GET", "/-/builds?state=queued", Ok(OperatorRoute::ListBuilds)),
            (
                "GET",
                "/-/builds/push%3Ao/n:refs%2Fheads%2F%C3%BC:1:2?x",
                Ok(OperatorRoute::ShowBuild("push:o/n:refs/heads/ü:1:2".into())),
            ),
            ("GET", "/-/sweeps?limit=1", Ok(OperatorRoute::ListSweeps)),
            ("GET", "/-/health", Ok(OperatorRoute::Health)),
            ("POST", "/-/health", not_allowed("GET")),
            ("POST", "/-/sweeps", Ok(OperatorRoute::Sweep)),
            ("DELETE", "/-/sweeps", not_allowed("GET, POST")),
            ("POST", "/-/builds", not_allowed("GET")),
            ("DELETE", "/-/builds/a/b", not_allowed("GET")),
            ("GET", "/-/auto-deployments?state=red", Ok(OperatorRoute::ListAutoDeployments)),
            (
                "POST",
                "/-/auto-deployments/o/n/abc/retry",
                Ok(OperatorRoute::RetryAutoDeployment {
                    repository: "o/n".into(),
                    sha: "abc".into(),
                }),
            ),
            ("GET", "/-/app", Ok(OperatorRoute::ShowApp)),
            ("PUT", "/-/app/hook", Ok(OperatorRoute::SetAppHook)),
            ("POST", "/-/app", not_allowed("GET")),
            ("GET", "/-/app/hook", not_allowed("PUT")),
            ("GET", "/-/auto-deployments/o/n/abc/retry", not_allowed("POST")),
            ("GET", "/-/auto-deployments/o/n/abc", Err(NoRoute::NotFound)),
            ("GET", "/-/dead-letters/7", Ok(OperatorRoute::ShowLetter("7".into()))),
            ("POST", "/-/dead-letters/7/redrive", Ok(OperatorRoute::RedriveLetter("7".into()))),
            ("DELETE", "/-/dead-letters/7", Ok(OperatorRoute::DropLetter("7".into()))),
            ("GET", "/-/dead-letters/", Ok(OperatorRoute::ShowLetter(String::new()))),
            ("POST", "/-/dead-letters/redrive?through=7", Ok(OperatorRoute::RedriveLetters)),
            ("POST", "/-/dead-letters/drop", Ok(OperatorRoute::DropLetters)),
            ("GET", "/-/dead-letters/drop", not_allowed("POST")),
            ("GET", "/-/repositories", Ok(OperatorRoute::ListRepositories)),
            ("POST", "/-/repositories", not_allowed("GET")),
            (
                "GET",
                "/-/repositories/o/%2A",
                Ok(OperatorRoute::ShowRepository("o".into(), "*".into())),
            ),
            ("PUT", "/-/repositories/o/n", Ok(OperatorRoute::SetPolicy("o".into(), "n".into()))),
            (
                "DELETE",
                "/-/repositories/o/n",
                Ok(OperatorRoute::DeletePolicy("o".into(), "n".into())),
            ),
            ("POST", "/-/repositories/o/n", not_allowed("GET, PUT, DELETE")),
            ("GET", "/-/repositories/o", Err(NoRoute::NotFound)),
            ("POST", "/-/dead-letters", not_allowed("GET")),
            ("PUT", "/-/dead-letters/7", not_allowed("GET, DELETE")),
            ("GET", "/-/dead-letters/7/redrive", not_allowed("POST")),
            ("GET", "/-/assets/none.js", Err(NoRoute::NotFound)),
            ("GET", "/-/dead-letters/7/drop", Err(NoRoute::NotFound)),
        ] {
            assert_eq!(parse(method, path), Ok(Route::Operator(route)), "{method} {path}");
        }
    }

    proptest! {
        #[test]
        fn no_request_panics(method: String, url: String) {
            let _ = Route::parse(&method, &Location::parse(&url));
            let _ = parse(&method, &url);
            let _ = parse(&method, &format!("/-/{url}"));
        }
    }
}

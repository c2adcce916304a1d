//! GitHub's REST API, as far as webhooks need it
//! (<https://docs.github.com/en/rest/repos/webhooks?apiVersion=2022-11-28>).

use std::fmt;
use std::time::Duration;

use buildgate::github::api::{self, Call};
use buildgate::repository::RepositoryName;
use buildgate::signature::github::SecretUsed;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::config::RedirectAuthHeaders;

const PATIENCE: Duration = Duration::from_secs(20);
const PER_PAGE: usize = 100;

/// GitHub, as somebody with a token talks to it.
pub struct GitHub {
    api: String,
    token: SecretString,
    agent: ureq::Agent,
}

/// A repository, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Repository {
    /// GitHub's id of it.
    pub id: u64,
    /// The full name as its owner spells it.
    pub full_name: RepositoryName,
    /// The name of the default branch.
    pub default_branch: String,
    /// What the token's owner may do with it; GitHub leaves it out for some tokens.
    #[serde(default)]
    pub permissions: Option<Permissions>,
}

/// A repository in a list.
#[derive(Debug, Deserialize)]
struct ListedRepository {
    full_name: RepositoryName,
}

/// What a token's owner may do.
#[derive(Debug, Deserialize)]
pub struct Permissions {
    /// Whether they administer the repository, as webhooks need.
    pub admin: bool,
}

/// A repository's webhook.
#[derive(Debug, Deserialize)]
pub struct Hook {
    /// GitHub's id of it.
    pub id: u64,
    /// Whether GitHub delivers.
    pub active: bool,
    /// The events that it gets.
    pub events: Vec<String>,
    /// Where and how it gets them.
    pub config: HookConfig,
}

/// Where and how a webhook gets its events.
#[derive(Debug, Deserialize)]
pub struct HookConfig {
    /// The Payload URL.
    #[serde(default)]
    pub url: String,
    /// `json` or `form`.
    #[serde(default)]
    pub content_type: String,
    /// Asterisks where there is a secret: what it is, GitHub never tells.
    #[serde(default)]
    pub secret: Option<String>,
    /// `0`, as a string or a number, where GitHub checks the certificate of the Payload URL.
    #[serde(default)]
    pub insecure_ssl: Value,
}

impl HookConfig {
    /// Whether GitHub checks the certificate of the Payload URL.
    pub fn checks_certificate(&self) -> bool {
        match &self.insecure_ssl {
            Value::String(text) => text == "0",
            Value::Number(number) => number.as_u64() == Some(0),
            _ => true,
        }
    }
}

/// What a webhook is to be set to.
pub struct HookSettings<'a> {
    /// The Payload URL.
    pub url: &'a str,
    /// The webhook secret.
    pub secret: &'a SecretString,
    /// The events.
    pub events: &'a [String],
}

/// A delivery, as GitHub lists it.
#[derive(Debug, Deserialize)]
pub struct Delivery {
    /// GitHub's id of it.
    pub id: u64,
    /// When it was made.
    pub delivered_at: String,
    /// What GitHub says of it, such as `OK`.
    pub status: String,
    /// The answer's status; 0 where there was none.
    pub status_code: u16,
    /// The event.
    pub event: String,
}

/// What GitHub keeps of a delivery's answer.
#[derive(Deserialize)]
struct DeliveryDetail {
    response: DeliveryResponse,
}

#[derive(Deserialize)]
struct DeliveryResponse {
    payload: Option<String>,
}

/// The gate's answer to a delivery.
#[derive(Debug, Deserialize, Serialize)]
pub struct GateAnswer {
    /// Our stable word.
    pub code: String,
    /// Our sentences.
    pub message: String,
    /// By which secret it was verified, where the gate says so.
    #[serde(default)]
    pub secret: Option<String>,
}

impl GateAnswer {
    /// Whether the webhook has the secret that is going out of use.
    pub fn is_by_the_previous_secret(&self) -> bool {
        self.secret.as_deref() == Some(SecretUsed::Previous.as_str())
    }
}

/// Why GitHub did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The token is wrong or has expired.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// There is no such thing, or the token may not know of it.
    NotFound,
    /// Too many requests; when to come back, where GitHub says so.
    RateLimited(Option<String>),
    /// GitHub could not be reached.
    Unreachable(String),
    /// GitHub answered what it never answers, or did not like the request.
    Strange(String),
}

impl GitHub {
    /// Takes the API's URL and a token.
    pub fn new(api: &str, token: SecretString) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // What was renamed is answered with a redirect on the same host
            // (https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects).
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("buildgate/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { api: api.trim_end_matches('/').to_owned(), token, agent }
    }

    /// Looks a repository up.
    pub fn repository(&self, repository: &RepositoryName) -> Result<Repository, Failure> {
        self.get(&format!("repos/{repository}"))
    }

    /// Lists the repositories of an owner that the token is shown: an organization's, or else those of a user that its
    /// owner may do something with.
    pub fn repositories_of(&self, owner: &str) -> Result<Vec<RepositoryName>, Failure> {
        let of_organization = self.all(&format!("orgs/{owner}/repos"));
        let repositories: Vec<ListedRepository> = match of_organization {
            Err(Failure::NotFound) => self.all("user/repos")?,
            other => other?,
        };
        let names = repositories.into_iter().map(|repository| repository.full_name);
        let is_theirs = |name: &RepositoryName| {
            name.as_lower().split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(owner))
        };
        Ok(names.filter(is_theirs).collect())
    }

    /// Lists a repository's webhooks.
    pub fn hooks(&self, repository: &RepositoryName) -> Result<Vec<Hook>, Failure> {
        self.all(&format!("repos/{repository}/hooks"))
    }

    /// All pages of a list.
    fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        for page in 1.. {
            let more: Vec<T> = self.get(&format!("{path}?per_page={PER_PAGE}&page={page}"))?;
            let last = more.len() < PER_PAGE;
            all.extend(more);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// Creates a webhook.
    pub fn create_hook(
        &self,
        repository: &RepositoryName,
        settings: &HookSettings,
    ) -> Result<Hook, Failure> {
        let mut body = settings.body();
        if let Some(body) = body.as_object_mut() {
            body.insert("name".to_owned(), "web".into());
        }
        read(&self.ask("POST", &format!("repos/{repository}/hooks"), Some(&body))?)
    }

    /// Sets a webhook anew.
    pub fn update_hook(
        &self,
        repository: &RepositoryName,
        hook: u64,
        settings: &HookSettings,
    ) -> Result<Hook, Failure> {
        let path = format!("repos/{repository}/hooks/{hook}");
        read(&self.ask("PATCH", &path, Some(&settings.body()))?)
    }

    /// Deletes a webhook.
    pub fn delete_hook(&self, repository: &RepositoryName, hook: u64) -> Result<(), Failure> {
        self.ask("DELETE", &format!("repos/{repository}/hooks/{hook}"), None).map(drop)
    }

    /// Has GitHub send a ping to a webhook.
    pub fn ping_hook(&self, repository: &RepositoryName, hook: u64) -> Result<(), Failure> {
        self.ask("POST", &format!("repos/{repository}/hooks/{hook}/pings"), None).map(drop)
    }

    /// Lists a webhook's last deliveries, the newest first.
    pub fn deliveries(
        &self,
        repository: &RepositoryName,
        hook: u64,
        count: usize,
    ) -> Result<Vec<Delivery>, Failure> {
        self.get(&format!("repos/{repository}/hooks/{hook}/deliveries?per_page={count}"))
    }

    /// The gate's answer to a delivery; `None` where there was no answer, or not one of a gate's.
    pub fn gate_answer(
        &self,
        repository: &RepositoryName,
        hook: u64,
        delivery: u64,
    ) -> Result<Option<GateAnswer>, Failure> {
        let detail: DeliveryDetail =
            self.get(&format!("repos/{repository}/hooks/{hook}/deliveries/{delivery}"))?;
        Ok(detail.response.payload.and_then(|payload| serde_json::from_str(&payload).ok()))
    }

    /// Makes a call that the gate makes, too, and gives what it answers.
    pub fn object<T: api::Answer>(&self, call: &Call) -> Result<T, Failure> {
        let text = self.ask(call.method, call.path.trim_start_matches('/'), None)?;
        api::object(text.as_bytes()).map_err(Failure::Strange)
    }

    /// Makes a call of the gate's that answers a list of pages of a hundred, page by page.
    pub fn list<T: api::Listed>(&self, call: &Call) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!("{}&page={page}", call.path.trim_start_matches('/'));
            let text = self.ask(call.method, &path, None)?;
            let more: Vec<T> = api::list(text.as_bytes()).map_err(Failure::Strange)?;
            let last = more.len() < PER_PAGE;
            all.extend(more);
            if last {
                break;
            }
        }
        Ok(all)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.ask("GET", path, None)?)
    }

    /// Asks, and gives the answer's body.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        let url = format!("{}/{path}", self.api);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header("Authorization", format!("Bearer {}", self.token.expose_secret()));
        let unreachable =
            |error: ureq::Error| Failure::Unreachable(format!("{}: {error}", self.api));
        let strange =
            |error: ureq::http::Error| Failure::Strange(format!("cannot ask {url}: {error}"));
        let mut answer = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                self.agent.run(request.body(body.to_string()).map_err(strange)?)
            }
            None => self.agent.run(request.body(()).map_err(strange)?),
        }
        .map_err(unreachable)?;
        let text = answer.body_mut().read_to_string().map_err(unreachable)?;
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        match status {
            200..=299 => Ok(text),
            401 => Err(Failure::Unauthorized),
            // GitHub limits with either status
            // (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api).
            403 | 429
                if status == 429
                    || header("x-ratelimit-remaining") == Some("0")
                    || header("retry-after").is_some() =>
            {
                Err(Failure::RateLimited(come_back(
                    header("retry-after"),
                    header("x-ratelimit-reset"),
                )))
            }
            403 => Err(Failure::Forbidden),
            404 => Err(Failure::NotFound),
            _ => {
                Err(Failure::Strange(format!("GitHub answered {status} to {method} {url}: {text}")))
            }
        }
    }
}

/// When to come back after too many requests.
fn come_back(retry_after: Option<&str>, reset: Option<&str>) -> Option<String> {
    if let Some(seconds) = retry_after {
        return Some(format!("in {seconds} seconds"));
    }
    let seconds: u64 = reset?.parse().ok()?;
    let time = buildgate::time::rfc3339(seconds.saturating_mul(1_000));
    Some(format!("after {time}"))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Strange(format!("GitHub's answer cannot be read: {error}")))
}

impl HookSettings<'_> {
    fn body(&self) -> Value {
        json!({
            "active": true,
            "events": self.events,
            "config": {
                "url": self.url,
                "content_type": "json",
                "insecure_ssl": "0",
                "secret": self.secret.expose_secret(),
            },
        })
    }
}

impl Hook {
    /// Whether it gets an event.
    pub fn gets(&self, event: &str) -> bool {
        self.events.iter().any(|own| own == event || own == "*")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => f.write_str(
                "GitHub does not accept the token: it is wrong or has expired. Set GITHUB_TOKEN to one \
                 that may read and write the repository's webhooks",
            ),
            Self::Forbidden => f.write_str(
                "the token may not do that: it needs the repository permission \"Webhooks: read and \
                 write\" (a fine-grained token) or the scope admin:repo_hook (a classic one)",
            ),
            Self::NotFound => f.write_str(
                "GitHub knows no such repository, or does not show it to this token, which needs the \
                 permission to read and write its webhooks",
            ),
            Self::RateLimited(Some(when)) => {
                write!(f, "GitHub has had too many requests with this token: try again {when}")
            }
            Self::RateLimited(None) => {
                f.write_str("GitHub has had too many requests with this token: try again later")
            }
            Self::Unreachable(why) => write!(f, "GitHub cannot be reached at {why}"),
            Self::Strange(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failure {}

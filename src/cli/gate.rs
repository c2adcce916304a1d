//! The gate, as its operator talks to it: by the routes under `/-/`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use buildgate::ledger::dead_letters::{DeadLetterPage, DeadLetterSummary};
use buildgate::operator::answer::{Identity, ListPage};
use buildgate::repository::RepositoryName;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::local::{LOCAL_GATE, complain, given_secret, given_url, secret, unanswered};
use crate::target::without_path;

const PATIENCE: Duration = Duration::from_secs(30);

/// Which gate, and by whose token.
#[derive(Args)]
pub struct Operated {
    /// The gate; if not given, the environment's BUILDGATE_URL, or else http://127.0.0.1:8787/.
    #[arg(long, global = true)]
    url: Option<String>,

    /// A file with the gate's OPERATOR_TOKEN, or - for standard input; if not given, the environment's
    /// OPERATOR_TOKEN, or else the one in .dev.vars or .dev.vars.example.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Operated {
    /// The gate that is meant.
    pub fn gate(&self) -> Result<Gate, String> {
        let token = given_secret("OPERATOR_TOKEN", self.token_file.as_deref())?
            .or_else(|| secret("OPERATOR_TOKEN").map(|found| found.value))
            .ok_or("there is no operator token: set OPERATOR_TOKEN in the environment, or put it into .dev.vars")?;
        let url = given_url(self.url.as_deref()).unwrap_or_else(|| LOCAL_GATE.to_owned());
        Ok(Gate { url: without_path(&url)?, token })
    }
}

/// The gate, as its operator talks to it.
pub struct Gate {
    /// Its URL, without a slash at its end.
    pub url: String,
    /// Its `OPERATOR_TOKEN`.
    pub token: SecretString,
}

/// Why something could not be done.
#[derive(Debug)]
pub enum Failure {
    /// The gate refused, and says why.
    Refused(String),
    /// The gate could not be asked, or answered what it never answers.
    Unanswered(String),
}

/// Whether a gate answers at a URL. Errors, in plain words, where none does.
pub fn is_there(url: &str) -> Result<(), String> {
    let asked = ureq::get(format!("{url}/"))
        .config()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .call();
    let mut answer = asked.map_err(|error| unanswered(url, &error))?;
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    let is_gate = answer.status().is_success() && text.starts_with("buildgate ");
    if is_gate { Ok(()) } else { Err(format!("what answers at {url} is no gate")) }
}

impl Failure {
    /// Why, in words.
    pub fn why(self) -> String {
        match self {
            Self::Refused(why) | Self::Unanswered(why) => why,
        }
    }
}

/// How a command ends that asked the gate: where it refused, with that and 1.
pub fn ended(done: Result<ExitCode, Failure>) -> Result<ExitCode, Box<dyn Error>> {
    match done {
        Ok(code) => Ok(code),
        Err(Failure::Refused(why)) => {
            complain(why);
            Ok(ExitCode::FAILURE)
        }
        Err(Failure::Unanswered(why)) => Err(why.into()),
    }
}

impl Gate {
    /// Who the gate is at GitHub, as far as it matters to a repository.
    pub fn identity(&self, repository: &RepositoryName) -> Result<Identity, Failure> {
        self.ask("GET", &format!("app?repository={repository}"))
    }

    /// Lists the dead letters, the oldest first.
    pub fn list(&self) -> Result<Vec<DeadLetterSummary>, Failure> {
        let mut letters = Vec::new();
        let mut after = Some(0);
        while let Some(id) = after {
            let page: DeadLetterPage = self.ask("GET", &format!("dead-letters?cursor={id}"))?;
            letters.extend(page.items);
            after = page.next;
        }
        Ok(letters)
    }

    /// What a list has by filters, at most so many, page by page.
    pub fn items<T: DeserializeOwned>(
        &self,
        route: &str,
        filters: &[(&str, Option<&str>)],
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<Value> = None;
        while items.len() < most {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in filters {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
            if let Some(cursor) = cursor {
                // Of some lists it is a number, of others a text.
                let text = cursor.as_str().map_or_else(|| cursor.to_string(), str::to_owned);
                query.append_pair("cursor", &text);
            }
            let page: ListPage<T, Value> =
                self.ask("GET", &format!("{route}?{}", query.finish()))?;
            items.extend(page.items);
            cursor = match page.next {
                None => break,
                next => next,
            };
        }
        items.truncate(most);
        Ok(items)
    }

    /// Asks a route, and gives what it answers.
    pub fn ask<T: DeserializeOwned>(&self, method: &str, route: &str) -> Result<T, Failure> {
        let url = format!("{}/-/{route}", self.url);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // The token is for this URL and no other.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("Authorization", format!("Bearer {}", self.token.expose_secret()))
            .body(())
            .map_err(|error| Failure::Unanswered(format!("cannot ask {url}: {error}")))?;
        let mut answer = agent
            .run(request)
            .map_err(|error| Failure::Unanswered(unanswered(&self.url, &error)))?;
        let status = answer.status();
        let body = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| Failure::Unanswered(unanswered(&self.url, &error)))?;
        let strange = || {
            Failure::Unanswered(format!(
                "what answers at {} is no gate: it says {status}",
                self.url
            ))
        };
        if status.is_success() {
            return serde_json::from_str(&body).map_err(|_| strange());
        }
        let refusal: Value = serde_json::from_str(&body).map_err(|_| strange())?;
        if refusal.get("outcome").and_then(Value::as_str) != Some("rejected") {
            return Err(strange());
        }
        let code = refusal.get("code").and_then(Value::as_str);
        let message = refusal.get("message").and_then(Value::as_str);
        match (code, message) {
            // The gate itself answers like that where it has no operator's routes.
            (Some("not-found"), _) => Err(Failure::Refused(
                "the gate has no operator routes: set its OPERATOR_TOKEN, to one of your own, \
                 with npx wrangler secret put OPERATOR_TOKEN"
                    .to_owned(),
            )),
            (Some("unauthorized"), _) => Err(Failure::Refused(
                "wrong token: set OPERATOR_TOKEN in the environment to the gate's".to_owned(),
            )),
            (_, Some(message)) => Err(Failure::Refused(message.to_owned())),
            _ => Err(strange()),
        }
    }
}

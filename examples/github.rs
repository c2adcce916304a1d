//! A stand-in for GitHub, to try the gate and its commands without GitHub: it has a few repositories, keeps all in
//! memory and really delivers webhooks. It is the one of the end-to-end tests. With a subcommand, it is a person, or a
//! CI service, who does something at the stand-in that runs already.

use std::time::{SystemTime, UNIX_EPOCH};

use buildgate::delivery::decision::SIGNS;
use buildgate::signature::github::derive;
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

#[path = "../tests/support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;
#[path = "../tests/support/github/mod.rs"]
mod github;

const ADDRESS: &str = "127.0.0.1:8789";
/// The repository that is linked to the local gate from the beginning, and that is meant where none is given.
const REPOSITORY: &str = "octocat/Spoon-Knife";
/// Where `npm start` serves the gate, and its webhook secret.
const GATE: &str = "http://127.0.0.1:8787";
const WEBHOOK_SECRET: &str = "local-webhook-secret";

#[derive(Parser)]
#[command(
    about = "A stand-in for GitHub; with a subcommand, what is done at the one that runs already"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Pushes a commit, and prints its SHA; the branch begins at main where there is none
    Push {
        #[arg(default_value = REPOSITORY)]
        repository: String,
        #[arg(default_value = "main")]
        branch: String,
    },
    /// Sets commit statuses
    Status {
        #[arg(required = true)]
        contexts: Vec<String>,
        #[arg(long, default_value = "success")]
        state: String,
        #[arg(long, default_value = REPOSITORY)]
        repository: String,
        /// The commit; the tip of main, where none is given
        #[arg(long)]
        sha: Option<String>,
    },
    /// Reports a check run as Actions does
    Check {
        name: String,
        #[arg(long, default_value = "success")]
        conclusion: String,
        #[arg(long, default_value = REPOSITORY)]
        repository: String,
        /// The commit; the tip of main, where none is given
        #[arg(long)]
        sha: Option<String>,
    },
    /// Lists the deployments, the newest first, each with what was said of it
    Deployments {
        #[arg(default_value = REPOSITORY)]
        repository: String,
    },
}

fn main() {
    match Arguments::parse().command {
        None => serve(),
        Some(command) => {
            if let Err(error) = run(command) {
                eprintln!("error: {error}");
                std::process::exit(1);
            }
        }
    }
}

fn serve() {
    if std::net::TcpStream::connect(ADDRESS).is_ok() {
        eprintln!(
            "error: something else listens on {ADDRESS}, maybe another stand-in: stop it first"
        );
        std::process::exit(1);
    }
    let github = github::GitHub::start(ADDRESS);
    // A gate remembers the commits and the deployments of a stand-in that ran before: these are others.
    github.begin_anew();
    let names = github::REPOSITORIES.map(|(name, _)| name).join(", ");
    link();
    println!("GitHub's stand-in has {names}. {REPOSITORY} has a webhook at {GATE} already.");
    println!("For the tool's commands, in the shell that is to use it:");
    println!("export GITHUB_API_URL={} GITHUB_TOKEN={}", github.api, github::TOKEN);
    println!("What can be done there, from another shell:");
    for (command, what) in [
        ("push [REPOSITORY] [BRANCH]", "push a commit"),
        ("status CONTEXT... [--state STATE] [--sha SHA]", "set commit statuses"),
        ("check NAME [--conclusion CONCLUSION] [--sha SHA]", "report a check run"),
        ("deployments [REPOSITORY]", "list the deployments"),
    ] {
        println!("  npm run github -- {command:<52} # {what}");
    }
    loop {
        std::thread::park();
    }
}

fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Push { repository, branch } => {
            let path = format!("repos/{repository}/branches/{branch}");
            if asked("GET", &path, None).is_err() {
                let made = json!({"ref": format!("refs/heads/{branch}"), "sha": tip(&repository)?});
                asked("POST", &format!("repos/{repository}/git/refs"), Some(made))?;
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let path = format!("repos/{repository}/contents/pushed-{now}.txt");
            let body = json!({"message": "Pushed by hand", "content": "aGk=", "branch": branch});
            println!("{}", text(&asked("PUT", &path, Some(body))?["commit"]["sha"]));
        }
        Command::Status { contexts, state, repository, sha } => {
            let sha = sha.map_or_else(|| tip(&repository), Ok)?;
            for context in contexts {
                let body = json!({"context": context, "state": state});
                asked("POST", &format!("repos/{repository}/statuses/{sha}"), Some(body))?;
                println!("{context} is {state} for {sha}");
            }
        }
        Command::Check { name, conclusion, repository, sha } => {
            let sha = sha.map_or_else(|| tip(&repository), Ok)?;
            let body = json!({
                "name": name, "head_sha": sha, "status": "completed", "conclusion": conclusion,
            });
            asked("POST", &format!("repos/{repository}/check-runs"), Some(body))?;
            println!("{name} is {conclusion} for {sha}");
        }
        Command::Deployments { repository } => {
            let made = asked("GET", &format!("repos/{repository}/deployments"), None)?;
            for made in made.as_array().unwrap() {
                let [sha, environment, by, at] = [
                    &made["sha"],
                    &made["environment"],
                    &made["creator"]["login"],
                    &made["created_at"],
                ]
                .map(text);
                println!("{} {sha} {environment} by {by} at {at}", made["id"]);
                let path = format!("repos/{repository}/deployments/{}/statuses", made["id"]);
                for said in asked("GET", &path, None)?.as_array().unwrap().iter().rev() {
                    let [state, description, log] =
                        [&said["state"], &said["description"], &said["log_url"]].map(text);
                    println!("{}", format!("    {state}: {description} {log}").trim_end());
                }
            }
        }
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Gives a repository the webhook that `link` would give it.
fn link() {
    let secret = derive(&WEBHOOK_SECRET.into(), &REPOSITORY.parse().unwrap());
    let events = [&["deployment", "deployment_status"][..], &SIGNS].concat();
    let body = json!({
        "name": "web", "active": true, "events": events,
        "config": {
            "url": format!("{GATE}/{REPOSITORY}"), "content_type": "json", "insecure_ssl": "0",
            "secret": secret.expose_secret(),
        },
    });
    asked("POST", &format!("repos/{REPOSITORY}/hooks"), Some(body)).unwrap();
}

/// The commit that main stands at.
fn tip(repository: &str) -> Result<String, String> {
    let branch = asked("GET", &format!("repos/{repository}/branches/main"), None)?;
    Ok(text(&branch["commit"]["sha"]).to_owned())
}

/// Asks the stand-in that runs, as a person.
fn asked(method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{ADDRESS}/{path}"))
        .header("Accept", "application/vnd.github+json")
        .header("X-GitHub-Api-Version", "2022-11-28")
        .header("Authorization", format!("Bearer {}", github::TOKEN));
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let answered = agent.run(request.body(body).unwrap());
    let mut answered = answered.map_err(|error| {
        format!("no stand-in answers at {ADDRESS} ({error}): start it with `npm run github`")
    })?;
    let json: Value = answered
        .body_mut()
        .read_to_string()
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or(Value::Null);
    if answered.status().is_success() {
        Ok(json)
    } else {
        Err(format!("answered {}: {json}", answered.status()))
    }
}

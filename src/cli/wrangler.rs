//! wrangler, which does all that is done at Cloudflare.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use buildgate::policy::command::quoted;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What wrangler says where nobody is logged in: without and with a terminal, and where it is asked just that.
const NOT_LOGGED_IN: [&str; 3] =
    ["CLOUDFLARE_API_TOKEN environment variable", "wrangler login", "\"loggedIn\":false"];

/// What it says of a worker that was never deployed.
const NO_WORKER: &str = "not found.";

/// The last of what wrangler said that is shown where it failed, in lines.
const LAST_LINES: usize = 12;

/// A secret of the worker's, as wrangler lists it.
#[derive(Deserialize)]
struct ListedSecret {
    name: String,
}

/// wrangler, with the configuration that is meant.
pub struct Wrangler<'a> {
    /// Its wrangler.toml, where it is not the one in this folder.
    pub config: Option<&'a Path>,
}

/// Why wrangler did not do what it was to do.
#[derive(Debug)]
pub struct Failed {
    /// All that it said.
    said: String,
    /// What is said of it.
    pub message: String,
}

impl Failed {
    /// Whether wrangler said this.
    pub fn says(&self, part: &str) -> bool {
        self.said.contains(part)
    }
}

impl From<Failed> for String {
    fn from(failed: Failed) -> Self {
        failed.message
    }
}

impl From<Failed> for Box<dyn std::error::Error> {
    fn from(failed: Failed) -> Self {
        failed.message.into()
    }
}

impl Wrangler<'_> {
    /// The file with the configuration.
    pub fn config_file(&self) -> PathBuf {
        self.config.map_or_else(|| PathBuf::from("wrangler.toml"), Path::to_owned)
    }

    /// The option that names the configuration, to be shown.
    pub fn config_flag(&self) -> String {
        let shown = |file: &Path| format!(" --config {}", quoted(&file.to_string_lossy()));
        self.config.map(shown).unwrap_or_default()
    }

    /// Runs wrangler, and gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String, Failed> {
        self.run_with(arguments, None)
    }

    /// Runs wrangler with something on its standard input, which nobody else on the machine sees.
    fn run_with(&self, arguments: &[&str], input: Option<&SecretString>) -> Result<String, Failed> {
        let mut command = Command::new("npx");
        command.arg("wrangler").args(arguments);
        command.env("WRANGLER_SEND_METRICS", "false");
        // What it logs may be shown, and without this it logs what it sends.
        command.env("WRANGLER_LOG_SANITIZE", "true");
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(config) = self.config {
            command.arg("--config").arg(config);
        }
        let cannot_run = |error: std::io::Error| {
            let message = format!(
                "wrangler cannot be run ({error}); is Node.js there, and has `npm run setup` been run?"
            );
            Failed { said: String::new(), message }
        };
        let mut process = command.spawn().map_err(cannot_run)?;
        if let (Some(input), Some(mut pipe)) = (input, process.stdin.take()) {
            // Where wrangler ends without reading it, it says itself why.
            let _ = pipe.write_all(input.expose_secret().as_bytes());
        }
        let output = process.wait_with_output().map_err(cannot_run)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        let message = if NOT_LOGGED_IN.iter().any(|part| said.contains(part)) {
            "wrangler is not logged in: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN"
                .to_owned()
        } else {
            let command = arguments.join(" ");
            format!("`npx wrangler {command}` failed: {}", last_lines(&said))
        };
        Err(Failed { said, message })
    }

    /// The names of the worker's secrets; none where it was never deployed.
    pub fn secrets(&self) -> Result<Option<Vec<String>>, Failed> {
        let list = match self.run(&["secret", "list", "--format", "json"]) {
            Err(failed) if failed.says("Worker \"") && failed.says(NO_WORKER) => return Ok(None),
            list => list?,
        };
        let secrets: Vec<ListedSecret> = json(&list, '[').ok_or_else(|| Failed {
            message: format!("wrangler did not tell the secrets: {}", last_lines(&list)),
            said: list,
        })?;
        Ok(Some(secrets.into_iter().map(|secret| secret.name).collect()))
    }

    /// Sets secrets of the worker's, all at once.
    pub fn set_secrets(&self, secrets: &[(&str, &SecretString)]) -> Result<(), Failed> {
        let value = |secret: &SecretString| Value::from(secret.expose_secret());
        let all: Map<String, Value> =
            secrets.iter().map(|(name, secret)| ((*name).to_owned(), value(secret))).collect();
        let all = SecretString::from(Value::from(all).to_string());
        self.run_with(&["secret", "bulk"], Some(&all)).map(drop)
    }
}

/// What wrangler printed as JSON, which begins with this character; before it, it may say that there is a newer one.
pub fn json<T: serde::de::DeserializeOwned>(printed: &str, begins: char) -> Option<T> {
    let start = printed.find(begins)?;
    serde_json::from_str(printed.get(start..)?).ok()
}

/// The end of what wrangler said, without colours and lines that say nothing.
fn last_lines(said: &str) -> String {
    let mut plain = String::new();
    let mut rest = said;
    while let Some((before, colour)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = colour.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let says = |line: &&str| !matches!(*line, "" | "[custom build]");
    let lines: Vec<&str> = plain.lines().map(str::trim_end).filter(says).collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrangler_said_is_shown_without_colours() {
        let said = "\u{1b}[31m✘ \u{1b}[41;31m[\u{1b}[0mERROR] no\n\n  why  \n";
        assert_eq!(last_lines(said), "✘ [ERROR] no\n  why");
        assert_eq!(last_lines(&"a\n".repeat(99)), ["a"; LAST_LINES].join("\n"));
        assert_eq!(last_lines("\u{1b}["), "");
    }

    #[test]
    fn json_is_found_behind_what_else_is_printed() {
        assert_eq!(json::<Vec<u8>>("\na newer one\n[1]\n", '['), Some(vec![1]));
        assert_eq!(json::<Vec<u8>>("nothing", '['), None);
    }
}

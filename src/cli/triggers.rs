//! The policies in Workers KV, through wrangler.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use buildgate::policy::lookup::{keys, stored};
use buildgate::repository::RepositoryName;
use clap::Args;
use serde_json::Value;

/// Which KV to use.
#[derive(Args)]
pub struct Triggers {
    /// Use the KV of the local simulator; if not given, that of the deployed gate.
    #[arg(long)]
    local: bool,

    /// The gate's wrangler.toml; if not given, the one in this folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Triggers {
    /// The command that sets a policy, to be shown.
    pub fn put_command(&self, repository: &RepositoryName, policy: &str) -> String {
        self.command(&self.put_arguments(repository, &quoted(policy)))
    }

    /// The command that takes a policy away, to be shown.
    pub fn delete_command(&self, repository: &RepositoryName) -> String {
        self.command(&self.delete_arguments(repository))
    }

    fn command(&self, arguments: &[String]) -> String {
        format!("npx wrangler {}{}", arguments.join(" "), self.config_flag())
    }

    fn config_flag(&self) -> String {
        let config = self.config.as_ref().map(|file| format!(" --config {}", file.display()));
        config.unwrap_or_default()
    }

    /// Whether it is the local simulator's.
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The options that name this KV, as they were given.
    pub fn flags(&self) -> String {
        format!("{}{}", if self.local { " --local" } else { "" }, self.config_flag())
    }

    /// Sets a policy.
    pub fn put(&self, repository: &RepositoryName, policy: &str) -> Result<(), String> {
        self.wrangler(&self.put_arguments(repository, policy)).map(drop)
    }

    /// Takes a policy away.
    pub fn delete(&self, repository: &RepositoryName) -> Result<(), String> {
        self.wrangler(&self.delete_arguments(repository)).map(drop)
    }

    /// Finds the repository's policy: the key that it lies under, and its text.
    pub fn find(&self, repository: &RepositoryName) -> Result<Option<(String, String)>, String> {
        let keys = keys(repository);
        let file = std::env::temp_dir().join(format!("buildgate-keys-{}.json", std::process::id()));
        fs::write(&file, Value::from(keys.clone()).to_string())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let arguments = [
            "kv",
            "bulk",
            "get",
            &file.to_string_lossy(),
            self.place(),
            "--binding",
            "REPO_TRIGGERS",
        ]
        .map(str::to_owned);
        let values = self.wrangler(&arguments);
        let _ = fs::remove_file(&file);
        let values = values?;
        let mut values: HashMap<String, Value> = values
            .find('{')
            .and_then(|start| serde_json::from_str(values.get(start..)?).ok())
            .ok_or_else(|| format!("wrangler did not tell the values: {values}"))?;
        let text = |value: Value| value.get("value").unwrap_or(&value).as_str().map(str::to_owned);
        let values = keys.iter().map(|key| values.remove(key).and_then(text)).collect();
        Ok(stored(keys, values))
    }

    fn place(&self) -> &'static str {
        if self.local { "--local" } else { "--remote" }
    }

    fn put_arguments(&self, repository: &RepositoryName, policy: &str) -> Vec<String> {
        [
            "kv",
            "key",
            "put",
            self.place(),
            "--binding",
            "REPO_TRIGGERS",
            repository.as_spelt(),
            policy,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn delete_arguments(&self, repository: &RepositoryName) -> Vec<String> {
        ["kv", "key", "delete", self.place(), "--binding", "REPO_TRIGGERS", repository.as_spelt()]
            .map(str::to_owned)
            .to_vec()
    }

    /// Runs wrangler, and gives what it printed.
    fn wrangler(&self, arguments: &[String]) -> Result<String, String> {
        let mut command = Command::new("npx");
        command.arg("wrangler").args(arguments).stdin(Stdio::null());
        command.env("WRANGLER_SEND_METRICS", "false");
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        let output = command.output().map_err(|error| {
            format!("wrangler cannot be run ({error}); is Node.js there, and has `npm run setup` been run?")
        })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(format!("wrangler failed: {}", format!("{text}{error}").trim()))
        }
    }
}

/// A text as a shell takes it as one word.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

//! The policies in Workers KV, through wrangler.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::PathBuf;

use buildgate::policy::command::{self, Kv};
use buildgate::policy::lookup::{keys, stored};
use buildgate::repository::RepositoryName;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::wrangler::{Wrangler, json};

/// How many values wrangler reads in one go.
const MOST_AT_ONCE: usize = 100;

/// A key, as wrangler lists it.
#[derive(Deserialize)]
struct ListedKey {
    name: String,
}

/// Which KV to use.
#[derive(Args, Default)]
pub struct Triggers {
    /// Use the KV of the local simulator; if not given, that of the deployed gate.
    #[arg(long)]
    local: bool,

    /// The gate's wrangler.toml; if not given, the one in this folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Finds a repository's policy among all, as [`Triggers::find`] does.
pub fn find_in(
    policies: &BTreeMap<String, String>,
    repository: &RepositoryName,
) -> Option<(String, String)> {
    let keys = keys(repository);
    let of_another_spelling =
        |key: &&String| keys.iter().any(|wanted| key.eq_ignore_ascii_case(wanted));
    let key = keys
        .iter()
        .find(|key| policies.contains_key(*key))
        .or_else(|| policies.keys().find(of_another_spelling))?;
    Some((key.clone(), policies.get(key)?.clone()))
}

impl Triggers {
    /// The command that sets a policy, to be shown.
    pub fn put_command(&self, key: &str, policy: &str) -> String {
        self.shown(&command::put(self.kv(), key, policy))
    }

    /// The command that takes a policy away, to be shown.
    pub fn delete_command(&self, key: &str) -> String {
        self.shown(&command::delete(self.kv(), key))
    }

    /// The command that puts a policy under its key in lower case, to be shown.
    pub fn to_lower_case(&self, key: &str, policy: &str) -> String {
        let put = self.put_command(&key.to_ascii_lowercase(), policy);
        format!("{put} && {}", self.delete_command(key))
    }

    fn shown(&self, arguments: &[&str]) -> String {
        format!("{}{}", command::shown(arguments), self.config_flag())
    }

    fn config_flag(&self) -> String {
        Wrangler { config: self.config.as_deref() }.config_flag()
    }

    /// Whether it is the local simulator's.
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The options that name this KV, as they were given.
    pub fn flags(&self) -> String {
        format!("{}{}", if self.local { " --local" } else { "" }, self.config_flag())
    }

    /// All policies, by their keys.
    pub fn all(&self) -> Result<BTreeMap<String, String>, String> {
        let place = self.kv().flag();
        let list = self.wrangler(&["kv", "key", "list", place, "--binding", "REPO_TRIGGERS"])?;
        let keys: Vec<ListedKey> =
            json(&list, '[').ok_or_else(|| format!("wrangler did not tell the keys: {list}"))?;
        let keys: Vec<String> = keys.into_iter().map(|key| key.name).collect();
        let mut all = BTreeMap::new();
        for keys in keys.chunks(MOST_AT_ONCE) {
            let values = self.values(keys)?;
            all.extend(keys.iter().cloned().zip(values).filter_map(|(k, v)| Some((k, v?))));
        }
        Ok(all)
    }

    /// Sets a policy.
    pub fn put(&self, repository: &RepositoryName, policy: &str) -> Result<(), String> {
        self.wrangler(&command::put(self.kv(), repository.as_lower(), policy)).map(drop)
    }

    /// Takes a policy away.
    pub fn delete(&self, repository: &RepositoryName) -> Result<(), String> {
        self.wrangler(&command::delete(self.kv(), repository.as_lower())).map(drop)
    }

    /// Finds the repository's policy: the key that it lies under, and its text. Where there is none, one under a key in
    /// another spelling is found, which the gate never uses: nobody should think that there is nothing to lose.
    pub fn find(&self, repository: &RepositoryName) -> Result<Option<(String, String)>, String> {
        let keys = keys(repository);
        let values = self.values(&keys)?;
        match stored(keys, values) {
            Some(found) => Ok(Some(found)),
            None => Ok(find_in(&self.all()?, repository)),
        }
    }

    /// The values of these keys, in their order.
    fn values(&self, keys: &[String]) -> Result<Vec<Option<String>>, String> {
        // A name that nobody can foresee, and so nobody else's link.
        let file = tempfile::NamedTempFile::new().and_then(|mut file| {
            file.write_all(Value::from(keys).to_string().as_bytes())?;
            Ok(file)
        });
        let file = file.map_err(|error| format!("cannot write a temporary file: {error}"))?;
        let path = file.path().to_string_lossy();
        let place = self.kv().flag();
        let values =
            self.wrangler(&["kv", "bulk", "get", &path, place, "--binding", "REPO_TRIGGERS"])?;
        let mut values: HashMap<String, Value> = json(&values, '{')
            .ok_or_else(|| format!("wrangler did not tell the values: {values}"))?;
        let text = |value: Value| value.get("value").unwrap_or(&value).as_str().map(str::to_owned);
        Ok(keys.iter().map(|key| values.remove(key).and_then(text)).collect())
    }

    fn kv(&self) -> Kv {
        if self.local { Kv::Local } else { Kv::Remote }
    }

    /// Runs wrangler, and gives what it printed.
    fn wrangler(&self, arguments: &[&str]) -> Result<String, String> {
        Ok(Wrangler { config: self.config.as_deref() }.run(arguments)?)
    }
}

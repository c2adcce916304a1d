//! wrangler.toml, as far as a deployment reads and writes it: comments and all else in it stay as they are.

use std::fs;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::local::read;

/// A wrangler.toml.
pub struct Config {
    document: DocumentMut,
}

impl Config {
    /// Reads one.
    pub fn read(file: &Path) -> Result<Self, String> {
        Self::parse(&read(file)?).map_err(|error| format!("{} is no TOML: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(|document| Self { document }).map_err(|error| format!("{error}"))
    }

    /// Writes it.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        fs::write(file, self.document.to_string())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    /// A variable; none where it is not set, or is blank.
    pub fn var(&self, name: &str) -> Option<&str> {
        let value = self.document.get("vars")?.get(name)?.as_str()?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Sets a variable. Errors where the file has none where they belong.
    pub fn set_var(&mut self, name: &str, text: &str) -> Result<(), String> {
        let vars = self.document.entry("vars").or_insert(Item::Table(Table::new()));
        let vars = vars.as_table_like_mut().ok_or("[vars] of wrangler.toml is no table")?;
        match vars.get_mut(name).and_then(Item::as_value_mut) {
            Some(there) => {
                // What stands behind it on its line is about it.
                let decor = there.decor().clone();
                *there = text.into();
                *there.decor_mut() = decor;
            }
            None => {
                vars.insert(name, value(text));
            }
        }
        Ok(())
    }

    /// The queues that are sent to, are read from, or take what another gives up, each once.
    pub fn queues(&self) -> Vec<String> {
        let mut queues = Vec::new();
        for (list, field) in
            [("producers", "queue"), ("consumers", "queue"), ("consumers", "dead_letter_queue")]
        {
            let list = self.document.get("queues").and_then(|queues| queues.get(list));
            let tables = list.and_then(Item::as_array_of_tables);
            for table in tables.into_iter().flatten() {
                let queue = table.get(field).and_then(Item::as_str).map(str::to_owned);
                queues.extend(queue.filter(|queue| !queues.contains(queue)));
            }
        }
        queues
    }

    /// The name of the ledger's database.
    pub fn database(&self) -> Option<String> {
        let databases = self.document.get("d1_databases")?.as_array_of_tables()?;
        let is_ledger =
            |table: &&Table| table.get("binding").and_then(Item::as_str) == Some("LEDGER");
        let name = databases.iter().find(is_ledger)?.get("database_name")?;
        name.as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
name = \"gate\" # mine

[vars]
# Where it goes.
ORIGIN_URL = \"\" # soon
OTHER = \"1\"

[[queues.producers]]
queue = \"builds\"

[[queues.consumers]]
queue = \"builds\"
dead_letter_queue = \"builds-dead\"

[[queues.consumers]]
queue = \"builds-dead\"
";

    #[test]
    fn variables_are_set_and_all_else_stays() {
        let mut config = Config::parse(TEXT).unwrap();
        assert_eq!((config.var("ORIGIN_URL"), config.var("OTHER")), (None, Some("1")));
        config.set_var("ORIGIN_URL", "https://origin.example/builds").unwrap();
        config.set_var("BUILDGATE_URL", "https://gate.example").unwrap();
        let expected = TEXT
            .replace("URL = \"\"", "URL = \"https://origin.example/builds\"")
            .replace("\"1\"\n", "\"1\"\nBUILDGATE_URL = \"https://gate.example\"\n");
        assert_eq!(config.document.to_string(), expected);
        assert_eq!(config.var("BUILDGATE_URL"), Some("https://gate.example"));
    }

    #[test]
    fn the_queues_and_the_database_are_those_of_the_project() {
        let config = Config::parse(include_str!("../../../wrangler.toml")).unwrap();
        assert_eq!(config.queues(), ["builds", "github", "journal", "builds-dead", "github-dead"]);
        assert_eq!(config.database().as_deref(), Some("buildgate-ledger"));
        let config = Config::parse("").unwrap();
        assert_eq!((config.queues().len(), config.database()), (0, None));
    }
}

//! The steps that a command takes, told as they are taken.

use buildgate::repository::RepositoryName;
use serde_json::{Value, json};

use crate::github::GateAnswer;
use crate::local::{say, say_json};

/// The steps taken.
pub struct Steps {
    json: bool,
    silent: bool,
    taken: Vec<Value>,
}

impl Steps {
    /// Tells each step, or all of them at the end as JSON.
    pub fn telling(json: bool) -> Self {
        Self { json, silent: false, taken: Vec::new() }
    }

    /// Tells none.
    pub fn silent() -> Self {
        Self { json: false, silent: true, taken: Vec::new() }
    }

    /// Says before a step that takes a while what is being done.
    pub fn doing(&self, what: &str) {
        if !self.silent {
            eprintln!("{what} …");
        }
    }

    /// Says what a step came to.
    pub fn did(&mut self, step: &str, result: &str, what: &str) {
        if !self.json && !self.silent {
            say(format_args!("{step:<9} {result}: {what}"));
        }
        self.taken.push(json!({ "step": step, "result": result, "detail": what }));
    }

    /// The steps that were taken.
    pub fn taken(self) -> Vec<Value> {
        self.taken
    }

    /// Ends: as JSON, tells all, with what the gate answered to the ping.
    pub fn end(self, repository: &RepositoryName, answer: Option<&GateAnswer>) {
        if self.json {
            let (steps, gate) = (self.taken, answer);
            say_json(&json!({ "repository": repository, "steps": steps, "gate": gate }), false);
        }
    }
}

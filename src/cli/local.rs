//! What the commands share: the secrets of the gate on the operator's own machine, and how to speak.

use std::fmt::Display;
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

/// Where they are: the operator's own, then the ones that come with the project.
const FILES: [&str; 2] = [".dev.vars", ".dev.vars.example"];

/// The events that a file's name is trusted to tell
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads>); any other needs `--event`.
const EVENTS: [&str; 16] = [
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "issues",
    "page_build",
    "ping",
    "pull_request",
    "push",
    "release",
    "repository",
    "status",
    "workflow_job",
    "workflow_run",
];

/// The value of a secret in `.dev.vars`, or else in `.dev.vars.example`.
pub fn secret(name: &str) -> Option<String> {
    FILES.iter().find_map(|file| {
        let mut variables = dotenvy::from_filename_iter(file).ok()?.filter_map(Result::ok);
        variables.find(|(found, _)| found == name).map(|(_, value)| value)
    })
}

/// Says in plain words why no answer came from `url`.
pub fn unanswered(url: &str, error: &ureq::Error) -> String {
    match error {
        ureq::Error::ConnectionFailed | ureq::Error::Io(_) => {
            format!(
                "nothing answers at {url} ({error}); for the local gate, is `npm start` running?"
            )
        }
        ureq::Error::HostNotFound => format!("there is no host of the name in {url}"),
        ureq::Error::Timeout(_) => format!("{url} did not answer in time ({error})"),
        _ => format!("cannot reach {url}: {error}"),
    }
}

/// Prints a line. Whoever reads may stop reading, as `head` does.
pub fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}

/// Reads a file with a saved payload.
pub fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// The event of a saved payload: the one that is `given`, or else the one that its file is named after.
pub fn event_of(file: &Path, given: Option<String>) -> Result<String, String> {
    given.or_else(|| named_event(file).map(str::to_owned)).ok_or_else(|| {
        let file = file.display();
        format!("cannot tell the event from the name of {file}: give it with --event, such as --event push")
    })
}

/// The event that a file is named after: `push` for `push.tag.json`.
fn named_event(file: &Path) -> Option<&str> {
    let name = file.file_name()?.to_str()?;
    let event = name.split('.').next()?;
    EVENTS.contains(&event).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_event() {
        fn event(file: &str) -> Option<&str> {
            named_event(Path::new(file))
        }
        assert_eq!(event("fixtures/push.json"), Some("push"));
        assert_eq!(event("deployment.payload-null.json"), Some("deployment"));
        assert_eq!(event("/a/check_suite.completed.json"), Some("check_suite"));
        assert_eq!(event("saved payload.json"), None);
        assert_eq!(event("unlinked.json"), None);
        assert_eq!(event(".json"), None);
    }
}

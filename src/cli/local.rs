//! What the commands share: the secrets of the gate on the operator's own machine, and how to speak.

use std::fmt::Display;
use std::io::{Write, stdout};

/// Where they are: the operator's own, then the ones that come with the project.
const FILES: [&str; 2] = [".dev.vars", ".dev.vars.example"];

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

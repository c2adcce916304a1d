//! What the commands share: where secrets come from, and how to speak.

use std::env;
use std::fmt::Display;
use std::fs;
use std::io::{IsTerminal, Read, Write, stderr, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

use secrecy::SecretString;
use serde_json::Value;

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

/// Where `npm start` serves the gate.
pub const LOCAL_GATE: &str = "http://127.0.0.1:8787/";

/// A secret of the local gate's.
pub struct LocalSecret {
    /// Its value.
    pub value: SecretString,
    /// The file that it is in.
    pub file: &'static str,
}

/// The value of a secret in `.dev.vars`, or else in `.dev.vars.example`, of this folder and no other: what lies in a
/// folder above may be another gate's.
pub fn secret(name: &str) -> Option<LocalSecret> {
    FILES.iter().find_map(|file| {
        let mut variables = dotenvy::from_path_iter(file).ok()?.filter_map(Result::ok);
        let (_, value) = variables.find(|(found, _)| found == name)?;
        Some(LocalSecret { value: value.into(), file })
    })
}

/// A variable of the environment; a blank one is not set.
pub fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The gate's URL: the one that was given, or else the environment's.
pub fn given_url(given: Option<&str>) -> Option<String> {
    given.map(str::to_owned).or_else(|| setting("BUILDGATE_URL"))
}

/// A secret that was given: the content of a file, of standard input where that is `-`, or else the environment
/// variable `name`. No option takes one, for everybody on the machine sees a command's options.
pub fn given_secret(name: &str, file: Option<&Path>) -> Result<Option<SecretString>, String> {
    let text = match file {
        Some(file) if file == Path::new("-") => {
            let mut text = String::new();
            let read = stdin().read_to_string(&mut text);
            read.map_err(|error| format!("cannot read standard input: {error}"))?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        Some(file) => Some(read(file)?.trim_end_matches(['\r', '\n']).to_owned()),
        None => setting(name),
    };
    Ok(text.filter(|text| !text.trim().is_empty()).map(Into::into))
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

/// The exit status of a command that looked at something: 0 where it is good, 1 where not.
pub fn exit_code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a line. Whoever reads may stop reading, as `head` does.
pub fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{}", printable(&line.to_string()));
}

/// Prints JSON: on one line, or indented.
pub fn say_json(value: &Value, indented: bool) {
    let text = if indented { format!("{value:#}") } else { value.to_string() };
    let escaped: String =
        text.chars().map(|c| if commands(c) { json_escape(c) } else { c.into() }).collect();
    let _ = writeln!(stdout(), "{escaped}");
}

/// Prints an error.
pub fn complain(error: impl Display) {
    eprintln!("error: {}", printable(&error.to_string()));
}

/// A text, which may be anybody's, with the characters escaped that would command a terminal or hide what stands
/// there.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if commands(c) { c.escape_unicode().to_string() } else { c.into() })
        .collect()
}

/// Whether a character commands a terminal, or is invisible and changes how others look: a control character, or one
/// of those that Unicode has for the direction of writing (<https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>).
fn commands(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    invisible || character.is_control() && !matches!(character, '\n' | '\t')
}

/// Such a character as JSON escapes it: one beyond the first 65,536 as two.
fn json_escape(character: char) -> String {
    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Asks a question on the terminal, and gives the line that is answered; none where there is no terminal.
pub fn ask(question: &str) -> Option<String> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return None;
    }
    eprint!("{} ", printable(question));
    let mut line = String::new();
    stdin().read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

/// Asks whether something is to be done. Only a yes is one; none where there is no terminal to ask on.
pub fn confirm(question: &str) -> Option<bool> {
    let answer = ask(&format!("{question} [y/N]"))?;
    Some(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// So many random bytes, which nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("there is no randomness: {error}"))?;
    Ok(bytes)
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
    fn what_commands_a_terminal_is_escaped() {
        assert_eq!(printable("a\tgröße 😀\n"), "a\tgröße 😀\n");
        assert_eq!(
            printable("\u{1b}[2J\r\u{9b}\u{7f}\u{202e}"),
            r"\u{1b}[2J\u{d}\u{9b}\u{7f}\u{202e}"
        );
        assert_eq!(json_escape('\u{9b}'), r"\u009b");
        assert_eq!(json_escape('\u{e0041}'), r"\udb40\udc41");
        assert_eq!(printable("a\u{ad}\u{61c}\u{e0041}"), r"a\u{ad}\u{61c}\u{e0041}");
    }

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

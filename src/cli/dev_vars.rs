//! `.dev.vars`, where the local gate's secrets are: values are set in it, and all else stays as it is.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use crate::local::read;

/// The file, and the one that comes with the project, which `npm start` copies.
const FILE: &str = ".dev.vars";
const EXAMPLE: &str = ".dev.vars.example";

/// Sets values in this folder's `.dev.vars`, which afterwards only its owner can read.
pub fn set(values: &[(&str, &SecretString)]) -> Result<(), String> {
    let text = match fs::read_to_string(FILE) {
        Ok(text) => text,
        // As `npm start` would begin it: once it is there, it is no longer copied.
        Err(error) if error.kind() == ErrorKind::NotFound && Path::new(EXAMPLE).exists() => {
            read(Path::new(EXAMPLE))?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("cannot read {FILE}: {error}")),
    };
    let text = with(&text, values)?;
    // Written beside it, and put in its place whole. Such a file is its owner's alone.
    let written = NamedTempFile::new_in(".").and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        Ok(file.persist(FILE)?)
    });
    written.map(drop).map_err(|error| format!("cannot write {FILE}: {error}"))
}

/// The text of the file with these values.
fn with(text: &str, values: &[(&str, &SecretString)]) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (name, value) in values {
        let line = format!("{name}=\"{}\"", in_quotes(name, value.expose_secret())?);
        let is_it = |line: &String| line.split_once('=').is_some_and(|(n, _)| n.trim() == *name);
        match lines.iter().position(is_it) {
            Some(at) => {
                let end = at + lines_of_value(lines.get(at..).unwrap_or_default());
                lines.splice(at..end, [line]);
            }
            None => lines.push(line),
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// How many lines the value takes that begins on the first one: in quotes, it may have several, as a key that was pasted as
/// it is.
fn lines_of_value(lines: &[String]) -> usize {
    let value =
        lines.first().and_then(|line| line.split_once('=')).map_or("", |(_, value)| value.trim());
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
        return 1;
    };
    if value.get(1..).is_some_and(|rest| rest.contains(quote)) {
        return 1;
    }
    let rest = lines.iter().skip(1).position(|line| line.contains(quote));
    rest.map_or(1, |end| end + 2)
}

/// A value as it stands between double quotes: on one line. Errors where wrangler and this tool would not read the same
/// out of it.
fn in_quotes(name: &str, value: &str) -> Result<String, String> {
    let value = value.replace("\r\n", "\n");
    if value.chars().any(|c| c != '\n' && (c.is_control() || "\"\\$`".contains(c))) {
        return Err(format!("{name} has a character that cannot stand in {FILE}"));
    }
    Ok(value.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIB+/==\n-----END RSA PRIVATE KEY-----\n";

    #[test]
    fn values_are_set_and_all_else_stays() {
        let before = "# mine\nA=\"1\"\nGITHUB_APP_ID = old\n\nB='2'\n";
        let (id, key) = (SecretString::from("Iv23li"), SecretString::from(PEM));
        let values = [("GITHUB_APP_ID", &id), ("GITHUB_APP_PRIVATE_KEY", &key)];
        let after = with(before, &values).unwrap();
        assert_eq!(
            after,
            "# mine\nA=\"1\"\nGITHUB_APP_ID=\"Iv23li\"\n\nB='2'\nGITHUB_APP_PRIVATE_KEY=\"-----BEGIN RSA PRIVATE \
             KEY-----\\nMIIB+/==\\n-----END RSA PRIVATE KEY-----\\n\"\n"
        );
        let read: Vec<(String, String)> =
            dotenvy::from_read_iter(after.as_bytes()).map(Result::unwrap).collect();
        assert!(read.contains(&("GITHUB_APP_PRIVATE_KEY".into(), PEM.into())), "{read:?}");
        assert_eq!(with(&after, &values).unwrap(), after);
    }

    #[test]
    fn a_value_of_several_lines_is_replaced_as_a_whole() {
        for quote in ['"', '\''] {
            let old = PEM.trim_end().replace("MIIB+/==", "OLD");
            let before = format!("A=1\nGITHUB_APP_PRIVATE_KEY={quote}{old}{quote}\nB=\"2\"\n");
            let key = SecretString::from(PEM);
            let after = with(&before, &[("GITHUB_APP_PRIVATE_KEY", &key)]).unwrap();
            let read: Vec<(String, String)> =
                dotenvy::from_read_iter(after.as_bytes()).map(Result::unwrap).collect();
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            assert_eq!(read, [pair("A", "1"), pair("GITHUB_APP_PRIVATE_KEY", PEM), pair("B", "2")]);
        }
    }

    #[test]
    fn what_would_be_read_otherwise_is_refused() {
        for value in ["a\"b", "a\\b", "a$b", "a`b", "a\u{1b}b"] {
            assert!(with("", &[("A", &SecretString::from(value))]).is_err(), "{value}");
        }
    }
}

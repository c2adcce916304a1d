//! The commands of wrangler by which an operator sets a policy: the tool runs them, and the answers show them.

/// Which Workers KV is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kv {
    /// The local simulator's.
    Local,
    /// The deployed gate's.
    Remote,
}

impl Kv {
    /// wrangler's option for it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Local => "--local",
            Self::Remote => "--remote",
        }
    }
}

/// wrangler's arguments to store a policy.
pub fn put<'a>(kv: Kv, key: &'a str, policy: &'a str) -> Vec<&'a str> {
    vec!["kv", "key", "put", kv.flag(), "--binding", "REPO_TRIGGERS", key, policy]
}

/// wrangler's arguments to delete one.
pub fn delete(kv: Kv, key: &str) -> Vec<&str> {
    vec!["kv", "key", "delete", kv.flag(), "--binding", "REPO_TRIGGERS", key]
}

/// The command with these arguments, as a person enters it.
pub fn shown(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    format!("npx wrangler {}", arguments.join(" "))
}

/// A text as a shell takes it as one word (POSIX, Shell Command Language, section 2.2.2).
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_each_argument_as_it_is() {
        assert_eq!(
            shown(&put(Kv::Remote, "octo-org/*", r#"{"trigger":"manual"}"#)),
            r#"npx wrangler kv key put --remote --binding REPO_TRIGGERS 'octo-org/*' '{"trigger":"manual"}'"#
        );
        assert_eq!(
            shown(&delete(Kv::Local, "octocat/hello-world")),
            "npx wrangler kv key delete --local --binding REPO_TRIGGERS octocat/hello-world"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}

//! Patterns of branch names.

use glob::{MatchOptions, Pattern, PatternError};

/// A branch's exact name, or a pattern: `?` is one character, `*` any number of them, `[a-z]` one of some,
/// `[!a-z]` one of the others, none of which is `/`; `**` is any number of whole components. As in GitHub's
/// own branch filters, `*` stops at a `/` and `**` does not
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPattern(Pattern);

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl BranchPattern {
    /// Reads a pattern. Errors with what is wrong with it.
    pub fn parse(written: &str) -> Result<Self, &'static str> {
        Pattern::new(written).map(Self).map_err(|PatternError { msg, .. }| match msg {
            "invalid range pattern" => "a `[` has no `]`",
            "recursive wildcards must form a single path component" => {
                "`**` must be a component of its own"
            }
            _ if written.contains("***") => "there are more than two `*` in a row",
            _ => msg,
        })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether all of `branch` matches.
    pub fn matches(&self, branch: &str) -> bool {
        self.0.matches_with(branch, OPTIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_refused_with_a_reason() {
        for (pattern, problem) in [
            ("[a", "a `[` has no `]`"),
            ("[]", "a `[` has no `]`"),
            ("[!]", "a `[` has no `]`"),
            ("release/**x", "`**` must be a component of its own"),
            ("x**", "`**` must be a component of its own"),
            ("***", "there are more than two `*` in a row"),
        ] {
            assert_eq!(BranchPattern::parse(pattern), Err(problem), "{pattern}");
        }
    }

    #[test]
    fn each_pattern_matches_what_githubs_filters_match() {
        for (pattern, matching, others) in [
            ("main", &["main"][..], &["Main", "main2", "a/main", ""][..]),
            ("v?", &["v1", "vx"], &["v", "v12", "v/"]),
            ("release/*", &["release/1", "release/.x"], &["release", "release/1/2", "Release/1"]),
            ("release/**", &["release/1", "release/1/2"], &["release", "releases/1"]),
            ("**/fix", &["fix", "a/fix", "a/b/fix"], &["prefix", "a/fix/b"]),
            ("**", &["main", "a/b/c"], &[]),
            ("v[0-9]*", &["v1", "v2.3"], &["v", "vx", "v1/2"]),
            ("[!0-9]*", &["main"], &["1main"]),
            ("größe-*", &["größe-1"], &["grosse-1"]),
        ] {
            let pattern = BranchPattern::parse(pattern).unwrap();
            for branch in matching {
                assert!(pattern.matches(branch), "{branch} does not match {}", pattern.as_str());
            }
            for branch in others {
                assert!(!pattern.matches(branch), "{branch} matches {}", pattern.as_str());
            }
        }
    }
}

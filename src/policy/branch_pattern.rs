//! Patterns of branch names.

use glob::{MatchOptions, Pattern, PatternError};

/// A branch's exact name, or a pattern: `?` is one character, `*` any number of them, `[a-z]` one of some,
/// `[!a-z]` one of the others, none of which is `/`; `**` is any number of whole components. As in GitHub's
/// own branch filters, `*` stops at a `/` and `**` does not
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet>).
///
/// Each component is matched by itself: over the whole of a branch's name, the `glob` crate tries every way to share it
/// out among the `*`, which takes seconds for a name that was made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPattern {
    written: String,
    /// None stands for `**`.
    components: Vec<Option<Pattern>>,
}

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl BranchPattern {
    /// Reads a pattern. Errors with what is wrong with it.
    pub fn parse(written: &str) -> Result<Self, &'static str> {
        let component = |component: &str| match component {
            "**" => Ok(None),
            other => Pattern::new(other).map(Some),
        };
        let components: Result<_, _> = written.split('/').map(component).collect();
        let components = components.map_err(|PatternError { msg, .. }| match msg {
            "invalid range pattern" => "a `[` has no `]`",
            "recursive wildcards must form a single path component" => {
                "`**` must be a component of its own"
            }
            _ if written.contains("***") => "there are more than two `*` in a row",
            _ => msg,
        })?;
        Ok(Self { written: written.to_owned(), components })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether all of `branch` matches.
    pub fn matches(&self, branch: &str) -> bool {
        let branch: Vec<&str> = branch.split('/').collect();
        let (mut at, mut part) = (0, 0);
        // Where the last `**` stands, and where what it leaves begins: it takes one part more where that does not match.
        let mut taken: Option<(usize, usize)> = None;
        while let Some(name) = branch.get(part) {
            match self.components.get(at) {
                // At the end, it takes all that is left, and one part at least.
                Some(None) if at + 1 == self.components.len() => return true,
                Some(None) => {
                    taken = Some((at, part));
                    at += 1;
                }
                Some(Some(component)) if component.matches_with(name, OPTIONS) => {
                    at += 1;
                    part += 1;
                }
                _ => {
                    let Some((stars, from)) = taken else { return false };
                    taken = Some((stars, from + 1));
                    (at, part) = (stars + 1, from + 1);
                }
            }
        }
        at == self.components.len()
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
    fn no_name_of_a_branch_takes_long() {
        let began = std::time::Instant::now();
        for (pattern, branch) in [
            ("*-*-*-*-*-*-x", format!("{}/y", "-".repeat(1_000))),
            ("*-*-*-*-*-*-x", "-".repeat(1_000)),
            ("**/a/**/a/**/a/**/b", "a/".repeat(500)),
        ] {
            assert!(!BranchPattern::parse(pattern).unwrap().matches(&branch), "{pattern}");
        }
        assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    }

    #[test]
    fn each_pattern_matches_what_githubs_filters_match() {
        for (pattern, matching, others) in [
            ("main", &["main"][..], &["Main", "main2", "a/main", ""][..]),
            ("v?", &["v1", "vx"], &["v", "v12", "v/"]),
            ("release/*", &["release/1", "release/.x"], &["release", "release/1/2", "Release/1"]),
            ("release/**", &["release/1", "release/1/2"], &["release", "releases/1"]),
            ("**/fix", &["fix", "a/fix", "a/b/fix"], &["prefix", "a/fix/b"]),
            ("a/**/b/*", &["a/b/c", "a/x/b/c", "a/b/b/b/c"], &["a/b", "a/c/b", "a/b/c/d", "b/c"]),
            ("**/a/**", &["a/b", "x/a/y/z"], &["a", "x/a", "b"]),
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

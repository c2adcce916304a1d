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
    /// Reads a pattern. Errors with what is wrong with it: also where no branch's name can ever match, for then it was
    /// meant otherwise.
    pub fn parse(written: &str) -> Result<Self, &'static str> {
        if written.starts_with('!') {
            return Err("there are no exceptions: list the branches that are to build");
        }
        if written.starts_with("refs/heads/") {
            return Err("a branch is written without `refs/heads/`");
        }
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
        if !can_be_a_ref(written) {
            return Err("git lets no branch have such a name");
        }
        Ok(Self { written: written.to_owned(), components })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it is the name of one branch.
    pub fn is_name(&self) -> bool {
        !self.written.contains(['*', '?', '['])
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

/// Whether git lets a ref have a name that matches (<https://git-scm.com/docs/git-check-ref-format>): one in which each
/// wildcard stands for a letter, of which git takes any.
fn can_be_a_ref(pattern: &str) -> bool {
    let mut name = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' => name.push('x'),
            '[' => {
                name.push('x');
                // A `]` that comes first, or after `!`, is one of the set.
                let set = characters.as_str();
                let first = set.strip_prefix('!').unwrap_or(set);
                let in_set =
                    set.len() - first.len() + first.chars().next().map_or(0, char::len_utf8);
                let end = set
                    .get(in_set..)
                    .and_then(|rest| rest.find(']'))
                    .map_or(0, |end| in_set + end + 1);
                characters = set.get(end..).unwrap_or_default().chars();
            }
            other => name.push(other),
        }
    }
    !name.starts_with('-') && gix_validate::reference::name_partial(name.as_bytes().into()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            ("refs/heads/main", "a branch is written without `refs/heads/`"),
            ("refs/heads/**", "a branch is written without `refs/heads/`"),
            ("!main", "there are no exceptions: list the branches that are to build"),
            ("", "git lets no branch have such a name"),
            (" main", "git lets no branch have such a name"),
            ("/main", "git lets no branch have such a name"),
            ("main/", "git lets no branch have such a name"),
            ("a//b", "git lets no branch have such a name"),
            ("a..b", "git lets no branch have such a name"),
            ("v1.lock", "git lets no branch have such a name"),
            ("*.lock", "git lets no branch have such a name"),
            ("feature:*", "git lets no branch have such a name"),
            ("release\\*", "git lets no branch have such a name"),
            ("-x", "git lets no branch have such a name"),
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
            ("refs/tags/v*", &["refs/tags/v1"], &["v1"]),
            ("v[].]x", &["v.x", "v]x"], &["vx"]),
            ("[!]]", &["a"], &["ab"]),
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

    proptest! {
        /// What git lets a branch be called is never refused: by its own name, and with some of it as wildcards.
        #[test]
        fn every_name_of_a_branch_is_a_pattern_that_it_matches(
            name in "[a-zäß0-9._@+=,;(){}#%&-]{1,9}(/[a-z0-9._-]{1,5}){0,2}", wild: prop::sample::Index,
        ) {
            prop_assume!(!name.starts_with('-'));
            prop_assume!(gix_validate::reference::name_partial(name.as_bytes().into()).is_ok());
            let pattern = BranchPattern::parse(&name);
            prop_assert!(pattern.as_ref().is_ok_and(|pattern| pattern.matches(&name)), "{:?}", pattern);
            let at = wild.index(name.chars().count());
            let wild: String = name.chars().enumerate()
                .map(|(i, c)| if i == at && c != '/' { '?' } else { c }).collect();
            let pattern = BranchPattern::parse(&wild);
            prop_assert!(pattern.is_ok_and(|pattern| pattern.matches(&name)), "{}", wild);
        }

        #[test]
        fn no_pattern_panics(pattern: String, branch: String) {
            if let Ok(pattern) = BranchPattern::parse(&pattern) {
                let _ = pattern.matches(&branch);
            }
        }
    }
}

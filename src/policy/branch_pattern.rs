//! Patterns of branch names, as the `glob` crate reads them, whose own matching brings in the tables of upper
//! and lower case: a twentieth of the worker's size. The tests hold the two against each other.

/// A branch's exact name, or a pattern: `?` is one character, `*` any number of them, `[a-z]` one of some,
/// `[!a-z]` one of the others, none of which is `/`; `**` is any number of whole components. As in GitHub's
/// own branch filters, `*` stops at a `/` and `**` does not
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPattern {
    written: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Char(char),
    /// `?`
    AnyChar,
    /// `[…]`: a character of these ranges; `[!…]`: of none of them.
    Class { ranges: Vec<(char, char)>, within: bool },
    /// `*`
    Sequence,
    /// `**`
    Components,
}

impl BranchPattern {
    /// Reads a pattern. Errors with what is wrong with it.
    pub fn parse(written: &str) -> Result<Self, &'static str> {
        let mut tokens = Vec::new();
        let mut rest = written;
        let mut component_begins = true;
        while let Some(first) = rest.chars().next() {
            let token = match first {
                '*' => {
                    let after = rest.trim_start_matches('*');
                    let stars = rest.len() - after.len();
                    rest = after;
                    match (stars, after.strip_prefix('/')) {
                        (1, _) => Token::Sequence,
                        (2, Some(after)) if component_begins => {
                            rest = after;
                            Token::Components
                        }
                        (2, None) if component_begins && after.is_empty() => Token::Components,
                        (2, _) => return Err("`**` must be a component of its own"),
                        (_, _) => return Err("there are more than two `*` in a row"),
                    }
                }
                '?' => {
                    rest = rest.get(1..).unwrap_or_default();
                    Token::AnyChar
                }
                '[' => {
                    let inside = rest.get(1..).unwrap_or_default();
                    let (within, inside) = match inside.strip_prefix('!') {
                        Some(inside) => (false, inside),
                        None => (true, inside),
                    };
                    // A `]` that comes first is one of the characters.
                    let length = inside.char_indices().skip(1).find(|(_, c)| *c == ']');
                    let (ranges, after) = length
                        .and_then(|(length, _)| inside.split_at_checked(length))
                        .ok_or("a `[` has no `]`")?;
                    rest = after.get(1..).unwrap_or_default();
                    Token::Class { ranges: read_ranges(ranges), within }
                }
                _ => {
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                    Token::Char(first)
                }
            };
            component_begins = matches!(token, Token::Char('/') | Token::Components);
            tokens.push(token);
        }
        Ok(Self { written: written.to_owned(), tokens })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether all of `branch` matches.
    pub fn matches(&self, branch: &str) -> bool {
        let branch: Vec<char> = branch.chars().collect();
        // Which beginnings of the branch the tokens so far match, by their length.
        let mut matched: Vec<bool> = vec![false; branch.len() + 1];
        if let Some(nothing) = matched.first_mut() {
            *nothing = true;
        }
        for token in &self.tokens {
            // For `*` and `**`: whether a shorter beginning was matched that they can go on from.
            let mut open = false;
            let mut before: Option<char> = None;
            let mut shorter = false;
            let lengths = matched.iter().enumerate().map(|(length, &here)| {
                let last = before.replace(branch.get(length).copied().unwrap_or('/'));
                let shorter = std::mem::replace(&mut shorter, here);
                match (token, last) {
                    (Token::Char(c), Some(last)) => shorter && last == *c,
                    (Token::AnyChar, Some(last)) => shorter && last != '/',
                    (Token::Class { ranges, within }, Some(last)) => {
                        let found = ranges.iter().any(|(from, to)| (*from..=*to).contains(&last));
                        shorter && last != '/' && found == *within
                    }
                    (Token::Char(_) | Token::AnyChar | Token::Class { .. }, None) => false,
                    (Token::Sequence, last) => {
                        open = here || (open && last != Some('/'));
                        open
                    }
                    (Token::Components, last) => {
                        open |= here;
                        here || (open && (last == Some('/') || length == branch.len()))
                    }
                }
            });
            matched = lengths.collect();
        }
        matched.last().copied().unwrap_or(false)
    }
}

/// Reads the inside of `[…]`: single characters and ranges such as `a-z`.
fn read_ranges(inside: &str) -> Vec<(char, char)> {
    let mut ranges = Vec::new();
    let mut chars = inside.chars();
    while let Some(from) = chars.next() {
        let mut ahead = chars.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                ranges.push((from, to));
                chars = ahead;
            }
            _ => ranges.push((from, from)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use glob::{MatchOptions, Pattern};
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
        ] {
            assert_eq!(BranchPattern::parse(pattern), Err(problem), "{pattern}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_glob_crate_says_the_same(
            pattern in r"([ab/*?\[\]!é-]|\*\*/|/\*\*|\[[!]?[ab/\]-]{1,3}\]|a){0,8}",
            branch in "[abé/.]{0,8}",
        ) {
            let options = MatchOptions {
                case_sensitive: true,
                require_literal_separator: true,
                require_literal_leading_dot: false,
            };
            let ours = BranchPattern::parse(&pattern).map(|ours| ours.matches(&branch));
            let theirs = Pattern::new(&pattern).map(|theirs| theirs.matches_with(&branch, options));
            prop_assert_eq!(ours.ok(), theirs.ok());
        }
    }
}

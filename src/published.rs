//! The secrets that come with the project, which everybody knows: good for a gate that only its own machine reaches,
//! and for no other.

/// The file that they are in; `npm start` copies it.
const EXAMPLE: &str = include_str!("../.dev.vars.example");

/// Whether a secret is one of them.
pub fn is_published(secret: &str) -> bool {
    EXAMPLE
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| is_secret(&name.to_ascii_lowercase()))
        .any(|(_, value)| value.trim_matches('"') == secret.trim())
}

fn is_secret(name: &str) -> bool {
    name.ends_with("secret") || name.ends_with("token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_of_the_example_are_published_and_nothing_else_is() {
        for published in [
            "local-webhook-secret",
            " local-operator-token\n",
            "whsec_bG9jYWwtb3JpZ2luLXNlY3JldC1sb2NhbA==",
        ] {
            assert!(is_published(published), "{published}");
        }
        for other in ["", "0", "http://127.0.0.1:8788/builds", "local-webhook-secret2", "local"] {
            assert!(!is_published(other), "{other}");
        }
    }
}

//! Who may use the operator's routes: whoever has the operator's token.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::published::is_published;

/// The value of `OPERATOR_TOKEN`: only its digest is kept, which is of no use to anybody.
pub struct OperatorToken([u8; 32]);

impl OperatorToken {
    /// Takes the secret's value. Unset or blank, there is no token, and so there are no routes; nor where it comes with
    /// the project, unless `is_local` says that only the gate's own machine reaches it.
    pub fn new(value: Option<String>, is_local: bool) -> Option<Self> {
        let value = value.filter(|value| !value.trim().is_empty())?;
        if !is_local && is_published(&value) {
            return None;
        }
        Some(Self(Sha256::digest(value.trim()).into()))
    }

    /// What others can be derived from that go with it: its digest, which is as secret as the token.
    pub fn digest(&self) -> &[u8] {
        &self.0
    }

    /// Whether a text is this token, white space around it or not, compared in constant time.
    pub fn is(&self, text: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(text.trim()).into();
        self.0.ct_eq(&digest).into()
    }

    /// Whether an `Authorization` header is `Bearer` and this token (RFC 6750, section 2.1), compared in
    /// constant time.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, token)) = authorization.and_then(|header| header.trim().split_once(' '))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case("Bearer") && self.is(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = OperatorToken::new(Some("s3cret-token\n".into()), false).unwrap();
        for good in ["Bearer s3cret-token", "bearer s3cret-token", " Bearer  s3cret-token "] {
            assert!(token.admits(Some(good)), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "s3cret-token",
            "Basic s3cret-token",
            "Bearer s3cret-toke",
            "Bearer s3cret-tokens",
            "Bearer S3cret-token",
            "Bearer s3cret-token x",
        ] {
            assert!(!token.admits(Some(bad)), "{bad}");
        }
        assert!(!token.admits(None));
    }

    #[test]
    fn without_a_token_there_are_no_routes() {
        for blank in [None, Some(""), Some(" \n")] {
            assert!(OperatorToken::new(blank.map(Into::into), true).is_none());
        }
        let published = || Some("local-operator-token".to_owned());
        assert!(OperatorToken::new(published(), false).is_none());
        assert!(OperatorToken::new(published(), true).is_some());
    }

    proptest! {
        #[test]
        fn no_header_panics(header: Option<String>) {
            OperatorToken::new(Some("token".into()), false).unwrap().admits(header.as_deref());
        }
    }
}

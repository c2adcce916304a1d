//! The console's session: a cookie by which a browser that has given the operator's token once is known again. It is signed
//! with what is derived from the token, so another token ends all of them, and it is kept nowhere.

use subtle::ConstantTimeEq;

use crate::operator::token::OperatorToken;
use crate::signature::hmac_sha256;

/// The cookie's name: by its prefix, browsers take it only over TLS, from this host itself, for all of it
/// (<https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes>).
const COOKIE: &str = "__Host-buildgate-session";

/// How long a session is good, in milliseconds: twelve hours.
const LIFETIME: u64 = 12 * 60 * 60 * 1_000;

/// What the signature is of, beside the session: no other signature with the token is of a text that begins so.
const PURPOSE: &str = "buildgate console session:";

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, which is random.
    pub id: String,
    /// Until when it is good, in milliseconds since 1970.
    pub until: u64,
}

impl Session {
    /// One that begins now, with an id of random bytes. `now` is in milliseconds since 1970.
    pub fn begin(now: u64, random: [u8; 16]) -> Self {
        Self { id: hex::encode(random), until: now + LIFETIME }
    }

    /// The session of a `Cookie` header (RFC 6265, section 4.2.1), if it has one that was signed with the token and is still
    /// good.
    pub fn of_cookies(cookies: &str, token: &OperatorToken, now: u64) -> Option<Self> {
        let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        ours.find_map(|value| Self::parse(value, token, now))
    }

    fn parse(value: &str, token: &OperatorToken, now: u64) -> Option<Self> {
        let (session, mac) = value.rsplit_once('.')?;
        let (until, id) = session.split_once('.')?;
        let expected = hex::encode(hmac_sha256(token.digest(), text(session).as_bytes()));
        let is_ours = bool::from(expected.as_bytes().ct_eq(mac.as_bytes()));
        let session = Self { id: id.to_owned(), until: until.parse().ok()? };
        (is_ours && now < session.until).then_some(session)
    }

    /// The header `Set-Cookie` that gives it to a browser.
    pub fn set_cookie(&self, token: &OperatorToken, now: u64) -> String {
        let session = format!("{}.{}", self.until, self.id);
        let mac = hex::encode(hmac_sha256(token.digest(), text(&session).as_bytes()));
        let seconds = self.until.saturating_sub(now) / 1_000;
        format!(
            "{COOKIE}={session}.{mac}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"
        )
    }

    /// The header `Set-Cookie` that takes it away.
    pub fn unset_cookie() -> String {
        format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict")
    }
}

fn text(session: &str) -> String {
    format!("{PURPOSE}{session}")
}

/// How long whoever gave a wrong token is let wait, in milliseconds. A right one is never: it is answered at once, whatever
/// others have tried.
#[derive(Debug, Default)]
pub struct Patience {
    wrong: u32,
    last: u64,
}

/// The delay after the first wrong token, and the longest: it doubles with each further one.
const FIRST_DELAY: u64 = 250;
const LONGEST_DELAY: u64 = 8_000;

/// After how long without a wrong token it begins anew, in milliseconds.
const FORGETS: u64 = 60_000;

impl Patience {
    /// Somebody gave a wrong token at a time, in milliseconds since 1970.
    pub fn wrong_at(&mut self, now: u64) -> u32 {
        if now.saturating_sub(self.last) > FORGETS {
            self.wrong = 0;
        }
        self.last = now;
        let delay = FIRST_DELAY.saturating_mul(1 << self.wrong.min(10)).min(LONGEST_DELAY);
        self.wrong = self.wrong.saturating_add(1);
        delay.try_into().unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(value: &str) -> OperatorToken {
        OperatorToken::new(Some(value.into()), false).unwrap()
    }

    fn cookie(session: &Session, token: &OperatorToken) -> String {
        session.set_cookie(token, 0).split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_is_known_again_until_it_ends_or_the_token_is_another() {
        let (one, other) = (token("one"), token("other"));
        let session = Session::begin(1_000, [7; 16]);
        let cookie = cookie(&session, &one);
        let read = |cookies: &str, token, now| Session::of_cookies(cookies, token, now);
        assert_eq!(read(&cookie, &one, 1_000), Some(session.clone()));
        assert_eq!(
            read(&format!("a=b; {cookie}; c=d"), &one, session.until - 1),
            Some(session.clone())
        );
        assert_eq!(read(&cookie, &one, session.until), None);
        assert_eq!(read(&cookie, &other, 1_000), None);
        // Whoever prolongs it or takes another id has to sign it.
        let (name, value) = cookie.split_once('=').unwrap();
        let later = value.replacen(&session.until.to_string(), &(session.until + 1).to_string(), 1);
        for forged in
            [later.as_str(), "", "..", "1.2", &value[..value.len() - 1], &value.to_uppercase()]
        {
            assert_eq!(read(&format!("{name}={forged}"), &one, 1_000), None, "{forged}");
        }
    }

    #[test]
    fn a_browser_gives_the_cookie_to_nobody_else() {
        let set = Session::begin(0, [7; 16]).set_cookie(&token("one"), 0);
        assert!(set.starts_with("__Host-buildgate-session=43200000.0707"), "{set}");
        for set in [set.as_str(), &Session::unset_cookie()] {
            for part in ["; Path=/;", "; HttpOnly", "; Secure", "; SameSite=Strict"] {
                assert!(set.contains(part), "{set}");
            }
            assert!(!set.contains("Domain"), "{set}");
        }
    }

    #[test]
    fn wrong_tokens_are_answered_later_and_later() {
        let mut patience = Patience::default();
        let delays: Vec<u32> = (0..7).map(|second| patience.wrong_at(second * 1_000)).collect();
        assert_eq!(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!(patience.wrong_at(6_000 + FORGETS), 8_000);
        assert_eq!(patience.wrong_at(6_001 + 2 * FORGETS), 250);
    }

    proptest! {
        #[test]
        fn no_cookie_panics_or_is_a_session(cookies: String) {
            prop_assert_eq!(Session::of_cookies(&cookies, &token("one"), 0), None);
        }
    }
}

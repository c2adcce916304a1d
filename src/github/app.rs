//! Who the gate is at GitHub: an App, by its id and its private key, or whoever a token belongs to. What has to be
//! signed to be the App is made here; who signs it is the runtime.
//!
//! Source: <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use pkcs8::der::Encode;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use secrecy::{SecretSlice, SecretString};
use serde::Serialize;

/// The algorithm of an RSA key (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// For how long before now a JWT is dated, in seconds: clocks differ, and GitHub takes none from the future.
const BACKDATED: u64 = 60;

/// For how long a JWT is good, in seconds from now: GitHub takes none of more than ten minutes, by its own clock.
const GOOD_FOR: u64 = 9 * 60;

/// Who the gate is at GitHub.
#[derive(Debug)]
pub enum Identity {
    /// A GitHub App.
    App(App),
    /// Whoever this personal access token belongs to.
    Token(SecretString),
}

/// A GitHub App.
#[derive(Debug)]
pub struct App {
    /// Its client ID, or its number.
    id: String,
    /// Its private key, by PKCS#8, as DER.
    key: SecretSlice<u8>,
}

/// Why the gate is nobody at GitHub. It tells what to do, and nothing of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIdentity {
    /// Neither an App nor a token is set.
    Unset,
    /// Of an App's two secrets only one is set.
    HalfAnApp,
    /// The private key is no such key.
    InvalidKey,
    /// The token has a character that no token has: the runtime would log it with its error.
    InvalidToken,
    /// It is not known where GitHub's API is.
    InvalidUrl,
}

impl fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unset => {
                "the gate is nobody at GitHub: give it a GitHub App with `app create`, or a token with npx wrangler \
                 secret put GITHUB_TOKEN"
            }
            Self::HalfAnApp => {
                "of GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY only one is set: a GitHub App needs both"
            }
            Self::InvalidKey => {
                "GITHUB_APP_PRIVATE_KEY is no RSA key: it is the whole .pem file that GitHub gives for an App, from \
                 -----BEGIN to END-----"
            }
            Self::InvalidToken => {
                "GITHUB_TOKEN has a character that no token has, such as a space or one that is not seen: set it again with \
                 npx wrangler secret put GITHUB_TOKEN"
            }
            Self::InvalidUrl => {
                "GITHUB_API_URL, or GITHUB_URL, is not an https URL such as https://api.github.com"
            }
        })
    }
}

impl Identity {
    /// Reads the secrets through `get`, which gives the value of one by its name, if there is one. An App goes before a
    /// token; what is blank is not set.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, NoIdentity> {
        let given = |name| get(name).filter(|value| !value.trim().is_empty());
        match (given("GITHUB_APP_ID"), given("GITHUB_APP_PRIVATE_KEY")) {
            (Some(id), Some(pem)) => {
                let key = pkcs8_of(&pem).ok_or(NoIdentity::InvalidKey)?;
                Ok(Self::App(App { id: id.trim().to_owned(), key: key.into() }))
            }
            (None, None) => match given("GITHUB_TOKEN") {
                Some(token) => match token.trim() {
                    token if token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                        Ok(Self::Token(token.to_owned().into()))
                    }
                    _ => Err(NoIdentity::InvalidToken),
                },
                None => Err(NoIdentity::Unset),
            },
            _ => Err(NoIdentity::HalfAnApp),
        }
    }
}

impl App {
    /// Its private key, by PKCS#8 (RFC 5208), as DER.
    pub fn key(&self) -> &SecretSlice<u8> {
        &self.key
    }

    /// What has to be signed, by RS256, to be the App for some minutes from `now`, in seconds since 1970.
    pub fn claims(&self, now: u64) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iat: u64,
            exp: u64,
            iss: &'a str,
        }
        let claims =
            Claims { iat: now.saturating_sub(BACKDATED), exp: now + GOOD_FOR, iss: &self.id };
        let encoded = |json: &[u8]| Base64UrlUnpadded::encode_string(json);
        Ok(format!(
            "{}.{}",
            encoded(br#"{"alg":"RS256","typ":"JWT"}"#),
            encoded(&serde_json::to_vec(&claims)?)
        ))
    }
}

/// The JWT (RFC 7519) of what was signed and its signature.
pub fn jwt(claims: &str, signature: &[u8]) -> SecretString {
    format!("{claims}.{}", Base64UrlUnpadded::encode_string(signature)).into()
}

/// A private key by PKCS#8, as DER, of one as GitHub gives it: PKCS#1 as PEM (RFC 7468), or PKCS#8. The ends of lines may
/// be written as `\n`, as they are where a key had to fit on one line.
fn pkcs8_of(pem: &str) -> Option<Vec<u8>> {
    let lines = pem.replace("\\r", "").replace("\\n", "\n");
    let lines: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let pem = lines.join("\n");
    let (label, der) = pem_rfc7468::decode_vec(pem.as_bytes()).ok()?;
    match label {
        "PRIVATE KEY" => {
            let info = PrivateKeyInfoRef::try_from(&*der).ok()?;
            (info.algorithm.oid == RSA).then_some(der)
        }
        "RSA PRIVATE KEY" => {
            let algorithm = AlgorithmIdentifierRef {
                oid: RSA,
                parameters: Some(pkcs8::der::asn1::AnyRef::NULL),
            };
            let key = pkcs8::der::asn1::OctetStringRef::new(&der).ok()?;
            PrivateKeyInfoRef::new(algorithm, key).to_der().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
    use secrecy::ExposeSecret;
    use serde_json::Value;

    use super::*;

    /// Everybody knows it: a test's.
    const PKCS1: &str = include_str!("../../tests/support/github/app_key.pem");
    const PUBLIC: &str = include_str!("../../tests/support/github/app_key.pub.pem");

    fn read(set: &[(&str, &str)]) -> Result<Identity, NoIdentity> {
        Identity::read(|name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn app(pem: &str) -> App {
        match read(&[("GITHUB_APP_ID", " Iv1.abc\n"), ("GITHUB_APP_PRIVATE_KEY", pem)]) {
            Ok(Identity::App(app)) => app,
            other => panic!("{other:?}"),
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let encoded = base64ct::Base64::encode_string(der);
        let lines: Vec<String> = encoded
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn a_key_is_taken_in_each_form_that_it_is_handed_around_in() {
        let key = app(PKCS1).key().expose_secret().to_vec();
        for form in [
            PKCS1.replace('\n', "\r\n"),
            PKCS1.replace('\n', "\\n"),
            format!("  {PKCS1}\n\n"),
            pem("PRIVATE KEY", &key),
            pem("PRIVATE KEY", &key).replace('\n', "\\r\\n"),
        ] {
            assert_eq!(app(&form).key().expose_secret(), key, "{}", form.len());
        }
        for none in [
            PUBLIC,
            "nonsense",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n",
            &pem("PRIVATE KEY", b"no key"),
            &pem("EC PRIVATE KEY", &key),
            &PKCS1.lines().skip(1).collect::<Vec<_>>().join("\n"),
        ] {
            let read = read(&[("GITHUB_APP_ID", "1"), ("GITHUB_APP_PRIVATE_KEY", none)]);
            assert_eq!(read.err(), Some(NoIdentity::InvalidKey), "{none}");
        }
    }

    #[test]
    fn githubs_way_of_reading_a_jwt_reads_it() {
        let app = app(PKCS1);
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = app.claims(now).unwrap();
        // The same algorithm as the runtime's, by a library that takes PKCS#8.
        let key =
            EncodingKey::from_rsa_pem(pem("PRIVATE KEY", app.key().expose_secret()).as_bytes());
        let signature =
            jsonwebtoken::crypto::sign(claims.as_bytes(), &key.unwrap(), Algorithm::RS256).unwrap();
        let signature = base64ct::Base64UrlUnpadded::decode_vec(&signature).unwrap();
        let jwt = jwt(&claims, &signature);
        let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).unwrap();
        let read = jsonwebtoken::decode::<Value>(
            jwt.expose_secret(),
            &key,
            &Validation::new(Algorithm::RS256),
        );
        let claims = read.unwrap().claims;
        assert_eq!(claims["iss"], "Iv1.abc");
        assert_eq!(claims["iat"], now - 60);
        assert_eq!(claims["exp"], now + 540);
    }

    #[test]
    fn who_the_gate_is() {
        let key = ("GITHUB_APP_PRIVATE_KEY", PKCS1);
        for (set, expected) in [
            (&[][..], Err(NoIdentity::Unset)),
            (&[("GITHUB_TOKEN", " ")], Err(NoIdentity::Unset)),
            (&[("GITHUB_APP_ID", "1")], Err(NoIdentity::HalfAnApp)),
            (&[("GITHUB_APP_ID", ""), key], Err(NoIdentity::HalfAnApp)),
            (&[("GITHUB_APP_ID", "1"), ("GITHUB_TOKEN", "t")], Err(NoIdentity::HalfAnApp)),
            (&[("GITHUB_TOKEN", "t\n")], Ok("token")),
            (&[("GITHUB_APP_ID", "1"), key, ("GITHUB_TOKEN", "t")], Ok("app")),
        ] {
            let found = read(set).map(|identity| match identity {
                Identity::App(_) => "app",
                Identity::Token(token) => {
                    assert_eq!(token.expose_secret(), "t");
                    "token"
                }
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", app(PKCS1), read(&[("GITHUB_TOKEN", "unheard of")]));
        assert!(!shown.contains("unheard"), "{shown}");
        assert!(shown.len() < 300, "{shown}");
    }
}

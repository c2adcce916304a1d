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
                Some(token) => Ok(Self::Token(token.trim().to_owned().into())),
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

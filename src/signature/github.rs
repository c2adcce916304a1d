//! GitHub's signature. Nothing of a delivery's body is looked at before it has passed here, and
//! the type system keeps it so: only [`WebhookSecrets::verify`] makes a [`VerifiedBody`].
//!
//! Source: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::published::is_published;
use crate::repository::RepositoryName;
use crate::signature::hmac_sha256;

/// The header that carries the signature. `X-Hub-Signature` (SHA-1) is never looked at.
pub const SIGNATURE_HEADER: &str = "X-Hub-Signature-256";

/// What a repository's secret is derived with. No body that GitHub signs begins like this, so no signature
/// of GitHub's is ever a repository's secret.
pub const DERIVATION_LABEL: &str = "buildgate/webhook-secret/v1:";

/// A well-formed `X-Hub-Signature-256`, not yet compared with anything.
pub struct Signature([u8; 32]);

impl Signature {
    /// Reads `sha256=` and 64 hexadecimal digits in lower case, as GitHub writes them; anything
    /// else is `None`.
    pub fn parse(header: &str) -> Option<Self> {
        let digits = header.strip_prefix("sha256=")?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// The secrets that a delivery may be signed with. Never empty, and redacted in `Debug`.
#[derive(Debug)]
pub struct WebhookSecrets {
    current: SecretString,
    previous: Option<SecretString>,
}

/// Which secret a delivery was signed with: once none comes with `Previous`, that one can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUsed {
    /// `WEBHOOK_SECRET`
    Current,
    /// `WEBHOOK_SECRET_PREVIOUS`
    Previous,
}

impl SecretUsed {
    /// The word that stands for it in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

/// Why nothing can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSecret {
    /// `WEBHOOK_SECRET` is unset or blank.
    Unset,
    /// A secret is one that everybody knows, and the gate is reached from elsewhere than its own machine.
    Published,
}

/// The body was signed with none of the secrets.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSignature;

/// A body that GitHub signed: proof, by its existence, that the signature was checked.
pub struct VerifiedBody {
    bytes: Vec<u8>,
    secret_used: SecretUsed,
}

impl VerifiedBody {
    /// The body as it was sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The secret that it was signed with.
    pub fn secret_used(&self) -> SecretUsed {
        self.secret_used
    }
}

impl WebhookSecrets {
    /// Takes the values of `WEBHOOK_SECRET` and `WEBHOOK_SECRET_PREVIOUS`. A blank previous secret
    /// counts as unset; a blank current one is refused, because a blank key can be guessed. So is one that comes
    /// with the project, unless `is_local` says that only the gate's own machine reaches it.
    pub fn new(
        current: Option<String>,
        previous: Option<String>,
        is_local: bool,
    ) -> Result<Self, NoSecret> {
        let not_blank = |secret: &String| !secret.trim().is_empty();
        let current = current.filter(not_blank).ok_or(NoSecret::Unset)?;
        let previous = previous.filter(not_blank);
        let published = |secret: &str| !is_local && is_published(secret);
        if published(&current) || previous.as_deref().is_some_and(published) {
            return Err(NoSecret::Published);
        }
        Ok(Self { current: current.into(), previous: previous.map(Into::into) })
    }

    /// The secrets of one repository, derived from these.
    pub fn for_repository(&self, repository: &RepositoryName) -> Self {
        Self {
            current: derive(&self.current, repository),
            previous: self.previous.as_ref().map(|previous| derive(previous, repository)),
        }
    }

    /// Compares the HMAC-SHA256 of `body` with `signature`, in constant time, under the current
    /// secret and then under the previous one. `hmac` computes it, of a key and a message: [`hmac_sha256`],
    /// or whatever does the same quicker.
    pub async fn verify(
        &self,
        body: Vec<u8>,
        signature: &Signature,
        hmac: impl AsyncFn(&[u8], &[u8]) -> [u8; 32],
    ) -> Result<VerifiedBody, BadSignature> {
        let signed_with = async |secret: &SecretString| {
            let mac = hmac(secret.expose_secret().as_bytes(), &body).await;
            bool::from(mac.ct_eq(&signature.0))
        };
        let secret_used = match &self.previous {
            _ if signed_with(&self.current).await => SecretUsed::Current,
            Some(previous) if signed_with(previous).await => SecretUsed::Previous,
            _ => return Err(BadSignature),
        };
        Ok(VerifiedBody { bytes: body, secret_used })
    }
}

/// Derives the secret of one repository from the operator's: the HMAC-SHA256, in hexadecimal digits, of
/// [`DERIVATION_LABEL`] and the repository's name in lower case. Whoever knows it can forge deliveries of
/// that repository and of no other; nothing secret needs to be stored anywhere.
pub fn derive(secret: &SecretString, repository: &RepositoryName) -> SecretString {
    let named = format!("{DERIVATION_LABEL}{}", repository.as_lower());
    hex::encode(mac(secret, named.as_bytes())).into()
}

/// Signs `body` as GitHub does: the value of `X-Hub-Signature-256`.
pub fn sign(secret: &SecretString, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(mac(secret, body)))
}

fn mac(secret: &SecretString, body: &[u8]) -> [u8; 32] {
    hmac_sha256(secret.expose_secret().as_bytes(), body)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    // GitHub's published vector: see the page named above.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(current: &str, previous: Option<&str>) -> WebhookSecrets {
        WebhookSecrets::new(Some(current.into()), previous.map(Into::into), true).unwrap()
    }

    impl WebhookSecrets {
        /// Verifies with the HMAC of this module.
        pub(crate) fn verify_here(
            &self,
            body: &[u8],
            signature: &Signature,
        ) -> Result<VerifiedBody, BadSignature> {
            let hmac = async |key: &[u8], message: &[u8]| hmac_sha256(key, message);
            self.verify(body.to_vec(), signature, hmac).now_or_never().unwrap()
        }
    }

    fn verify(
        secrets: &WebhookSecrets,
        body: &[u8],
        header: &str,
    ) -> Result<SecretUsed, BadSignature> {
        let signature = Signature::parse(header).expect("a well-formed signature");
        secrets.verify_here(body, &signature).map(|body| body.secret_used())
    }

    #[test]
    fn githubs_published_vector_signs_and_verifies() {
        assert_eq!(sign(&SECRET.to_owned().into(), BODY), SIGNATURE);
        assert_eq!(verify(&secrets(SECRET, None), BODY, SIGNATURE), Ok(SecretUsed::Current));
    }

    #[test]
    fn the_previous_secret_counts_until_it_is_gone() {
        assert_eq!(
            verify(&secrets("new", Some(SECRET)), BODY, SIGNATURE),
            Ok(SecretUsed::Previous)
        );
        assert_eq!(verify(&secrets("new", None), BODY, SIGNATURE), Err(BadSignature));
        assert_eq!(
            verify(&secrets(SECRET, Some(SECRET)), BODY, SIGNATURE),
            Ok(SecretUsed::Current)
        );
    }

    #[test]
    fn a_blank_secret_is_no_secret() {
        for blank in ["", " ", "\n"] {
            assert_eq!(
                WebhookSecrets::new(Some(blank.into()), Some(SECRET.into()), true).err(),
                Some(NoSecret::Unset)
            );
            let signed_with_blank = sign(&blank.to_owned().into(), BODY);
            assert_eq!(
                verify(&secrets(SECRET, Some(blank)), BODY, &signed_with_blank),
                Err(BadSignature)
            );
        }
        assert_eq!(
            WebhookSecrets::new(None, Some(SECRET.into()), true).err(),
            Some(NoSecret::Unset)
        );
    }

    #[test]
    fn a_secret_that_everybody_knows_is_good_for_the_machine_itself_only() {
        let published = || Some("local-webhook-secret".to_owned());
        let own = || Some(SECRET.to_owned());
        for (current, previous) in [(published(), None), (own(), published())] {
            let new = |is_local| WebhookSecrets::new(current.clone(), previous.clone(), is_local);
            assert_eq!(new(false).err(), Some(NoSecret::Published));
            assert!(new(true).is_ok());
        }
        assert!(WebhookSecrets::new(own(), own(), false).is_ok());
    }

    #[test]
    fn only_sha256_and_64_lower_case_digits_are_well_formed() {
        let digits = SIGNATURE.trim_start_matches("sha256=");
        for ill_formed in [
            String::new(),
            "sha256=".into(),
            digits.into(),
            format!("sha1={}", &digits[..40]),
            format!("SHA256={digits}"),
            format!("sha256={}", &digits[1..]),
            format!("sha256={digits}00"),
            format!("sha256={}", digits.to_uppercase()),
            format!("sha256={}g", &digits[1..]),
            format!(" sha256={digits}"),
            format!("{SIGNATURE}, {SIGNATURE}"),
        ] {
            assert!(Signature::parse(&ill_formed).is_none(), "{ill_formed}");
        }
    }

    // docs/answers.md publishes these, so that other tools can derive the same.
    const DERIVED: [(&str, &str); 3] = [
        ("octocat/Hello-World", "4e4e2d78bda2dae003357f802eea03fe9941d71649e93c30bde77bb13bf8404a"),
        ("octocat/hello-world", "4e4e2d78bda2dae003357f802eea03fe9941d71649e93c30bde77bb13bf8404a"),
        ("octocat/Spoon-Knife", "44949fc78b6c6c5656d9d883026ce9ab116cce23558da5596da9be071cf65bde"),
    ];

    #[test]
    fn a_repositorys_secret_is_derived_as_published() {
        for (repository, derived) in DERIVED {
            let secret = derive(&SECRET.to_owned().into(), &repository.parse().unwrap());
            assert_eq!(secret.expose_secret(), derived, "{repository}");
        }
    }

    #[test]
    fn a_repositorys_secret_verifies_that_repositorys_deliveries_only() {
        let secrets = secrets("new", Some(SECRET));
        let one: RepositoryName = "octocat/Hello-World".parse().unwrap();
        let other = secrets.for_repository(&"octocat/Spoon-Knife".parse().unwrap());
        let current = sign(&derive(&"new".to_owned().into(), &one), BODY);
        let previous = sign(&derive(&SECRET.to_owned().into(), &one), BODY);
        let ones = secrets.for_repository(&one);
        assert_eq!(verify(&ones, BODY, &current), Ok(SecretUsed::Current));
        assert_eq!(verify(&ones, BODY, &previous), Ok(SecretUsed::Previous));
        assert_eq!(verify(&ones, BODY, SIGNATURE), Err(BadSignature));
        for secrets in [&other, &secrets] {
            assert_eq!(verify(secrets, BODY, &current), Err(BadSignature));
            assert_eq!(verify(secrets, BODY, &previous), Err(BadSignature));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", secrets(SECRET, Some(SECRET))).contains("Everybody"));
    }

    proptest! {
        #[test]
        fn whatever_is_signed_verifies_and_no_changed_bit_of_the_body_does(
            secret in "\\PC*[^\\s]", body: Vec<u8>, bit: prop::sample::Index,
        ) {
            let secret = SecretString::from(secret);
            let secrets = WebhookSecrets::new(Some(secret.expose_secret().to_owned()), None, false).unwrap();
            let header = sign(&secret, &body);
            prop_assert_eq!(verify(&secrets, &body, &header), Ok(SecretUsed::Current));
            if !body.is_empty() {
                let bit = bit.index(body.len() * 8);
                let mut changed = body.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(verify(&secrets, &changed, &header), Err(BadSignature));
            }
        }

        #[test]
        fn no_header_panics(header: String) {
            let _ = Signature::parse(&header);
        }
    }

    #[test]
    fn no_changed_bit_of_the_header_verifies() {
        let secrets = secrets(SECRET, None);
        for bit in 0..SIGNATURE.len() * 8 {
            let mut changed = SIGNATURE.as_bytes().to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Some(signature) = std::str::from_utf8(&changed).ok().and_then(Signature::parse) {
                assert!(secrets.verify_here(BODY, &signature).is_err(), "bit {bit}");
            }
        }
    }
}

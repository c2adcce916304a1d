//! What deliveries are received with: which secrets, which GitHub, how long a policy is remembered, and what the
//! answers say of whom to ask.

use std::rc::Rc;

use crate::policy::lookup;
use crate::repository::{GitHubUrl, InvalidGitHubUrl};
use crate::signature::github::{NoSecret, WebhookSecrets};
use crate::url::scheme_and_host;

/// The longest contact that the answers give, in characters.
const LONGEST_CONTACT: usize = 200;

/// Whom the owner of a repository can ask, and where there is more to read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Guidance {
    /// `OPERATOR_CONTACT`: a name, an address, a link.
    pub contact: Option<String>,
    /// `HELP_URL`; where there is none, the gate's own page is meant.
    pub help_url: Option<String>,
}

impl Guidance {
    /// Takes the values of `OPERATOR_CONTACT` and `HELP_URL`. What is blank is not set, and neither is a help URL that
    /// is no http or https URL: nobody can be sent there.
    fn new(contact: Option<String>, help_url: Option<String>) -> Self {
        let contact = contact.map(|contact| {
            let kept = contact.trim().chars().filter(|c| !c.is_control());
            kept.take(LONGEST_CONTACT).collect::<String>()
        });
        let help_url = help_url.map(|url| url.trim().to_owned());
        let is_url = |url: &String| {
            scheme_and_host(url).is_some_and(|(scheme, _)| matches!(scheme, "http" | "https"))
        };
        Self {
            contact: contact.filter(|contact| !contact.is_empty()),
            help_url: help_url.filter(is_url),
        }
    }
}

/// What deliveries are received with.
#[derive(Debug)]
pub struct Settings {
    /// For a gate that only its own machine reaches.
    secrets_of_local: Result<WebhookSecrets, NoSecret>,
    /// For any other.
    secrets_of_remote: Result<WebhookSecrets, NoSecret>,
    /// The GitHub that the gate serves.
    pub github: Result<GitHubUrl, InvalidGitHubUrl>,
    /// How long a policy is remembered, in milliseconds.
    pub policy_memory: u64,
    /// What the answers say of whom to ask.
    pub guidance: Rc<Guidance>,
}

impl Settings {
    /// Reads the settings through `get`, which gives the value of a variable or a secret by its name, if there
    /// is one.
    pub fn read(get: impl Fn(&'static str) -> Option<String>) -> Self {
        let secrets = |is_local| {
            WebhookSecrets::new(get("WEBHOOK_SECRET"), get("WEBHOOK_SECRET_PREVIOUS"), is_local)
        };
        Self {
            secrets_of_local: secrets(true),
            secrets_of_remote: secrets(false),
            github: GitHubUrl::parse(get("GITHUB_URL").as_deref()),
            policy_memory: lookup::memory(get("POLICY_CACHE_SECONDS").as_deref()),
            guidance: Rc::new(Guidance::new(get("OPERATOR_CONTACT"), get("HELP_URL"))),
        }
    }

    /// The secrets that a delivery may be signed with; `is_local` says that only its own machine reaches the gate.
    pub fn secrets(&self, is_local: bool) -> Result<&WebhookSecrets, NoSecret> {
        let secrets = if is_local { &self.secrets_of_local } else { &self.secrets_of_remote };
        secrets.as_ref().map_err(|why| *why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_not_set_is_as_the_docs_say() {
        let settings = read(&[]);
        assert_eq!(settings.secrets(true).err(), Some(NoSecret::Unset));
        assert_eq!(settings.github, GitHubUrl::parse(Some("https://github.com")));
        assert_eq!(settings.policy_memory, 0);
        assert_eq!(*settings.guidance, Guidance::default());
    }

    #[test]
    fn owners_are_sent_to_whom_and_where_somebody_is() {
        let guidance = |contact: &str, url: &str| {
            let settings = read(&[("OPERATOR_CONTACT", contact), ("HELP_URL", url)]);
            let Guidance { contact, help_url } = &*settings.guidance;
            (contact.clone(), help_url.clone())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            guidance(" ops@example.com\n", "https://help.example/why"),
            (some("ops@example.com"), some("https://help.example/why"))
        );
        assert_eq!(
            guidance("#builds on\u{7} chat", "http://help.example").0,
            some("#builds on chat")
        );
        assert_eq!(guidance(" ", ""), (None, None));
        assert_eq!(guidance(&"x".repeat(999), "help.example").0.unwrap().len(), LONGEST_CONTACT);
        for url in ["help.example", "javascript:alert(1)", "ftp://help.example", "https://a b"] {
            assert_eq!(guidance("", url), (None, None), "{url}");
        }
    }

    #[test]
    fn a_secret_that_everybody_knows_is_good_for_the_machine_itself_only() {
        for set in [
            &[("WEBHOOK_SECRET", "local-webhook-secret")][..],
            &[("WEBHOOK_SECRET", "s"), ("WEBHOOK_SECRET_PREVIOUS", "local-webhook-secret")],
        ] {
            let settings = read(set);
            assert!(settings.secrets(true).is_ok());
            assert_eq!(settings.secrets(false).err(), Some(NoSecret::Published));
        }
        assert!(read(&[("WEBHOOK_SECRET", "s")]).secrets(false).is_ok());
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", read(&[("WEBHOOK_SECRET", "unheard of")])).contains("unheard"));
    }
}

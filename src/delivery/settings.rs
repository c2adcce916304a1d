//! What deliveries are received with: which secrets, which GitHub, how long a policy is remembered.

use crate::policy::lookup;
use crate::repository::{GitHubUrl, InvalidGitHubUrl};
use crate::signature::github::{NoSecret, WebhookSecrets};

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

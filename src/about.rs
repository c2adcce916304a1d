//! What the gate says of itself to whoever opens one of its URLs in a browser. It tells nothing of any repository.

use crate::repository::RepositoryName;

/// What `GET /` answers.
pub const ABOUT_BUILDGATE: &str = concat!(
    "buildgate ",
    env!("CARGO_PKG_VERSION"),
    ": the gate between GitHub and a container build service. Point a GitHub webhook at this URL. Why a container was \
     not built: /help\n"
);

/// What `GET /help` answers: the owner's page of the docs, as HTML. `build.rs` makes it.
pub const HELP: &str = include_str!(concat!(env!("OUT_DIR"), "/help.html"));

/// What a `GET` of a repository's own Payload URL answers, at a gate that is reached at this URL.
pub fn payload_url(gate: &str, repository: &RepositoryName) -> String {
    format!(
        "This is the Payload URL of {repository}: GitHub delivers that repository's push, deployment and \
         deployment_status events here, by POST. Enter {gate}/{repository} under Settings > Webhooks in that \
         repository, with the secret that the operator of the build service gives you. (That you read this says \
         nothing of whether the repository is linked.)\n\nWhat each delivery was answered is there under Recent \
         Deliveries; what the answers mean is at {gate}/help\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_has_a_place_for_every_code_and_leads_nowhere_else() {
        for code in
            ["bad-signature", "not-a-branch", "repository-not-linked", "nothing-was-delivered"]
        {
            assert!(HELP.contains(&format!("id=\"{code}\"")), "{code}");
        }
        assert!(HELP.contains("<table>") && HELP.contains("href=\"#red\""));
        for link in HELP.split("href=\"").skip(1) {
            let target = link.split('"').next().unwrap();
            let anchor = target.strip_prefix('#').unwrap_or_else(|| panic!("{target}"));
            assert!(HELP.contains(&format!("id=\"{anchor}\"")), "{anchor}");
        }
    }
}

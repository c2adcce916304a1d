//! What the gate says of itself to whoever opens one of its URLs in a browser. It tells nothing of any repository.

use crate::repository::RepositoryName;

/// The owner's page of the docs, as HTML. `build.rs` makes it.
const HELP: &str = include_str!(concat!(env!("OUT_DIR"), "/help.html"));

/// The place in that page where the operator is named.
const ASK: &str = "<!-- whom to ask -->";

/// What `GET /` answers, at a gate whose operator has this contact.
pub fn buildgate(contact: Option<&str>) -> String {
    format!(
        "buildgate {}: the gate between GitHub and a container build service. The Payload URL of a repository's webhook \
         is this URL and the repository's full name, such as /octocat/Hello-World; that of an organization or an app is \
         this URL.\n\nWhy a container was not built: /help{}\n",
        env!("CARGO_PKG_VERSION"),
        contact.map(|contact| format!("\nWhom to ask: {contact}")).unwrap_or_default()
    )
}

/// What `GET /help` answers, at a gate whose operator has this contact: what the answers mean.
pub fn help(contact: Option<&str>) -> String {
    let ask = contact.map(|contact| {
        let escaped = contact.replace('&', "&amp;").replace('<', "&lt;");
        format!("<p>Whom to ask here: <strong>{escaped}</strong>, the operator of the build service.</p>")
    });
    HELP.replacen(ASK, &ask.unwrap_or_default(), 1)
}

/// What a `GET` of a repository's own Payload URL answers, at a gate that is reached at this URL and whose operator has
/// this contact.
pub fn payload_url(gate: &str, repository: &RepositoryName, contact: Option<&str>) -> String {
    let contact = contact.map(|contact| format!(" ({contact})")).unwrap_or_default();
    if let Some(name) = repository.without_git() {
        return format!(
            "This is no Payload URL: none ends with .git. That of {name} is {gate}/{name}: enter it under Settings > \
             Webhooks in that repository, with the secret that the operator of the build service{contact} gives you.\n"
        );
    }
    let name = repository.as_spelt();
    format!(
        "This is the Payload URL of {name}: GitHub delivers that repository's push, deployment and \
         deployment_status events here, by POST. Enter {gate}/{name} under Settings > Webhooks in that \
         repository, with the secret that the operator of the build service{contact} gives you. (This page is shown for \
         every name, linked or not.)\n\nWhat each delivery was answered is listed there under Recent \
         Deliveries; what the answers mean is at {gate}/help\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_url_says_what_it_is_for_and_whom_to_ask() {
        let page = |name: &str, contact| {
            payload_url("https://gate.example", &name.parse().unwrap(), contact)
        };
        let own = page("octocat/Hello-World", Some("ops@example.com"));
        assert!(own.contains("Enter https://gate.example/octocat/Hello-World under"), "{own}");
        assert!(
            own.contains("the operator of the build service (ops@example.com) gives you"),
            "{own}"
        );
        let other = page("octocat/Hello-World.GIT", Some("ops@example.com"));
        assert!(other.starts_with("This is no Payload URL: none ends with .git."), "{other}");
        assert!(other.contains("is https://gate.example/octocat/Hello-World: enter"), "{other}");
        assert!(page("octocat/Hello-World", None).contains("build service gives you"));
    }

    #[test]
    fn whom_to_ask_is_on_every_page_and_no_markup() {
        let contact = Some("<ops> & co");
        assert!(buildgate(contact).ends_with("\nWhom to ask: <ops> & co\n"));
        assert!(buildgate(None).ends_with(": /help\n"));
        assert!(help(contact).contains("Whom to ask here: <strong>&lt;ops> &amp; co</strong>"));
        assert!(!help(None).contains("Whom to ask here") && !help(None).contains(ASK));
    }

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

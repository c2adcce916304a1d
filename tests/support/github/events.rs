//! What happens is told to every webhook that wants to know: the repository's own, and those of the Apps that are
//! installed there, all under the same delivery id, as at GitHub.

use serde_json::{Value, json};

use super::State;
use super::hooks::Outgoing;

impl State {
    /// Tells of an event. The payload needs no repository and no sender.
    pub fn emit(&mut self, repository: &str, event: &str, payload: Value, by: &str) {
        // Whatever of the recorded payload is left, it is of this repository.
        let text = payload.to_string().replace("Codertocat/Hello-World", repository);
        let text = text.replace("https://api.github.com", &self.base);
        let text = text.replace("https://github.com", &self.web);
        let mut payload: Value = serde_json::from_str(&text).unwrap();
        payload["repository"] = self.repository_in_payload(repository, event);
        payload["sender"] = self.user(by);
        let name = self.repository(repository).name;
        let wants = |events: &Value| {
            events.as_array().is_some_and(|events| events.iter().any(|e| e == event || e == "*"))
        };
        let guid = uuid::Uuid::new_v4().to_string();
        let outgoing = |hook: u64, config: &Value, app, installation, payload: &Value| Outgoing {
            hook,
            config: config.clone(),
            app,
            installation,
            repository: name,
            event: event.to_owned(),
            payload: payload.to_string(),
            guid: guid.clone(),
            redelivery: false,
        };
        let mut all: Vec<Outgoing> = self
            .hooks
            .iter()
            .filter(|(of, hook)| *of == name && hook["active"] == true && wants(&hook["events"]))
            .map(|(_, hook)| {
                outgoing(hook["id"].as_u64().unwrap(), &hook["config"], None, None, &payload)
            })
            .collect();
        for app in &self.apps {
            let installed = app.installations.iter().find(|i| i.repositories.contains(&name));
            if let (Some(config), Some(installation), true) =
                (&app.hook, installed, wants(&json!(app.events)))
            {
                payload["installation"] = json!({"id": installation.id, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u"});
                let (app_id, id) = (Some(app.id), Some(installation.id));
                all.push(outgoing(app.hook_id, config, app_id, id, &payload));
            }
        }
        for outgoing in all {
            self.send(outgoing);
        }
    }
}

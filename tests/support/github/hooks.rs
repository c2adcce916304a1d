//! Webhooks of repositories, and the deliveries of these and of Apps' webhooks. They are delivered in the background, in
//! the order in which things happened, and kept with what they were answered.

use std::sync::{Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

use buildgate::signature::github::sign;
use serde_json::{Value, json};

use super::super::fixtures::fixture;
use super::access::Who;
use super::server::{Answer, Asked, created, no_content, not_found, ok};
use super::{GitHub, REPOSITORIES, State, locked, now};

/// A delivery that is to be made.
#[derive(Clone)]
pub struct Outgoing {
    pub hook: u64,
    pub config: Value,
    /// The App, where it is an App's webhook, and its installation.
    pub app: Option<u64>,
    pub installation: Option<u64>,
    pub repository: &'static str,
    pub event: String,
    pub payload: String,
    pub guid: String,
    pub redelivery: bool,
}

/// A delivery that was made.
pub struct Delivery {
    pub of: Outgoing,
    /// As GitHub shows it.
    pub shown: Value,
}

impl GitHub {
    /// All webhooks, in the order in which they were made.
    pub fn hooks(&self) -> Vec<Value> {
        self.state().hooks.iter().map(|(_, hook)| hook.clone()).collect()
    }

    /// Changes a webhook as a person does on GitHub's pages.
    pub fn change_hook(&self, number: usize, pointer: &str, value: Value) {
        *self.state().hooks[number].1.pointer_mut(pointer).unwrap() = value;
    }

    pub fn add_hook(&self, url: &str) {
        let mut state = self.state();
        let of = REPOSITORIES[0].0;
        let config = json!({"url": url, "content_type": "form"});
        let hook = state.new_hook(of, &json!({"events": ["push"], "config": config}));
        state.hooks.push((of, hook));
    }

    /// Has the first webhook deliver an event, and gives what it was answered.
    pub fn deliver(&self, event: &str, payload: &str) -> Value {
        self.deliver_by(0, event, payload)
    }

    /// Has a webhook deliver an event, and gives what it was answered.
    pub fn deliver_by(&self, number: usize, event: &str, payload: &str) -> Value {
        let (repository, hook) = self.state().hooks[number].clone();
        let answered = deliver(&self.shared, of_hook(repository, &hook, event, payload));
        serde_json::from_str(&answered.unwrap()).unwrap()
    }

    /// Whether webhooks get lost from now on: they are kept as deliveries that reached nobody.
    pub fn lose_webhooks(&self, lose: bool) {
        self.state().loses_webhooks = lose;
    }

    /// Delivers the last delivery of an event again, under the same id, as a person does on GitHub's pages.
    pub fn redeliver(&self, event: &str) {
        let mut state = self.state();
        let last = state.deliveries.iter().rev().find(|delivery| delivery.of.event == event);
        let of = last.unwrap_or_else(|| panic!("{event} was never delivered")).of.clone();
        state.send(Outgoing { redelivery: true, ..of });
    }

    /// Waits until everything that happened is delivered.
    pub fn settle(&self) {
        while self.state().on_the_way > 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Each delivery of an event that was made: its payload, and what it was answered, or null.
    pub fn delivered(&self, event: &str) -> Vec<(Value, Value)> {
        self.settle();
        let state = self.state();
        let of_event = state.deliveries.iter().filter(|delivery| delivery.of.event == event);
        let pair = |delivery: &Delivery| {
            let answered = delivery.shown["response"]["payload"].as_str().unwrap_or_default();
            let payload = serde_json::from_str(&delivery.of.payload).unwrap();
            (payload, serde_json::from_str(answered).unwrap_or(Value::Null))
        };
        of_event.map(pair).collect()
    }
}

fn of_hook(repository: &'static str, hook: &Value, event: &str, payload: &str) -> Outgoing {
    Outgoing {
        hook: hook["id"].as_u64().unwrap(),
        config: hook["config"].clone(),
        app: None,
        installation: None,
        repository,
        event: event.to_owned(),
        payload: payload.to_owned(),
        guid: uuid::Uuid::new_v4().to_string(),
        redelivery: false,
    }
}

impl State {
    /// Has something delivered, after all that is to be delivered already.
    pub fn send(&mut self, outgoing: Outgoing) {
        if self.loses_webhooks {
            self.keep(outgoing, 502, "failed to connect to host", None);
            return;
        }
        self.on_the_way += 1;
        self.outgoing.send(outgoing).unwrap();
    }

    fn keep(&mut self, of: Outgoing, code: u16, status: &str, text: Option<&str>) {
        let id = 10_000 + self.id();
        let payload: Value = serde_json::from_str(&of.payload).unwrap_or(json!({}));
        let shown = json!({
            "id": id, "guid": of.guid, "delivered_at": now(), "redelivery": of.redelivery,
            "duration": 0.1, "status": status, "status_code": code, "event": of.event,
            "action": payload["action"], "installation_id": of.installation,
            "repository_id": self.repository(of.repository).id, "url": of.config["url"],
            "request": {"headers": {}, "payload": payload},
            "response": {"headers": {}, "payload": text},
        });
        self.deliveries.push(Delivery { of, shown });
    }

    /// A new webhook, as it is set by a request's body.
    fn new_hook(&mut self, repository: &str, body: &Value) -> Value {
        let id = self.id();
        let url = format!("{}/repos/{repository}/hooks/{id}", self.base);
        json!({
            "type": "Repository", "id": id, "name": "web",
            "active": body.get("active").cloned().unwrap_or(true.into()),
            "events": body["events"], "config": body["config"],
            "updated_at": now(), "created_at": now(), "url": url, "test_url": format!("{url}/test"),
            "ping_url": format!("{url}/pings"), "deliveries_url": format!("{url}/deliveries"),
            "last_response": {"code": null, "status": "unused", "message": null},
        })
    }

    fn send_ping(&mut self, repository: &'static str, hook: &Value) {
        let mut ping: Value = serde_json::from_str(&fixture("ping")).unwrap();
        ping["hook"]["events"] = hook["events"].clone();
        ping["hook"]["active"] = hook["active"].clone();
        ping["hook_id"] = hook["id"].clone();
        ping["repository"]["full_name"] = repository.into();
        ping["repository"]["id"] = self.repository(repository).id.into();
        self.send(of_hook(repository, hook, "ping", &ping.to_string()));
    }

    /// Which webhook of the repository is asked for.
    fn hook_asked(&self, asked: &Asked) -> Option<usize> {
        let id = asked.id("hook_id");
        self.hooks
            .iter()
            .position(|(of, hook)| *of == asked.repository && hook["id"].as_u64() == id)
    }

    /// The deliveries of the webhook, or the App, that is asked for.
    fn deliveries_asked(&self, asked: &Asked) -> Option<Vec<&Delivery>> {
        let hook = match asked.who {
            Who::App(app) => self.apps[app].hook_id,
            _ => self.hooks[self.hook_asked(asked)?].1["id"].as_u64().unwrap(),
        };
        Some(self.deliveries.iter().rev().filter(|delivery| delivery.of.hook == hook).collect())
    }

    fn delivery_asked(&self, asked: &Asked) -> Option<&Delivery> {
        let id = asked.id("delivery_id");
        self.deliveries_asked(asked)?.into_iter().find(|d| d.shown["id"].as_u64() == id)
    }
}

/// Makes the deliveries, one after the other, as long as there is somebody who sends any.
pub fn deliver_in_the_background(shared: Weak<Mutex<State>>, outgoing: mpsc::Receiver<Outgoing>) {
    thread::spawn(move || {
        for outgoing in outgoing {
            let Some(shared) = shared.upgrade() else { return };
            deliver(&shared, outgoing);
            locked(&shared).on_the_way -= 1;
        }
    });
}

/// Makes a delivery, keeps it, and gives what was answered.
fn deliver(shared: &Mutex<State>, of: Outgoing) -> Option<String> {
    let secret = of.config["secret"].as_str().unwrap_or_default().to_owned();
    // GitHub waits for 10 seconds; the machine of a test may be slow.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let target = if of.app.is_some() { "integration" } else { "repository" };
    let target_id = of.app.unwrap_or_else(|| locked(shared).repository(of.repository).id);
    let answered = agent
        .post(of.config["url"].as_str().unwrap())
        .header("Content-Type", "application/json")
        .header("User-Agent", "GitHub-Hookshot/stand-in")
        .header("X-GitHub-Event", &of.event)
        .header("X-GitHub-Delivery", &of.guid)
        .header("X-GitHub-Hook-ID", of.hook.to_string())
        .header("X-GitHub-Hook-Installation-Target-Type", target)
        .header("X-GitHub-Hook-Installation-Target-ID", target_id.to_string())
        .header("X-Hub-Signature-256", sign(&secret.into(), of.payload.as_bytes()))
        .send(&of.payload);
    let (code, status, text) = match answered {
        Ok(mut answer) => {
            let code = answer.status().as_u16();
            let status = if code < 300 { "OK" } else { "Invalid HTTP Response" };
            (code, status, answer.body_mut().read_to_string().ok())
        }
        Err(_) => (0, "failed to connect to host", None),
    };
    locked(shared).keep(of, code, status, text.as_deref());
    text
}

/// A webhook as GitHub shows it: never with its secret.
pub fn shown(hook: &Value) -> Value {
    let mut shown = hook.clone();
    shown["config"] = config_shown(&hook["config"]);
    shown
}

pub fn config_shown(config: &Value) -> Value {
    let mut shown = config.clone();
    match shown.get("secret") {
        None => {}
        Some(Value::Null) => {
            shown.as_object_mut().unwrap().remove("secret");
        }
        Some(_) => shown["secret"] = "********".into(),
    }
    shown
}

pub fn list(state: &mut State, asked: &Asked) -> Answer {
    let own = state.hooks.iter().filter(|(of, _)| *of == asked.repository);
    asked.list(own.map(|(_, hook)| shown(hook)).collect())
}

pub fn create(state: &mut State, asked: &Asked) -> Answer {
    let hook = state.new_hook(asked.repository, &asked.body);
    state.hooks.push((asked.repository, hook.clone()));
    state.send_ping(asked.repository, &hook);
    created(shown(&hook))
}

pub fn update(state: &mut State, asked: &Asked) -> Answer {
    let Some(number) = state.hook_asked(asked) else { return not_found() };
    let (_, hook) = &mut state.hooks[number];
    for field in ["active", "events", "config"] {
        if let Some(value) = asked.body.get(field) {
            hook[field] = value.clone();
        }
    }
    ok(shown(hook))
}

pub fn delete(state: &mut State, asked: &Asked) -> Answer {
    let Some(number) = state.hook_asked(asked) else { return not_found() };
    state.hooks.remove(number);
    no_content()
}

pub fn ping(state: &mut State, asked: &Asked) -> Answer {
    let Some(number) = state.hook_asked(asked) else { return not_found() };
    let (repository, hook) = state.hooks[number].clone();
    state.send_ping(repository, &hook);
    no_content()
}

pub fn deliveries(state: &mut State, asked: &Asked) -> Answer {
    let Some(deliveries) = state.deliveries_asked(asked) else { return not_found() };
    let is_wanted = |delivery: &&Delivery| {
        let code = delivery.shown["status_code"].as_u64().unwrap();
        match asked.query("status") {
            Some("success") => (200..400).contains(&code),
            Some("failure") => (400..600).contains(&code),
            _ => true,
        }
    };
    let listed = |delivery: &Delivery| {
        let mut listed = delivery.shown.clone();
        for field in ["request", "response", "url"] {
            listed.as_object_mut().unwrap().remove(field);
        }
        listed
    };
    let all: Vec<Value> = deliveries.into_iter().filter(is_wanted).map(listed).collect();
    let number = |name: &str| asked.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(30).clamp(1, 100);
    // A cursor is the id of the delivery that the page begins after, so that new ones move nothing.
    let cursor = number("cursor").map(|cursor| cursor as u64);
    let is_later = |item: &&Value| cursor.is_none_or(|cursor| item["id"].as_u64() < Some(cursor));
    let rest: Vec<Value> = all.iter().filter(is_later).cloned().collect();
    let page: Vec<Value> = rest.iter().take(size).cloned().collect();
    let last = page.last().map(|item| item["id"].to_string());
    let link = last.filter(|_| rest.len() > size).map(|last| asked.link("cursor", &last));
    Answer { link, ..ok(page.into()) }
}

pub fn delivery(state: &mut State, asked: &Asked) -> Answer {
    match state.delivery_asked(asked) {
        Some(delivery) => ok(delivery.shown.clone()),
        None => not_found(),
    }
}

pub fn attempt(state: &mut State, asked: &Asked) -> Answer {
    let Some(delivery) = state.delivery_asked(asked) else { return not_found() };
    let mut again = Outgoing { redelivery: true, ..delivery.of.clone() };
    // It is sent to where the webhook points now, and signed with the secret that it has now.
    if let Who::App(app) = asked.who {
        again.config = state.apps[app].hook.clone().unwrap_or(again.config);
    } else if let Some(number) = state.hook_asked(asked) {
        again.config = state.hooks[number].1["config"].clone();
    }
    state.send(again);
    Answer { status: 202, json: json!({}), link: None }
}

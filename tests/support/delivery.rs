//! Deliveries, as GitHub sends them, and what they are answered.

use buildgate::signature::github::sign;
use serde_json::Value;

use super::gate::{Gate, PATIENCE, SECRET};

/// A delivery: as GitHub sends it, unless a test changes something.
pub struct Delivery {
    pub method: &'static str,
    pub path: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Delivery {
    pub fn json(event: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self::signed(event, "application/json", payload.into(), SECRET)
    }

    pub fn form(event: &str, payload: &str) -> Self {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", payload)
            .finish();
        Self::signed(event, "application/x-www-form-urlencoded", form.into(), SECRET)
    }

    pub fn signed(event: &str, content_type: &str, body: Vec<u8>, secret: &str) -> Self {
        let headers = vec![
            ("User-Agent", "GitHub-Hookshot/044aadd".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("Content-Type", content_type.to_owned()),
            ("X-GitHub-Event", event.to_owned()),
            ("X-GitHub-Delivery", uuid::Uuid::new_v4().to_string()),
            ("X-GitHub-Hook-ID", "109948940".to_owned()),
            ("X-Hub-Signature-256", sign(&secret.to_owned().into(), &body)),
        ];
        Self { method: "POST", path: "", headers, body }
    }

    /// With a header set to another value, or left out.
    pub fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.retain(|(present, _)| *present != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    pub fn guid(&self) -> String {
        self.headers.iter().find(|(name, _)| *name == "X-GitHub-Delivery").unwrap().1.clone()
    }

    /// A client, which keeps its connections.
    pub fn agent() -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .accept_encoding("")
            .timeout_global(Some(PATIENCE))
            .build()
            .into()
    }

    /// Sends it, with a Content-Length.
    pub fn send(&self, gate: &Gate) -> Answer {
        self.send_by(&Self::agent(), gate)
    }

    /// Sends it by a client, with a Content-Length.
    pub fn send_by(&self, agent: &ureq::Agent, gate: &Gate) -> Answer {
        self.send_as(agent, gate, true)
    }

    /// Sends it in chunks, so that no Content-Length tells the size.
    pub fn send_chunked(&self, gate: &Gate) -> Answer {
        self.send_as(&Self::agent(), gate, false)
    }

    fn send_as(&self, agent: &ureq::Agent, gate: &Gate, with_length: bool) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(self.method)
            .uri(format!("{}{}", gate.url, self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = if matches!(self.method, "POST" | "PUT" | "PATCH") {
            if with_length {
                request = request.header("Content-Length", self.body.len());
            }
            let body = ureq::SendBody::from_owned_reader(std::io::Cursor::new(self.body.clone()));
            agent.run(request.body(body).unwrap())
        } else {
            agent.run(request.body(()).unwrap())
        };
        let mut answer = answer.unwrap();
        Answer {
            status: answer.status().as_u16(),
            allow: answer.headers().get("Allow").map(|value| value.to_str().unwrap().to_owned()),
            body: answer.body_mut().read_to_string().unwrap(),
        }
    }
}

/// What the gate answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub allow: Option<String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code.
    pub fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}

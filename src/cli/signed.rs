//! A delivery as GitHub would make it, posted to a gate from here.

use std::time::Duration;

use buildgate::delivery::request::{DELIVERY_HEADER, EVENT_HEADER};
use buildgate::signature::github::{SIGNATURE_HEADER, sign};
use secrecy::SecretString;
use ureq::http::StatusCode;

use crate::local::unanswered;

/// How long GitHub waits for an answer
/// (<https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#respond-within-10-seconds>).
const PATIENCE: Duration = Duration::from_secs(10);

/// A delivery, yet to be signed.
pub struct Signed<'a> {
    /// The event.
    pub event: &'a str,
    /// Its GUID.
    pub delivery: &'a str,
    /// The type of the body.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a str,
}

impl Signed<'_> {
    /// Signs the delivery with a webhook secret, posts it to a Payload URL, and gives the answer's status and body.
    ///
    /// Errors, in plain words, where no answer came.
    pub fn post(&self, url: &str, secret: &SecretString) -> Result<(StatusCode, String), String> {
        let unanswered = |error: ureq::Error| unanswered(url, &error);
        let mut answer = ureq::post(url)
            .config()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .header("User-Agent", "GitHub-Hookshot/buildgate")
            .header("Accept", "*/*")
            .header("Content-Type", self.content_type)
            .header(EVENT_HEADER, self.event)
            .header(DELIVERY_HEADER, self.delivery)
            .header(SIGNATURE_HEADER, sign(secret, self.body.as_bytes()))
            .send(self.body)
            .map_err(unanswered)?;
        let text = answer.body_mut().read_to_string().map_err(unanswered)?;
        Ok((answer.status(), text))
    }
}

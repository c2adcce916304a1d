//! HTTP requests that go out.

use wasm_bindgen::prelude::*;
use worker::js_sys::Promise;
use worker::web_sys::{AbortSignal, Headers, RequestInit, RequestRedirect, Response};

use super::js::{reason, string};
use super::stream::read;
use super::task::settled;

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/fetch/>
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_url(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// Why no answer came.
#[derive(Debug)]
pub enum NoAnswer {
    /// None came in time.
    TooLate,
    /// The runtime says what went wrong.
    Failed(String),
}

impl From<JsValue> for NoAnswer {
    fn from(error: JsValue) -> Self {
        match string(&error, "name").as_deref() {
            Some("TimeoutError") => Self::TooLate,
            _ => Self::Failed(reason(error)),
        }
    }
}

/// An answer.
pub struct Answer(Response);

/// Sends a request, and waits for the answer at most so many seconds, until all that is wanted of it is read.
/// Redirects are not followed.
pub async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
    seconds: u32,
) -> Result<Answer, NoAnswer> {
    let sent = Headers::new()?;
    for (name, value) in headers {
        sent.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(&sent);
    if let Some(body) = body {
        init.set_body(&body.into());
    }
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(seconds * 1_000)));
    Ok(Answer(settled(fetch_url(url, &init)?).await?.unchecked_into()))
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }

    /// Its body, of at most so many bytes.
    ///
    /// Errors where it has more, or breaks off, or does not come in time.
    pub async fn body(&self, most: usize) -> Result<Vec<u8>, NoAnswer> {
        let Some(stream) = self.0.body() else {
            return Ok(Vec::new());
        };
        let bytes = read(stream.unchecked_into(), most + 1).await?;
        if bytes.len() > most {
            return Err(NoAnswer::Failed(format!("the answer has more than {most} bytes")));
        }
        Ok(bytes)
    }

    /// The first `characters` of its body; the rest is not read. One that breaks off has told enough with its
    /// status.
    pub async fn beginning(&self, characters: usize) -> String {
        let Some(stream) = self.0.body() else {
            return String::new();
        };
        // A character has at most four bytes.
        let bytes = read(stream.unchecked_into(), 4 * characters).await.unwrap_or_default();
        String::from_utf8_lossy(&bytes).chars().take(characters).collect()
    }
}

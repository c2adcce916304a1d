//! The answer to an HTTP request.

use std::cell::RefCell;

use wasm_bindgen::JsValue;
/// An answer.
pub use worker::web_sys::Response;
use worker::web_sys::ResponseInit;

use super::js::{js, object};

/// The name and the value of a header.
pub type Header = (&'static str, &'static str);

thread_local! {
    /// What was said of answers before, with the status and the headers that it was made of: as many as this
    /// program has of them.
    static INITS: RefCell<Vec<(u16, Vec<Header>, ResponseInit)>> = RefCell::default();
}

/// Makes an answer of JSON, with a line's end for those who look at it in a terminal.
pub fn json(status: u16, mut body: String, headers: &[Header]) -> Result<Response, JsValue> {
    body.push('\n');
    Response::new_with_opt_str_and_init(Some(&body), &init(status, headers)?)
}

/// Makes an answer of plain text.
pub fn plain(text: &str) -> Result<Response, JsValue> {
    Response::new_with_opt_str(Some(text))
}

/// Makes an answer with these headers and no others.
pub fn with(
    status: u16,
    body: &str,
    headers: &[(&'static str, &str)],
) -> Result<Response, JsValue> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).into())).collect();
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&object(&headers)?.into());
    Response::new_with_opt_str_and_init(Some(body), &init)
}

/// Makes an answer of HTML, which may load and run nothing.
pub fn html(page: &str) -> Result<Response, JsValue> {
    let headers = object(&[
        ("Content-Type", "text/html; charset=utf-8".into()),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'".into()),
        ("X-Content-Type-Options", "nosniff".into()),
    ])?;
    let init = ResponseInit::new();
    init.set_headers(&headers.into());
    Response::new_with_opt_str_and_init(Some(page), &init)
}

/// What is said of an answer of JSON beside its body. To make it costs some hundredths of a small delivery's
/// time, so it is made once.
fn init(status: u16, headers: &[Header]) -> Result<ResponseInit, JsValue> {
    let known = |(of, with, init): &(u16, Vec<Header>, ResponseInit)| {
        (*of == status && with == headers).then(|| init.clone())
    };
    if let Some(init) = INITS.with_borrow(|inits| inits.iter().find_map(known)) {
        return Ok(init);
    }
    let all = [("Content-Type", "application/json")].iter().chain(headers);
    let all: Vec<_> = all.map(|(name, value)| (*name, js(value).into())).collect();
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(&object(&all)?.into());
    INITS.with_borrow_mut(|inits| inits.push((status, headers.to_vec(), init.clone())));
    Ok(init)
}

//! An HTTP request that came in.

use wasm_bindgen::prelude::*;
use worker::js_sys::{JsString, Uint8Array};
/// An HTTP request that came in.
pub use worker::web_sys::Request;

use super::js::js;
use super::stream::{CHUNK, read};
use super::task::settled;

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/headers/>
    type Headers;

    #[wasm_bindgen(method)]
    fn get(this: &Headers, name: &JsString) -> Option<String>;
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It has more bytes than are taken.
    TooLarge,
    /// It broke off before its end.
    BrokeOff,
}

/// Gives the value of a header by its name.
pub fn headers(request: &Request) -> impl Fn(&'static str) -> Option<String> + use<> {
    let headers: Headers = request.headers().unchecked_into();
    move |name| headers.get(&js(name))
}

/// Reads the body, and no more than `most` bytes of it. `announced` is its length by the header
/// `Content-Length`, which decides only how it is read.
pub async fn read_body(
    request: &Request,
    announced: Option<&str>,
    most: usize,
) -> Result<Vec<u8>, BodyError> {
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(BodyError::TooLarge);
    }
    let broke_off = |_: JsValue| BodyError::BrokeOff;
    // In one go, which is quicker where a body is small: a larger one would leave garbage of several times its
    // size.
    if announced.is_some_and(|length| length <= CHUNK) {
        let body = settled(request.array_buffer().map_err(broke_off)?).await;
        return Ok(Uint8Array::new(&body.map_err(broke_off)?).to_vec());
    }
    // There is no stream where there is no body.
    let Some(stream) = request.body() else {
        return Ok(Vec::new());
    };
    let body = read(stream.unchecked_into(), most + 1, announced).await.map_err(broke_off)?;
    if body.len() > most { Err(BodyError::TooLarge) } else { Ok(body) }
}

//! An HTTP request that came in.

use std::cell::Cell;

use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, JsString, Promise, Uint8Array};
/// An HTTP request that came in.
pub use worker::web_sys::Request;

use super::js::js;
use super::stream::{CHUNK, Reader};
use super::task::settled;

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/headers/>
    type Headers;

    #[wasm_bindgen(method)]
    fn get(this: &Headers, name: &JsString) -> Option<String>;

    /// A promise that is kept, with nothing, after so many milliseconds
    /// (<https://developers.cloudflare.com/workers/runtime-apis/scheduler/>).
    #[wasm_bindgen(js_namespace = scheduler)]
    fn wait(milliseconds: u32) -> Promise;
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It has more bytes than are taken.
    TooLarge,
    /// It was not there in time.
    TooSlow,
    /// There is no room for it beside the other bodies.
    NoRoom,
    /// It broke off before its end.
    BrokeOff,
}

/// How much of a body is taken, and how long it is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most bytes that a body may have.
    pub most: usize,
    /// The most bytes that all bodies which the isolate holds may have together.
    pub together: usize,
    /// How long a body is waited for, in milliseconds.
    pub milliseconds: u32,
}

/// A body, and its room, which is given back when it is dropped.
pub struct Body {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The room that they take.
    pub room: Room,
}

thread_local! {
    /// The bytes that all bodies have together.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// A part of the room that there is for bodies.
#[derive(Default)]
pub struct Room(usize);

impl Room {
    /// Takes so many bytes more, if there are then no more than `most` in all.
    fn take(&mut self, bytes: usize, most: usize) -> Result<(), BodyError> {
        let held = HELD.get().saturating_add(bytes);
        if held > most {
            return Err(BodyError::NoRoom);
        }
        HELD.set(held);
        self.0 += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(self.0));
    }
}

/// Gives the value of a header by its name.
pub fn headers(request: &Request) -> impl Fn(&'static str) -> Option<String> + use<> {
    let headers: Headers = request.headers().unchecked_into();
    move |name| headers.get(&js(name))
}

/// Reads the body. `announced` is its length by the header `Content-Length`, which whoever sends it makes up: so no room
/// is taken for more than has come.
pub async fn read_body(
    request: &Request,
    announced: Option<&str>,
    bounds: Bounds,
) -> Result<Body, BodyError> {
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bounds.most) {
        return Err(BodyError::TooLarge);
    }
    let mut room = Room::default();
    let too_late = wait(bounds.milliseconds);
    // In one go, which is quicker where a body is small: a larger one would leave garbage of several times its size. It
    // is the runtime that holds what has come of it, up to what is announced; so that others which announce and do not
    // send leave room for those which send, this takes one half of the room only.
    let small = announced.filter(|length| *length <= CHUNK);
    if small.is_some_and(|length| room.take(length, bounds.together / 2).is_ok()) {
        let body = request.array_buffer().map_err(broke_off)?;
        let bytes = Uint8Array::new(&in_time(body, &too_late).await?).to_vec();
        return Ok(Body { bytes, room });
    }
    // There is no stream where there is no body.
    let Some(stream) = request.body() else {
        return Ok(Body { bytes: Vec::new(), room });
    };
    let end = announced.unwrap_or(bounds.most + 1);
    let mut reader = Reader::of(stream.unchecked_into(), end).map_err(broke_off)?;
    let mut bytes = Vec::new();
    let read = loop {
        let wanted = match reader.next(bytes.len()) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => break Ok(()),
            Err(error) => break Err(broke_off(error)),
        };
        let came = match in_time(wanted, &too_late).await {
            Ok(came) => reader.came(came),
            Err(error) => break Err(error),
        };
        if let Err(error) = room.take(came.length(), bounds.together) {
            break Err(error);
        }
        came.append_to(&mut bytes, end);
    };
    // What is left is not wanted.
    reader.cancel();
    read?;
    if bytes.len() > bounds.most { Err(BodyError::TooLarge) } else { Ok(Body { bytes, room }) }
}

/// Waits for a promise, which is kept with something, until it is too late.
async fn in_time(promise: Promise, too_late: &Promise) -> Result<JsValue, BodyError> {
    let first = settled(Promise::race(&Array::of2(&promise, too_late))).await.map_err(broke_off)?;
    if first.is_undefined() { Err(BodyError::TooSlow) } else { Ok(first) }
}

fn broke_off(_: JsValue) -> BodyError {
    BodyError::BrokeOff
}

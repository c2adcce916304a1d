//! An HTTP request that came in.

use wasm_bindgen::prelude::*;
use worker::js_sys::{JsString, Uint8Array};
/// An HTTP request that came in.
pub use worker::web_sys::Request;

use super::js::js;
use super::now;
use super::room::Room;
use super::stream::{CHUNK, Reader};
use super::task::settled;
use super::within::{piece_within, within};

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/headers/>
    type Headers;

    #[wasm_bindgen(method)]
    fn get(this: &Headers, name: &JsString) -> Option<String>;
}

/// The most bytes of a body that is small: most deliveries are, and a few large ones are to keep none of them out.
pub const SMALL: usize = 64 * 1024;

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
    /// What bodies of at most [`SMALL`] may have above that: larger ones leave it to them.
    pub reserve: usize,
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

/// Gives the value of a header by its name.
pub fn headers(request: &Request) -> impl Fn(&'static str) -> Option<String> + use<> {
    let headers: Headers = request.headers().unchecked_into();
    move |name| headers.get(&js(name))
}

/// Reads the body. `announced` is its length by the header `Content-Length`, which whoever sends it makes up: so no room
/// is taken for more than has come. The request `began` at a time in milliseconds since 1970.
pub async fn read_body(
    request: &Request,
    announced: Option<&str>,
    bounds: Bounds,
    began: u64,
) -> Result<Body, BodyError> {
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bounds.most) {
        return Err(BodyError::TooLarge);
    }
    let until = began + u64::from(bounds.milliseconds);
    let room = Room::of(began, until);
    // In one go, which is quicker where a body is small: a larger one would leave garbage of several times its size. It
    // is the runtime that holds what has come of it, up to what is announced; so that others which announce and do not
    // send leave room for those which send, this takes one half of the room only.
    let quick = announced.filter(|length| *length <= CHUNK);
    if quick.is_some_and(|length| room.take(length, bounds.together / 2)) {
        let body = request.array_buffer().map_err(broke_off)?;
        let first = settled(within(&body, bounds.milliseconds)).await.map_err(broke_off)?;
        let bytes = Uint8Array::new(&unless_late(first)?).to_vec();
        return Ok(Body { bytes, room });
    }
    // There is no stream where there is no body.
    let Some(stream) = request.body() else {
        return Ok(Body { bytes: Vec::new(), room });
    };
    let end = announced.unwrap_or(bounds.most + 1);
    let mut reader = Reader::of(stream.unchecked_into(), end).map_err(broke_off)?;
    let is_small = announced.is_some_and(|length| length <= SMALL);
    let together = bounds.together + if is_small { bounds.reserve } else { 0 };
    let read = read_into(&room, &mut reader, announced, together, until).await;
    // What is left is not wanted.
    reader.cancel();
    read?;
    let bytes = room.pieces().ok_or(BodyError::TooSlow)?.join();
    if bytes.len() > bounds.most { Err(BodyError::TooLarge) } else { Ok(Body { bytes, room }) }
}

/// Reads into a room, which lies outside of the task: should the client go, the task is never resumed, and what it holds
/// itself is let go of whenever JavaScript happens to forget it.
async fn read_into(
    room: &Room,
    reader: &mut Reader,
    announced: Option<usize>,
    together: usize,
    until: u64,
) -> Result<(), BodyError> {
    let (mut length, mut is_made) = (0, false);
    while let Some(next) = reader.next(length, is_made).map_err(broke_off)? {
        let left = until.saturating_sub(now()).try_into().unwrap_or(u32::MAX);
        let first = settled(piece_within(&next, left)).await.map_err(broke_off)?;
        let piece = reader.came(unless_late(first)?);
        length += piece.length();
        if !room.take(piece.length(), together) {
            return Err(BodyError::NoRoom);
        }
        is_made = room.push(&piece, announced).ok_or(BodyError::TooSlow)?;
    }
    Ok(())
}

/// What a promise was kept with, unless it was the time's end.
fn unless_late(first: JsValue) -> Result<JsValue, BodyError> {
    if first.is_undefined() { Err(BodyError::TooSlow) } else { Ok(first) }
}

fn broke_off(_: JsValue) -> BodyError {
    BodyError::BrokeOff
}

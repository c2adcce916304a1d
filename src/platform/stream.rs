//! Bodies, read by pieces and no further than wanted.

use std::cell::Cell;

use wasm_bindgen::prelude::*;
use worker::js_sys::{Object, Promise, Uint8Array};

use super::js::object;
use super::task::settled;

/// How much is read at a time at most, in bytes. (1 MiB took 71 percent of the time of 64 KiB, for 25 MB.)
pub const CHUNK: usize = 1024 * 1024;

/// How much is read at a time as long as so much, in bytes, has come: who sends little is to have little room.
const SMALLER_CHUNKS: [(usize, usize); 2] = [(2 * CHUNK, CHUNK / 16), (8 * CHUNK, CHUNK / 4)];

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/streams/readablestream/>
    pub type ByteStream;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &ByteStream, options: &Object) -> Result<ByteReader, JsValue>;

    /// <https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/>
    type ByteReader;

    /// Fills `buffer` with at least `bytes`, unless the stream ends before. The buffer goes over to the
    /// result.
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &ByteReader, bytes: u32, buffer: Uint8Array)
    -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn cancel(this: &ByteReader) -> Result<Promise, JsValue>;

    /// What a read gives.
    type Chunk;

    #[wasm_bindgen(method, getter)]
    fn value(this: &Chunk) -> Option<Uint8Array>;

    #[wasm_bindgen(method, getter)]
    fn done(this: &Chunk) -> bool;
}

/// Reads a stream piece by piece.
pub struct Reader {
    reader: ByteReader,
    end: usize,
    /// The last piece's buffer, to be filled again.
    buffer: Option<Uint8Array>,
    is_done: bool,
}

/// A piece that came.
pub struct Piece(Option<Uint8Array>);

impl Reader {
    /// Reads a stream up to its end, or to `end` bytes of it.
    pub fn of(stream: ByteStream, end: usize) -> Result<Self, JsValue> {
        let reader = stream.get_reader(&object(&[("mode", "byob".into())])?)?;
        Ok(Self { reader, end, buffer: None, is_done: false })
    }

    /// Asks for the next piece, when `read` bytes are there: gives a promise of something for [`Self::came`]. None where
    /// there is no further one. Where room `is_made` for all that is announced, no piece need be small.
    pub fn next(&mut self, read: usize, is_made: bool) -> Result<Option<Promise>, JsValue> {
        let left = self.end.saturating_sub(read);
        if left == 0 || self.is_done {
            return Ok(None);
        }
        let smaller = SMALLER_CHUNKS.iter().find(|(came, _)| read < *came && !is_made);
        let size = smaller.map_or(CHUNK, |(_, size)| *size);
        let buffer = self.buffer.take().filter(|buffer| buffer.length() as usize >= size);
        let buffer = buffer.unwrap_or_else(|| Uint8Array::new_with_length(size as u32));
        let wanted = buffer.length().min(u32::try_from(left).unwrap_or(u32::MAX));
        self.reader.read_at_least(wanted, buffer.subarray(0, wanted)).map(Some)
    }

    /// Takes what the promise was kept with.
    pub fn came(&mut self, chunk: JsValue) -> Piece {
        let chunk: Chunk = chunk.unchecked_into();
        self.is_done = chunk.done();
        let value = chunk.value();
        self.buffer = value.as_ref().map(|value| Uint8Array::new(&value.buffer()));
        Piece(value)
    }

    /// Ends the reading. That what is left cannot be told so is no loss.
    pub fn cancel(&self) {
        if !self.is_done {
            let _ = self.reader.cancel();
        }
    }
}

impl Piece {
    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.0.as_ref().map_or(0, |value| value.length() as usize)
    }
}

thread_local! {
    /// Whether some [`Pieces`] have room for all that is announced.
    static IS_WHOLE: Cell<bool> = const { Cell::new(false) };
}

/// The pieces that have come. Each has room of its own until all are there, so that no more is taken than has come, and
/// what is held of many bodies at a time does not lie in pieces of room that grew too small.
///
/// But for one at a time, which gets room for all that is announced once some of it has come: mostly it is the only one,
/// and to join its pieces would cost a third of the time of 25 MB.
#[derive(Default)]
pub struct Pieces {
    pieces: Vec<Vec<u8>>,
    length: usize,
    is_whole: bool,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if self.is_whole {
            IS_WHOLE.set(false);
        }
    }
}

impl Pieces {
    /// How many bytes they have.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Adds one, of a body of which so many bytes are `announced`. Says whether there is room for all of them.
    pub fn push(&mut self, piece: &Piece, announced: Option<usize>) -> bool {
        let Some(value) = &piece.0 else {
            return self.is_whole;
        };
        let length = piece.length();
        self.length += length;
        if let (true, Some(announced)) = (self.pieces.is_empty(), announced) {
            self.is_whole = !IS_WHOLE.replace(true);
            if self.is_whole {
                // The first piece lies before all the room, and is given back: what is small has a place there from then
                // on, and not where the next body is to lie. (Else the memory grew by that once more.)
                let first = value.to_vec();
                let mut whole = Vec::with_capacity(announced.max(length));
                whole.extend_from_slice(&first);
                self.pieces.push(whole);
                return true;
            }
        }
        match self.pieces.last_mut() {
            Some(last) if last.capacity() - last.len() >= length => {
                let start = last.len();
                last.resize(start + length, 0);
                if let Some(end) = last.get_mut(start..) {
                    value.copy_to(end);
                }
            }
            _ => self.pieces.push(value.to_vec()),
        }
        self.is_whole
    }

    /// All of them together.
    pub fn join(mut self) -> Vec<u8> {
        if self.pieces.len() == 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut bytes = Vec::with_capacity(self.length);
        for piece in self.pieces.drain(..) {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }
}

/// Reads a stream up to its end, or to `most` bytes of it.
pub async fn read(stream: ByteStream, most: usize) -> Result<Vec<u8>, JsValue> {
    let mut reader = Reader::of(stream, most)?;
    let mut pieces = Pieces::default();
    while let Some(next) = reader.next(pieces.length(), false)? {
        pieces.push(&reader.came(settled(next).await?), None);
    }
    reader.cancel();
    Ok(pieces.join())
}

//! The room that bodies take as long as they are being read and judged, all of them together.

use std::cell::RefCell;

use super::stream::{Piece, Pieces};

/// How long after its time a room is kept at most, in milliseconds: whoever has it should have given it back.
const GRACE: u64 = 1_000;

/// A part of the room.
struct Part {
    id: u64,
    /// In milliseconds since 1970.
    until: u64,
    bytes: usize,
    pieces: Pieces,
}

#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    bytes: usize,
    next_id: u64,
}

thread_local! {
    /// In the order in which they were taken.
    static PARTS: RefCell<Parts> = RefCell::default();
}

/// A part of the room; dropped, it is given back.
pub struct Room(u64);

impl Parts {
    fn find(&mut self, id: u64) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.id == id)
    }

    /// Gives back the parts that are not to be kept.
    fn keep(&mut self, is_kept: impl Fn(&Part) -> bool) {
        self.parts.retain(is_kept);
        self.bytes = self.parts.iter().map(|part| part.bytes).sum();
    }
}

impl Room {
    /// A room without any bytes, until a time in milliseconds since 1970. What should have been given back by `now` is.
    pub fn of(now: u64, until: u64) -> Self {
        PARTS.with_borrow_mut(|parts| {
            if parts.parts.first().is_some_and(|first| first.until + GRACE < now) {
                parts.keep(|part| part.until + GRACE >= now);
            }
            let id = parts.next_id;
            parts.next_id += 1;
            parts.parts.push(Part { id, until, bytes: 0, pieces: Pieces::default() });
            Self(id)
        })
    }

    /// Takes so many bytes more, if all then have no more than `most` together. Says whether it could.
    pub fn take(&self, bytes: usize, most: usize) -> bool {
        PARTS.with_borrow_mut(|parts| {
            let together = parts.bytes.saturating_add(bytes);
            match parts.find(self.0) {
                Some(part) if together <= most => {
                    part.bytes += bytes;
                    parts.bytes = together;
                    true
                }
                _ => false,
            }
        })
    }

    /// Keeps a piece of a body of which so many bytes are `announced`: as [`Pieces::push`] says. None where the room is
    /// not there any more.
    pub fn push(&self, piece: &Piece, announced: Option<usize>) -> Option<bool> {
        PARTS.with_borrow_mut(|parts| {
            parts.find(self.0).map(|part| part.pieces.push(piece, announced))
        })
    }

    /// Takes the pieces out. None where the room is not there any more.
    pub fn pieces(&self) -> Option<Pieces> {
        PARTS.with_borrow_mut(|parts| {
            parts.find(self.0).map(|part| std::mem::take(&mut part.pieces))
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        PARTS.with_borrow_mut(|parts| parts.keep(|part| part.id != self.0));
    }
}

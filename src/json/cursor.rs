//! Walks over a JSON text (RFC 8259) and makes nothing of it. Most of a payload is never looked at: of an array
//! or an object that is skipped, only the strings and the brackets are, which takes a third of the time that
//! serde_json takes to skip it. So a text that is not JSON is noticed where it is walked over, not where it is
//! skipped.

use wide::{bytemuck, u8x16};

/// A text that is not JSON, somewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct NotJson;

/// A place in a JSON text.
#[derive(Clone)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not white space, if there is one.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Goes past the next byte that is not white space, which is to be `expected`.
    pub fn pass(&mut self, expected: u8) -> Result<(), NotJson> {
        if self.peek() != Some(expected) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// Goes past the next byte that is not white space if it is `expected`, and says whether it is.
    pub fn passed(&mut self, expected: u8) -> bool {
        self.pass(expected).is_ok()
    }

    /// Goes past a field's name and the colon after it, and gives the name as in [`Cursor::string`].
    pub fn name(&mut self) -> Result<&'a [u8], NotJson> {
        let name = self.string()?;
        self.pass(b':')?;
        Ok(name)
    }

    /// Goes past what follows an element of an array or a field of an object: a comma, or `end`. Says whether
    /// it is a comma.
    pub fn another(&mut self, end: u8) -> Result<bool, NotJson> {
        let byte = self.peek();
        self.at += 1;
        match byte {
            Some(b',') => Ok(true),
            Some(byte) if byte == end => Ok(false),
            _ => Err(NotJson),
        }
    }

    /// Goes past a string, and gives what stands between its quotes, escapes and all.
    pub fn string(&mut self) -> Result<&'a [u8], NotJson> {
        self.pass(b'"')?;
        let start = self.at;
        loop {
            self.pass_plain();
            match self.text.get(self.at) {
                Some(b'"') => {
                    let string = self.text.get(start..self.at).ok_or(NotJson)?;
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => self.pass_escape()?,
                // The end of the text, or a control character, which has to be escaped.
                _ => return Err(NotJson),
            }
        }
    }

    /// Goes up to the next byte of a string that does not stand for itself.
    fn pass_plain(&mut self) {
        while let Some(block) = self.block() {
            let special = block.bits(|bytes| {
                bytes.simd_eq(u8x16::splat(b'"'))
                    | bytes.simd_eq(u8x16::splat(b'\\'))
                    | bytes.simd_lt(u8x16::splat(0x20))
            });
            if special != 0 {
                self.at += special.trailing_zeros() as usize;
                return;
            }
            self.at += Block::BYTES;
        }
    }

    /// The bytes from here on, if there are any.
    #[inline(always)]
    fn block(&self) -> Option<Block> {
        let rest = self.text.get(self.at..)?;
        if rest.is_empty() { None } else { Some(Block::of(rest)) }
    }

    fn pass_escape(&mut self) -> Result<(), NotJson> {
        let length = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => 6,
            _ => return Err(NotJson),
        };
        let digits = self.text.get(self.at + 2..self.at + length).ok_or(NotJson)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotJson);
        }
        self.at += length;
        Ok(())
    }

    /// Goes past a value, and gives its text.
    pub fn value(&mut self) -> Result<&'a [u8], NotJson> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => drop(self.string()?),
            Some(b'{' | b'[') => self.pass_nested()?,
            Some(b't') => self.pass_word(b"true")?,
            Some(b'f') => self.pass_word(b"false")?,
            Some(b'n') => self.pass_word(b"null")?,
            _ => self.pass_number()?,
        }
        self.text.get(start..self.at).ok_or(NotJson)
    }

    /// Goes past an array or an object, up to the bracket that closes it.
    ///
    /// (As simdjson finds strings, [section 3.1.1](https://arxiv.org/abs/1902.08318): 64 bytes at a time, a bit
    /// for each.)
    fn pass_nested(&mut self) -> Result<(), NotJson> {
        let mut depth = 0;
        let mut is_escaped = 0;
        let mut in_string = 0;
        while let Some(block) = self.block() {
            let quotes = block.positions(b'"') & !block.escaped(&mut is_escaped);
            // Each quote turns all bits from its own on.
            let mut strings = quotes ^ in_string;
            strings ^= strings << 1;
            strings ^= strings << 2;
            strings ^= strings << 4;
            strings ^= strings << 8;
            strings ^= strings << 16;
            strings ^= strings << 32;
            in_string = strings >> 63;
            let opened = block.positions_of_either(b'[', b'{') & !strings;
            let closed = block.positions_of_either(b']', b'}') & !strings;
            if closed.count_ones() < depth {
                // The bracket that is looked for is not among them.
                depth = depth + opened.count_ones() - closed.count_ones();
            } else {
                let mut brackets = opened | closed;
                while brackets != 0 {
                    let bracket = brackets.trailing_zeros();
                    if opened >> bracket & 1 == 1 {
                        depth += 1;
                    } else if depth == 1 {
                        self.at += bracket as usize + 1;
                        return Ok(());
                    } else {
                        depth -= 1;
                    }
                    brackets &= brackets - 1;
                }
            }
            self.at += Block::BYTES;
        }
        Err(NotJson)
    }

    fn pass_word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn pass_number(&mut self) -> Result<(), NotJson> {
        self.pass_if(b"-");
        if !self.pass_if(b"0") {
            self.pass_digits()?;
        }
        if self.pass_if(b".") {
            self.pass_digits()?;
        }
        if self.pass_if(b"eE") {
            self.pass_if(b"+-");
            self.pass_digits()?;
        }
        Ok(())
    }

    /// Goes past the next byte if it is one of these, and says whether it is.
    fn pass_if(&mut self, bytes: &[u8]) -> bool {
        let is_one = self.text.get(self.at).is_some_and(|byte| bytes.contains(byte));
        self.at += usize::from(is_one);
        is_one
    }

    /// Goes past one digit and all that follow.
    fn pass_digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(NotJson) } else { Ok(()) }
    }
}

/// Some bytes of a text, with spaces after its end.
struct Block([u8x16; 4]);

impl Block {
    const BYTES: usize = 64;

    #[inline(always)]
    fn of(text: &[u8]) -> Self {
        match text.first_chunk::<{ Self::BYTES }>() {
            Some(bytes) => Self(bytemuck::cast(*bytes)),
            None => {
                let mut bytes = [b' '; Self::BYTES];
                bytes.iter_mut().zip(text).for_each(|(space, byte)| *space = *byte);
                Self(bytemuck::cast(bytes))
            }
        }
    }

    /// A bit for each byte of which something is true.
    #[inline(always)]
    fn bits(&self, is_true: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0;
        let bits = |bytes| u64::from(is_true(bytes).to_bitmask());
        bits(a) | bits(b) << 16 | bits(c) << 32 | bits(d) << 48
    }

    /// Where a byte is.
    #[inline(always)]
    fn positions(&self, byte: u8) -> u64 {
        self.bits(|bytes| bytes.simd_eq(u8x16::splat(byte)))
    }

    /// Where one of two brackets is, which differ in one bit.
    #[inline(always)]
    fn positions_of_either(&self, square: u8, curly: u8) -> u64 {
        let other_bit = u8x16::splat(square ^ curly);
        self.bits(|bytes| (bytes | other_bit).simd_eq(u8x16::splat(curly)))
    }

    /// Where a backslash stands before; `carried` is whether one does before the first byte, and is then
    /// whether one does before the next block's.
    #[inline(always)]
    fn escaped(&self, carried: &mut u64) -> u64 {
        let mut escaped = *carried;
        *carried = 0;
        let mut backslashes = self.positions(b'\\') & !escaped;
        while backslashes != 0 {
            let first = backslashes & backslashes.wrapping_neg();
            escaped |= first << 1;
            *carried = first >> 63;
            backslashes &= !(first | first << 1);
        }
        escaped
    }
}

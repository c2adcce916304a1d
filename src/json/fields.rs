//! The fields of a JSON object that are used, picked out of its text in one pass; the rest is skipped.
//!
//! (serde's derive generates code for each type, and as much again to say where something is wrong: with it the
//! worker was larger by two fifths.)

use std::borrow::Cow;
use std::fmt;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::json::cursor::{Cursor, NotJson};

/// Longest piece of a wrong value that is quoted, in characters.
const LONGEST_QUOTE: usize = 100;

/// Most elements of an array that is wanted: 25 MB of short ones would take more memory than there is.
const LONGEST_LIST: usize = 1_000;

/// The fields that are wanted of an object, by their names.
pub type Wanted = &'static [(&'static str, Want)];

/// What is wanted of a value.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    /// A string, a number, a boolean or null: all of it.
    Scalar,
    /// An array, and this of each of its elements.
    List(&'static Want),
    /// Whatever it is, to the letter.
    Raw,
    /// These fields of an object.
    Object(Wanted),
    /// These fields of an object that may have no others.
    Only(Wanted),
}

/// A JSON value, as far as it is wanted: an array or an object that is not is empty.
#[derive(Debug)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number that is not negative.
    Whole(u64),
    /// Any other number.
    Number,
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Json<'a>>),
    /// An object.
    Object(Vec<(&'static str, Json<'a>)>),
    /// A value to the letter.
    Raw(&'a RawValue),
}

/// Says what a value is, and quotes it where that is short.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "the boolean {value}"),
            Self::Whole(value) => write!(f, "the number {value}"),
            Self::Number => f.write_str("a number that is negative or not whole"),
            Self::Text(text) => write!(f, "the string \"{}\"", quote(text)),
            Self::List(_) => f.write_str("an array"),
            Self::Object(_) => f.write_str("an object"),
            Self::Raw(_) => f.write_str("a value"),
        }
    }
}

/// The first `characters` of a text, with an ellipsis where something is left out.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text from outside, as it is quoted in a sentence: on one line.
pub fn quote(text: &str) -> String {
    let line = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    cut(text, LONGEST_QUOTE).chars().map(line).collect()
}

/// What is wrong with a value: where in it, such as `[1]`, and what.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Empty where it is the value itself.
    place: String,
    what: String,
}

impl Wrong {
    /// The value itself is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self { place: String::new(), what: what.into() }
    }

    /// Another kind of value was expected.
    pub fn expected(expected: &str, found: &Json) -> Self {
        Self::new(format!("expected {expected}, found {found}"))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.what),
            place => write!(f, "`{place}`: {}", self.what),
        }
    }
}

/// What can be read from a JSON value.
pub trait FromJson<'a>: Sized {
    /// Reads it.
    fn from_json(json: Json<'a>) -> Result<Self, Wrong>;

    /// What stands for a field that is missing, if it may be.
    fn missing() -> Option<Self> {
        None
    }
}

impl<'a> FromJson<'a> for Json<'a> {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        Ok(json)
    }
}

impl<'a> FromJson<'a> for u64 {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Whole(number) => Ok(number),
            other => Err(Wrong::expected("a whole number", &other)),
        }
    }
}

impl<'a> FromJson<'a> for bool {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Bool(value) => Ok(value),
            other => Err(Wrong::expected("a boolean", &other)),
        }
    }
}

impl<'a> FromJson<'a> for String {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Text(text) => Ok(text.into_owned()),
            other => Err(Wrong::expected("a string", &other)),
        }
    }
}

impl<'a> FromJson<'a> for &'a RawValue {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Raw(raw) => Ok(raw),
            other => Err(Wrong::expected("a value", &other)),
        }
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Vec<T> {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        let Json::List(elements) = json else {
            return Err(Wrong::expected("an array", &json));
        };
        let elements = elements.into_iter().enumerate().map(|(index, element)| {
            T::from_json(element).map_err(|wrong| Wrong {
                place: format!("[{index}]{}", wrong.place),
                what: wrong.what,
            })
        });
        elements.collect()
    }
}

/// What is wrong with a field of a value is wrong with the value.
impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::new(what)
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Option<T> {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Null => Ok(None),
            other => T::from_json(other).map(Some),
        }
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

/// The fields that were picked out of an object. Errors say which field is wrong, and why.
#[derive(Debug)]
pub struct Fields<'a> {
    /// What the names of the fields are to be led by: empty, or such as `repository.`.
    path: String,
    fields: Vec<(&'static str, Json<'a>)>,
}

impl<'a> Fields<'a> {
    /// Picks what is wanted out of a JSON text.
    ///
    /// Errors where it is not JSON, or not one object.
    pub fn read(json: &'a [u8], want: Want) -> Result<Self, String> {
        Self::of(read(json, want)?).map_err(|wrong| wrong.to_string())
    }

    /// The fields of a value that is an object. Errors where it is none.
    pub fn of(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Object(fields) => Ok(Self { path: String::new(), fields }),
            other => Err(Wrong::expected("a JSON object", &other)),
        }
    }

    /// Takes a field.
    pub fn take<T: FromJson<'a>>(&mut self, name: &str) -> Result<T, String> {
        let field = self.fields.iter().position(|(field, _)| *field == name);
        match field.map(|field| self.fields.swap_remove(field)) {
            Some((_, json)) => T::from_json(json)
                .map_err(|Wrong { place, what }| format!("`{}{name}{place}`: {what}", self.path)),
            None => T::missing().ok_or_else(|| format!("missing field `{}{name}`", self.path)),
        }
    }

    /// Takes the fields of a field that is an object.
    pub fn object(&mut self, name: &str) -> Result<Self, String> {
        match self.take(name)? {
            Json::Object(fields) => Ok(Self { path: format!("{}{name}.", self.path), fields }),
            other => Err(format!("`{}{name}`: expected a JSON object, found {other}", self.path)),
        }
    }

    /// Takes the fields of a field that is an object, null or missing.
    pub fn optional_object(&mut self, name: &str) -> Result<Option<Self>, String> {
        match self.fields.iter().find(|(field, _)| *field == name) {
            None | Some((_, Json::Null)) => Ok(None),
            Some(_) => self.object(name).map(Some),
        }
    }
}

/// Reads what is wanted of a JSON text. Errors where it is not JSON.
pub fn read(json: &[u8], want: Want) -> Result<Json<'_>, String> {
    let mut cursor = Cursor::new(json);
    match pick(&mut cursor, want) {
        Err(Problem::Field(problem)) => Err(problem),
        Err(Problem::Unreadable(mut path, problem)) => {
            path.reverse();
            Err(format!("`{}`: {problem}", path.join(".")))
        }
        Ok(value) if cursor.peek().is_none() => Ok(value),
        _ => Err(what_is_not_json(json)),
    }
}

/// Why nothing could be picked.
enum Problem {
    NotJson,
    /// A field that is there twice, or should not be there.
    Field(String),
    /// A text that is not Unicode: where it is, and why.
    Unreadable(Vec<&'static str>, String),
}

impl From<NotJson> for Problem {
    fn from(_: NotJson) -> Self {
        Self::NotJson
    }
}

/// Says what keeps a text from being JSON, in serde_json's words.
fn what_is_not_json(text: &[u8]) -> String {
    let error = serde_json::from_slice::<IgnoredAny>(text).err();
    error.map_or_else(|| "not JSON".to_owned(), |error| error.to_string())
}

/// Reads what is wanted of the next value, and skips the rest.
fn pick<'a>(cursor: &mut Cursor<'a>, want: Want) -> Result<Json<'a>, Problem> {
    match (cursor.peek(), want) {
        (_, Want::Raw) => {
            let raw = unicode(cursor.value()?)?;
            Ok(Json::Raw(serde_json::from_str(raw).map_err(|_| NotJson)?))
        }
        (Some(b'{'), Want::Object(wanted)) => pick_fields(cursor, wanted, true),
        (Some(b'{'), Want::Only(wanted)) => pick_fields(cursor, wanted, false),
        (Some(b'['), Want::List(wanted)) => pick_elements(cursor, *wanted),
        (Some(b'"'), _) => Ok(Json::Text(unescaped(cursor.string()?)?)),
        (first, _) => Ok(match (first, cursor.value()?) {
            (Some(b'{'), _) => Json::Object(Vec::new()),
            (Some(b'['), _) => Json::List(Vec::new()),
            (_, b"null") => Json::Null,
            (_, b"true") => Json::Bool(true),
            (_, b"false") => Json::Bool(false),
            (_, number) => {
                let whole = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
                whole.map_or(Json::Number, Json::Whole)
            }
        }),
    }
}

fn pick_fields<'a>(
    cursor: &mut Cursor<'a>,
    wanted: Wanted,
    others: bool,
) -> Result<Json<'a>, Problem> {
    let mut fields: Vec<(&'static str, Json)> = Vec::new();
    cursor.pass(b'{')?;
    let mut more = !cursor.passed(b'}');
    while more {
        let name = unescaped(cursor.name()?)?;
        match wanted.iter().find(|(field, _)| *field == name) {
            Some((field, _)) if fields.iter().any(|(present, _)| present == field) => {
                return Err(Problem::Field(format!("duplicate field `{field}`")));
            }
            Some((field, want)) => match pick(cursor, *want) {
                Err(Problem::Unreadable(mut path, problem)) => {
                    path.push(field);
                    return Err(Problem::Unreadable(path, problem));
                }
                Err(Problem::Field(problem)) => {
                    return Err(Problem::Field(format!("{problem} in `{field}`")));
                }
                value => fields.push((field, value?)),
            },
            None if others => drop(cursor.value()?),
            None => return Err(Problem::Field(format!("unknown field `{}`", quote(&name)))),
        }
        more = cursor.another(b'}')?;
    }
    Ok(Json::Object(fields))
}

fn pick_elements<'a>(cursor: &mut Cursor<'a>, wanted: Want) -> Result<Json<'a>, Problem> {
    let mut elements = Vec::new();
    cursor.pass(b'[')?;
    let mut more = !cursor.passed(b']');
    while more {
        if elements.len() == LONGEST_LIST {
            return Err(Problem::Unreadable(
                Vec::new(),
                format!("more than {LONGEST_LIST} elements"),
            ));
        }
        elements.push(pick(cursor, wanted)?);
        more = cursor.another(b']')?;
    }
    Ok(Json::List(elements))
}

/// What a string says, by what stands between its quotes.
fn unescaped(string: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let mut rest = unicode(string)?;
    let mut text = String::new();
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let unit = |escaped: &str| u16::from_str_radix(escaped.get(1..5)?, 16).ok();
        let mut after = escaped.get(1..).unwrap_or_default();
        match escaped.bytes().next() {
            Some(b'b') => text.push('\u{8}'),
            Some(b'f') => text.push('\u{c}'),
            Some(b'n') => text.push('\n'),
            Some(b'r') => text.push('\r'),
            Some(b't') => text.push('\t'),
            Some(b'u') => {
                after = escaped.get(5..).unwrap_or_default();
                // A character beyond the first 65,536 is escaped as two.
                let second = after.strip_prefix('\\').filter(|next| next.starts_with('u'));
                let units = [unit(escaped), second.and_then(unit)];
                match char::decode_utf16(units.into_iter().flatten()).next() {
                    Some(Ok(character)) => {
                        text.push(character);
                        if character.len_utf16() == 2 {
                            after = after.get(6..).unwrap_or_default();
                        }
                    }
                    _ => return Err(unreadable("half a surrogate pair")),
                }
            }
            // A quote, a backslash or a slash.
            other => text.extend(other.map(char::from)),
        }
        rest = after;
    }
    if text.is_empty() { Ok(Cow::Borrowed(rest)) } else { Ok(Cow::Owned(text + rest)) }
}

fn unicode(text: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(text).map_err(unreadable)
}

fn unreadable(error: impl fmt::Display) -> Problem {
    Problem::Unreadable(Vec::new(), error.to_string())
}

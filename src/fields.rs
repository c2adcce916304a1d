//! The fields of a JSON object that are used, picked out of its text in one pass; what is not wanted is
//! only checked to be JSON.
//!
//! (serde's derive generates code for each type, and as much again to say where something is wrong: with it the
//! worker was larger by two fifths.)

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// Longest piece of a wrong value that is quoted, in characters.
const LONGEST_QUOTE: usize = 100;

/// The fields that are wanted of an object, by their names.
pub type Wanted = &'static [(&'static str, Want)];

/// What is wanted of a value.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    /// A string, a number, a boolean or null: all of it.
    Scalar,
    /// An array of such.
    List,
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
    Raw(&'a str),
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

/// A text from outside, as it is quoted in a sentence.
pub fn quote(text: &str) -> String {
    cut(text, LONGEST_QUOTE)
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

    fn expected(expected: &str, found: &Json) -> Self {
        Self::new(format!("expected {expected}, found {found}"))
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

/// A value to the letter.
pub struct Raw<'a>(pub &'a str);

impl<'a> FromJson<'a> for Raw<'a> {
    fn from_json(json: Json<'a>) -> Result<Self, Wrong> {
        match json {
            Json::Raw(raw) => Ok(Self(raw)),
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
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = Pick(want, json).deserialize(&mut deserializer);
        let value = value.and_then(|value| deserializer.end().map(|()| value));
        match value.map_err(|error| error.to_string())? {
            Json::Object(fields) => Ok(Self { path: String::new(), fields }),
            other => Err(format!("expected a JSON object, found {other}")),
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

/// Reads what is wanted of a value, and skips the rest. Beside it lies the whole text.
#[derive(Clone, Copy)]
struct Pick<'a>(Want, &'a [u8]);

impl<'de> DeserializeSeed<'de> for Pick<'de> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'de> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Json<'de>, A::Error> {
        let mut elements = Vec::new();
        if let Want::List = self.0 {
            while let Some(element) = array.next_element_seed(Pick(Want::Scalar, self.1))? {
                elements.push(element);
            }
        } else {
            while array.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(Json::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json<'de>, A::Error> {
        let mut fields: Vec<(&'static str, Json)> = Vec::new();
        while let Some((name, wanted)) = object.next_key_seed(Name(self.0))? {
            let Some((field, want)) = wanted else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            if fields.iter().any(|(present, _)| *present == field) {
                return Err(A::Error::custom(format_args!("duplicate field `{field}`")));
            }
            let value = if let Want::Raw = want {
                object.next_value::<IgnoredAny>()?;
                let value = name.and_then(|name| value_after(self.1, name));
                let unreadable = || A::Error::custom(format_args!("`{field}` cannot be read"));
                Json::Raw(value.ok_or_else(unreadable)?)
            } else {
                object.next_value_seed(Pick(want, self.1))?
            };
            fields.push((field, value));
        }
        Ok(Json::Object(fields))
    }
}

/// The text of the value of a field, found by the field's name, which is a piece of the whole text. (This is
/// what `RawValue` is for, but that brings in a tenth of the worker's size.)
fn value_after<'a>(text: &'a [u8], name: &'a str) -> Option<&'a str> {
    let name_ends = (name.as_ptr().addr() + name.len()).checked_sub(text.as_ptr().addr())?;
    let rest = text.get(name_ends..)?.strip_prefix(b"\"")?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    std::str::from_utf8(rest.get(..values.byte_offset())?).ok().map(str::trim)
}

/// Reads a field's name: which of the wanted ones it is, if any, and where in the text it stands.
struct Name(Want);

type Named<'a> = (Option<&'a str>, Option<(&'static str, Want)>);

impl Name {
    fn find<E: serde::de::Error>(&self, name: &str) -> Result<Option<(&'static str, Want)>, E> {
        let (wanted, others) = match self.0 {
            Want::Object(wanted) => (wanted, true),
            Want::Only(wanted) => (wanted, false),
            Want::Scalar | Want::List | Want::Raw => (&[][..], true),
        };
        match wanted.iter().find(|(field, _)| *field == name) {
            Some(field) => Ok(Some(*field)),
            None if others => Ok(None),
            None => Err(E::custom(format_args!("unknown field `{}`", quote(name)))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Named<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        self.find(name).map(|wanted| (Some(name), wanted))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        self.find(name).map(|wanted| (None, wanted))
    }
}

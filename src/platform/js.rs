//! JavaScript's values, made and read.

use std::cell::RefCell;

use wasm_bindgen::JsValue;
use worker::js_sys::{JsString, Object, Reflect};

thread_local! {
    /// As many as there are texts in this program that JavaScript is asked for.
    static STRINGS: RefCell<Vec<(&'static str, JsString)>> = RefCell::default();
}

/// A string of this program's, as JavaScript has it: made once, for that costs as much as most of what it is used
/// for. (Without it, a forged signature took 4.7 percent longer.)
pub fn js(text: &'static str) -> JsString {
    STRINGS.with_borrow_mut(|strings| {
        if let Some((_, string)) = strings.iter().find(|(known, _)| std::ptr::eq(*known, text)) {
            return string.clone();
        }
        let string = JsString::from(text);
        strings.push((text, string.clone()));
        string
    })
}

/// A property of a JavaScript value, where it is a string.
pub fn string(value: &JsValue, name: &'static str) -> Option<String> {
    Reflect::get(value, &js(name)).ok()?.as_string()
}

/// A JavaScript object of these properties.
pub fn object(properties: &[(&'static str, JsValue)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in properties {
        Reflect::set(&object, &js(name), value)?;
    }
    Ok(object)
}

/// What an error of the runtime says.
pub fn reason(error: JsValue) -> String {
    string(&error, "message")
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "an unknown error".to_owned())
}

//! What the worker is set up with: its bindings, variables and secrets, by their names in wrangler.toml.

use wasm_bindgen::prelude::*;
use worker::js_sys::{Object, Reflect};

use super::js::{js, string};

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/bindings/>
    pub type Env;
}

impl Env {
    /// The value of a variable or a secret; none where it is not set.
    pub fn text(&self, name: &'static str) -> Option<String> {
        string(self, name)
    }

    /// The names of all that there is.
    pub fn names(&self) -> Vec<String> {
        let names = Object::keys(self.unchecked_ref::<Object>());
        names.iter().filter_map(|name| name.as_string()).collect()
    }

    /// Whether there is a binding of the name.
    pub fn has(&self, name: &'static str) -> bool {
        Reflect::get(self, &js(name)).is_ok_and(|binding| binding.is_object())
    }

    /// A binding, which has to be of the type that is asked for. Errors where there is none of the name.
    pub(super) fn binding<T: JsCast>(&self, name: &'static str) -> Result<T, JsValue> {
        let binding = Reflect::get(self, &js(name))?;
        if binding.is_undefined() || binding.is_null() {
            return Err(format!("there is no binding {name}").into());
        }
        Ok(binding.unchecked_into())
    }
}

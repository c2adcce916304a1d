//! Workers KV.

use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, Map, Object, Promise, Reflect};

use super::env::Env;
use super::js::{js, object, reason, string};
use super::task::settled;

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/kv/api/read-key-value-pairs/>
    type KvNamespace;

    /// Reads several keys at once: a `Map` with a value, or null, for each.
    #[wasm_bindgen(method, catch)]
    fn get(this: &KvNamespace, keys: &Array, options: &Object) -> Result<Promise, JsValue>;

    /// <https://developers.cloudflare.com/kv/api/list-keys/>
    #[wasm_bindgen(method, catch)]
    fn list(this: &KvNamespace, options: &Object) -> Result<Promise, JsValue>;
}

/// The names of all keys of a namespace, in their order.
///
/// Errors with what the runtime said instead.
pub async fn keys(env: &Env, binding: &'static str) -> Result<Vec<String>, String> {
    let list = async {
        let namespace: KvNamespace = env.binding(binding)?;
        let (mut names, mut cursor) = (Vec::new(), JsValue::UNDEFINED);
        loop {
            let options = object(&[("cursor", cursor)])?;
            let page = settled(namespace.list(&options)?).await?;
            let keys: Array = Reflect::get(&page, &js("keys"))?.dyn_into()?;
            names.extend(keys.iter().filter_map(|key| string(&key, "name")));
            if Reflect::get(&page, &js("list_complete"))?.is_truthy() {
                return Ok(names);
            }
            cursor = Reflect::get(&page, &js("cursor"))?;
        }
    };
    list.await.map_err(reason)
}

/// Reads the values of all `keys` of a namespace in one go, in their order; a key that is not there has none.
/// What was read is kept at Cloudflare's edge for `seconds`, at the least 30
/// (<https://developers.cloudflare.com/kv/api/read-key-value-pairs/#cachettl-parameter>).
///
/// Errors with what the runtime said instead.
pub async fn read(
    env: &Env,
    binding: &'static str,
    keys: &[String],
    seconds: u32,
) -> Result<Vec<Option<String>>, String> {
    let read = async {
        let namespace: KvNamespace = env.binding(binding)?;
        let options = object(&[("type", "text".into()), ("cacheTtl", seconds.into())])?;
        let keys: Array = keys.iter().map(JsValue::from).collect();
        let values: Map = settled(namespace.get(&keys, &options)?).await?.unchecked_into();
        Ok(keys.iter().map(|key| values.get(&key).as_string()).collect())
    };
    read.await.map_err(reason)
}

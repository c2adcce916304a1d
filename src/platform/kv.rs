//! Workers KV.

use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, Map, Object, Promise, Reflect};

use super::env::Env;
use super::js::{js, object, reason, string};
use super::task::settled;
use super::within::{piece_within, too_late};

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/kv/api/read-key-value-pairs/>
    type KvNamespace;

    /// Reads several keys at once: a `Map` with a value, or null, for each.
    #[wasm_bindgen(method, catch)]
    fn get(this: &KvNamespace, keys: &Array, options: &Object) -> Result<Promise, JsValue>;

    /// <https://developers.cloudflare.com/kv/api/write-key-value-pairs/>
    #[wasm_bindgen(method, catch)]
    fn put(this: &KvNamespace, key: &str, value: &str) -> Result<Promise, JsValue>;

    /// <https://developers.cloudflare.com/kv/api/delete-key-value-pairs/>
    #[wasm_bindgen(method, catch)]
    fn delete(this: &KvNamespace, key: &str) -> Result<Promise, JsValue>;

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

/// A page of the keys that begin with `prefix`, in their order, and where the next page begins, if there is one.
///
/// Errors with what the runtime said instead, as it does of a cursor that it never gave.
pub async fn page(
    env: &Env,
    binding: &'static str,
    prefix: &str,
    cursor: Option<&str>,
    limit: u64,
) -> Result<(Vec<String>, Option<String>), String> {
    let list = async {
        let namespace: KvNamespace = env.binding(binding)?;
        let cursor = cursor.map_or(JsValue::UNDEFINED, JsValue::from);
        let limit = JsValue::from_f64(limit as f64);
        let options = [("prefix", prefix.into()), ("cursor", cursor), ("limit", limit)];
        let page = settled(namespace.list(&object(&options)?)?).await?;
        let keys: Array = Reflect::get(&page, &js("keys"))?.dyn_into()?;
        let names = keys.iter().filter_map(|key| string(&key, "name")).collect();
        let is_last = Reflect::get(&page, &js("list_complete"))?.is_truthy();
        let next = if is_last { None } else { string(&page, "cursor") };
        Ok((names, next))
    };
    list.await.map_err(reason)
}

/// Sets the value of a key. It is seen everywhere within a minute
/// (<https://developers.cloudflare.com/kv/concepts/how-kv-works/#consistency>).
///
/// Errors with what the runtime said instead.
pub async fn put(env: &Env, binding: &'static str, key: &str, value: &str) -> Result<(), String> {
    let put = async {
        let namespace: KvNamespace = env.binding(binding)?;
        settled(namespace.put(key, value)?).await
    };
    put.await.map(drop).map_err(reason)
}

/// Deletes a key; that is no error where there is none.
///
/// Errors with what the runtime said instead.
pub async fn delete(env: &Env, binding: &'static str, key: &str) -> Result<(), String> {
    let delete = async {
        let namespace: KvNamespace = env.binding(binding)?;
        settled(namespace.delete(key)?).await
    };
    delete.await.map(drop).map_err(reason)
}

/// How long KV is waited for, in milliseconds.
const PATIENCE: u32 = 5_000;

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
    read_within(env, binding, keys, seconds, PATIENCE).await
}

/// The same, waited for no longer than so many milliseconds.
pub async fn read_within(
    env: &Env,
    binding: &'static str,
    keys: &[String],
    seconds: u32,
    milliseconds: u32,
) -> Result<Vec<Option<String>>, String> {
    let read = async {
        let namespace: KvNamespace = env.binding(binding)?;
        let options = object(&[("type", "text".into()), ("cacheTtl", seconds.into())])?;
        let keys: Array = keys.iter().map(JsValue::from).collect();
        let values = namespace.get(&keys, &options)?;
        let values = settled(piece_within(&values, milliseconds)).await?;
        if values.is_undefined() {
            return Err(too_late(milliseconds));
        }
        let values: Map = values.unchecked_into();
        Ok(keys.iter().map(|key| values.get(&key).as_string()).collect())
    };
    read.await.map_err(reason)
}

//! The runtime's JavaScript, as far as the gate calls it and neither `worker` nor `web-sys` declares it, or
//! only behind conversions that cost more than the call. It decides nothing.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, JsString, Object, Promise, Uint8Array};
use worker::web_sys::RequestInit;
use worker::worker_sys::{D1Database, Queue};

thread_local! {
    static STRINGS: RefCell<Vec<(&'static str, JsString)>> = RefCell::default();
}

/// A string of this program's, as JavaScript has it: made once, for that costs as much as most of what it is used
/// for.
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

#[wasm_bindgen]
extern "C" {
    /// The bindings, variables and secrets of the worker, by their names in wrangler.toml.
    pub type Env;

    #[wasm_bindgen(method, getter, js_name = REPO_TRIGGERS)]
    pub fn repo_triggers(this: &Env) -> Option<KvNamespace>;

    #[wasm_bindgen(method, getter, js_name = BUILD_QUEUE)]
    pub fn build_queue(this: &Env) -> Option<Queue>;

    #[wasm_bindgen(method, getter, js_name = LEDGER)]
    pub fn ledger(this: &Env) -> Option<D1Database>;

    /// <https://developers.cloudflare.com/kv/api/read-key-value-pairs/>
    pub type KvNamespace;

    /// Reads several keys at once: a `Map` with a value, or null, for each.
    #[wasm_bindgen(method, catch)]
    pub fn get(this: &KvNamespace, keys: &Array, options: &Object) -> Result<Promise, JsValue>;

    /// <https://developers.cloudflare.com/workers/runtime-apis/headers/>
    pub type Headers;

    #[wasm_bindgen(method)]
    pub fn get(this: &Headers, name: &JsString) -> Option<String>;

    /// A body's stream: <https://developers.cloudflare.com/workers/runtime-apis/streams/readablestream/>
    pub type ByteStream;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    pub fn get_reader(this: &ByteStream, options: &Object) -> Result<ByteReader, JsValue>;

    /// <https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/>
    pub type ByteReader;

    /// Fills `buffer` with at least `bytes`, unless the stream ends before. The buffer goes over to the
    /// result.
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    pub fn read_at_least(
        this: &ByteReader,
        bytes: u32,
        buffer: Uint8Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub fn cancel(this: &ByteReader) -> Result<Promise, JsValue>;

    /// What a read gives.
    pub type Chunk;

    #[wasm_bindgen(method, getter)]
    pub fn value(this: &Chunk) -> Option<Uint8Array>;

    #[wasm_bindgen(method, getter)]
    pub fn done(this: &Chunk) -> bool;

    /// <https://developers.cloudflare.com/workers/runtime-apis/web-crypto/#methods>
    #[derive(Clone)]
    pub type SubtleCrypto;

    #[wasm_bindgen(thread_local_v2, js_namespace = crypto, js_name = subtle)]
    pub static SUBTLE: SubtleCrypto;

    #[wasm_bindgen(method, catch, js_name = importKey)]
    pub fn import_key(
        this: &SubtleCrypto,
        format: &str,
        key: &[u8],
        algorithm: &Object,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub fn sign(
        this: &SubtleCrypto,
        algorithm: &JsString,
        key: &JsValue,
        data: &[u8],
    ) -> Result<Promise, JsValue>;

    /// <https://developers.cloudflare.com/workers/runtime-apis/fetch/>
    #[wasm_bindgen(catch, js_name = fetch)]
    pub fn fetch_url(url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

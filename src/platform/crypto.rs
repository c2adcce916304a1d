//! WebCrypto, whose HMAC is several times as quick as one in wasm, and which brings RSA.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use wasm_bindgen::prelude::*;
use worker::js_sys::{Array, JsString, Object, Promise, Uint8Array};

use super::js::{js, object, reason};
use super::task::settled;
use crate::memory::Remembered;

/// How many keys are remembered: enough for an operator's secrets and some repositories' own.
const MOST_KEYS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

const RSASSA: &str = "RSASSA-PKCS1-v1_5";

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/web-crypto/#methods>
    #[derive(Clone)]
    type SubtleCrypto;

    #[wasm_bindgen(thread_local_v2, js_namespace = crypto, js_name = subtle)]
    static SUBTLE: SubtleCrypto;

    #[wasm_bindgen(method, catch, js_name = importKey)]
    fn import_key(
        this: &SubtleCrypto,
        format: &str,
        key: &[u8],
        algorithm: &Object,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn sign(
        this: &SubtleCrypto,
        algorithm: &JsString,
        key: &JsValue,
        data: &[u8],
    ) -> Result<Promise, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/en-US/docs/Web/API/Crypto/getRandomValues>
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(values: &mut [u8]);
}

/// Bytes that nobody can foresee.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    get_random_values(&mut bytes);
    bytes
}

thread_local! {
    /// The keys that were to be remembered last, by the secrets that they were made of. They never end.
    static KEYS: RefCell<Remembered<Vec<u8>, JsValue>> = RefCell::new(Remembered::at_most(MOST_KEYS));
}

/// A key that was imported.
pub struct HmacKey {
    secret: Vec<u8>,
    key: JsValue,
}

/// Remembers a key, so that it need not be imported again.
pub fn remember(key: HmacKey) {
    KEYS.with_borrow_mut(|keys| keys.keep(key.secret, key.key, u64::MAX));
}

/// The HMAC-SHA256 of a message; and the key, where it was not remembered.
///
/// Errors with what the runtime said instead, as it does of an empty key.
pub async fn hmac_sha256(
    secret: &[u8],
    message: &[u8],
) -> Result<(Vec<u8>, Option<HmacKey>), String> {
    let sign = async {
        let subtle = SUBTLE.with(Clone::clone);
        let remembered = KEYS.with_borrow_mut(|keys| keys.get(secret, 0));
        let (key, imported) = match remembered {
            Some(key) => (key, None),
            None => {
                let key = import(&subtle, secret).await?;
                (key.clone(), Some(HmacKey { secret: secret.to_vec(), key }))
            }
        };
        let mac = settled(subtle.sign(&js("HMAC"), &key, message)?).await?;
        Ok((Uint8Array::new(&mac).to_vec(), imported))
    };
    sign.await.map_err(|error: JsValue| reason(error))
}

/// The signature of a message by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2), as JWTs name it RS256. The key
/// is in the form PKCS#8 (RFC 5208), as DER.
///
/// Errors with what the runtime said instead, as it does of what is no such key.
pub async fn rs256(key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
    let sign = async {
        let subtle = SUBTLE.with(Clone::clone);
        let algorithm = object(&[("name", js(RSASSA).into()), ("hash", "SHA-256".into())])?;
        let usages = Array::of(&["sign".into()]);
        let key = settled(subtle.import_key("pkcs8", key, &algorithm, false, &usages)?).await?;
        let signature = settled(subtle.sign(&js(RSASSA), &key, message)?).await?;
        Ok(Uint8Array::new(&signature).to_vec())
    };
    sign.await.map_err(|error: JsValue| reason(error))
}

async fn import(subtle: &SubtleCrypto, secret: &[u8]) -> Result<JsValue, JsValue> {
    let algorithm = object(&[("name", "HMAC".into()), ("hash", "SHA-256".into())])?;
    let usages = Array::of(&["sign".into()]);
    settled(subtle.import_key("raw", secret, &algorithm, false, &usages)?).await
}

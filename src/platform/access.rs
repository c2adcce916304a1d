//! Cloudflare Access, where it stands before the worker: who has been let in by it.

use wasm_bindgen::prelude::*;
use worker::js_sys::{Function, Promise, Reflect};

use super::js::{js, reason, string};
use super::task::settled;

#[wasm_bindgen]
extern "C" {
    /// <https://developers.cloudflare.com/workers/runtime-apis/context/>
    pub type Context;
}

/// Somebody whom Access has let in. The runtime says so, and nobody else can
/// (<https://developers.cloudflare.com/workers/configuration/cloudflare-access/>).
pub struct Admitted(JsValue);

/// Who was let in by Access, if Access stands before this request.
pub fn admitted(context: &Context) -> Option<Admitted> {
    let access = Reflect::get(context, &js("access")).ok()?;
    access.is_object().then_some(Admitted(access))
}

impl Admitted {
    /// The email address of whoever it is; none where Access knows none, as of a service token.
    ///
    /// Errors with what the runtime said instead.
    pub async fn email(&self) -> Result<Option<String>, String> {
        let ask = async {
            let identity: Function = Reflect::get(&self.0, &js("getIdentity"))?.dyn_into()?;
            let asked: Promise = identity.call0(&self.0)?.dyn_into()?;
            settled(asked).await
        };
        let identity = ask.await.map_err(reason)?;
        Ok(if identity.is_object() { string(&identity, "email") } else { None })
    }
}

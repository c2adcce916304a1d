// The worker's entry: it hands each event over to the wasm. It stands in for worker-build's own shim, whose
// class and proxies are made anew for each event, which costs a few hundredths of its time.

import * as gate from "./index.js";

// workerd makes a new function for each call of its queueMicrotask. Where there is none, Rust's futures are
// woken by a promise instead, for less.
globalThis.queueMicrotask = undefined;

const state = gate.__worker_init_state();

function noticePanic(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    console.error("Critical", error);
    state.criticalError = true;
  }
}

// A panic in a future is nobody's exception.
addEventListener("error", ({ error }) => noticePanic(error));

const handler = (handle) => (event, env, context) => {
  if (state.criticalError) {
    // After a panic nothing in the instance can be relied on, so this event gets a new one.
    gate.__wbg_reset_state();
    state.criticalError = false;
  }
  try {
    return handle(event, env, context);
  } catch (error) {
    noticePanic(error);
    throw error;
  }
};

export default { fetch: handler(gate.fetch), queue: handler(gate.queue) };

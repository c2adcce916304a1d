// The worker's entry: it hands each event over to the wasm, and does the waiting for its tasks (`task.rs`). The one
// that worker-build would write makes a class and proxies anew for each event.

// What wasm-bindgen makes: scripts/build says where.
import * as gate from "gate";

// How many messages of a batch are handed over at a time. A Worker may wait for the headers of six answers at
// once: https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections
const SIDE_BY_SIDE = 6;

const state = gate.__worker_init_state();

// Whether the wasm itself broke off, so that nothing in the instance can be relied on.
const isCritical = (error) => error instanceof WebAssembly.RuntimeError;

const handler = (handle) => async (event, env) => {
  if (state.criticalError) {
    // This event gets a new instance.
    gate.__wbg_reset_state();
    state.criticalError = false;
  }
  try {
    return await handle(event, env);
  } catch (error) {
    if (isCritical(error)) {
      console.error("Critical", error);
      state.criticalError = true;
    }
    throw error;
  }
};

async function run(task) {
  let step = task.resume(undefined, false);
  while (step instanceof Promise) {
    let outcome;
    let rejected = false;
    try {
      outcome = await step;
    } catch (error) {
      outcome = error;
      rejected = true;
    }
    step = task.resume(outcome, rejected);
  }
  task.free();
  return step;
}

export default {
  fetch: handler((request, env) => run(gate.fetch(request, env))),

  queue: handler(async (batch, env) => {
    const tasks = gate.queue(batch, env).values();
    const runEach = async () => {
      for (const task of tasks) await run(task);
    };
    const ends = await Promise.allSettled(Array.from({ length: SIDE_BY_SIDE }, runEach));
    // Only when the others are through: what was neither acknowledged nor retried is then tried again.
    const errors = ends.filter((end) => end.status === "rejected").map((end) => end.reason);
    if (errors.length > 0) {
      for (const error of errors) console.error("a message is tried again:", error);
      throw errors.find(isCritical) ?? errors[0];
    }
  }),
};

// The worker's entry: it hands each event over to the wasm, and does the waiting for its tasks (`task.rs`). The one
// that worker-build would write makes a class and proxies anew for each event.

// What wasm-bindgen makes: scripts/build says where.
import * as gate from "gate";

// How many messages of a batch are handed over at a time. A Worker may wait for the headers of six answers at
// once: https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections
const SIDE_BY_SIDE = 6;

gate.__worker_init_state();

// Makes sure of an instance that can be called: a new one, where the last one broke off (a panic, or whatever else ends
// an instance of wasm). wasm-bindgen by itself would make it just before a call, and call it with what belonged to the
// last one.
function renew() {
  try {
    gate.ready();
  } catch {
    gate.__wbg_reset_state();
  }
}

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
    // A task of an instance that is gone ends with an error here, and touches nothing of the new one.
    renew();
    step = task.resume(outcome, rejected);
  }
  task.free();
  return step;
}

// Has a message tried again, as late as its failures say, or else at the queue's own pace. One that is neither
// acknowledged nor retried would count as acknowledged.
function retry(message, env) {
  let options;
  try {
    renew();
    options = { delaySeconds: gate.delay_after_failure(env, message.attempts) };
  } catch (error) {
    console.error("the delay is not known:", error);
  }
  message.retry(options);
}

export default {
  async fetch(request, env, ctx) {
    renew();
    const response = await run(gate.fetch(request, env, ctx));
    // Nothing of the answer hangs on it.
    try {
      if (gate.is_gathered()) ctx.waitUntil(run(gate.send_gathered(env)));
    } catch (error) {
      console.error("the journal is not sent:", error);
    }
    return response;
  },

  scheduled(event, env) {
    renew();
    return run(gate.scheduled(event.cron, env));
  },

  async queue(batch, env) {
    renew();
    if (gate.takes_batches(batch.queue)) {
      await run(gate.batch(batch.messages, env));
      return;
    }
    const messages = batch.messages.values();
    const failures = [];
    // Each message for itself: what fails for one of them is nothing to the others.
    const runEach = async () => {
      for (const message of messages) {
        try {
          renew();
          await run(gate.message(batch.queue, message, env));
        } catch (error) {
          console.error("a message is tried again:", error);
          try {
            retry(message, env);
          } catch (failure) {
            failures.push(failure);
          }
        }
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, runEach));
    // The batch fails for a message that could not be retried; whatever was acknowledged stays so.
    if (failures.length > 0) throw failures[0];
  },
};

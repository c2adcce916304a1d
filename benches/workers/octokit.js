// The same on @octokit/webhooks, used as its documentation says: handlers, and `verifyAndReceive`.

import { env } from "cloudflare:workers";
import { Webhooks } from "@octokit/webhooks";
import { buildRequest, isDeploy, log, triggerOf } from "./build-service.js";

const webhooks = new Webhooks({ secret: env.WEBHOOK_SECRET });
// What became of a delivery, by its id.
const done = new Map();

webhooks.on("push", async ({ id, payload }) => {
  const trigger = await triggerOf(payload.repository, env);
  done.set(id, { status: 200, outcome: "ignored", code: "trigger-is-deployment", payload, trigger });
});

webhooks.on("deployment", async ({ id, payload }) => {
  const trigger = await triggerOf(payload.repository, env);
  if (trigger !== "deployment" || !isDeploy(payload)) {
    done.set(id, { status: 200, outcome: "ignored", code: "task-not-deploy", payload, trigger });
    return;
  }
  const build = buildRequest(id, payload);
  await env.BUILD_QUEUE.send(build);
  done.set(id, { status: 202, outcome: "queued", code: "deployment-queued", payload, trigger, build: build.id });
});

export default {
  async fetch(request) {
    const began = Date.now();
    if (request.method !== "POST") return new Response("Use POST.\n", { status: 405 });
    const id = request.headers.get("X-GitHub-Delivery");
    const name = request.headers.get("X-GitHub-Event");
    const signature = request.headers.get("X-Hub-Signature-256");
    if (!id || !name || !signature) return new Response("A header is missing.\n", { status: 400 });
    try {
      await webhooks.verifyAndReceive({ id, name, signature, payload: await request.text() });
    } catch (error) {
      const forged = error.errors?.[0]?.message.includes("signature does not match");
      const [status, code] = forged ? [401, "bad-signature"] : [500, "not-configured"];
      log(request, began, status, "rejected", code, undefined, { unverified_url: request.url });
      return new Response(`${error.message}\n`, { status });
    }
    const { status, outcome, code, payload, ...more } = done.get(id) ?? {
      status: 200,
      outcome: "ignored",
      code: "event-not-used",
    };
    done.delete(id);
    log(request, began, status, outcome, code, payload, more);
    return new Response("ok\n", { status });
  },
};

// The same on @octokit/webhooks, used as its documentation says: handlers, and `verifyAndReceive`.

import { env } from "cloudflare:workers";
import { Webhooks } from "@octokit/webhooks";
import { buildRequest, isDeploy, triggerOf } from "./build-service.js";

const webhooks = new Webhooks({ secret: env.WEBHOOK_SECRET });
const queued = new Set();

webhooks.on("push", async ({ payload }) => {
  await triggerOf(payload.repository, env);
});

webhooks.on("deployment", async ({ id, payload }) => {
  if ((await triggerOf(payload.repository, env)) !== "deployment" || !isDeploy(payload)) return;
  await env.BUILD_QUEUE.send(buildRequest(id, payload));
  queued.add(id);
});

export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response("Use POST.\n", { status: 405 });
    const id = request.headers.get("X-GitHub-Delivery");
    const name = request.headers.get("X-GitHub-Event");
    const signature = request.headers.get("X-Hub-Signature-256");
    if (!id || !name || !signature) return new Response("A header is missing.\n", { status: 400 });
    try {
      await webhooks.verifyAndReceive({ id, name, signature, payload: await request.text() });
    } catch (error) {
      const forged = error.errors?.[0]?.message.includes("signature does not match");
      return new Response(`${error.message}\n`, { status: forged ? 401 : 500 });
    }
    return new Response("ok\n", { status: queued.delete(id) ? 202 : 200 });
  },
};

// The worker that somebody would write by hand: WebCrypto, as in Cloudflare's own example
// (https://developers.cloudflare.com/workers/examples/signing-requests/), JSON.parse, KV, a queue.

import { buildRequest, isDeploy, log, triggerOf } from "./build-service.js";

function importKey(secret) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["verify"]);
}

function fromHex(digits) {
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export default {
  async fetch(request, env) {
    const began = Date.now();
    const answer = (status, outcome, code, message, payload, more) => {
      log(request, began, status, outcome, code, payload, more);
      return Response.json({ outcome, code, message, repository: payload?.repository?.full_name }, { status });
    };
    if (request.method !== "POST") return answer(405, "rejected", "method-not-allowed", "Use POST.");
    const event = request.headers.get("X-GitHub-Event");
    const delivery = request.headers.get("X-GitHub-Delivery");
    const signature = request.headers.get("X-Hub-Signature-256");
    if (!event || !delivery || !signature?.startsWith("sha256=")) {
      return answer(400, "rejected", "missing-header", "A header is missing.");
    }
    const body = await request.arrayBuffer();
    const key = await importKey(env.WEBHOOK_SECRET);
    if (!(await crypto.subtle.verify("HMAC", key, fromHex(signature.slice(7)), body))) {
      return answer(401, "rejected", "bad-signature", "The signature does not match the body.", undefined, {
        unverified_url: request.url,
      });
    }
    let payload;
    try {
      payload = JSON.parse(new TextDecoder().decode(body));
    } catch {
      return answer(400, "rejected", "malformed-payload", "The body is not JSON.");
    }
    if (event !== "push" && event !== "deployment") {
      return answer(200, "ignored", "event-not-used", `${event} is not used.`, payload);
    }
    const trigger = await triggerOf(payload.repository, env);
    if (trigger !== "deployment") {
      const code = trigger ? `trigger-is-${trigger}` : "repository-not-linked";
      return answer(trigger ? 200 : 404, "ignored", code, "It does not build on deployments.", payload, { trigger });
    }
    if (event === "push") {
      const message = "It builds on deployments, so this push was ignored.";
      return answer(200, "ignored", "trigger-is-deployment", message, payload, { trigger });
    }
    if (!isDeploy(payload)) {
      return answer(200, "ignored", "task-not-deploy", "This deployment is not built.", payload, { trigger });
    }
    const build = buildRequest(delivery, payload);
    await env.BUILD_QUEUE.send(build);
    const message = `Deployment ${payload.deployment.id} is queued.`;
    return answer(202, "queued", "deployment-queued", message, payload, { trigger, build: build.id });
  },
};

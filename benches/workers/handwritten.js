// The worker that somebody would write by hand: WebCrypto, as in Cloudflare's own example
// (https://developers.cloudflare.com/workers/examples/signing-requests/), JSON.parse, KV, a queue.

import { buildRequest, isDeploy, triggerOf } from "./build-service.js";

function importKey(secret) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["verify"]);
}

function fromHex(digits) {
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const answer = (status, outcome, message, payload) =>
  Response.json({ outcome, message, repository: payload?.repository?.full_name }, { status });

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return answer(405, "rejected", "Use POST.");
    const event = request.headers.get("X-GitHub-Event");
    const delivery = request.headers.get("X-GitHub-Delivery");
    const signature = request.headers.get("X-Hub-Signature-256");
    if (!event || !delivery || !signature?.startsWith("sha256=")) {
      return answer(400, "rejected", "A header is missing.");
    }
    const body = await request.arrayBuffer();
    const key = await importKey(env.WEBHOOK_SECRET);
    if (!(await crypto.subtle.verify("HMAC", key, fromHex(signature.slice(7)), body))) {
      return answer(401, "rejected", "The signature does not match the body.");
    }
    let payload;
    try {
      payload = JSON.parse(new TextDecoder().decode(body));
    } catch {
      return answer(400, "rejected", "The body is not JSON.");
    }
    if (event !== "push" && event !== "deployment") {
      return answer(200, "ignored", `${event} is not used.`, payload);
    }
    const trigger = await triggerOf(payload.repository, env);
    if (trigger !== "deployment") {
      return answer(trigger ? 200 : 404, "ignored", "It does not build on deployments.", payload);
    }
    if (event === "push") {
      return answer(200, "ignored", "It builds on deployments, so this push was ignored.", payload);
    }
    if (!isDeploy(payload)) return answer(200, "ignored", "This deployment is not built.", payload);
    await env.BUILD_QUEUE.send(buildRequest(delivery, payload));
    return answer(202, "queued", `Deployment ${payload.deployment.id} is queued.`, payload);
  },
};

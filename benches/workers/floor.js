// The least that a worker can do with a webhook: read the body and answer. Nothing that looks at a delivery
// can be cheaper.

export default {
  async fetch(request) {
    await request.arrayBuffer();
    return new Response("ok\n");
  },
};

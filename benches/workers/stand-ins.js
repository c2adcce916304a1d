// What stands in for Workers KV and Queues: the least that answers a read and takes a message, in the same
// process for each contender. It speaks what workerd speaks to them.

const triggers = { "octocat/hello-world": "deployment" };

export const kv = {
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/bulk/get") {
      const { keys } = await request.json();
      return Response.json(Object.fromEntries(keys.map((key) => [key, triggers[key] ?? null])));
    }
    const value = triggers[decodeURIComponent(url.pathname.slice(1))];
    return value ? new Response(value) : new Response("Not Found", { status: 404 });
  },
};

export const queue = {
  async fetch(request) {
    await request.arrayBuffer();
    return Response.json({ metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } });
  },
};

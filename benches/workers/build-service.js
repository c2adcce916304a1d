// What the two JavaScript workers share: the rule of the deployment trigger, on the bindings that buildgate
// has, too, and the line that buildgate leaves in the log.

export function log(request, began, status, outcome, code, payload, more) {
  console.log(
    JSON.stringify({
      log: "delivery",
      outcome,
      code,
      status,
      ms: Date.now() - began,
      delivery: request.headers.get("X-GitHub-Delivery"),
      event: request.headers.get("X-GitHub-Event"),
      repository: payload?.repository?.full_name ?? null,
      trigger: null,
      build: null,
      secret: payload ? "current" : null,
      ...more,
    }),
  );
}

export async function triggerOf(repository, env) {
  const [owner] = repository.full_name.toLowerCase().split("/");
  return (
    (await env.REPO_TRIGGERS.get(repository.full_name.toLowerCase())) ??
    (await env.REPO_TRIGGERS.get(`${owner}/*`))
  );
}

export const isDeploy = ({ action, deployment }) =>
  action === "created" && deployment.task === "deploy" && deployment.environment !== "github-pages";

export const buildRequest = (delivery, { repository, deployment }) => ({
  version: 1,
  id: `deployment:${repository.id}:${deployment.id}`,
  trigger: "deployment",
  delivery,
  received_at: new Date().toISOString(),
  repository: {
    id: repository.id,
    full_name: repository.full_name,
    clone_url: repository.clone_url,
    default_branch: repository.default_branch,
    private: repository.private,
  },
  commit: { sha: deployment.sha, ref: deployment.ref },
  deployment: {
    id: deployment.id,
    task: deployment.task,
    environment: deployment.environment,
    description: deployment.description,
    creator: deployment.creator?.login,
    payload: deployment.payload,
  },
});

// What the operator can do about it, for the answers that are written to a repository's owner.

const POLICY = "You can change the policy on the repository’s page; then redeliver this delivery.";

export const HINTS = {
  "repository-not-linked": "You can set a policy on the repository’s page; a minute later, redeliver this delivery.",
  "invalid-policy": "You can correct the policy on the repository’s page; a minute later, redeliver this delivery.",
  "repository-mismatch":
    "See first whose repository it is now: a name that was given up can be registered by anybody. Where it is theirs whose " +
    "containers you build, set repository_id in the policy, on the repository’s page, to the id that the answer names; else " +
    "leave it refused.",
  "trigger-is-deployment": POLICY,
  "trigger-is-commit": POLICY,
  "trigger-is-manual": POLICY,
  "environment-not-enabled": POLICY,
  "branch-not-enabled": POLICY,
  "deployment-from-pull-request": POLICY,
  "not-configured": "The overview says which setting is missing.",
  "queue-unavailable": "See whether Cloudflare’s Queues and D1 are up; then redeliver this delivery.",
  "policy-unavailable": "See whether Cloudflare’s KV is up; then redeliver this delivery.",
};

// A build that is not well, and what to do: none where there is nothing to be done.
export function storyOf({ state, description, is_held, handed_over_at, attempted_at, answer, attempts, id }) {
  const tried = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  if (state === "queued" && handed_over_at) {
    return {
      text: "taken by the build service, which has not reported of it yet",
      todo: `If that takes longer than a build does, ask the build service about the request ${id}.`,
    };
  }
  if (state === "queued" && is_held) {
    return {
      text: "held while the build service takes nothing, or has asked for a pause",
      todo: "It is posted by itself once that is over; see that the build service is well.",
    };
  }
  if (state === "queued" && attempted_at && answer) {
    return {
      text: `not taken yet, after ${tried}: ${answer}`,
      todo: "It is posted again by itself, less and less often, for 90 hours; mend the build service.",
    };
  }
  if (state === "queued") return { text: description };
  if (state === "failure") {
    return { text: description, todo: "The log says why. What is mended there is built at the next push or deployment." };
  }
  if (state === "error" && !handed_over_at) {
    // The description has the status already.
    const said = answer?.replace(/^\d+: /, "");
    return {
      text: said && /\D/.test(said) ? `${description}: ${said}` : description,
      todo: description.includes("refused")
        ? "The owner mends that, and the next push or deployment is built. To redrive it helps only where the build service has changed."
        : "Once the build service is well, redrive it: it is among the dead letters.",
    };
  }
  return { text: description };
}

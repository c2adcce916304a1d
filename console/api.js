// What the page asks the gate: the operator's routes, as JSON, with the session's cookie.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

// How often a page that is live asks again, in milliseconds.
const LIVE = 5_000;

// What the gate refused, or that it did not answer.
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Asks a route below /-/ and gives its JSON; throws a Refusal.
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`/-/${path}`, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refusal(0, "no-answer", "The gate does not answer. Is it running, and are you online?");
  }
  let body;
  try {
    body = await answer.json();
  } catch {
    throw new Refusal(answer.status, "no-json", `The gate answered ${answer.status}, and nothing that can be read.`);
  }
  if (!answer.ok) {
    if (answer.status === 401) window.dispatchEvent(new Event("signed-out"));
    throw new Refusal(answer.status, body.code, body.message);
  }
  return body;
}

// A query of what is set, in the order of the names.
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return new URLSearchParams(set).toString();
}

// The path of something whose name may hold anything, segment by segment.
export function path(...segments) {
  return segments.map(encodeURIComponent).join("/");
}

// Asks a route when the page is shown, and again and again while it is live. What was there stays until something new has
// come. `path` may be null: then nothing is asked.
export function useAnswer(path, isLive = false) {
  const [answer, setAnswer] = useState({ path: null, data: null, failure: null });
  const asked = useRef(0);
  const load = useCallback(async () => {
    if (path === null) return;
    const number = ++asked.current;
    const isNewest = () => number === asked.current;
    try {
      const data = await ask(path);
      if (isNewest()) setAnswer({ path, data, failure: null });
    } catch (failure) {
      if (isNewest()) setAnswer((before) => ({ path, data: before.path === path ? before.data : null, failure }));
    }
  }, [path]);
  useEffect(() => {
    load();
    return () => {
      asked.current++;
    };
  }, [load]);
  useEffect(() => {
    if (!isLive) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) load();
    }, LIVE);
    return () => clearInterval(timer);
  }, [load, isLive]);
  const isCurrent = answer.path === path;
  return {
    data: isCurrent ? answer.data : null,
    failure: isCurrent ? answer.failure : null,
    isLoading: !isCurrent && path !== null,
    reload: load,
  };
}

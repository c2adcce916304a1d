// Where one is in the console: what follows # in the URL is a path and a query, so that filters can be kept and sent along.

import { useEffect, useState } from "preact/hooks";

function read() {
  const [path, search] = window.location.hash.replace(/^#\/?/, "").split("?");
  // A name that is no percent-encoding is taken as it is.
  const decode = (segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  };
  return { segments: path.split("/").filter(Boolean).map(decode), filters: Object.fromEntries(new URLSearchParams(search ?? "")) };
}

export function useRoute() {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}

// The URL of a place in the console.
export function href(segments, filters = {}) {
  const set = Object.entries(filters).filter(([, value]) => value);
  const search = new URLSearchParams(set).toString();
  return `#/${segments.map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

export function go(segments, filters) {
  window.location.hash = href(segments, filters).slice(1);
}

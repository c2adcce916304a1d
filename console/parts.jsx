// What the pages are made of.

import { createContext } from "preact";
import { useContext, useEffect, useId, useMemo, useRef, useState } from "preact/hooks";

import { go, href } from "./route.js";

// What all pages know: who is signed in, and whether pages ask again by themselves.
export const Session = createContext({ github: "https://github.com", isLive: true });

const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "long" });

function ago(seconds) {
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : RELATIVE.format(Math.trunc(seconds), "second");
}

// A time as "3 minutes ago", with the exact one on hover, and for whoever reads the page by ear.
export function Time({ at }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  if (!at) return <span class="none">never</span>;
  const date = new Date(at);
  const exact = EXACT.format(date);
  return (
    <time dateTime={at} title={exact}>
      {ago((date.getTime() - now) / 1_000)}
    </time>
  );
}

const TONES = {
  queued: "good",
  success: "good",
  created: "good",
  ignored: "plain",
  pong: "plain",
  waiting: "busy",
  in_progress: "busy",
  superseded: "plain",
  inactive: "plain",
  rejected: "bad",
  error: "bad",
  failure: "bad",
  red: "bad",
  refused: "bad",
  "timed-out": "bad",
};

export function Badge({ tone, children }) {
  return <span class={`badge ${tone ?? TONES[children] ?? "plain"}`}>{String(children).replace("_", " ")}</span>;
}

// Sentences of the gate: what stands between backticks is to be entered as it is, and what between < and > is a URL.
export function Sentences({ text }) {
  const parts = String(text ?? "").split(/(`[^`]+`|<https?:\/\/[^\s<>]+>)/);
  return (
    <>
      {parts.map((part) => {
        if (part.startsWith("`") && part.length > 2) return <code>{part.slice(1, -1)}</code>;
        if (/^<https?:/.test(part)) return <Link to={part.slice(1, -1)} />;
        return part;
      })}
    </>
  );
}

// A link to somewhere else: only http and https, for the URL may be anybody's.
export function Link({ to, children }) {
  if (!/^https?:\/\//i.test(to ?? "")) return <>{children ?? to ?? "–"}</>;
  return (
    <a href={to} rel="noreferrer noopener" target="_blank">
      {children ?? to}
    </a>
  );
}

export function Command({ children }) {
  const [isCopied, setIsCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(children);
    setIsCopied(true);
    setTimeout(() => setIsCopied(false), 2_000);
  };
  return (
    <span class="command">
      <code>{children}</code>
      <button type="button" class="small" onClick={copy}>
        {isCopied ? "Copied" : "Copy"}
      </button>
    </span>
  );
}

// A repository's name, which leads to its page.
export function Repository({ name }) {
  if (!name) return <span class="none">–</span>;
  return <a href={href(["repositories", ...name.split("/")])}>{name}</a>;
}

// A commit, which leads to GitHub.
export function Commit({ repository, sha }) {
  const { github } = useContext(Session);
  if (!sha) return <span class="none">–</span>;
  return (
    <Link to={`${github}/${repository}/commit/${sha}`}>
      <code>{sha.slice(0, 7)}</code>
    </Link>
  );
}

// The four things that can be on a page in place of its matter.
export function Loading() {
  return (
    <p class="note" role="status">
      Loading…
    </p>
  );
}

export function Failed({ failure, again }) {
  return (
    <div class="note failed" role="alert">
      <p>
        <strong>This could not be loaded.</strong> <Sentences text={failure.message} />
      </p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}

export function Empty({ children }) {
  return <p class="note">{children}</p>;
}

export function NoMatch({ segments }) {
  return (
    <p class="note">
      Nothing matches these filters. <a href={href(segments)}>Clear the filters</a>
    </p>
  );
}

// A table whose rows become cards on a narrow screen: each cell then says of which column it is.
export function Table({ caption, columns, rows, rowKey }) {
  return (
    <table>
      <caption class="by-ear">{caption}</caption>
      <thead>
        <tr>
          {columns.map(([name]) => (
            <th scope="col">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)}>
            {columns.map(([name, cell]) => (
              <td data-column={name}>
                <div>{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

// Each thing that is known of an item.
export function Facts({ facts }) {
  const known = facts.filter(([, value]) => ![null, undefined, false, ""].includes(value));
  return (
    <dl class="facts">
      {known.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

// Filters, which are kept in the URL. Each is `[name, label, kind]`, where the kind is an input's type or a list of words.
export function Filters({ segments, filters, fields }) {
  const id = useId();
  const submit = (event) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.currentTarget));
    const set = {};
    for (const [name, , kind] of fields) {
      const value = String(form[name] ?? "").trim();
      if (value) set[name] = kind === "datetime-local" ? new Date(value).toISOString() : value;
    }
    go(segments, set);
  };
  const submitNow = (event) => event.currentTarget.form.requestSubmit();
  const count = fields.filter(([name]) => filters[name]).length;
  const isNarrow = useIsNarrow();
  return (
    <details class="filters" open={!isNarrow} key={JSON.stringify(filters)}>
      <summary>Filters{count > 0 ? `: ${count} set` : ""}</summary>
      <form onSubmit={submit} role="search" aria-label="Filters">
        {fields.map(([name, label, kind]) => (
          <div>
            <label for={`${id}-${name}`}>{label}</label>
            {Array.isArray(kind) ? (
              <select id={`${id}-${name}`} name={name} onChange={submitNow}>
                <option value="">any</option>
                {kind.map((word) => (
                  <option value={word} selected={filters[name] === word}>
                    {word}
                  </option>
                ))}
              </select>
            ) : (
              <input
                id={`${id}-${name}`}
                name={name}
                type={kind}
                autoComplete="off"
                spellcheck={false}
                value={kind === "datetime-local" ? localTime(filters[name]) : (filters[name] ?? "")}
              />
            )}
          </div>
        ))}
        <div class="buttons">
          <button type="submit">Filter</button>
          {count > 0 && <a href={href(segments)}>Clear</a>}
        </div>
      </form>
    </details>
  );
}

// Whether the window is as narrow as the styles say, where a list's filters would fill the first screen.
function useIsNarrow() {
  const query = useMemo(() => matchMedia("(width < 48rem)"), []);
  const [isNarrow, setIsNarrow] = useState(query.matches);
  useEffect(() => {
    const change = () => setIsNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, [query]);
  return isNarrow;
}

// A time as an input of the type datetime-local takes it.
function localTime(at) {
  const date = new Date(at ?? "");
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function Pager({ segments, filters, next }) {
  const { cursor, ...others } = filters;
  if (!cursor && !next) return null;
  return (
    <nav class="pager" aria-label="Pages">
      {cursor && <a href={href(segments, others)}>First page</a>}
      {next && <a href={href(segments, { ...others, cursor: String(next) })}>Next page</a>}
    </nav>
  );
}

// Asks before something is done. `children` is what is asked.
export function Confirm({ title, action, isDangerous, onDone, onClose, children }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
      <div class="buttons">
        <button type="button" class={isDangerous ? "dangerous" : "primary"} onClick={onDone}>
          {action}
        </button>
        <button type="button" onClick={() => dialog.current.close()}>
          Cancel
        </button>
      </div>
    </dialog>
  );
}

// What came of something that was done.
export function Outcome({ outcome }) {
  if (!outcome) return null;
  return (
    <p class={`note ${outcome.isBad ? "failed" : "done"}`} role={outcome.isBad ? "alert" : "status"}>
      <Sentences text={outcome.text} />
    </p>
  );
}

// The heading of a page: the focus goes there when one comes to it, so that it is read out.
export function Heading({ children }) {
  const heading = useRef(null);
  const text = useRef("");
  useEffect(() => {
    const said = heading.current.textContent;
    document.title = `${said} · buildgate`;
    if (text.current !== said) heading.current.focus({ preventScroll: false });
    text.current = said;
  });
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

// Dead letters: what could not be done, and the two things that can be done about it, for one or for all that match.

import { useContext, useState } from "preact/hooks";

import { ask, path, query, useAnswer } from "../api.js";
import {
  Badge,
  Confirm,
  Empty,
  Facts,
  Failed,
  Filters,
  Heading,
  Loading,
  NoMatch,
  Outcome,
  Pager,
  Repository,
  Session,
  Table,
  Time,
} from "../parts.jsx";
import { href } from "../route.js";
import { pretty } from "./lists.jsx";

const SEGMENTS = ["dead-letters"];

const REASONS = {
  "origin-refused": "The build service refused it for good. To redrive it helps only where the build service has changed.",
  "origin-did-not-accept": "The build service answered something else than yes until time or retries ran out.",
  "origin-unreachable": "The build service did not answer until time or retries ran out.",
  "origin-held": "The build service took nothing until time ran out.",
  "origin-not-configured": "A setting of the build service was missing or wrong until time or retries ran out.",
  "message-unreadable": "It is no message of the gate’s. Drop it.",
  "given-up-by-queue": "The queue’s own retries ran out.",
};

export const LETTER_COLUMNS = [
  ["Kept", (item) => <a href={href([...SEGMENTS, item.id])}><Time at={item.stored_at} /></a>],
  ["Repository", (item) => <Repository name={item.repository} />],
  ["Was to be done", (item) => (item.queue === "github" ? "on GitHub" : "a build")],
  ["Reason", (item) => (<><code>{item.reason}</code><span class="why">{REASONS[item.reason]}</span></>)],
  ["Last status", (item) => item.status ?? <span class="none">–</span>],
  ["Attempts", (item) => item.attempts ?? <span class="none">–</span>],
  ["Redriven", (item) => (item.redriven_at ? <Time at={item.redriven_at} /> : <span class="none">no</span>)],
];

function told(filters) {
  const words = Object.entries(filters).filter(([name]) => name !== "cursor");
  return words.length === 0 ? "all dead letters" : `those with ${words.map(([name, value]) => `${name} ${value}`).join(", ")}`;
}

// What is being done to all that match: how far it is, and what could not be done.
function Progress({ running, onClose }) {
  const { what, count, done, failed, failure, isOver } = running;
  return (
    <section class="note" aria-live="polite">
      <p>
        <strong>
          {isOver ? `${done} of ${count} ${what}.` : `${done + failed.length} of ${count}…`}
          {failed.length > 0 && ` ${failed.length} could not be.`}
        </strong>
      </p>
      {!isOver && <progress max={count} value={done + failed.length} aria-label="How many are done" />}
      {failure && (
        <p role="alert">
          It stopped before its end: {failure.message} What was done is done; begin again for the rest.
        </p>
      )}
      {failed.length > 0 && (
        <ul>
          {failed.map((one) => (
            <li key={one.id}>
              <a href={href([...SEGMENTS, one.id])}>{one.id}</a> <code>{one.code}</code> {one.message}
            </li>
          ))}
        </ul>
      )}
      {isOver && (
        <button type="button" onClick={onClose}>
          Close
        </button>
      )}
    </section>
  );
}

export function Letters({ filters }) {
  const { isLive } = useContext(Session);
  const { data, failure, isLoading, reload } = useAnswer(
    `dead-letters?${query({ ...filters, limit: 50 })}`,
    isLive && !filters.cursor,
  );
  const [asked, setAsked] = useState(null);
  const [running, setRunning] = useState(null);
  const fields = [
    ["repository", "Repository", "search"],
    ["owner", "Owner", "search"],
    ["queue", "Queue", ["builds", "github"]],
    ["reason", "Reason", Object.keys(REASONS)],
    ["redriven", "Redriven", ["no", "yes"]],
    ["since", "Kept since", "datetime-local"],
    ["until", "Until", "datetime-local"],
  ];
  const { cursor: _, ...all } = filters;

  // Some at a time, so that it is seen how far it is; and only those that were counted.
  const doToAll = async ({ what, route, count, last }) => {
    setAsked(null);
    let [done, failed, cursor, failure] = [0, [], undefined, null];
    const show = (isOver) => setRunning({ what, count, done, failed, failure, isOver });
    show(false);
    try {
      do {
        const part = await ask(`dead-letters/${route}?${query({ ...all, through: last, cursor })}`, { method: "POST" });
        done += part.done;
        failed = [...failed, ...part.failed];
        cursor = part.next;
        show(false);
      } while (cursor);
    } catch (why) {
      failure = why;
    }
    show(true);
    reload();
  };

  const { cursor, ...others } = filters;
  const hasFilters = Object.keys(others).length > 0;
  return (
    <>
      <Heading>Dead letters</Heading>
      <p>
        What the build service refused for good, and what could not be handed over or done on GitHub until time or retries ran
        out. None of it is lost. Redrive what failed for a reason that is gone; drop what the owner has to mend, for that is
        built at their next push or deployment.
      </p>
      <Filters segments={SEGMENTS} filters={filters} fields={fields} />
      {running && <Progress running={running} onClose={() => setRunning(null)} />}
      {isLoading && <Loading />}
      {failure && <Failed failure={failure} again={reload} />}
      {data && data.items.length === 0 && (hasFilters ? <NoMatch segments={SEGMENTS} /> : <Empty>There are no dead letters. All is well.</Empty>)}
      {data && data.items.length > 0 && (
        <>
          <p class="buttons">
            <span>
              {data.count === 1 ? "One matches." : `${data.count} match.`}
            </span>
            <button
              type="button"
              class="primary"
              disabled={running !== null && !running.isOver}
              onClick={() => setAsked({ what: "are back on the queue", verb: "Redrive", route: "redrive", count: data.count, last: data.last })}
            >
              Redrive all {data.count}
            </button>
            <button
              type="button"
              disabled={running !== null && !running.isOver}
              onClick={() => setAsked({ what: "are dropped", verb: "Drop", route: "drop", count: data.count, last: data.last })}
            >
              Drop all {data.count}
            </button>
          </p>
          <Table caption="Dead letters, the oldest first" columns={LETTER_COLUMNS} rows={data.items} rowKey={(item) => item.id} />
          <Pager segments={SEGMENTS} filters={filters} next={data.next} />
        </>
      )}
      {asked && (
        <Confirm
          title={`${asked.verb} ${asked.count}?`}
          action={`${asked.verb} ${asked.count}`}
          isDangerous={asked.route === "drop"}
          onDone={() => doToAll(asked)}
          onClose={() => setAsked(null)}
        >
          <p>
            That is {told(all)}, on all pages.{" "}
            {asked.route === "drop"
              ? "What is dropped is gone for good: nobody builds it."
              : "Each goes back on its queue under the id that it always had, so the build service builds none twice."}
          </p>
        </Confirm>
      )}
    </>
  );
}

export function Letter({ id }) {
  const { data, failure, isLoading, reload } = useAnswer(`dead-letters/${path(id)}`);
  const [outcome, setOutcome] = useState(null);
  const [isAsked, setIsAsked] = useState(false);
  const redrive = async () => {
    try {
      await ask(`dead-letters/${path(id)}/redrive`, { method: "POST" });
      setOutcome({ text: "It is back on the queue. What becomes of it is on the page of its build." });
      reload();
    } catch (why) {
      setOutcome({ isBad: true, text: why.message });
    }
  };
  const drop = async () => {
    setIsAsked(false);
    try {
      await ask(`dead-letters/${path(id)}`, { method: "DELETE" });
      window.location.hash = href(SEGMENTS).slice(1);
    } catch (why) {
      setOutcome({ isBad: true, text: why.message });
    }
  };
  return (
    <>
      <Heading>Dead letter {id}</Heading>
      <Outcome outcome={outcome} />
      {isLoading && <Loading />}
      {failure && !data && <Failed failure={failure} again={reload} />}
      {data && (
        <>
          <p class="verdict">
            <Badge>{data.reason}</Badge> {REASONS[data.reason]}
          </p>
          <p class="buttons">
            <button type="button" class={data.reason === "origin-refused" ? "" : "primary"} onClick={redrive} disabled={data.reason === "message-unreadable"}>
              Redrive
            </button>
            <button type="button" onClick={() => setIsAsked(true)}>
              Drop
            </button>
          </p>
          <Facts
            facts={[
              ["Repository", data.repository && <Repository name={data.repository} />],
              ["Build", data.build && <a href={href(["builds", data.build])}>{data.build}</a>],
              ["Was to be done", data.queue === "github" ? "on GitHub" : "a build"],
              ["What went wrong", data.detail],
              ["The build service’s last answer", data.answer && <pre tabIndex={0}>{data.answer}</pre>],
              ["Its status", data.status],
              ["Attempts", data.attempts],
              ["Kept", <Time at={data.stored_at} />],
              ["Redriven", data.redriven_at && <Time at={data.redriven_at} />],
            ]}
          />
          <details>
            <summary>The message</summary>
            <pre tabIndex={0}>{pretty(data.message)}</pre>
          </details>
        </>
      )}
      {isAsked && (
        <Confirm title="Drop this dead letter?" action="Drop it" isDangerous onDone={drop} onClose={() => setIsAsked(false)}>
          <p>What is dropped is gone for good: nobody builds it.</p>
        </Confirm>
      )}
    </>
  );
}

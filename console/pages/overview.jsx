// The overview: what came in, hour by hour, and what needs a hand.

import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";

import { query, useAnswer } from "../api.js";
import codes from "../codes.json";
import { Command, Empty, Failed, Heading, Loading, Sentences, Session } from "../parts.jsx";
import { href } from "../route.js";

const HOUR = 3_600_000;
const SERIES = [
  ["accepted", "Accepted"],
  ["ignored", "Ignored"],
  ["refused", "Refused"],
  ["forged", "Forged"],
  ["pong", "Pings"],
];
const KIND = Object.fromEntries(Object.entries(codes).flatMap(([kind, words]) => words.map((word) => [word, kind])));
const SPANS = { "24h": ["24 hours", 24, 1], "7d": ["7 days", 7 * 24, 6], "30d": ["30 days", 30 * 24, 24] };

// Counts by bars of so many hours each, the oldest first; an hour in which nothing came is there, too.
function bars(items, hours, width, now) {
  const end = Math.floor(now / HOUR) * HOUR + HOUR;
  const all = Array.from({ length: hours / width }, (_, number) => ({
    from: end - hours * HOUR + number * width * HOUR,
    counts: {},
    total: 0,
  }));
  for (const item of items) {
    const number = Math.floor((new Date(item.hour).getTime() - all[0].from) / (width * HOUR));
    const bar = all[number];
    if (!bar) continue;
    for (const [code, count] of Object.entries(item.codes)) {
      const kind = KIND[code] ?? "ignored";
      bar.counts[kind] = (bar.counts[kind] ?? 0) + count;
      bar.total += count;
    }
  }
  return all;
}

const HEIGHT = 140;

function when(bar, width) {
  const date = new Date(bar.from);
  const options = width === 24 ? { weekday: "short", day: "numeric", month: "short" } : { weekday: "short", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString("en", options);
}

// Where the bars begin: left of it are the numbers.
const LEFT = 40;

// How wide a label below the bars is, at the least.
const LABEL = 130;

function Chart({ all, width }) {
  const figure = useRef(null);
  const [room, setRoom] = useState(760);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setRoom(Math.max(240, Math.floor(entry.contentRect.width))));
    observer.observe(figure.current);
    return () => observer.disconnect();
  }, []);
  const most = Math.max(1, ...all.map((bar) => bar.total));
  const step = (room - LEFT) / all.length;
  const labelled = Math.max(1, Math.ceil(LABEL / step));
  return (
    <figure ref={figure}>
      <svg width={room} height={HEIGHT + 24} role="img" aria-label="Deliveries by hour; the lists below have the numbers">
        <text class="axis" x="36" y="10" text-anchor="end">
          {most}
        </text>
        <text class="axis" x="36" y={HEIGHT} text-anchor="end">
          0
        </text>
        <line class="axis" x1={LEFT} x2={room} y1={HEIGHT} y2={HEIGHT} />
        {all.map((bar, number) => {
          let top = HEIGHT;
          return (
            <g key={bar.from}>
              <title>{`${when(bar, width)}: ${SERIES.filter(([kind]) => bar.counts[kind]).map(([kind, name]) => `${name.toLowerCase()} ${bar.counts[kind]}`).join(", ") || "nothing"}`}</title>
              <rect class="hover" x={LEFT + number * step} y="0" width={step} height={HEIGHT} />
              {SERIES.map(([kind]) => {
                const height = ((bar.counts[kind] ?? 0) / most) * (HEIGHT - 8);
                top -= height;
                return height > 0 && <rect class={kind} x={LEFT + 1 + number * step} y={top} width={Math.max(1, step - 2)} height={height} />;
              })}
            </g>
          );
        })}
        {all.map((bar, number) =>
          number % labelled === 0 && LEFT + number * step + LABEL <= room ? (
            <text class="axis" x={LEFT + number * step} y={HEIGHT + 16}>
              {when(bar, width)}
            </text>
          ) : null,
        )}
      </svg>
      <figcaption>
        <ul class="legend">
          {SERIES.map(([kind, name]) => (
            <li class={kind}>{name}</li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}

function Counts({ items }) {
  const totals = {};
  for (const item of items) for (const [code, count] of Object.entries(item.codes)) totals[code] = (totals[code] ?? 0) + count;
  const rows = Object.entries(totals).sort(([, one], [, other]) => other - one);
  const of = (kind) => rows.filter(([code]) => (KIND[code] ?? "ignored") === kind);
  const sum = (list) => list.reduce((all, [, count]) => all + count, 0);
  return (
    <div class="counts">
      {SERIES.map(([kind, name]) => {
        const list = of(kind);
        return (
          <section key={kind} class={kind}>
            <h3>
              {name} <span class="number">{sum(list)}</span>
            </h3>
            <ul>
              {list.map(([code, count]) => (
                <li>
                  {kind === "forged" ? <code>{code}</code> : <a href={href(["deliveries"], { code })}>{code}</a>}{" "}
                  <span class="number">{count}</span>
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

// Where the console shows more of what was looked at.
const MORE = {
  "dead letters": ["Look at them, and redrive them", ["dead-letters"], { redriven: "no" }],
  origin: ["Look at what waits", ["builds"], { state: "queued" }],
};

// As a heading: settings are written as they are called.
const titled = (name) => (name === "github" ? "GitHub" : name[0].toUpperCase() + name.slice(1));

function Item({ name, detail, advice }) {
  const [label, page, filters] = MORE[name] ?? [];
  return (
    <li>
      <strong>{titled(name)}</strong>
      <p>
        <Sentences text={detail} />
      </p>
      {label && (
        <p>
          <a href={href(page, filters)}>{label}</a>
        </p>
      )}
      {advice && <p>{/^(npx|cargo|npm) /.test(advice) ? <Command>{advice}</Command> : <Sentences text={advice} />}</p>}
    </li>
  );
}

function NeedsAHand() {
  const { isLive } = useContext(Session);
  const health = useAnswer("health", isLive);
  const lacking = health.data?.items.filter((item) => !item.ok) ?? [];
  return (
    <section aria-labelledby="hand">
      <h2 id="hand">What needs a hand</h2>
      {health.isLoading && <Loading />}
      {health.failure && <Failed failure={health.failure} again={health.reload} />}
      {health.data && !health.failure && lacking.length === 0 && <p class="note done">Nothing does.</p>}
      {lacking.length > 0 && (
        <ul class="hand">
          {lacking.map((item) => (
            <Item key={item.name} {...item} />
          ))}
        </ul>
      )}
      {health.data && (
        <details>
          <summary>All that was looked at</summary>
          <ul>
            {health.data.items.map((item) => (
              <li key={item.name}>
                <strong>{titled(item.name)}</strong>: <Sentences text={item.detail} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

export function Overview({ filters }) {
  const { isLive } = useContext(Session);
  const span = SPANS[filters.span] ? filters.span : "24h";
  const [name, hours, width] = SPANS[span];
  // To the hour, so that the same is asked for until the next one.
  const end = Math.floor(Date.now() / HOUR) * HOUR + HOUR;
  const since = new Date(end - hours * HOUR).toISOString();
  const { data, failure, isLoading, reload } = useAnswer(`counts?${query({ since, until: new Date(end).toISOString() })}`, isLive);
  return (
    <>
      <Heading>Overview</Heading>
      <NeedsAHand />
      <section aria-labelledby="came">
        <h2 id="came">What came in</h2>
        <nav class="spans" aria-label="How long">
          {Object.entries(SPANS).map(([word, [label]]) => (
            <a href={href([], word === "24h" ? {} : { span: word })} aria-current={word === span ? "true" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        {isLoading && <Loading />}
        {failure && !data && <Failed failure={failure} again={reload} />}
        {data && data.items.length === 0 && <Empty>Nothing came in within the last {name}.</Empty>}
        {data && data.items.length > 0 && (
          <>
            <Chart all={bars(data.items, hours, width, Date.now())} width={width} />
            <Counts items={data.items} />
          </>
        )}
      </section>
    </>
  );
}

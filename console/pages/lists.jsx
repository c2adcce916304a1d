// The lists: deliveries, builds, auto-deployments; each with its filters, and a page for each item.

import { useContext, useState } from "preact/hooks";

import { ask, path, query, useAnswer } from "../api.js";
import codes from "../codes.json";
import {
  Badge,
  Commit,
  Empty,
  Facts,
  Failed,
  Filters,
  Heading,
  Link,
  Loading,
  NoMatch,
  Outcome,
  Pager,
  Repository,
  Sentences,
  Session,
  Table,
  Time,
} from "../parts.jsx";
import { HINTS, storyOf } from "../hints.js";
import { href } from "../route.js";

const ALL_CODES = Object.values(codes).flat().sort();
const PAGE = 50;

// A list of what a route gives: what it shows while there is nothing yet, none, none that matches, or a failure.
export function List({ route, segments, filters, caption, columns, empty, rowKey, limit = PAGE, isPaged = true }) {
  const { isLive } = useContext(Session);
  const asked = `${route}?${query({ ...filters, limit })}`;
  const { data, failure, isLoading, reload } = useAnswer(asked, isLive && !filters.cursor);
  if (isLoading) return <Loading />;
  if (failure && !data) return <Failed failure={failure} again={reload} />;
  const { cursor, ...others } = filters;
  const hasFilters = Object.keys(others).length > 0;
  if (data.items.length === 0) return hasFilters && isPaged ? <NoMatch segments={segments} /> : <Empty>{empty}</Empty>;
  return (
    <>
      {failure && <Failed failure={failure} again={reload} />}
      <Table caption={caption} columns={columns} rows={data.items} rowKey={rowKey} />
      {isPaged && <Pager segments={segments} filters={filters} next={data.next} />}
    </>
  );
}

// How an answer begins: its first sentence, or as many as say something.
function beginning(message) {
  const sentences = message.split(/(?<=\.) /);
  const enough = sentences.findIndex((_, number) => sentences.slice(0, number + 1).join(" ").length >= 40);
  return sentences.slice(0, enough < 0 ? sentences.length : enough + 1).join(" ");
}

const deliveryLink = (item, text) => <a href={href(["deliveries", item.id])}>{text}</a>;

export const DELIVERY_COLUMNS = [
  ["Received", (item) => deliveryLink(item, <Time at={item.at} />)],
  ["Repository", (item) => <Repository name={item.repository} />],
  ["Event", (item) => item.event],
  ["Outcome", (item) => <Badge>{item.outcome}</Badge>],
  [
    "Why",
    (item) => (
      <>
        <code>{item.code}</code>
        <span class="why">
          <Sentences text={beginning(item.message)} />
        </span>
      </>
    ),
  ],
  ["Build", (item) => (item.build ? <a href={href(["builds", item.build])}>build</a> : <span class="none">–</span>)],
];

export function Deliveries({ filters }) {
  const segments = ["deliveries"];
  const fields = [
    ["repository", "Repository", "search"],
    ["owner", "Owner", "search"],
    ["event", "Event", ["push", "deployment", "deployment_status", "status", "check_run", "check_suite", "ping"]],
    ["outcome", "Outcome", ["queued", "ignored", "pong", "rejected"]],
    ["code", "Code", ALL_CODES],
    ["delivery", "GitHub’s GUID", "search"],
    ["since", "Since", "datetime-local"],
    ["until", "Until", "datetime-local"],
  ];
  return (
    <>
      <Heading>Deliveries</Heading>
      <p>What GitHub delivered, what each delivery was answered, and why. Forged ones are only counted.</p>
      <Filters segments={segments} filters={filters} fields={fields} />
      <List
        route="deliveries"
        segments={segments}
        filters={filters}
        caption="Deliveries, the newest first"
        columns={DELIVERY_COLUMNS}
        rowKey={(item) => item.id}
        empty="Nothing has been delivered yet. Once a webhook points here, its deliveries appear on this page."
      />
    </>
  );
}

export function Delivery({ id }) {
  const { github } = useContext(Session);
  const { data, failure, isLoading, reload } = useAnswer(`deliveries/${path(id)}`);
  return (
    <>
      <Heading>Delivery</Heading>
      {isLoading && <Loading />}
      {failure && !data && <Failed failure={failure} again={reload} />}
      {data && (
        <>
          <p class="verdict">
            <Badge>{data.outcome}</Badge> <code>{data.code}</code>
          </p>
          <section class="note" aria-labelledby="answered">
            <h2 id="answered">What GitHub was answered, for the repository’s owner</h2>
            <p>
              <Sentences text={data.message} />
            </p>
          </section>
          {HINTS[data.code] && (
            <p>
              <strong>For you:</strong> {HINTS[data.code]}{" "}
              {data.repository && <Repository name={data.repository} />}
            </p>
          )}
          <Facts
            facts={[
              ["Repository", data.repository && <Repository name={data.repository} />],
              ["Event", data.event],
              ["Received", <Time at={data.at} />],
              ["Answered", `${data.status}, after ${data.ms} ms`],
              ["Trigger at that time", data.trigger],
              ["Build", data.build && <a href={href(["builds", data.build])}>{data.build}</a>],
              ["GitHub’s GUID", data.delivery],
            ]}
          />
          <ul class="links">
            {data.delivery && (
              <li>
                <a href={href(["deliveries"], { delivery: data.delivery })}>All deliveries of this event</a>, redeliveries
                among them
              </li>
            )}
            {data.repository && (
              <li>
                <Link to={`${github}/${data.repository}/settings/hooks`}>The repository’s webhooks on GitHub</Link>, where
                it can be redelivered
              </li>
            )}
          </ul>
        </>
      )}
    </>
  );
}

// How a build is, as a badge: one that waits is no success yet.
export const BuildBadge = ({ build }) => <Badge tone={build.state === "queued" ? "busy" : undefined}>{build.state}</Badge>;

export const BUILD_COLUMNS = [
  ["Queued", (item) => <a href={href(["builds", item.id])}><Time at={item.queued_at} /></a>],
  ["Repository", (item) => <Repository name={item.repository} />],
  ["Commit", (item) => <Commit repository={item.repository} sha={item.sha} />],
  ["Built for", (item) => (item.environment ? `deployment to ${item.environment}` : `push to ${item.ref}`)],
  ["State", (item) => <BuildBadge build={item} />],
  ["What is known", (item) => <span class="why">{storyOf(item).text}</span>],
  ["Log", (item) => (item.log_url ? <Link to={item.log_url}>log</Link> : <span class="none">–</span>)],
];

export function Builds({ filters }) {
  const segments = ["builds"];
  const fields = [
    ["repository", "Repository", "search"],
    ["owner", "Owner", "search"],
    ["state", "State", ["queued", "in_progress", "success", "failure", "error", "inactive"]],
    ["sha", "Commit", "search"],
    ["since", "Queued since", "datetime-local"],
    ["until", "Until", "datetime-local"],
  ];
  return (
    <>
      <Heading>Builds</Heading>
      <p>What was handed to the build service, or waits for it, and what it reported.</p>
      <Filters segments={segments} filters={filters} fields={fields} />
      <List
        route="builds"
        segments={segments}
        filters={filters}
        caption="Builds, the newest first"
        columns={BUILD_COLUMNS}
        rowKey={(item) => item.id}
        empty="Nothing has been built yet."
      />
    </>
  );
}

export function Build({ id }) {
  const { github, isLive } = useContext(Session);
  const { data, failure, isLoading, reload } = useAnswer(`builds/${path(...id.split("/"))}`, isLive);
  return (
    <>
      <Heading>Build</Heading>
      {isLoading && <Loading />}
      {failure && !data && <Failed failure={failure} again={reload} />}
      {data && (
        <>
          <p class="verdict">
            <BuildBadge build={data} /> {storyOf(data).text}
          </p>
          {storyOf(data).todo && <p>{storyOf(data).todo}</p>}
          <Facts
            facts={[
              ["Repository", <Repository name={data.repository} />],
              ["Commit", <Commit repository={data.repository} sha={data.sha} />],
              ["Built for", data.environment ? `a deployment of ${data.ref} to ${data.environment}` : `a push to ${data.ref}`],
              ["Queued", <Time at={data.queued_at} />],
              ["Posted to it last", data.attempted_at && !data.handed_over_at && <Time at={data.attempted_at} />],
              ["Taken by the build service", data.handed_over_at && <Time at={data.handed_over_at} />],
              ["Last report", data.reported_at && <Time at={data.reported_at} />],
              ["In this state since", <Time at={data.since} />],
              ["Attempts to hand it over", data.attempts],
              ["The build service’s last answer", data.answer],
              ["Log", data.log_url && <Link to={data.log_url} />],
              ["Where it is", data.environment_url && <Link to={data.environment_url} />],
              ["Said on GitHub last", data.on_github && <Badge>{data.on_github}</Badge>],
              ["Why GitHub could not be told", data.github_error],
              ["Build request", data.id],
            ]}
          />
          <ul class="links">
            <li>
              <a href={href(["deliveries"], { build: data.id })}>The deliveries that asked for it</a>
            </li>
            <li>
              <a href={href(["dead-letters"], { build: data.id })}>Dead letters of it</a>
            </li>
            {data.deployment && (
              <li>
                <a href={href(["auto-deployments", ...data.repository.split("/"), data.sha])}>
                  Whether the gate made its deployment
                </a>
              </li>
            )}
            {data.deployment && (
              <li>
                <Link to={`${github}/${data.repository}/deployments`}>The repository’s deployments on GitHub</Link>
              </li>
            )}
          </ul>
          {data.request && (
            <details>
              <summary>The build request, as it is posted</summary>
              <pre tabIndex={0}>{pretty(data.request)}</pre>
            </details>
          )}
        </>
      )}
    </>
  );
}

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const autoLink = (item, text) => <a href={href(["auto-deployments", ...item.repository.split("/"), item.sha])}>{text}</a>;

export const AUTO_COLUMNS = [
  ["First seen", (item) => autoLink(item, <Time at={item.first_seen_at} />)],
  ["Repository", (item) => <Repository name={item.repository} />],
  ["Commit", (item) => <Commit repository={item.repository} sha={item.sha} />],
  ["Environment", (item) => item.environment],
  ["State", (item) => <Badge>{item.state}</Badge>],
  ["Why", (item) => <span class="why"><Sentences text={item.reason} /></span>],
];

export function AutoDeployments({ filters }) {
  const segments = ["auto-deployments"];
  const fields = [
    ["repository", "Repository", "search"],
    ["owner", "Owner", "search"],
    ["state", "State", ["waiting", "red", "superseded", "created", "refused", "timed-out"]],
    ["environment", "Environment", "search"],
    ["sha", "Commit", "search"],
  ];
  return (
    <>
      <Heading>Auto-deployments</Heading>
      <p>The commits that the gate deploys once their checks are green, and what keeps those that it has not deployed.</p>
      <Filters segments={segments} filters={filters} fields={fields} />
      <List
        route="auto-deployments"
        segments={segments}
        filters={filters}
        caption="Auto-deployments, the newest first"
        columns={AUTO_COLUMNS}
        rowKey={(item) => item.id}
        empty="The gate has not looked at any commit yet. It does for repositories whose policy has auto_deploy."
      />
    </>
  );
}

export function AutoDeployment({ repository, sha }) {
  const { github, isLive } = useContext(Session);
  const { data, failure, isLoading, reload } = useAnswer(`auto-deployments?${query({ repository, sha })}`, isLive);
  const [outcome, setOutcome] = useState(null);
  const retry = async () => {
    try {
      await ask(`auto-deployments/${path(...repository.split("/"), sha)}/retry`, { method: "POST" });
      setOutcome({ text: "The gate asks GitHub now; what it finds is here in a few seconds." });
      reload();
    } catch (why) {
      setOutcome({ isBad: true, text: why.message });
    }
  };
  return (
    <>
      <Heading>Auto-deployment</Heading>
      <p>
        Commit <Commit repository={repository} sha={sha} /> of <Repository name={repository} />
      </p>
      {isLoading && <Loading />}
      {failure && !data && <Failed failure={failure} again={reload} />}
      {data && data.items.length === 0 && (
        <Empty>
          Nothing is known of this commit. Either GitHub could not be asked about it yet (the overview says so), or the gate
          does not deploy this repository’s commits, or it never heard of this one.
        </Empty>
      )}
      {data?.items.map((item) => (
        <section key={item.id}>
          <h2>{item.environment}</h2>
          <p class="verdict">
            <Badge>{item.state}</Badge> <Sentences text={item.reason} />
          </p>
          <Facts
            facts={[
              ["Branch", item.branch],
              ["First seen", <Time at={item.first_seen_at} />],
              ["In this state since", <Time at={item.since} />],
              ["Looked at again", item.look_at && <Time at={item.look_at} />],
              [
                "Deployment",
                item.deployment && (
                  <a href={href(["builds", `deployment:${item.repository.toLowerCase()}:${item.deployment}`])}>
                    its build
                  </a>
                ),
              ],
              [
                "The delivery that hinted at it",
                item.delivery && <a href={href(["deliveries"], { delivery: item.delivery })}>{item.delivery}</a>,
              ],
            ]}
          />
        </section>
      ))}
      {data && data.items.some((item) => item.state !== "created") && (
        <p>
          <button type="button" onClick={retry}>
            Look at it again now
          </button>
        </p>
      )}
      <Outcome outcome={outcome} />
      <p>
        <Link to={`${github}/${repository}/commit/${sha}/checks`}>The commit’s checks on GitHub</Link>
      </p>
    </>
  );
}

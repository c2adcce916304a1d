// The repositories that are linked, and the story of one: its policy, what would happen now, and what happened last.

import { useContext, useEffect, useState } from "preact/hooks";

import { ask, path, query, useAnswer } from "../api.js";
import { Badge, Command, Facts, Filters, Heading, Link, Loading, Failed, Outcome, Sentences, Session, Time } from "../parts.jsx";
import { HINTS, storyOf } from "../hints.js";
import { go, href } from "../route.js";
import { AUTO_COLUMNS, BUILD_COLUMNS, BuildBadge, DELIVERY_COLUMNS, List } from "./lists.jsx";
import { LETTER_COLUMNS } from "./letters.jsx";

const place = (name) => href(["repositories", ...name.split("/")]);

const COLUMNS = [
  ["Repository", (item) => <a href={place(item.repository)}>{item.repository}</a>],
  ["Trigger", (item) => (item.policy ? item.policy.trigger : <Badge>error</Badge>)],
  [
    "A push",
    (item) => (
      <>
        {item.comes_to?.push ?? <Sentences text={item.problem} />}
        {item.policy?.auto_deploy && `; once it is green, it ${item.comes_to.green}`}
      </>
    ),
  ],
  [
    "Last delivery",
    (item) =>
      item.last_delivery ? (
        <>
          <a href={href(["deliveries", item.last_delivery.id])}>
            <Time at={item.last_delivery.at} />
          </a>{" "}
          <code>{item.last_delivery.code}</code>
        </>
      ) : (
        <span class="none">none</span>
      ),
  ],
  [
    "Last build",
    (item) =>
      item.last_build ? (
        <>
          <a href={href(["builds", item.last_build.id])}>
            <Time at={item.last_build.since} />
          </a>{" "}
          <BuildBadge build={item.last_build} />
        </>
      ) : (
        <span class="none">none</span>
      ),
  ],
];

export function Repositories({ filters }) {
  const segments = ["repositories"];
  return (
    <>
      <Heading>Repositories</Heading>
      <p>Those that a policy is set for. One that is not here is refused, unless its owner has a policy for all of theirs.</p>
      <Filters segments={segments} filters={filters} fields={[["search", "The name begins with", "search"]]} />
      <List
        route="repositories"
        segments={segments}
        filters={filters}
        caption="Repositories, by their names"
        columns={COLUMNS}
        rowKey={(item) => item.repository}
        empty="No policy is set yet. Type a repository’s name above to set one."
      />
    </>
  );
}

// A policy, as it is edited: a trigger by itself, or all of it as JSON.
function Policy({ name, stored, onSaved }) {
  const current = stored?.policy ?? null;
  const isOwn = stored?.key === name.toLowerCase();
  const [text, setText] = useState("");
  const [isJson, setIsJson] = useState(false);
  const [trigger, setTrigger] = useState("");
  const [planned, setPlanned] = useState(null);
  const [outcome, setOutcome] = useState(null);
  const currentText = JSON.stringify(current);
  useEffect(() => {
    setTrigger(current?.trigger ?? "");
    setText(current ? JSON.stringify(current, null, 2) : "");
    setIsJson(current !== null && Object.keys(current).length > 1);
    setPlanned(null);
  }, [currentText]);
  const route = `repositories/${path(...name.split("/"))}`;
  const body = isJson ? text : trigger;

  const plan = async (options) => {
    setOutcome(null);
    try {
      setPlanned({ options, ...(await ask(`${route}?dry_run=true`, options)) });
    } catch (why) {
      setPlanned(null);
      setOutcome({ isBad: true, text: why.message });
    }
  };
  const save = async () => {
    try {
      const saved = await ask(route, planned.options);
      setPlanned(null);
      setOutcome({ text: `Saved. ${saved.message}` });
      onSaved(saved);
    } catch (why) {
      setOutcome({ isBad: true, text: why.message });
    }
  };
  const submit = (event) => {
    event.preventDefault();
    plan({ method: "PUT", body });
  };
  const edited = (set) => (event) => {
    set(event.currentTarget.value);
    setPlanned(null);
  };

  return (
    <details>
      <summary>{isOwn ? "Change the policy" : "Set a policy of its own"}</summary>
      <form class="policy" onSubmit={submit}>
        {!isJson && (
          <fieldset>
            <legend>What builds?</legend>
            {[
              ["commit", "Every push to the default branch"],
              ["deployment", "Deployments only: the push that comes along is ignored"],
              ["manual", "Nothing: no webhook builds"],
            ].map(([word, meaning]) => (
              <label>
                <input type="radio" name="trigger" value={word} checked={trigger === word} onChange={edited(setTrigger)} />{" "}
                <strong>{word}</strong> {meaning}
              </label>
            ))}
          </fieldset>
        )}
        {isJson && (
          <label>
            The policy, as JSON
            <textarea rows={10} spellcheck={false} value={text} onInput={edited(setText)} />
            <span class="why">
              Fields: <code>trigger</code>, <code>environments</code>, <code>branches</code>, <code>build_when</code>,{" "}
              <code>repository_id</code>, <code>auto_deploy</code> with <code>environments</code>, <code>branches</code> and{" "}
              <code>contexts</code>.
            </span>
          </label>
        )}
        <p class="buttons">
          <button type="submit" class="primary" disabled={body.trim() === ""}>
            Show what would change
          </button>
          <button
            type="button"
            onClick={() => {
              setIsJson(!isJson);
              setPlanned(null);
              if (!isJson && text === "") setText(JSON.stringify({ trigger: trigger || "deployment" }, null, 2));
            }}
          >
            {isJson ? "Choose a trigger only" : "Edit as JSON"}
          </button>
          {isOwn && (
            <button type="button" onClick={() => plan({ method: "DELETE" })}>
              Delete it
            </button>
          )}
        </p>
      </form>
      <Outcome outcome={outcome} />
      {planned && (
        <section class="note" aria-live="polite">
          <h3>What would change</h3>
          {planned.changes.length === 0 ? (
            <p>Nothing becomes different by it.</p>
          ) : (
            <ul>
              {planned.changes.map((change) => (
                <li>
                  <strong>{WHAT[change.what]}</strong> now {change.before}; then it {change.after}.
                </li>
              ))}
            </ul>
          )}
          <p class="buttons">
            <button type="button" class={planned.options.method === "DELETE" ? "dangerous" : "primary"} onClick={save}>
              {planned.options.method === "DELETE" ? "Delete it" : "Save it"}
            </button>
            <button type="button" onClick={() => setPlanned(null)}>
              Cancel
            </button>
          </p>
        </section>
      )}
    </details>
  );
}

const WHAT = { push: "A push", deployment: "A deployment", green: "A commit whose checks are green" };

// What came of the last things that happened, the newest first: what its owner asks about is most often one of them.
function InShort({ name }) {
  const { isLive } = useContext(Session);
  const of = { repository: name };
  const deliveries = useAnswer(`deliveries?${query({ ...of, limit: 20 })}`, isLive).data?.items;
  const builds = useAnswer(`builds?${query({ ...of, limit: 1 })}`, isLive).data?.items;
  const autos = useAnswer(`auto-deployments?${query({ ...of, limit: 1 })}`, isLive).data?.items;
  if (!deliveries || !builds || !autos) return <Loading />;
  const [build] = builds;
  const [auto] = autos;
  const events = ["push", "deployment", "deployment_status"];
  // What was found at the commit says more than that it is looked at.
  const isTold = (item) => item.build || (auto && item.code === "auto-deployment-queued");
  const delivery = deliveries.find((item) => !isTold(item) && (events.includes(item.event) || item.outcome === "rejected"));
  const parts = [];
  if (build) {
    const { text, todo } = storyOf(build);
    parts.push({
      at: build.queued_at,
      title: <a href={href(["builds", build.id])}>The last build</a>,
      badge: <BuildBadge build={build} />,
      text: (
        <>
          {text}. {todo} {build.log_url && <Link to={build.log_url}>Its log</Link>}
        </>
      ),
    });
  }
  if (auto && auto.state !== "created") {
    parts.push({
      at: auto.first_seen_at,
      title: <a href={href(["auto-deployments", ...name.split("/"), auto.sha])}>Commit {auto.sha.slice(0, 7)}</a>,
      badge: <Badge>{auto.state}</Badge>,
      text: (
        <>
          not deployed to {auto.environment}: <Sentences text={auto.reason} />
        </>
      ),
    });
  }
  if (delivery) {
    parts.push({
      at: delivery.at,
      title: <a href={href(["deliveries", delivery.id])}>The last {delivery.event} that built nothing</a>,
      badge: <Badge>{delivery.outcome}</Badge>,
      text: (
        <>
          <Sentences text={delivery.message} /> {HINTS[delivery.code] && <strong>For you:</strong>} {HINTS[delivery.code]}
        </>
      ),
    });
  }
  if (parts.length === 0) return null;
  parts.sort((one, other) => (one.at < other.at ? 1 : -1));
  return (
    <section class="note" aria-labelledby="in-short">
      <h2 id="in-short">In short</h2>
      <ul class="story">
        {parts.map(({ at, title, badge, text }) => (
          <li>
            {title}, <Time at={at} /> {badge}
            <div>{text}</div>
          </li>
        ))}
      </ul>
    </section>
  );
}

// What the gate is at GitHub for this repository: asked for only where somebody wants to know, for it asks GitHub.
function AtGitHub({ name }) {
  const [isAsked, setIsAsked] = useState(false);
  const { data, failure, isLoading, reload } = useAnswer(isAsked ? `app?${query({ repository: name })}` : null);
  if (!isAsked) {
    return (
      <button type="button" onClick={() => setIsAsked(true)}>
        Ask GitHub whether the App is installed there
      </button>
    );
  }
  if (isLoading) return <Loading />;
  if (failure) return <Failed failure={failure} again={reload} />;
  if (data.kind === "nobody") return <p>The gate is no App there: it makes no deployments, and says nothing of builds.</p>;
  if (data.kind === "token") return <p>The gate uses a token there, and the repository needs a webhook of its own.</p>;
  const [installation] = data.installations;
  if (!installation) {
    return (
      <p>
        The App is not installed on it, so only a webhook of its own delivers.{" "}
        <Link to={`${data.app.html_url}/installations/new`}>Install the App</Link>
      </p>
    );
  }
  const lacks = [...installation.lacks_permissions, ...installation.lacks_events];
  return (
    <p>
      The App is installed{installation.is_suspended && ", and suspended"}.
      {lacks.length > 0 && ` It lacks: ${lacks.join(", ")}.`}
    </p>
  );
}

export function RepositoryPage({ owner, name }) {
  const { github } = useContext(Session);
  const full = `${owner}/${name}`;
  const isAll = name === "*";
  const { data, failure, isLoading, reload } = useAnswer(`repositories/${path(owner, name)}`);
  const isUnlinked = failure?.code === "repository-not-linked";
  const of = isAll ? { owner } : { repository: full };
  const [saved, setSaved] = useState(null);
  const isSaved = saved?.name === full;
  const stored = isSaved ? saved.stored : isUnlinked ? null : data;
  const onSaved = (change) => {
    // What KV reads back may be older than what it was told just now.
    const key = full.toLowerCase();
    setSaved({ name: full, stored: change.policy && { ...stored, key, policy: change.policy, problem: null, comes_to: null } });
  };
  const part = (route, columns, caption, empty, filters = of) => (
    <List
      route={route}
      segments={[route]}
      filters={filters}
      caption={caption}
      columns={isAll ? columns : columns.filter(([heading]) => heading !== "Repository")}
      empty={empty}
      rowKey={(item) => item.id}
      limit={10}
      isPaged={false}
    />
  );
  return (
    <>
      <Heading>{isAll ? `All repositories of ${owner}` : full}</Heading>
      {isLoading && <Loading />}
      {failure && !isUnlinked && !data && <Failed failure={failure} again={reload} />}
      {!isLoading && (isSaved || data || isUnlinked) && (
        <>
          {!stored && (
            <p class="note failed">
              <strong>It is not linked:</strong> no policy is set for it, so everything that GitHub delivers of it is
              refused, and nothing is built. Set one below; what was refused is built once it is redelivered.
            </p>
          )}
          {stored?.problem && (
            <p class="note failed">
              <strong>Its policy cannot be used,</strong> so everything that GitHub delivers of it is refused:{" "}
              <Sentences text={stored.problem} /> Correct it below.
            </p>
          )}
          {!isAll && <InShort name={full} />}
          <section aria-labelledby="policy">
            <h2 id="policy">Policy</h2>
            {stored?.policy && (
              <Facts
                facts={[
                  ["Trigger", stored.policy.trigger],
                  ["Set for", stored.key === full.toLowerCase() ? null : `all of the owner’s: ${stored.key}`],
                  ["A push", stored.comes_to?.push],
                  ["A deployment", stored.comes_to?.deployment],
                  ["A commit whose checks are green", stored.comes_to?.green],
                  ["As it is stored", Object.keys(stored.policy).length > 1 && <pre tabIndex={0}>{JSON.stringify(stored.policy, null, 2)}</pre>],
                ]}
              />
            )}
            <Policy name={full} stored={stored} onSaved={onSaved} />
          </section>
          {!isAll && (
            <section aria-labelledby="webhook">
              <h2 id="webhook">Webhook or App</h2>
              <p>
                Its own webhook’s Payload URL: <Command>{`${window.location.origin}/${full}`}</Command>
              </p>
              <p>
                <Link to={`${github}/${full}/settings/hooks`}>Its webhooks on GitHub</Link>
              </p>
              <AtGitHub name={full} />
            </section>
          )}
          <section aria-labelledby="deliveries">
            <h2 id="deliveries">
              Last deliveries <a class="more" href={href(["deliveries"], of)}>all</a>
            </h2>
            {part(
              "deliveries",
              DELIVERY_COLUMNS,
              "Its last deliveries",
              "GitHub has delivered nothing of it that could be verified: it has no webhook that points here, the App is not installed on it, or the webhook’s secret is not the gate’s. Recent Deliveries, at its webhooks on GitHub, tell which; the overview counts what was forged, without saying whose it was.",
            )}
          </section>
          <section aria-labelledby="builds">
            <h2 id="builds">
              Last builds <a class="more" href={href(["builds"], of)}>all</a>
            </h2>
            {part("builds", BUILD_COLUMNS, "Its last builds", "Nothing of it was built.")}
          </section>
          <section aria-labelledby="autos">
            <h2 id="autos">
              Last auto-deployments <a class="more" href={href(["auto-deployments"], of)}>all</a>
            </h2>
            {part("auto-deployments", AUTO_COLUMNS, "Its last auto-deployments", "The gate has looked at none of its commits: it does where the policy has auto_deploy.")}
          </section>
          <section aria-labelledby="letters">
            <h2 id="letters">
              Dead letters <a class="more" href={href(["dead-letters"], of)}>all</a>
            </h2>
            {part("dead-letters", LETTER_COLUMNS, "Its dead letters", "None.", { ...of, redriven: "no" })}
          </section>
        </>
      )}
    </>
  );
}

// The search in the head of every page: straight to a repository, whether it is linked or not.
export function Search() {
  const [text, setText] = useState("");
  const search = text.trim().toLowerCase();
  const { data } = useAnswer(search.length > 1 ? `repositories?${query({ search, limit: 8 })}` : null);
  const submit = (event) => {
    event.preventDefault();
    // As it is written, or as its page's URL has it.
    const [owner, name, ...rest] = text.trim().replace(/^https?:\/\/[^/]+\//, "").replace(/(\.git)?\/?$/, "").split("/");
    if (owner && name && rest.length === 0) go(["repositories", owner, name]);
    else if (search) go(["repositories"], { search });
    setText("");
  };
  return (
    <form class="search" role="search" aria-label="Find a repository" onSubmit={submit}>
      <label class="by-ear" for="find">
        Find a repository
      </label>
      <input
        id="find"
        type="search"
        list="found"
        placeholder="owner/repository"
        autoComplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <datalist id="found">
        {data?.items.map((item) => (
          <option value={item.repository} />
        ))}
      </datalist>
      <button type="submit">Why?</button>
    </form>
  );
}

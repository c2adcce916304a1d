// The console: whoever is signed in sees the page that the URL names; anybody else signs in.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ask } from "./api.js";
import { Failed, Heading, Loading, Outcome, Session, Time } from "./parts.jsx";
import { AutoDeployment, AutoDeployments, Build, Builds, Deliveries, Delivery } from "./pages/lists.jsx";
import { Letter, Letters } from "./pages/letters.jsx";
import { Overview } from "./pages/overview.jsx";
import { Repositories, RepositoryPage, Search } from "./pages/repositories.jsx";
import { href, useRoute } from "./route.js";

const PAGES = [
  ["", "Overview"],
  ["deliveries", "Deliveries"],
  ["builds", "Builds"],
  ["auto-deployments", "Auto-deployments"],
  ["dead-letters", "Dead letters"],
  ["repositories", "Repositories"],
];

function Page({ route: { segments, filters } }) {
  const [page, ...rest] = segments;
  switch (page) {
    case undefined:
      return <Overview filters={filters} />;
    case "deliveries":
      return rest.length > 0 ? <Delivery id={rest.join("/")} /> : <Deliveries filters={filters} />;
    case "builds":
      return rest.length > 0 ? <Build id={rest.join("/")} /> : <Builds filters={filters} />;
    case "auto-deployments":
      return rest.length === 3 ? (
        <AutoDeployment repository={`${rest[0]}/${rest[1]}`} sha={rest[2]} />
      ) : (
        <AutoDeployments filters={filters} />
      );
    case "dead-letters":
      return rest.length > 0 ? <Letter id={rest.join("/")} /> : <Letters filters={filters} />;
    case "repositories":
      return rest.length === 2 ? <RepositoryPage owner={rest[0]} name={rest[1]} /> : <Repositories filters={filters} />;
    default:
      return (
        <>
          <Heading>There is no such page</Heading>
          <p>
            <a href={href([])}>Go to the overview</a>
          </p>
        </>
      );
  }
}

function SignIn({ onSignedIn }) {
  const [outcome, setOutcome] = useState(null);
  const [isAsking, setIsAsking] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setIsAsking(true);
    setOutcome(null);
    try {
      // What answers 303 leads to the page that is here already.
      const answer = await fetch("/-/session", { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
      if (answer.type === "opaqueredirect") {
        form.reset();
        onSignedIn();
        return;
      }
      setOutcome({ isBad: true, text: (await answer.json()).message });
    } catch {
      setOutcome({ isBad: true, text: "The gate does not answer. Is it running, and are you online?" });
    } finally {
      setIsAsking(false);
    }
  };
  return (
    <main class="sign-in">
      <Heading>Sign in</Heading>
      <p>This is the console of a buildgate, for the operator of the build service.</p>
      <form method="post" action="/-/session" onSubmit={submit}>
        <label for="token">The gate’s OPERATOR_TOKEN</label>
        <input id="token" name="token" type="password" autoComplete="current-password" required />
        <button type="submit" class="primary" disabled={isAsking}>
          {isAsking ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <Outcome outcome={outcome} />
      <p class="hint">
        Owners of repositories need no console: what each delivery was answered, and why, is on GitHub under Settings,
        Webhooks, Recent Deliveries. <a href="/help">What the answers mean</a>
      </p>
    </main>
  );
}

const LIVE = "buildgate-live";

function Console() {
  const route = useRoute();
  const [session, setSession] = useState(null);
  const [failure, setFailure] = useState(null);
  const [isLive, setIsLive] = useState(() => localStorage.getItem(LIVE) !== "no");
  const load = async () => {
    setFailure(null);
    try {
      const session = await ask("session");
      setSession(session.by !== "nobody" && session);
    } catch (why) {
      setFailure(why);
    }
  };
  useEffect(() => {
    load();
    const signedOut = () => setSession(false);
    window.addEventListener("signed-out", signedOut);
    return () => window.removeEventListener("signed-out", signedOut);
  }, []);

  if (failure) {
    return (
      <main>
        <Failed failure={failure} again={load} />
      </main>
    );
  }
  if (session === null) {
    return (
      <main>
        <Loading />
      </main>
    );
  }
  if (session === false) return <SignIn onSignedIn={load} />;

  const toggle = () => {
    localStorage.setItem(LIVE, isLive ? "no" : "yes");
    setIsLive(!isLive);
  };
  const signOut = async () => {
    try {
      const { go_to: goTo } = await ask("session", { method: "DELETE" });
      if (goTo) window.location.href = goTo;
      else setSession(false);
    } catch (why) {
      if (why.status !== 401) setFailure(why);
    }
  };
  const page = route.segments[0] ?? "";
  return (
    <Session.Provider value={{ github: session.github, isLive }}>
      <a class="skip" href="#matter" onClick={(event) => { event.preventDefault(); document.querySelector("h1")?.focus(); }}>
        Skip to the page
      </a>
      <header>
        <a class="brand" href={href([])}>
          buildgate{session.local && " (local)"}
        </a>
        <nav aria-label="Console">
          {PAGES.map(([word, name]) => (
            <a href={href(word ? [word] : [])} aria-current={page === word ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <Search />
        <div class="session">
          <label>
            <input type="checkbox" checked={isLive} onChange={toggle} /> Live
          </label>
          <button type="button" class="small" onClick={signOut}>
            Sign out
          </button>
        </div>
      </header>
      <main id="matter">
        <Page key={route.segments.join("/")} route={route} />
      </main>
      <footer>
        {session.email ? `Signed in as ${session.email}. ` : ""}
        {session.until && (
          <>
            Signed in; that ends <Time at={session.until} />.{" "}
          </>
        )}
        buildgate {session.version}
      </footer>
    </Session.Provider>
  );
}

render(<Console />, document.getElementById("console"));

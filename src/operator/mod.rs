//! The operator looks after the gate, by the routes under `/-/`: admitted → asked for → ledger, queues → answer.

pub mod answer;
pub mod console;
pub mod health;
pub mod query;
pub mod repositories;
pub mod session;
pub mod token;

use std::cell::RefCell;
use std::collections::HashMap;

use crate::breaker::Breaker;
use crate::build::Build;
use crate::github::api::{AppFacts, AppHook, Call, Failure, Installation};
use crate::github::app::NoIdentity;
use crate::github::limit::Limit;
use crate::github::{GitHub, Page, gather};
use crate::journal::settings;
use crate::ledger::dead_letters::{DeadLetterSummary, StoredDeadLetter};
use crate::ledger::{
    self, alerts, auto_deployments, builds, dead_letters, held, journal, last, marks, outbox,
    sessions, sweeps,
};
use crate::log;
use crate::message::Work;
use crate::message::alert::Kind;
use crate::message::dead_letter::Filter;
use crate::message::github_job::{AutoDeploy, Job};
use crate::platform::access::{self, Admitted, Context};
use crate::platform::d1::Questions;
use crate::platform::env::Env;
use crate::platform::request::{BodyError, Bounds, Request, SMALL, headers, read_body};
use crate::platform::response::{self, Header, Response};
use crate::platform::{self, Error, kv};
use crate::policy::lookup;
use crate::progress;
use crate::published::is_published;
use crate::repository::{GitHubUrl, RepositoryName, Sha};
use crate::route::{NoRoute, OperatorRoute, SessionRoute};
use crate::sending;
use crate::signature::standard_webhooks::OriginSecrets;
use crate::sweep;
use crate::time::rfc3339;
use crate::url::{Location, check_to_post, is_local};
use answer::{
    AppHookSet, DoneToAll, Dropped, Identity, ListPage, NotDone, Redriven, Refusal, Retried,
    SignedIn, SignedOut, json, letter_id, next_of,
};
use health::{Facts, Known, health};
use query::Repositories;
use repositories::{Changed, Key, Stored, StoredPage};
use session::{Patience, Session};
use token::OperatorToken;

/// How much of a path stands in the log, in bytes.
const LONGEST_PATH: usize = 300;

const NO_STORE: Header = ("Cache-Control", "no-store");
/// What is answered is what it is said to be.
const NO_SNIFF: Header = ("X-Content-Type-Options", "nosniff");

/// Where Cloudflare Access ends its own session
/// (<https://developers.cloudflare.com/cloudflare-one/access-controls/access-settings/session-management/>).
const ACCESS_LOGOUT: &str = "/cdn-cgi/access/logout";

thread_local! {
    /// How long a wrong token is let wait.
    static PATIENCE: RefCell<Patience> = RefCell::default();
}

/// Where the policies lie.
const POLICIES: &str = "REPO_TRIGGERS";

/// How long an edge of Cloudflare's keeps what it has read from KV, in seconds: the least that can be asked for.
const KV_CACHE: u32 = 30;

/// How many dead letters are redriven by one request: each takes some calls, of which the free plan grants 50 to a request
/// (<https://developers.cloudflare.com/workers/platform/limits/#subrequests>).
const AT_ONCE: u64 = 10;

/// The reason of a dead letter that cannot be read.
const UNREADABLE: &str = "message-unreadable";

/// How much of a body is read.
const BOUNDS: Bounds = Bounds {
    most: SMALL,
    together: 50 * 1024 * 1024,
    reserve: 2 * 1024 * 1024,
    milliseconds: 8_000,
};

/// The door to the operator's routes.
pub struct Door {
    /// The operator's token, if there is one.
    token: Option<OperatorToken>,
    /// Whom Cloudflare Access has let in, where it stands before the gate.
    access: Option<Admitted>,
}

/// By what somebody is let in.
enum By {
    Token,
    Session(Session),
    Access,
}

/// The door of a gate that is reached at this URL: none where there is neither a token that is good for it nor anybody whom
/// Access has let in, and so there are no operator's routes.
pub fn door(env: &Env, context: &Context, gate: &str) -> Option<Door> {
    let token = OperatorToken::new(env.text("OPERATOR_TOKEN"), is_local(gate));
    let access = access::admitted(context);
    (token.is_some() || access.is_some()).then_some(Door { token, access })
}

/// Gives a browser the console's page.
pub fn console() -> Result<Response, Error> {
    response::with(
        200,
        console::PAGE,
        &[
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", console::CONTENT_SECURITY_POLICY),
            NO_SNIFF,
            ("Referrer-Policy", "no-referrer"),
            NO_STORE,
        ],
    )
}

/// Answers a request to an operator's route, from whoever is let in.
pub async fn answer(
    request: &Request,
    env: &Env,
    location: &Location<'_>,
    asked: Result<OperatorRoute, NoRoute>,
    door: &Door,
) -> Result<Response, Error> {
    let result = match admit(request, env, location.gate, door).await {
        Ok(_) => match asked {
            Ok(route) => perform(route, request, env, location).await,
            Err(why) => Err(why.into()),
        },
        Err(refusal) => Err(refusal),
    };
    answered(request, location, result)
}

/// Logs what became of a request, and answers it.
fn answered(
    request: &Request,
    location: &Location<'_>,
    result: Result<String, Refusal>,
) -> Result<Response, Error> {
    let refusal = result.as_ref().err();
    let (code, status) = refusal.map_or(("done", 200), Refusal::codes);
    let method = &request.method();
    platform::log(&log::Line::Operator { method, path: beginning(location.path), code, status });
    let headers: Vec<Header> =
        [NO_STORE, NO_SNIFF].into_iter().chain(refusal.and_then(Refusal::header)).collect();
    let body = match result {
        Ok(body) => body,
        Err(refusal) => refusal.body().map_err(|error| error.to_string())?,
    };
    response::json(status, body, &headers)
}

/// Lets somebody in, or says why not.
async fn admit(request: &Request, env: &Env, gate: &str, door: &Door) -> Result<By, Refusal> {
    let header = headers(request);
    if let Some(authorization) = header("Authorization") {
        if door.token.as_ref().is_some_and(|token| token.admits(Some(&authorization))) {
            return Ok(By::Token);
        }
        let_wait().await;
        return Err(Refusal::Unauthorized);
    }
    let by = if door.access.is_some() {
        By::Access
    } else {
        let (token, cookies) = (door.token.as_ref(), header("Cookie"));
        let (token, cookies) = token.zip(cookies).ok_or(Refusal::Unauthorized)?;
        let session = Session::of_cookies(&cookies, token, platform::now());
        let session = session.ok_or(Refusal::Unauthorized)?;
        // A ledger that does not answer ends no session.
        if sessions::is_ended(env, &session.id).await.unwrap_or(false) {
            return Err(Refusal::Unauthorized);
        }
        By::Session(session)
    };
    // A browser sends these along whichever page asks: for a change, the page has to be the console.
    let changes = !matches!(request.method().as_str(), "GET" | "HEAD");
    if changes && header("Origin").as_deref() != Some(gate) {
        return Err(Refusal::CrossOrigin);
    }
    Ok(by)
}

/// Lets whoever gave a wrong token wait.
async fn let_wait() {
    let delay = PATIENCE.with_borrow_mut(|patience| patience.wrong_at(platform::now()));
    platform::wait(delay).await;
}

/// Begins or ends a session of the console, or says whose it is.
pub async fn session(
    request: &Request,
    env: &Env,
    location: &Location<'_>,
    what: SessionRoute,
    door: &Door,
) -> Result<Response, Error> {
    let done = match what {
        SessionRoute::Begin => begin_session(request, env, location.gate, door).await,
        SessionRoute::Show => {
            let by = admit(request, env, location.gate, door).await.ok();
            let signed_in = signed_in(env, location.gate, door, by).await;
            return answered(request, location, signed_in);
        }
        SessionRoute::End => match admit(request, env, location.gate, door).await {
            Ok(by) => end_session(env, by).await,
            Err(refusal) => Err(refusal),
        },
    };
    let (body, cookie) = match done {
        Ok(done) => done,
        Err(refusal) => return answered(request, location, Err(refusal)),
    };
    // Who has signed in is led to the console.
    let status = if what == SessionRoute::Begin { 303 } else { 200 };
    let (method, code) = (&request.method(), "done");
    platform::log(&log::Line::Operator { method, path: location.path, code, status });
    let json = ("Content-Type", "application/json");
    let mut headers = vec![json, ("Set-Cookie", cookie.as_str()), NO_STORE, NO_SNIFF];
    if status == 303 {
        headers.push(("Location", "/-/"));
    }
    response::with(status, &body, &headers)
}

/// Begins a session for whoever gives the token: gives the answer's body and the header `Set-Cookie`.
async fn begin_session(
    request: &Request,
    env: &Env,
    gate: &str,
    door: &Door,
) -> Result<(String, String), Refusal> {
    // Another page could otherwise sign somebody in as whom it likes. (Who asks without a browser sends no such header.)
    if headers(request)("Origin").is_some_and(|origin| origin != gate) {
        return Err(Refusal::CrossOrigin);
    }
    let body = body(request).await?;
    let given = form_urlencoded::parse(&body).find(|(name, _)| name == "token");
    let token = door.token.as_ref().zip(given).filter(|(token, (_, given))| token.is(given));
    let Some((token, _)) = token else {
        let_wait().await;
        return Err(Refusal::WrongToken);
    };
    let now = platform::now();
    // What has ended by itself need not be kept.
    let _ = sessions::forget(env, now).await;
    let session = Session::begin(now, platform::crypto::random());
    Ok((String::new(), session.set_cookie(token, now)))
}

/// As much of a path as says which route it is: anybody can ask for any.
fn beginning(path: &str) -> &str {
    path.get(..LONGEST_PATH).unwrap_or(path)
}

/// Ends a session: gives the answer's body and the header `Set-Cookie`.
async fn end_session(env: &Env, by: By) -> Result<(String, String), Refusal> {
    if let By::Session(session) = &by {
        let ended = sessions::end(env, &session.id, session.until).await;
        ended.map_err(Refusal::LedgerUnavailable)?;
    }
    let go_to = matches!(by, By::Access).then(|| ACCESS_LOGOUT.to_owned());
    Ok((json(&SignedOut { go_to })?, Session::unset_cookie()))
}

/// Who is signed in, if somebody is.
async fn signed_in(env: &Env, gate: &str, door: &Door, by: Option<By>) -> Result<String, Refusal> {
    let (name, until) = match &by {
        None => ("nobody", None),
        Some(By::Token) => ("token", None),
        Some(By::Session(session)) => ("session", Some(rfc3339(session.until))),
        Some(By::Access) => ("access", None),
    };
    let email = match (&by, &door.access) {
        (Some(By::Access), Some(admitted)) => admitted.email().await.unwrap_or_default(),
        _ => None,
    };
    let github = GitHubUrl::parse(env.text("GITHUB_URL").as_deref());
    json(&SignedIn {
        by: name.to_owned(),
        until,
        email,
        local: is_local(gate),
        github: github.map(|github| github.to_string()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Does what the operator asks for, and gives the answer's JSON.
async fn perform(
    route: OperatorRoute,
    request: &Request,
    env: &Env,
    location: &Location<'_>,
) -> Result<String, Refusal> {
    let no_such_letter = |id: u64| Refusal::NoSuchLetter(id.to_string());
    match route {
        OperatorRoute::Health => json(&health(&facts(env, location.gate).await)),
        OperatorRoute::ListSweeps => {
            let filter = query::sweeps(location.query)?;
            let items = sweeps::list(env, &filter).await.map_err(Refusal::LedgerUnavailable)?;
            json(&ListPage::of(items, filter.limit, |last| last.id))
        }
        OperatorRoute::Sweep => {
            let swept = sweep::run(env, true).await.map_err(Refusal::LedgerUnavailable)?;
            let swept = swept.ok_or_else(|| Refusal::NoApp(NoIdentity::Unset.to_string()))?;
            platform::log(&sweep::line(&swept));
            json(&swept)
        }
        OperatorRoute::ListDeliveries => {
            let filter = query::deliveries(location.query)?;
            let items = journal::list(env, &filter).await.map_err(Refusal::LedgerUnavailable)?;
            json(&ListPage::of(items, filter.limit, |last| last.id.clone()))
        }
        OperatorRoute::ShowDelivery(id) => {
            let found = journal::find(env, &id).await.map_err(Refusal::LedgerUnavailable)?;
            json(&found.ok_or(Refusal::NoSuchDelivery(id))?)
        }
        OperatorRoute::Counts => {
            let (since, until) = query::counts(location.query, platform::now())?;
            let items = journal::counts(env, since, until).await;
            let items = items.map_err(Refusal::LedgerUnavailable)?;
            json(&ListPage::<_> { items, next: None })
        }
        OperatorRoute::ListBuilds => {
            let filter = query::builds(location.query)?;
            let listed = builds::list(env, &filter).await.map_err(Refusal::LedgerUnavailable)?;
            let (items, last) = listed;
            let is_full = items.len() as u64 == filter.limit;
            json(&ListPage { items, next: last.filter(|_| is_full) })
        }
        OperatorRoute::ShowBuild(id) => {
            let build = builds::show(env, &id).await.map_err(Refusal::LedgerUnavailable)?;
            json(&build.ok_or(Refusal::NoSuchBuild(id))?)
        }
        OperatorRoute::ListAutoDeployments => {
            let filter = query::auto_deployments(location.query)?;
            let items = auto_deployments::list(env, &filter).await;
            let items = items.map_err(Refusal::LedgerUnavailable)?;
            json(&ListPage::of(items, filter.limit, |last| last.id))
        }
        OperatorRoute::RetryAutoDeployment { repository, sha } => {
            retry_auto_deployment(env, &repository, &sha).await
        }
        OperatorRoute::ShowApp => json(&identity(env, query::app(location.query)?).await?),
        OperatorRoute::SetAppHook => set_app_hook(env, location.gate).await,
        OperatorRoute::ListLetters => {
            let filter = query::letters(location.query)?;
            json(&dead_letters::list(env, &filter).await.map_err(Refusal::LedgerUnavailable)?)
        }
        OperatorRoute::RedriveLetters => {
            let filter = query::letters_to_redrive(location.query)?;
            json(&redrive_letters(env, filter).await?)
        }
        OperatorRoute::DropLetters => {
            let filter = query::letters_to_drop(location.query)?;
            let done = dead_letters::delete_all(env, &filter).await;
            let done = done.map_err(Refusal::LedgerUnavailable)?;
            json(&DoneToAll { done, ..DoneToAll::default() })
        }
        OperatorRoute::ListRepositories => {
            json(&list_repositories(env, &query::repositories(location.query)?).await?)
        }
        OperatorRoute::ShowRepository(owner, name) => {
            json(&show_repository(env, Key::of(&owner, &name)?).await?)
        }
        OperatorRoute::SetPolicy(owner, name) => {
            let (key, is_dry) = (Key::of(&owner, &name)?, query::dry_run(location.query)?);
            let value = repositories::to_set(&key.key, &body(request).await?)?;
            json(&change_policy(env, &key, Some(&value), is_dry).await?)
        }
        OperatorRoute::DeletePolicy(owner, name) => {
            let (key, is_dry) = (Key::of(&owner, &name)?, query::dry_run(location.query)?);
            json(&change_policy(env, &key, None, is_dry).await?)
        }
        OperatorRoute::ShowLetter(id) => {
            let id = letter_id(&id)?;
            let letter = dead_letters::find(env, id).await.map_err(Refusal::LedgerUnavailable)?;
            json(&letter.ok_or_else(|| no_such_letter(id))?)
        }
        OperatorRoute::RedriveLetter(id) => {
            let id = letter_id(&id)?;
            let letter = dead_letters::find(env, id).await.map_err(Refusal::LedgerUnavailable)?;
            let letter = letter.ok_or_else(|| no_such_letter(id))?;
            if letter.summary.reason == UNREADABLE {
                return Err(Refusal::Unreadable(id));
            }
            json(&redrive(env, letter).await?)
        }
        OperatorRoute::DropLetter(id) => {
            let id = letter_id(&id)?;
            match dead_letters::delete(env, id).await.map_err(Refusal::LedgerUnavailable)? {
                true => json(&Dropped { id }),
                false => Err(no_such_letter(id)),
            }
        }
    }
}

/// Puts a dead letter back on its queue, and marks it.
async fn redrive(env: &Env, letter: StoredDeadLetter) -> Result<Redriven, Refusal> {
    let DeadLetterSummary { id, build, redriven_at, queue, .. } = letter.summary;
    let work = Work::from_word(&queue);
    let message = match Job::from_message(&letter.message) {
        // A hint of now: what was looked at since it came may be what failed.
        Ok(Job::AutoDeploy(job)) if work == Work::GitHub => {
            AutoDeploy { received_at: platform::now(), ..job }.into_message().ok()
        }
        _ => None,
    };
    let message = message.unwrap_or(letter.message);
    let before = platform::now();
    let sent = sending::send_unhurried(env, work, &message).await;
    sent.map_err(Refusal::QueueUnavailable)?;
    // Only now: a letter that is marked must be on the queue.
    let marked = dead_letters::mark_redriven(env, id, &rfc3339(platform::now())).await;
    marked.map_err(Refusal::NotMarked)?;
    if let (Work::Builds, Some(build)) = (work, &build) {
        let now = platform::now();
        // Should the ledger not keep that now, the handover does; where that was quicker, it has.
        let next = |build: Build| (build.queued_at < before).then(|| build.redriven(now));
        let _ = progress::change(env, build, now, &next).await;
    }
    Ok(Redriven { id, build, redriven_at })
}

/// Redrives the next few of what a filter means: whoever asks goes on with the cursor, and sees how far it is. One that
/// cannot be redriven keeps no other from it.
async fn redrive_letters(env: &Env, filter: Filter) -> Result<DoneToAll, Refusal> {
    let filter = Filter { limit: filter.limit.min(AT_ONCE), ..filter };
    let letters = dead_letters::take(env, &filter).await.map_err(Refusal::LedgerUnavailable)?;
    let next = next_of(&letters, filter.limit, |letter| letter.summary.id);
    let mut all = DoneToAll { next, ..DoneToAll::default() };
    for letter in letters {
        let (id, build) = (letter.summary.id, letter.summary.build.clone());
        let done = match letter.summary.reason == UNREADABLE {
            true => Err(Refusal::Unreadable(id)),
            false => redrive(env, letter).await,
        };
        match done {
            Ok(_) => all.done += 1,
            Err(why) => all.failed.push(NotDone::because(id, build, &why)),
        }
    }
    Ok(all)
}

/// Reads a small body.
async fn body(request: &Request) -> Result<Vec<u8>, Refusal> {
    let announced = headers(request)("Content-Length");
    let read = read_body(request, announced.as_deref(), BOUNDS, platform::now()).await;
    read.map(|body| body.bytes).map_err(|why| {
        Refusal::MalformedBody(match why {
            BodyError::TooLarge => "it has more than 64 KiB",
            BodyError::TooSlow => "it was not there within 8 seconds",
            BodyError::NoRoom => "the gate is reading too much at a time, so try again",
            BodyError::BrokeOff => "it broke off before its end",
        })
    })
}

/// Reads what lies under some keys.
async fn stored(env: &Env, keys: &[String]) -> Result<Vec<Option<String>>, Refusal> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    kv::read(env, POLICIES, keys, KV_CACHE).await.map_err(Refusal::PolicyUnavailable)
}

/// A page of the repositories that policies are set for.
async fn list_repositories(env: &Env, asked: &Repositories) -> Result<StoredPage, Refusal> {
    let Repositories { prefix, cursor, limit } = asked;
    let page = kv::page(env, POLICIES, prefix, cursor.as_deref(), *limit).await;
    let (keys, next) = page.map_err(Refusal::PolicyUnavailable)?;
    let values = stored(env, &keys).await?;
    // One that was deleted since has no value.
    let there = keys.into_iter().zip(values);
    let mut items: Vec<Stored> = there
        .filter_map(|(key, value)| Some(repositories::shown(key.clone(), key, &value?)))
        .collect();
    add_last(env, &mut items).await;
    Ok(StoredPage { items, next })
}

/// Adds the last delivery and the last build of each; where the ledger does not answer, what is in KV is shown without.
async fn add_last(env: &Env, items: &mut [Stored]) {
    let keys: Vec<&str> = items.iter().map(|item| &*item.repository).collect();
    let mut lasts = last::of(env, &keys).await.unwrap_or_default();
    for item in items {
        if let Some((delivery, build)) = lasts.remove(&item.repository) {
            item.last_delivery = delivery;
            item.last_build = build;
        }
    }
}

/// The policy that counts for a repository, or lies under a key.
async fn show_repository(env: &Env, key: Key) -> Result<Stored, Refusal> {
    let keys = match &key.repository {
        Some(repository) => lookup::keys(repository),
        None => vec![key.key.clone()],
    };
    let values = stored(env, &keys).await?;
    let found = lookup::stored(keys, values);
    let (under, value) = found.ok_or(Refusal::NoSuchRepository(key.spelt))?;
    let mut items = [repositories::shown(key.key, under, &value)];
    add_last(env, &mut items).await;
    let [item] = items;
    Ok(item)
}

/// Sets a policy, or deletes it where there is none to set, and says what that changes; or says only that.
async fn change_policy(
    env: &Env,
    key: &Key,
    value: Option<&str>,
    is_dry: bool,
) -> Result<Changed, Refusal> {
    let of_owner = key.of_owner();
    let mut keys = vec![key.key.clone(), key.spelt.clone(), of_owner.clone()];
    keys.sort();
    keys.dedup();
    let values = stored(env, &keys).await?;
    let mut found: HashMap<String, Option<String>> = keys.into_iter().zip(values).collect();
    let mut take = |key: &str| found.remove(key).flatten();
    let (own, misspelt, of_all) = (take(&key.key), take(&key.spelt), take(&of_owner));
    if value.is_none() && own.is_none() && misspelt.is_none() {
        return Err(Refusal::NoSuchRepository(key.spelt.clone()));
    }
    if !is_dry {
        let done = match value {
            Some(value) => kv::put(env, POLICIES, &key.key, value).await,
            None => kv::delete(env, POLICIES, &key.key).await,
        };
        done.map_err(Refusal::PolicyUnavailable)?;
        // One under a name with capitals never counts, and is only in the way.
        if misspelt.is_some() {
            let done = kv::delete(env, POLICIES, &key.spelt).await;
            done.map_err(Refusal::PolicyUnavailable)?;
        }
    }
    let before = own.as_deref().or(of_all.as_deref());
    let after = value.or(of_all.as_deref());
    Ok(repositories::changed(&key.key, before, after, !is_dry))
}

/// What is known of how the gate is set up, and how it goes.
async fn facts(env: &Env, gate: &str) -> Facts {
    let is_set = |name| env.text(name).is_some_and(|value| !value.trim().is_empty());
    let is_local = is_local(gate);
    let origin_secret = OriginSecrets::parse(env.text("ORIGIN_SECRET").as_deref(), is_local);
    let to_post = |name| check_to_post(name, &env.text(name).unwrap_or_default());
    let tells = if is_set("ALERT_URL") { to_post("ALERT_URL").map(|()| true) } else { Ok(false) };
    Facts {
        now: platform::now(),
        is_local,
        has_webhook_secret: is_set("WEBHOOK_SECRET"),
        origin_url: to_post("ORIGIN_URL").err(),
        origin_secret: origin_secret.err().map(|problem| problem.to_string()),
        nobody_at_github: GitHub::of(env).err().map(|why| why.to_string()),
        build_queues: Work::Builds.shards(env.names()),
        has_github_queue: env.has(Work::GitHub.binding()),
        knows_its_url: is_set("BUILDGATE_URL"),
        journal: settings::in_words(|name| env.text(name), env.has(Work::Journal.binding())),
        tells,
        ledger: known(env).await,
    }
}

/// What the ledger knows of how it goes. Errors with what it said instead.
async fn known(env: &Env) -> Result<Known, String> {
    let now = platform::now();
    let mut questions = Questions::default();
    let reporting_since = questions.add(builds::reporting_since());
    let handovers = questions.add(builds::handovers());
    let untold = questions.add(builds::untold());
    let unasked = questions.add(auto_deployments::unasked());
    let breaker = questions.add(marks::get(marks::BREAKER));
    let held = questions.add(held::count());
    let outbox = questions.add(outbox::waiting());
    let dead_letters = questions.add(alerts::trouble(Kind::DeadLetter, now));
    let failed_again = questions.add(alerts::trouble(Kind::Webhook, now));
    let swept = questions.add(sweeps::newest());
    let limit = questions.add(marks::get(marks::GITHUB_LIMIT));
    let known = ledger::ask_all(env, questions).await?;
    Ok(Known {
        reporting_since: known.at(&reporting_since)?,
        handovers: known.at(&handovers)?,
        untold: known.at(&untold)?,
        unasked: known.at(&unasked)?,
        breaker: Breaker::from_text(known.at(&breaker)?.as_deref()),
        held: known.at(&held)?,
        outbox: known.at(&outbox)?,
        dead_letters: known.at(&dead_letters)?.count,
        failed_again: known.at(&failed_again)?.count,
        swept: known.at(&swept)?,
        limit: known.at(&limit)?.as_deref().and_then(Limit::from_text),
    })
}

/// Has a commit looked at anew.
async fn retry_auto_deployment(env: &Env, repository: &str, sha: &str) -> Result<String, Refusal> {
    let (Ok(name), Ok(hash)) = (repository.parse(), sha.to_ascii_lowercase().parse::<Sha>()) else {
        return Err(Refusal::NothingToRetry);
    };
    let name: RepositoryName = name;
    let (now, reason) = (platform::now(), "the operator has it looked at again");
    let items = auto_deployments::retry(env, name.as_lower(), hash.as_str(), reason, now).await;
    let items = items.map_err(Refusal::LedgerUnavailable)?;
    let first = items.first().ok_or(Refusal::NothingToRetry)?;
    let repository = first.repository.parse().map_err(|_| Refusal::NothingToRetry)?;
    let branch = items.iter().map(|item| &*item.branch).find(|branch| !branch.is_empty());
    let job =
        AutoDeploy::again(first.repository_id, repository, hash, branch.unwrap_or_default(), now);
    let message =
        job.into_message().map_err(|error| Refusal::QueueUnavailable(error.to_string()))?;
    let sent = sending::send_unhurried(env, Work::GitHub, &message).await;
    sent.map_err(Refusal::QueueUnavailable)?;
    json(&Retried { items })
}

/// Who the gate is at GitHub; of an App's installations only that on one repository, where one is asked about.
async fn identity(env: &Env, repository: Option<RepositoryName>) -> Result<Identity, Refusal> {
    let nobody =
        |kind: &str| Identity { kind: kind.to_owned(), app: None, installations: Vec::new() };
    let github = match GitHub::of(env) {
        Ok(github) => github,
        Err(NoIdentity::Unset) => return Ok(nobody("nobody")),
        Err(why) => return Err(Refusal::NoApp(why.to_string())),
    };
    let Some(app) = github.app() else { return Ok(nobody("token")) };
    let unavailable = |failure: Failure| Refusal::GitHubUnavailable(failure.to_string());
    let facts =
        app.ask(&Call::app()).await.and_then(Page::object::<AppFacts>).map_err(unavailable)?;
    let installations = match repository {
        None => {
            let mut all = Vec::new();
            let mut take = gather(&mut all, |installation: Installation| installation);
            app.pages(Call::installations(), &mut take).await.map_err(unavailable)?;
            drop(take);
            all
        }
        Some(name) => match app.ask(&Call::installation(&name)).await {
            Err(Failure::NotFound) => Vec::new(),
            found => vec![found.and_then(Page::object).map_err(unavailable)?],
        },
    };
    Ok(Identity {
        kind: "app".to_owned(),
        app: Some(facts.into()),
        installations: installations.into_iter().map(Into::into).collect(),
    })
}

/// Gives the App's webhook this gate's URL and secret, as after a rotation.
async fn set_app_hook(env: &Env, gate: &str) -> Result<String, Refusal> {
    let github = GitHub::of(env).map_err(|why| Refusal::NoApp(why.to_string()))?;
    let app = github.app().ok_or_else(|| {
        Refusal::NoApp("it has a token, GITHUB_TOKEN, in place of one".to_owned())
    })?;
    let secret = env.text("WEBHOOK_SECRET").filter(|secret| !secret.trim().is_empty());
    let secret = secret.filter(|secret| is_local(gate) || !is_published(secret));
    let secret = secret.ok_or(Refusal::NoSecret)?;
    let url = format!("{gate}/");
    let hook = AppHook { url: &url, content_type: "json", secret: &secret, insecure_ssl: "0" };
    let set = app.ask(&Call::set_app_hook(&hook)).await;
    set.map_err(|failure| Refusal::GitHubUnavailable(failure.to_string()))?;
    json(&AppHookSet { url })
}

//! No delivery is missed: GitHub's list of deliveries → those that failed → delivered again, by a job each.
//!
//! GitHub never delivers anything again by itself. The cron trigger and the operator run this; it is no story of its own, for
//! the operator's waits for what it comes to.

pub mod missed;

use std::collections::BTreeSet;

use crate::github::api::{AppFacts, Call, Failure, Hook, HookDelivery, Purpose, RepositoryHook};
use crate::github::app::NoIdentity;
use crate::github::{AsApp, AtRepository, GitHub, Page};
use crate::ledger::{self, marks, sweeps};
use crate::log;
use crate::message::Work;
use crate::message::github_job::Redeliver;
use crate::message::sweep::{Place, Sweep};
use crate::platform::env::Env;
use crate::platform::{self, kv, queue};
use crate::policy::Policy;
use crate::repository::RepositoryName;
use crate::retry::Try;
use missed::{AGAIN_AFTER, Rest, Sorted, next_place, sort};

/// How long GitHub keeps a delivery, and can deliver it again, in milliseconds
/// (<https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks>).
const KEPT_BY_GITHUB: u64 = 3 * 24 * 60 * 60_000;

/// The most pages that a sweep looks at, of a hundred deliveries each.
const MOST_PAGES: usize = 50;

/// The most deliveries that GitHub is asked for again in one sweep. Each is a second after the one before
/// (<https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api?apiVersion=2022-11-28#pause-between-mutative-requests>),
/// and the next sweep is ten minutes later.
const MOST_REDELIVERIES: u64 = 500;

/// How many repositories' own webhooks a sweep looks at: the next ones are the next sweep's.
const REPOSITORIES: usize = 20;

/// How many events that are given up are named among a sweep's problems.
const MOST_NAMED: usize = 20;

/// The mark that has the repository that was looked at last.
const LAST_REPOSITORY: &str = "sweep-after";

/// The mark that says whether the App may see repositories' own webhooks, and when that was asked.
const SEES_WEBHOOKS: &str = "app-sees-webhooks";
const ASKED_AGAIN_AFTER: u64 = 24 * 60 * 60_000;

/// How long an edge of Cloudflare's keeps what it has read from KV, in seconds.
const KV_CACHE: u32 = 60;

/// How long the ledger keeps what is over, in milliseconds.
const KEPT_FOR: u64 = 14 * 24 * 60 * 60_000;

/// Looks for deliveries that failed, and has GitHub deliver them again. None where the gate is nobody at GitHub.
///
/// Errors where the ledger does not answer.
pub async fn run(env: &Env, by_operator: bool) -> Result<Option<Sweep>, String> {
    let now = platform::now();
    let github = match GitHub::of(env) {
        Ok(github) => github,
        Err(NoIdentity::Unset) => return Ok(None),
        Err(why) => {
            let sweep = Sweep { by_operator, problems: vec![why.to_string()], ..Sweep::default() };
            return sweeps::keep(env, sweep, now).await.map(Some);
        }
    };
    let mut sweeping = Sweeping {
        env,
        now,
        pages: MOST_PAGES,
        sweep: Sweep { by_operator, ..Sweep::default() },
        looked_at: Vec::new(),
    };
    if let Some(app) = github.app() {
        sweeping.look(&Hook::App, None, &Asked::App(app)).await?;
    }
    sweeping.look_at_repositories(&github).await?;
    let Sweeping { mut sweep, looked_at, .. } = sweeping;

    let (most, oldest) = (AGAIN_AFTER.len() as u64, now.saturating_sub(KEPT_BY_GITHUB));
    let given_up = sweeps::give_up(env, &looked_at, most, oldest, now).await?;
    sweep.given_up = given_up.len() as u64;
    sweep.problems.extend(given_up.into_iter().take(MOST_NAMED));
    let due = sweeps::take_due(env, &looked_at, &AGAIN_AFTER, MOST_REDELIVERIES, now).await?;
    sweep.redelivering = due.len() as u64;
    let mut messages = Vec::new();
    for (seconds, job) in (0..).zip(due) {
        messages.push((job.into_message().map_err(|error| error.to_string())?, seconds));
    }
    if let Err(why) = queue::send_all(env, Work::GitHub.binding(), &messages).await {
        // They come again, each after its time.
        sweep.problems.push(format!("the queue did not take the redeliveries: {why}"));
    }
    sweeps::forget(env, now.saturating_sub(KEPT_FOR)).await?;
    sweeps::keep(env, sweep, now).await.map(Some)
}

/// The line that a sweep leaves in the log.
pub fn line(sweep: &Sweep) -> log::Line<'_> {
    log::Line::Sweep {
        hooks: sweep.hooks,
        listed: sweep.listed,
        missed: sweep.missed,
        delivered: sweep.delivered,
        redelivering: sweep.redelivering,
        given_up: sweep.given_up,
        is_cut: sweep.is_cut,
        problems: &sweep.problems,
    }
}

/// A sweep, while it is being made.
struct Sweeping<'a> {
    env: &'a Env,
    now: u64,
    /// How many pages may yet be looked at.
    pages: usize,
    sweep: Sweep,
    /// The webhooks whose newest deliveries are known: of another one it is not known what has come since it was asked for,
    /// so nothing of it is asked for once more.
    looked_at: Vec<String>,
}

/// As whom GitHub is asked.
enum Asked<'a> {
    App(AsApp<'a>),
    Repository(AtRepository<'a>),
}

impl Asked<'_> {
    async fn ask(&self, call: &Call) -> Result<Page, Failure> {
        match self {
            Self::App(app) => app.ask(call).await,
            Self::Repository(at) => at.ask(call).await,
        }
    }
}

/// What was read of a list.
#[derive(Default)]
struct Read {
    found: Vec<HookDelivery>,
    /// Where it goes on, if it does.
    goes_on: Option<String>,
    /// Why it was read no further, where GitHub did not let it.
    failure: Option<Failure>,
}

impl Sweeping<'_> {
    /// Looks at the deliveries of a webhook, of which a place says how far they are known.
    ///
    /// Errors where the ledger does not answer; what GitHub does not let see is a problem of the sweep's.
    async fn look(
        &mut self,
        hook: &Hook,
        repository_id: Option<u64>,
        asked: &Asked<'_>,
    ) -> Result<(), String> {
        if self.pages == 0 {
            self.sweep.is_cut = true;
            return Ok(());
        }
        let (name, oldest) = (hook.path(), self.now.saturating_sub(KEPT_BY_GITHUB));
        let place = sweeps::place(self.env, &name).await?;
        let mut place = place.unwrap_or(Place { seen_until: oldest, rest: None });
        place.seen_until = place.seen_until.max(oldest);
        if let Some((_, until)) = &mut place.rest
            && *until < oldest
        {
            let words =
                "more was delivered in three days than sweeps can look at: some of it was not";
            self.sweep.problems.push(format!("{name}: {words}"));
            *until = oldest;
        }
        self.sweep.hooks += 1;
        let fresh = self.read(Call::deliveries(hook), place.seen_until, asked).await;
        let (mut found, cut, mut failure) = (fresh.found, fresh.goes_on, fresh.failure);
        if failure.is_none() {
            self.looked_at.push(name.clone());
        }
        let newest = found.iter().map(|delivery| delivery.delivered_at.seconds() * 1_000).max();
        let rest = match &place.rest {
            Some((cursor, until)) if failure.is_none() => {
                let call = Call { path: cursor.clone(), ..Call::deliveries(hook) };
                let rest = self.read(call, *until, asked).await;
                found.extend(rest.found);
                failure = rest.failure;
                match rest.goes_on {
                    _ if failure.as_ref().is_some_and(Failure::is_lasting) => Rest::Gone,
                    Some(cursor) => Rest::GoesOn(cursor),
                    None => Rest::Done,
                }
            }
            Some((cursor, _)) => Rest::GoesOn(cursor.clone()),
            None => Rest::Done,
        };
        let (is_all_fresh, is_gone) = (cut.is_none(), rest == Rest::Gone);
        let next = match newest {
            // Not even its beginning was listed.
            None if !is_all_fresh => place,
            newest => next_place(&place, newest, cut, rest, self.now),
        };
        if let Some(failure) = failure {
            let anew = match is_gone {
                true => {
                    "where the last sweep broke off, GitHub does not go on, so the next one begins anew: "
                }
                false => "",
            };
            self.sweep.problems.push(format!("{name}: {anew}{failure}"));
        }
        self.sweep.is_cut |= next.rest.is_some();
        self.keep(&name, repository_id, found).await?;
        // Only now: what is not kept is looked at again.
        sweeps::keep_place(self.env, &name, &next).await
    }

    /// Reads a list, the newest first, until it comes to what was delivered before `until`, in milliseconds since 1970; or as
    /// far as GitHub lets it.
    async fn read(&mut self, mut call: Call, until: u64, asked: &Asked<'_>) -> Read {
        let mut read = Read::default();
        while self.pages > 0 {
            self.pages -= 1;
            let page = asked.ask(&call).await;
            let listed = page.and_then(|page| {
                let next = page.next().map(str::to_owned);
                Ok((page.list::<HookDelivery>()?, next))
            });
            let (listed, next) = match listed {
                Ok(listed) => listed,
                Err(failure) => {
                    read.failure = Some(failure);
                    break;
                }
            };
            let is_fresh = |one: &HookDelivery| one.delivered_at.seconds() * 1_000 >= until;
            let goes_on = listed.iter().all(is_fresh);
            read.found.extend(listed.into_iter().filter(is_fresh));
            match next {
                Some(next) if goes_on => call.path = next,
                _ => return read,
            }
        }
        Read { goes_on: Some(call.path), ..read }
    }

    /// Keeps what deliveries of a webhook come to.
    async fn keep(
        &mut self,
        hook: &str,
        repository_id: Option<u64>,
        listed: Vec<HookDelivery>,
    ) -> Result<(), String> {
        self.sweep.listed += listed.len() as u64;
        let redeliveries = listed.iter().filter(|one| one.redelivery && !one.is_success());
        let guids: Vec<&str> = redeliveries.map(|one| &*one.guid).collect();
        let known: BTreeSet<String> = match guids.is_empty() {
            true => BTreeSet::new(),
            false => sweeps::known(self.env, &guids).await?.into_iter().collect(),
        };
        let Sorted { delivered, missed } = sort(listed, |guid| known.contains(guid));
        if !missed.is_empty() {
            self.sweep.missed +=
                sweeps::miss(self.env, hook, repository_id, &missed, self.now).await?;
        }
        if !delivered.is_empty() {
            self.sweep.delivered += sweeps::came(self.env, &delivered, self.now).await?;
        }
        Ok(())
    }

    /// Looks at the own webhooks of some of the repositories that have a policy, in turn.
    async fn look_at_repositories(&mut self, github: &GitHub) -> Result<(), String> {
        let gate = self.env.text("BUILDGATE_URL").unwrap_or_default();
        let gate = gate.trim().trim_end_matches('/');
        if gate.is_empty() {
            // An App's repositories need no webhook of their own.
            if github.app().is_none() {
                let words =
                    "BUILDGATE_URL is not set, so repositories' own webhooks are not looked at";
                self.sweep.problems.push(words.to_owned());
            }
            return Ok(());
        }
        if let Some(app) = github.app()
            && !self.may_see_webhooks(&app).await?
        {
            return Ok(());
        }
        let after = ledger::ask(self.env, marks::get(LAST_REPOSITORY)).await?.unwrap_or_default();
        let keys = match kv::keys(self.env, "REPO_TRIGGERS").await {
            Ok(keys) => keys,
            Err(why) => {
                self.sweep.problems.push(format!("the policies cannot be listed: {why}"));
                return Ok(());
            }
        };
        let names = keys.into_iter().filter(|key| key.parse::<RepositoryName>().is_ok());
        let (before, mut next): (Vec<String>, Vec<String>) = names.partition(|name| *name <= after);
        next.extend(before);
        next.truncate(REPOSITORIES);
        let mut last = None;
        for name in &next {
            if self.pages == 0 {
                self.sweep.is_cut = true;
                break;
            }
            self.look_at_repository(github, name, gate).await?;
            last = Some(name);
        }
        match last {
            Some(last) => marks::set(self.env, LAST_REPOSITORY, last).await,
            None => Ok(()),
        }
    }

    /// Whether the App may see repositories' own webhooks: asked once a day, for most Apps need not.
    async fn may_see_webhooks(&mut self, app: &AsApp<'_>) -> Result<bool, String> {
        let known = ledger::ask(self.env, marks::get(SEES_WEBHOOKS)).await?;
        let known = known.as_deref().and_then(|known| known.split_once(' '));
        if let Some((may, at)) = known
            && at.parse::<u64>().is_ok_and(|at| self.now < at + ASKED_AGAIN_AFTER)
        {
            return Ok(may == "yes");
        }
        let facts = app.ask(&Call::app()).await.and_then(Page::object::<AppFacts>);
        let facts = match facts {
            Ok(facts) => facts,
            Err(failure) => {
                self.sweep.problems.push(format!("app: {failure}"));
                return Ok(false);
            }
        };
        let may = Purpose::Redeliver.needs().missing(&facts.permissions).is_empty();
        let answer = format!("{} {}", if may { "yes" } else { "no" }, self.now);
        marks::set(self.env, SEES_WEBHOOKS, &answer).await?;
        Ok(may)
    }

    /// Looks at a repository's own webhooks that point at this gate.
    async fn look_at_repository(
        &mut self,
        github: &GitHub,
        name: &str,
        gate: &str,
    ) -> Result<(), String> {
        let Ok(repository) = name.parse::<RepositoryName>() else { return Ok(()) };
        let mut id = None;
        if github.app().is_some() {
            // An App's token is for a repository by its id, which `link` writes into the policy.
            let policy = kv::read(self.env, "REPO_TRIGGERS", &[name.to_owned()], KV_CACHE).await?;
            let policy = policy.into_iter().flatten().next();
            id = policy.and_then(|policy| Policy::parse(&policy).ok()?.repository_id);
            if id.is_none() {
                return Ok(());
            }
        }
        let at = github.at(&repository, id.unwrap_or_default(), None, Purpose::Redeliver);
        let asked = Asked::Repository(at);
        let hooks = match asked.ask(&Call::hooks(&repository)).await.and_then(Page::list) {
            Ok(hooks) => hooks,
            // An App that may not see webhooks needs none: its own are delivered to all of its repositories.
            Err(Failure::Lacks { .. } | Failure::NotInstalled) => return Ok(()),
            Err(failure) => {
                self.sweep.problems.push(format!("repos/{repository}/hooks: {failure}"));
                return Ok(());
            }
        };
        for RepositoryHook { id: hook, url, is_active } in hooks {
            let is_ours =
                url.get(..gate.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(gate))
                    && url
                        .get(gate.len()..)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if is_active && is_ours {
                let hook = Hook::Repository { name: repository.clone(), hook };
                self.look(&hook, id, &asked).await?;
            }
        }
        Ok(())
    }
}

/// What one attempt to have something delivered again came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// GitHub delivers it again.
    Asked,
    /// The event has come meanwhile, is given up, or another job asks for it.
    NotDue,
    /// GitHub will not, or it is not known whether it does.
    Failed(Failure),
    /// GitHub cannot be asked just now.
    Limited(Failure),
    /// The ledger did not answer; what it said instead.
    Unavailable(String),
    /// The gate is nobody at GitHub any more.
    NoIdentity(NoIdentity),
    /// The job is of no webhook.
    NoHook,
}

impl Attempt {
    /// What it means for the next attempt.
    pub fn tried(&self) -> Try {
        match self {
            Self::Asked | Self::NotDue | Self::Failed(_) | Self::NoIdentity(_) | Self::NoHook => {
                Try::Done
            }
            Self::Limited(failure) => Try::Again { no_sooner_than: failure.again_in() },
            Self::Unavailable(_) => Try::Again { no_sooner_than: 0 },
        }
    }

    /// The code that stands for it in the log and with a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Asked => "redelivered",
            Self::NotDue => "redelivery-not-due",
            Self::Failed(failure) | Self::Limited(failure) => failure.code(),
            Self::Unavailable(_) => "ledger-unavailable",
            Self::NoIdentity(_) => "github-not-configured",
            Self::NoHook => "no-such-webhook",
        }
    }

    /// What went wrong.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Failed(failure) | Self::Limited(failure) => Some(failure.to_string()),
            Self::Unavailable(detail) => Some(detail.clone()),
            Self::NoIdentity(why) => Some(why.to_string()),
            Self::Asked | Self::NotDue | Self::NoHook => None,
        }
    }
}

/// Has GitHub deliver something again.
pub async fn redeliver(env: &Env, job: &Redeliver) -> Attempt {
    let github = match GitHub::of(env) {
        Ok(github) => github,
        Err(why) => return Attempt::NoIdentity(why),
    };
    let Some(hook) = Hook::from_path(&job.hook) else { return Attempt::NoHook };
    // It may have waited for long, or come twice.
    match sweeps::is_due(env, &job.guid, job.attempt).await {
        Ok(true) => {}
        Ok(false) => return Attempt::NotDue,
        Err(detail) => return Attempt::Unavailable(detail),
    }
    let call = Call::redeliver(&hook, job.delivery);
    let asked = match &hook {
        Hook::App => match github.app() {
            Some(app) => app.ask(&call).await,
            None => return Attempt::NoHook,
        },
        Hook::Repository { name, .. } => {
            let id = job.repository_id.unwrap_or_default();
            github.at(name, id, None, Purpose::Redeliver).ask(&call).await
        }
    };
    match asked {
        Ok(_) => Attempt::Asked,
        // What GitHub did not even look at.
        Err(failure @ Failure::Limited { .. }) => Attempt::Limited(failure),
        // An answer that is lost may have been a yes: so each of these is one of the attempts, and a sweep looks whether the
        // event has come before there is another.
        Err(failure) => Attempt::Failed(failure),
    }
}

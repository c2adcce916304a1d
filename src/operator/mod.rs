//! The operator looks after the gate, by the routes under `/-/`: admitted → asked for → ledger, queues → answer.

pub mod answer;
pub mod health;
pub mod query;
pub mod token;

use crate::build::Build;
use crate::github::api::{AppFacts, AppHook, Call, Failure, Installation};
use crate::github::app::NoIdentity;
use crate::github::{GitHub, Page, gather};
use crate::ledger::dead_letters::DeadLetterSummary;
use crate::ledger::{auto_deployments, builds, dead_letters, sweeps};
use crate::log;
use crate::message::Work;
use crate::message::github_job::{AutoDeploy, Job};
use crate::platform::env::Env;
use crate::platform::request::{Request, headers};
use crate::platform::response::{self, Header, Response};
use crate::platform::{self, Error, queue};
use crate::progress;
use crate::published::is_published;
use crate::repository::{RepositoryName, Sha};
use crate::route::{NoRoute, OperatorRoute};
use crate::signature::standard_webhooks::OriginSecrets;
use crate::sweep;
use crate::time::rfc3339;
use crate::url::{Location, is_local};
use answer::{
    AppHookSet, Dropped, Identity, ListPage, Redriven, Refusal, Retried, json, letter_id,
};
use health::{Facts, health};
use token::OperatorToken;

const NO_STORE: Header = ("Cache-Control", "no-store");

/// The operator's token, if there is one that is good for a gate reached at this URL; without it there are no
/// operator's routes.
pub fn token(env: &Env, gate: &str) -> Option<OperatorToken> {
    OperatorToken::new(env.text("OPERATOR_TOKEN"), is_local(gate))
}

/// Answers a request to an operator's route, from whoever has the token.
pub async fn answer(
    request: &Request,
    env: &Env,
    location: &Location<'_>,
    asked: Result<OperatorRoute, NoRoute>,
    token: &OperatorToken,
) -> Result<Response, Error> {
    let result = if token.admits(headers(request)("Authorization").as_deref()) {
        match asked {
            Ok(route) => perform(route, env, location).await,
            Err(why) => Err(why.into()),
        }
    } else {
        Err(Refusal::Unauthorized)
    };
    let refusal = result.as_ref().err();
    let (code, status) = refusal.map_or(("done", 200), Refusal::codes);
    let method = &request.method();
    platform::log(&log::Line::Operator { method, path: location.path, code, status });
    let headers: Vec<Header> =
        [NO_STORE].into_iter().chain(refusal.and_then(Refusal::header)).collect();
    let body = match result {
        Ok(body) => body,
        Err(refusal) => refusal.body().map_err(|error| error.to_string())?,
    };
    response::json(status, body, &headers)
}

/// Does what the operator asks for, and gives the answer's JSON.
async fn perform(
    route: OperatorRoute,
    env: &Env,
    location: &Location<'_>,
) -> Result<String, Refusal> {
    let no_such_letter = |id: u64| Refusal::NoSuchLetter(id.to_string());
    match route {
        OperatorRoute::Health => json(&health(&facts(env, location.gate).await)),
        OperatorRoute::ListSweeps => {
            let filter = query::sweeps(location.query)?;
            let items = sweeps::list(env, &filter).await.map_err(Refusal::LedgerUnavailable)?;
            let is_full = items.len() as u64 == filter.limit;
            let next = items.last().filter(|_| is_full).map(|last| last.id);
            json(&ListPage { items, next })
        }
        OperatorRoute::Sweep => {
            let swept = sweep::run(env, true).await.map_err(Refusal::LedgerUnavailable)?;
            let swept = swept.ok_or_else(|| Refusal::NoApp(NoIdentity::Unset.to_string()))?;
            platform::log(&sweep::line(&swept));
            json(&swept)
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
            json(&ListPage::of(items.map_err(Refusal::LedgerUnavailable)?, filter.limit))
        }
        OperatorRoute::RetryAutoDeployment { repository, sha } => {
            retry_auto_deployment(env, &repository, &sha).await
        }
        OperatorRoute::ShowApp => json(&identity(env, query::app(location.query)?).await?),
        OperatorRoute::SetAppHook => set_app_hook(env, location.gate).await,
        OperatorRoute::ListLetters => {
            let after = query::letters(location.query)?;
            json(&dead_letters::list(env, after).await.map_err(Refusal::LedgerUnavailable)?)
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
            let work = Work::from_word(&letter.summary.queue);
            let message = match Job::from_message(&letter.message) {
                // A hint of now: what was looked at since it came may be what failed.
                Ok(Job::AutoDeploy(job)) if work == Work::GitHub => {
                    AutoDeploy { received_at: platform::now(), ..job }.into_message().ok()
                }
                _ => None,
            };
            let message = message.unwrap_or(letter.message);
            let before = platform::now();
            let sent = queue::send(env, work.binding(), &message).await;
            sent.map_err(Refusal::QueueUnavailable)?;
            // Only now: a letter that is marked must be on the queue.
            let marked = dead_letters::mark_redriven(env, id, &rfc3339(platform::now())).await;
            marked.map_err(Refusal::NotMarked)?;
            let DeadLetterSummary { build, redriven_at, .. } = letter.summary;
            if let (Work::Builds, Some(build)) = (work, &build) {
                let now = platform::now();
                // Should the ledger not keep that now, the handover does; where that was quicker, it has.
                let next = |build: Build| (build.queued_at < before).then(|| build.redriven(now));
                let _ = progress::change(env, build, now, &next).await;
            }
            json(&Redriven { id, build, redriven_at })
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

/// What is known of how the gate is set up.
async fn facts(env: &Env, gate: &str) -> Facts {
    let is_set = |name| env.text(name).is_some_and(|value| !value.trim().is_empty());
    let origin_secret = OriginSecrets::parse(env.text("ORIGIN_SECRET").as_deref(), is_local(gate));
    Facts {
        has_webhook_secret: is_set("WEBHOOK_SECRET"),
        has_origin_url: is_set("ORIGIN_URL"),
        origin_secret: origin_secret.err().map(|problem| problem.to_string()),
        nobody_at_github: GitHub::of(env).err().map(|why| why.to_string()),
        has_github_queue: env.has(Work::GitHub.binding()),
        reporting_since: builds::reporting_since(env).await,
        knows_its_url: is_set("BUILDGATE_URL"),
    }
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
    let sent = queue::send(env, Work::GitHub.binding(), &message).await;
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

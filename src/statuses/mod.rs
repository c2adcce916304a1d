//! What has become of a build is said on GitHub: job → ledger → GitHub → ledger.
//!
//! A deployment's build is told as the deployment's statuses; a push's, and that of a deployment whose statuses GitHub
//! Actions writes itself, as a commit status. What is to be said lies in the ledger, in its order; one at a time says it,
//! and where it is not known whether GitHub was told, it is asked first. A state that nothing would ever end is ended by the
//! cron trigger.

pub mod attempt;
pub mod settings;

use crate::build::{Patience, Status};
use crate::github::api::{
    Call, CommitStatus, DeploymentStatus, Failure, NewDeploymentStatus, NewStatus, Purpose,
};
use crate::github::app::NoIdentity;
use crate::github::{AtRepository, GitHub, Page};
use crate::ledger;
use crate::ledger::builds::{self, Of, SilentSince, Stored};
use crate::message::build::State;
use crate::message::github_job::TellStatus;
use crate::platform;
use crate::platform::env::Env;
use crate::policy::auto_deploy::OWN_CONTEXT;
use crate::progress;
use crate::repository::{RepositoryName, Sha};
use attempt::Attempt;

/// How long whoever tells GitHub of a build is the only one, in milliseconds, from each thing that is said on.
const LEASE: u64 = 60_000;

/// How much of that has to be left when GitHub is asked: it is given 20 seconds to answer.
const LEFT_OF_LEASE: u64 = 25_000;

/// The most statuses that are said in one go.
const MOST_AT_ONCE: usize = 10;

/// In how many milliseconds the cron trigger asks again, after an attempt that failed and that the queue makes anew.
const ASKED_AGAIN_AFTER: u64 = 60 * 60_000;

/// How many builds the cron trigger looks at.
const MOST_AT_A_TIME: u64 = 100;

/// How long the ledger keeps what has ended, in milliseconds.
const KEPT_FOR: u64 = 90 * 24 * 60 * 60_000;

/// Tells GitHub what is unsaid of a build. Gives what came of it, and the repository, where that is known.
pub async fn tell(env: &Env, job: &TellStatus) -> (Attempt, Option<String>) {
    let now = platform::now();
    let stored = match builds::claim(env, &job.build, now, now + LEASE).await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            let attempt = match builds::find(env, &job.build).await {
                Ok(Some(stored)) if !stored.build.unsaid.is_empty() => Attempt::Taken,
                Ok(_) => Attempt::Nothing,
                Err(detail) => Attempt::Unavailable { detail },
            };
            return (attempt, None);
        }
        Err(detail) => return (Attempt::Unavailable { detail }, None),
    };
    let repository = stored.of.repository.clone();
    (say(env, stored).await.unwrap_or_else(|failed| failed), Some(repository))
}

/// Nobody asks any more that GitHub is told of a build: the job is a dead letter.
pub async fn give_up(env: &Env, job: &TellStatus) {
    // The cron trigger would ask once more, which does no harm.
    let _ = builds::no_more(env, &job.build).await;
}

fn unavailable(detail: String) -> Attempt {
    Attempt::Unavailable { detail }
}

/// Says what is unsaid of a build that is claimed, and gives the claim back.
async fn say(env: &Env, stored: Stored) -> Result<Attempt, Attempt> {
    let id = stored.build.id.clone();
    let mut states = Vec::new();
    let (said, is_sure) = match say_all(env, &stored, &mut states).await {
        Ok(is_all) => (Ok(is_all), true),
        Err((failed, is_sure)) => (Err(failed), is_sure),
    };
    let again = Some(platform::now() + ASKED_AGAIN_AFTER);
    let on_github = states.last().copied().or(stored.on_github);
    match said {
        Ok(is_all) => {
            builds::release(env, &id, true, None, again).await.map_err(unavailable)?;
            if stored.is_refused {
                let repository = &stored.of.repository;
                builds::no_longer_refused(env, repository).await.map_err(unavailable)?;
            }
            Ok(if is_all { Attempt::Told { states } } else { Attempt::Taken })
        }
        Err(Attempt::GitHub(failure)) if failure.is_lasting() && !is_open(on_github) => {
            drop_unsaid(env, &id, Some(&failure.to_string())).await?;
            let now = platform::now();
            let is_new = builds::refused(env, &stored.of.repository, now).await;
            Ok(Attempt::NotLet { failure, is_new: is_new.map_err(unavailable)? })
        }
        Err(Attempt::Nobody) => {
            drop_unsaid(env, &id, None).await?;
            Ok(Attempt::Nobody)
        }
        Err(failed) => {
            let detail = failed.detail();
            // Where this fails, too, the claim ends by itself.
            let _ = builds::release(env, &id, is_sure, detail.as_deref(), again).await;
            Err(failed)
        }
    }
}

/// Whether GitHub shows a build that goes on: then it has to be told how it ends, however long that takes.
fn is_open(on_github: Option<State>) -> bool {
    matches!(on_github, Some(State::Queued | State::InProgress))
}

/// Forgets what is unsaid of a build, for it cannot be said.
async fn drop_unsaid(env: &Env, id: &str, why: Option<&str>) -> Result<(), Attempt> {
    let dropped = progress::change(env, id, platform::now(), &|mut build| {
        build.unsaid.clear();
        Some(build)
    });
    dropped.await.map_err(unavailable)?;
    builds::release(env, id, true, why, None).await.map_err(unavailable)
}

/// Says what is unsaid, in its order, and puts what was said into `states`. Gives whether that was all. Errors with what went
/// wrong, and whether it is known that GitHub was not told.
async fn say_all(
    env: &Env,
    stored: &Stored,
    states: &mut Vec<State>,
) -> Result<bool, (Attempt, bool)> {
    let sure = |failed: Attempt| (failed, true);
    let github = GitHub::of(env).map_err(|why| {
        sure(match why {
            NoIdentity::Unset => Attempt::Nobody,
            why => Attempt::NoIdentity(why),
        })
    })?;
    let strange = |problem: String| sure(Attempt::GitHub(Failure::Unreachable(problem)));
    let Of { repository_id, repository, sha, deployment } = &stored.of;
    let repository: RepositoryName =
        repository.parse().map_err(|_| strange(format!("{repository} is no repository's name")))?;
    let sha: Sha = sha.parse().map_err(|_| strange(format!("{sha} is no hash")))?;
    let purpose = match deployment {
        Some(_) => Purpose::TellOfDeployment,
        None => Purpose::TellOfCommit,
    };
    let at = github.at(&repository, *repository_id, None, purpose);
    let place = Place { at, sha: &sha, deployment: *deployment };

    let (mut known, mut is_unsure) = ((stored.build.clone(), stored.version), stored.unsure > 1);
    let mut until = platform::now() + LEASE;
    for _ in 0..MOST_AT_ONCE {
        let Some(status) = known.0.unsaid.first().cloned() else { return Ok(true) };
        let is_said = match is_unsure {
            true => {
                place.says(&status).await.map_err(|failure| (Attempt::GitHub(failure), false))?
            }
            false => false,
        };
        if !is_said {
            let mut told = place.say(&status, until - LEFT_OF_LEASE).await;
            if let (Err(Failure::Refused { .. }), Some(plain)) = (&told, status.plain()) {
                told = place.say(&plain, until - LEFT_OF_LEASE).await;
            }
            told.map_err(|failure| {
                // What GitHub refuses it has not done; whatever else is not known.
                let is_sure = !matches!(failure, Failure::Unreachable(_) | Failure::Broken { .. });
                (Attempt::GitHub(failure), is_sure)
            })?;
        }
        is_unsure = false;
        until = platform::now() + LEASE;
        let kept = progress::said(env, known, &status, platform::now(), until).await;
        // It was said: whoever comes next looks first.
        known = kept.map_err(|detail| (unavailable(detail), false))?;
        states.push(status.state);
    }
    Ok(known.0.unsaid.is_empty())
}

/// Where on GitHub it is said.
struct Place<'a> {
    at: AtRepository<'a>,
    sha: &'a Sha,
    deployment: Option<u64>,
}

impl Place<'_> {
    /// Says it, at a time in milliseconds since 1970 at the latest.
    async fn say(&self, status: &Status, not_after: u64) -> Result<(), Failure> {
        let (name, description) = (self.at.repository, &*status.description);
        let call = match self.deployment {
            Some(deployment) => {
                let status = NewDeploymentStatus {
                    state: status.state.as_str(),
                    description,
                    log_url: status.log_url.as_deref(),
                    environment_url: status.environment_url.as_deref(),
                    auto_inactive: false,
                };
                Call::create_deployment_status(name, deployment, &status)
            }
            None => {
                let status = NewStatus {
                    state: status.state.of_a_commit(),
                    description,
                    target_url: status.log_url.as_deref().or(status.environment_url.as_deref()),
                    context: OWN_CONTEXT,
                };
                Call::create_status(name, self.sha, &status)
            }
        };
        self.at.ask(&Call { not_after: Some(not_after), ..call }).await.map(drop)
    }

    /// Whether the last thing that was said there is this.
    async fn says(&self, status: &Status) -> Result<bool, Failure> {
        let name = self.at.repository;
        let (state, last) = match self.deployment {
            Some(deployment) => {
                let call = Call::deployment_statuses(name, deployment);
                let page = self.at.ask(&call).await?.list::<DeploymentStatus>()?;
                let last = page.into_iter().max_by_key(|said| said.id);
                (status.state.as_str(), last.map(|said| (said.state, said.description)))
            }
            None => {
                let page = self.at.ask(&Call::statuses(name, self.sha)).await;
                let page = page.and_then(Page::list::<CommitStatus>)?;
                let own = |said: &CommitStatus| said.context.eq_ignore_ascii_case(OWN_CONTEXT);
                let last = page.into_iter().filter(own).max_by_key(|said| said.id);
                (status.state.of_a_commit(), last.map(|said| (said.state, said.description)))
            }
        };
        Ok(last.is_some_and(|(said, description)| {
            said == state && description.as_deref() == Some(&*status.description)
        }))
    }
}

/// What the cron trigger came to.
#[derive(Debug, Default)]
pub struct LookedAgain {
    /// How many builds have ended because nothing was heard of them.
    pub silent: usize,
    /// How many builds GitHub is to be told of that it was not told of in time.
    pub untold: usize,
}

/// Ends the builds that have been silent for too long, and asks again that GitHub is told what it was not told in time.
/// `is_tidying` says that this is the time to forget what is old.
pub async fn look_again(env: &Env, is_tidying: bool) -> Result<LookedAgain, String> {
    let now = platform::now();
    if is_tidying {
        builds::forget(env, now.saturating_sub(KEPT_FOR)).await?;
    }
    let (queued, in_progress) = settings::read(|name| env.text(name));
    let origin_reports = ledger::ask(env, builds::reporting_since()).await?.is_some();
    let patience = Patience { queued, in_progress, origin_reports };
    let since = SilentSince {
        queued: now.saturating_sub(patience.queued),
        handed_over: now.saturating_sub(patience.handed_over()),
        in_progress: now.saturating_sub(patience.in_progress),
    };
    let mut looked = LookedAgain::default();
    for id in builds::silent(env, since, MOST_AT_A_TIME).await? {
        let ended = progress::change(env, &id, now, &|build| build.silent(patience, now)).await?;
        looked.silent += usize::from(ended.is_some());
    }
    let next = now + ASKED_AGAIN_AFTER;
    let mut all = Ok(());
    for id in builds::take_untold(env, now, next, MOST_AT_A_TIME).await? {
        // One that is not asked for now comes again later; the others do not wait for it.
        all = all.and(progress::ask(env, id).await);
        looked.untold += 1;
    }
    all.map(|()| looked)
}

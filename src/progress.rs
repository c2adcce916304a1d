//! How a build gets on: what happens to it is kept in the ledger, and GitHub is to be told of it.
//!
//! A handover, a report, a cron trigger and an operator all change a build, some of them at once, and none of them waits for
//! GitHub: that is a job on a queue. Should the queue not take it, the cron trigger asks again.

use crate::build::{Build, Report, Reported, Status};
use crate::github::settings::is_anybody;
use crate::ledger::builds::{self, Stored};
use crate::message::Work;
use crate::message::build_request::QueuedRequest;
use crate::message::github_job::TellStatus;
use crate::platform;
use crate::platform::env::Env;
use crate::sending;

/// How often a row is read anew that somebody else has changed meanwhile.
const MOST_TRIES: u32 = 8;

/// The longest pause before the second try, in milliseconds; before each further one it is twice as long. Those who have all
/// read the same row each wait for another time, and the slower the ledger is, the further apart they have to be.
const LONGEST_PAUSE: u32 = 50;

/// In how many milliseconds GitHub is to be told of a change: after that, the cron trigger asks again.
const TOLD_WITHIN: u64 = 2 * 60_000;

/// Keeps that a build request lies on the queue since a time, and has GitHub told of it. `message` is its text. Gives since
/// when it does, where the build service has not taken it yet.
///
/// Errors where the ledger does not answer.
pub(crate) async fn begin(
    env: &Env,
    request: &QueuedRequest,
    message: &str,
    queued_at: u64,
    now: u64,
) -> Result<Option<u64>, String> {
    let mut build = Build::queued(&request.id, queued_at);
    let tell_at = to_tell(env, &mut build, now);
    let stored = builds::begin(env, request, message, &build, tell_at).await?;
    if stored.version == 0 && tell_at.is_some() {
        // The cron trigger asks again.
        let _ = ask(env, build.id).await;
    }
    if stored.build.clone().begun_again(now).is_some() {
        change(env, &request.id, now, &|build| build.begun_again(now)).await?;
        return Ok(Some(queued_at));
    }
    let Build { handed_over_at, queued_at, .. } = stored.build;
    Ok(handed_over_at.is_none().then_some(queued_at))
}

/// Changes what is kept of a build, and has GitHub told of it: gives the build as it is then. None where nothing is kept of
/// it, or nothing follows.
///
/// Errors where the ledger does not answer.
pub(crate) async fn change(
    env: &Env,
    id: &str,
    now: u64,
    next: &dyn Fn(Build) -> Option<Build>,
) -> Result<Option<Build>, String> {
    for tries in 0..MOST_TRIES {
        pause(tries).await;
        let Some(Stored { build, version, .. }) = builds::find(env, id).await? else {
            return Ok(None);
        };
        let is_news = build.unsaid.is_empty();
        let Some(changed) = next(build) else { return Ok(None) };
        if keep(env, changed.clone(), version, now, is_news).await? {
            return Ok(Some(changed));
        }
    }
    Err("the row is changed all the time".to_owned())
}

/// Keeps that GitHub was told something of a build, of which this version is known, and prolongs the claim until a time:
/// gives the build as it is then, and its version. Nothing is unsaid of one that is gone.
///
/// Errors where the ledger does not answer.
pub(crate) async fn said(
    env: &Env,
    (mut build, mut version): (Build, u64),
    status: &Status,
    now: u64,
    until: u64,
) -> Result<(Build, u64), String> {
    for tries in 0..MOST_TRIES {
        if tries > 0 {
            pause(tries).await;
            match builds::find(env, &build.id).await? {
                Some(stored) => (build, version) = (stored.build, stored.version),
                None => {
                    build.unsaid.clear();
                    return Ok((build, version));
                }
            }
        }
        build = build.said(status);
        // Whoever says it goes on with what is left.
        let tell_at = (!build.unsaid.is_empty()).then_some(now + TOLD_WITHIN);
        if builds::keep_said(env, &build, version, status.state, tell_at, until).await? {
            return Ok((build, version + 1));
        }
    }
    Err("the row is changed all the time".to_owned())
}

/// What a report came to, of a build that is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is kept, and GitHub will be told.
    Used,
    /// The same was said before.
    Again,
    /// A report has ended the build already, with this state.
    Late(&'static str),
}

/// Keeps what the build service reports. None where there is no such build.
///
/// Errors where the ledger does not answer.
pub(crate) async fn report(env: &Env, report: &Report, now: u64) -> Result<Option<Taken>, String> {
    for tries in 0..MOST_TRIES {
        pause(tries).await;
        let Some(Stored { build, version, .. }) = builds::find(env, &report.build).await? else {
            return Ok(None);
        };
        let (is_news, is_first) = (build.unsaid.is_empty(), build.reported_at.is_none());
        let (next, taken) = match build.reported(report, now) {
            Reported::Late { state } => return Ok(Some(Taken::Late(state.as_str()))),
            Reported::Again(build) => (build, Taken::Again),
            Reported::Used(build) => (build, Taken::Used),
        };
        if is_first {
            // Before the report is kept: one that comes again, because this failed, is not the first any more.
            builds::mark_reporting(env, now).await?;
        }
        if keep(env, *next, version, now, is_news).await? {
            return Ok(Some(taken));
        }
    }
    Err("the row is changed all the time".to_owned())
}

/// Keeps a build in place of what was read of it, and asks that GitHub is told. Says whether the row was still so. `is_news`
/// says that nothing was unsaid before: else somebody has been asked already, who goes on with what is added.
async fn keep(
    env: &Env,
    mut build: Build,
    version: u64,
    now: u64,
    is_news: bool,
) -> Result<bool, String> {
    let tell_at = to_tell(env, &mut build, now);
    let is_kept = builds::keep(env, &build, version, tell_at).await?;
    if is_kept && tell_at.is_some() && is_news {
        // The cron trigger asks again.
        let _ = ask(env, build.id).await;
    }
    Ok(is_kept)
}

/// When GitHub is to be told of a build at the latest: never, where nothing is unsaid or the gate is nobody at GitHub.
fn to_tell(env: &Env, build: &mut Build, now: u64) -> Option<u64> {
    if !is_anybody(|name| env.text(name)) {
        build.unsaid.clear();
    }
    (!build.unsaid.is_empty()).then_some(now + TOLD_WITHIN)
}

/// Waits before a row is read anew.
async fn pause(tries: u32) {
    if tries > 0 {
        let most = LONGEST_PAUSE << (tries - 1);
        platform::wait((platform::random() * f64::from(most)) as u32).await;
    }
}

/// Asks that GitHub is told what is unsaid of a build.
pub(crate) async fn ask(env: &Env, build: String) -> Result<(), String> {
    let message = TellStatus { build }.into_message().map_err(|error| error.to_string())?;
    sending::send_unhurried(env, Work::GitHub, &message).await
}

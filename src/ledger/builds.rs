//! What became of each build request: a row each, from the queue to what the build service reports of it. All times are in
//! milliseconds since 1970.
//!
//! Several may change a row at once: a handover, a report, a cron trigger, an operator. So each reads a version, decides by
//! [`Build`]'s own rules what follows, and writes only where the version is still that one.

use crate::build::{Build, Status};
use crate::ledger::conditions::{Conditions, owned};
use crate::ledger::{LEDGER, marks, of_errors};
use crate::message::build::{BuildRow, Filter, Handovers, State};
use crate::message::build_request::QueuedRequest;
use crate::platform::d1::{self, Ask, Row};
use crate::platform::env::Env;
use crate::time::rfc3339;

const COLUMNS: &str = "number, id, version, repository_id, repository, sha, ref, deployment, environment, delivery, state, \
                       description, log_url, environment_url, is_ended_by_report, queued_at, handed_over_at, reported_at, \
                       since, attempts, attempted_at, answer, unsaid, unsure, on_github, github_error, \
                       EXISTS (SELECT 1 FROM of_jobs WHERE build = builds.id) AS of_job, \
                       EXISTS (SELECT 1 FROM refusals WHERE repository = builds.repository) AS is_refused, \
                       EXISTS (SELECT 1 FROM held WHERE build = builds.id) AS is_held";

/// A row, as it was read.
#[derive(Debug)]
pub struct Stored {
    /// The build.
    pub build: Build,
    /// What it is of.
    pub of: Of,
    /// How often the row was changed.
    pub version: u64,
    /// How many have begun to say something on GitHub, and did not say how that ended.
    pub unsure: u64,
    /// The state that GitHub was told last.
    pub on_github: Option<State>,
    /// Whether GitHub let the gate say nothing in the repository, when that was tried last.
    pub is_refused: bool,
}

/// What a build is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    /// GitHub's id of the repository.
    pub repository_id: u64,
    /// The repository's full name.
    pub repository: String,
    /// The commit's hash.
    pub sha: String,
    /// GitHub's id of the deployment whose statuses say what became of it: none of a push, and none of a deployment that a
    /// GitHub Actions job made.
    pub deployment: Option<u64>,
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| format!("no state is called {word}"))
}

fn status_of(row: &Row) -> Result<Status, String> {
    Ok(Status {
        state: state(&row.get::<String>("state")?)?,
        description: row.get("description")?,
        log_url: row.get("log_url")?,
        environment_url: row.get("environment_url")?,
    })
}

fn on_github(row: &Row) -> Result<Option<State>, String> {
    row.get::<Option<String>>("on_github")?.as_deref().map(state).transpose()
}

impl Stored {
    fn from_row(row: &Row) -> Result<Self, String> {
        let of_job = row.get::<u64>("of_job")? > 0;
        let deployment: Option<u64> = row.get("deployment")?;
        Ok(Self {
            build: Build {
                id: row.get("id")?,
                status: status_of(row)?,
                is_ended_by_report: row.get::<u64>("is_ended_by_report")? > 0,
                queued_at: row.get("queued_at")?,
                handed_over_at: row.get("handed_over_at")?,
                reported_at: row.get("reported_at")?,
                since: row.get("since")?,
                attempts: row.get("attempts")?,
                attempted_at: row.get("attempted_at")?,
                answer: row.get("answer")?,
                unsaid: Status::list(&row.get::<String>("unsaid")?)?,
            },
            of: Of {
                repository_id: row.get("repository_id")?,
                repository: row.get("repository")?,
                sha: row.get("sha")?,
                deployment: deployment.filter(|_| !of_job),
            },
            version: row.get("version")?,
            unsure: row.get("unsure")?,
            on_github: on_github(row)?,
            is_refused: row.get::<u64>("is_refused")? > 0,
        })
    }
}

fn told(row: &Row) -> Result<BuildRow, String> {
    let time = |name| Ok::<_, String>(row.get::<Option<u64>>(name)?.map(rfc3339));
    let status = status_of(row)?;
    Ok(BuildRow {
        id: row.get("id")?,
        repository: row.get("repository")?,
        sha: row.get("sha")?,
        reference: row.get("ref")?,
        deployment: row.get("deployment")?,
        environment: row.get("environment")?,
        state: status.state,
        description: status.description,
        log_url: status.log_url,
        environment_url: status.environment_url,
        delivery: row.get("delivery")?,
        queued_at: rfc3339(row.get("queued_at")?),
        is_held: row.get::<u64>("is_held")? > 0,
        handed_over_at: time("handed_over_at")?,
        reported_at: time("reported_at")?,
        since: rfc3339(row.get("since")?),
        attempts: row.get("attempts")?,
        attempted_at: time("attempted_at")?,
        answer: row.get("answer")?,
        on_github: on_github(row)?,
        github_error: row.get("github_error")?,
        request: None,
    })
}

/// Keeps that a build's request lies on the queue, and gives what is kept of it: what was kept before, where that was. For
/// `tell_at`, see [`keep`].
pub(crate) async fn begin(
    env: &Env,
    request: &QueuedRequest,
    message: &str,
    build: &Build,
    tell_at: Option<u64>,
) -> Result<Stored, String> {
    let statement = format!(
        "INSERT INTO builds (id, repository_id, repository, sha, ref, deployment, environment, delivery, request, state, \
         description, queued_at, since, unsaid, tell_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, ?14) \
         ON CONFLICT (id) DO UPDATE SET id = ?1 RETURNING {COLUMNS}"
    );
    let unsaid = json(&build.unsaid)?;
    let values = [
        request.id.as_str().into(),
        request.repository_id.into(),
        request.repository.as_str().into(),
        request.sha.as_str().into(),
        request.reference.as_str().into(),
        request.deployment.as_ref().map(|deployment| deployment.id).into(),
        request.deployment.as_ref().map(|deployment| &*deployment.environment).into(),
        request.delivery.as_str().into(),
        message.into(),
        build.status.state.as_str().into(),
        build.status.description.as_str().into(),
        build.queued_at.into(),
        unsaid.as_str().into(),
        tell_at.into(),
    ];
    let rows = d1::rows(env, LEDGER, &statement, &values).await?;
    rows.first().map_or_else(|| Err("the row is gone".to_owned()), Stored::from_row)
}

/// What is kept of a build; none where there is nothing.
pub(crate) async fn find(env: &Env, id: &str) -> Result<Option<Stored>, String> {
    let statement = format!("SELECT {COLUMNS} FROM builds WHERE id = ?");
    let rows = d1::rows(env, LEDGER, &statement, &[id.into()]).await?;
    rows.first().map(Stored::from_row).transpose()
}

/// Keeps a build in place of what was read of it, and says whether it was still so. `tell_at` is when to ask again that
/// GitHub is told what is unsaid, if that is not known yet: none where nothing is.
pub(crate) async fn keep(
    env: &Env,
    build: &Build,
    version: u64,
    tell_at: Option<u64>,
) -> Result<bool, String> {
    let statement = "UPDATE builds SET version = version + 1, state = ?3, description = ?4, log_url = ?5, \
                     environment_url = ?6, is_ended_by_report = ?7, queued_at = ?8, handed_over_at = ?9, reported_at = ?10, \
                     since = ?11, attempts = ?12, attempted_at = ?13, answer = ?14, unsaid = ?15, \
                     tell_at = CASE WHEN ?16 IS NULL THEN NULL ELSE coalesce(tell_at, ?16) END \
                     WHERE id = ?1 AND version = ?2 RETURNING number";
    let unsaid = json(&build.unsaid)?;
    let values = [
        build.id.as_str().into(),
        version.into(),
        build.status.state.as_str().into(),
        build.status.description.as_str().into(),
        build.status.log_url.as_deref().into(),
        build.status.environment_url.as_deref().into(),
        u64::from(build.is_ended_by_report).into(),
        build.queued_at.into(),
        build.handed_over_at.into(),
        build.reported_at.into(),
        build.since.into(),
        build.attempts.into(),
        build.attempted_at.into(),
        build.answer.as_deref().into(),
        unsaid.as_str().into(),
        tell_at.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| !rows.is_empty())
}

fn json(unsaid: &[Status]) -> Result<String, String> {
    serde_json::to_string(unsaid).map_err(|error| error.to_string())
}

/// Claims a build until a time, to say on GitHub what is unsaid of it. None where there is nothing to say, or somebody else
/// is saying it.
pub(crate) async fn claim(
    env: &Env,
    id: &str,
    now: u64,
    until: u64,
) -> Result<Option<Stored>, String> {
    let statement = format!(
        "UPDATE builds SET telling_until = ?3, unsure = unsure + 1 WHERE id = ?1 AND telling_until < ?2 \
         AND unsaid <> '[]' RETURNING {COLUMNS}"
    );
    let values = [id.into(), now.into(), until.into()];
    let rows = d1::rows(env, LEDGER, &statement, &values).await?;
    rows.first().map(Stored::from_row).transpose()
}

/// Keeps that GitHub was told a state of a build, and what is unsaid of it yet, and prolongs the claim; says whether the row
/// was still so. For `tell_at`, see [`keep`].
pub(crate) async fn keep_said(
    env: &Env,
    build: &Build,
    version: u64,
    said: State,
    tell_at: Option<u64>,
    until: u64,
) -> Result<bool, String> {
    let statement = "UPDATE builds SET version = version + 1, on_github = ?3, github_error = NULL, unsaid = ?4, \
                     tell_at = CASE WHEN ?5 IS NULL THEN NULL ELSE coalesce(tell_at, ?5) END, telling_until = ?6 \
                     WHERE id = ?1 AND version = ?2 RETURNING number";
    let unsaid = json(&build.unsaid)?;
    let values = [
        build.id.as_str().into(),
        version.into(),
        said.as_str().into(),
        unsaid.as_str().into(),
        tell_at.into(),
        until.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| !rows.is_empty())
}

/// Gives a claim back. `is_sure` says that it is known whether GitHub was told; `error` why it could not be; `tell_at` when
/// that is asked for again, should something be left.
pub(crate) async fn release(
    env: &Env,
    id: &str,
    is_sure: bool,
    error: Option<&str>,
    tell_at: Option<u64>,
) -> Result<(), String> {
    let statement = "UPDATE builds SET telling_until = 0, unsure = CASE ?2 WHEN 1 THEN 0 ELSE unsure END, \
                     github_error = coalesce(?3, github_error), \
                     tell_at = CASE unsaid WHEN '[]' THEN NULL ELSE ?4 END WHERE id = ?1";
    let values = [id.into(), u64::from(is_sure).into(), error.into(), tell_at.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// No one is asked any more to tell GitHub of a build, until something new is to be said of it.
pub(crate) async fn no_more(env: &Env, id: &str) -> Result<(), String> {
    d1::rows(env, LEDGER, "UPDATE builds SET tell_at = NULL WHERE id = ?", &[id.into()])
        .await
        .map(drop)
}

/// Builds of which GitHub was not told in time, at most so many; each is due again at `next`.
pub(crate) async fn take_untold(
    env: &Env,
    now: u64,
    next: u64,
    most: u64,
) -> Result<Vec<String>, String> {
    let statement = "UPDATE builds SET tell_at = ?2 WHERE number IN (SELECT number FROM builds WHERE tell_at <= ?1 \
                     ORDER BY tell_at LIMIT ?3) RETURNING id";
    let values = [now.into(), next.into(), most.into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// Since when a build must have been silent to be taken for ended.
#[derive(Clone, Copy, Debug)]
pub struct SilentSince {
    /// Queued, and not handed over.
    pub queued: u64,
    /// Handed over, and not reported of.
    pub handed_over: u64,
    /// In progress, and not reported of since.
    pub in_progress: u64,
}

/// Builds that have been silent since before these times, at most so many.
pub(crate) async fn silent(
    env: &Env,
    since: SilentSince,
    most: u64,
) -> Result<Vec<String>, String> {
    let statement = "SELECT id FROM builds WHERE state IN ('queued', 'in_progress') AND CASE \
                     WHEN state = 'in_progress' THEN coalesce(reported_at, since) < ?3 \
                     WHEN handed_over_at IS NULL THEN queued_at < ?1 \
                     AND NOT EXISTS (SELECT 1 FROM held WHERE build = builds.id) ELSE queued_at < ?2 END ORDER BY queued_at LIMIT ?4";
    let values =
        [since.queued.into(), since.handed_over.into(), since.in_progress.into(), most.into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// Forgets what ended before a time.
pub(crate) async fn forget(env: &Env, before: u64) -> Result<(), String> {
    let statement = "DELETE FROM builds WHERE since < ? AND state NOT IN ('queued', 'in_progress')";
    d1::rows(env, LEDGER, statement, &[before.into()]).await?;
    let statement = "DELETE FROM of_jobs WHERE noted_at < ? AND NOT EXISTS (SELECT 1 FROM builds WHERE id = build)";
    d1::rows(env, LEDGER, statement, &[before.into()]).await.map(drop)
}

/// Keeps that a build is of a deployment that a GitHub Actions job made.
pub(crate) async fn note_job(
    env: &Env,
    id: &str,
    now: u64,
    milliseconds: u32,
) -> Result<(), String> {
    let statement =
        "INSERT INTO of_jobs (build, noted_at) VALUES (?, ?) ON CONFLICT (build) DO NOTHING";
    let values = [id.into(), now.into()];
    d1::rows_within(env, LEDGER, milliseconds, statement, &values).await.map(drop)
}

/// The GUID of the delivery that asked for a build first, if its request was on the queue.
pub(crate) async fn delivery_of(
    env: &Env,
    id: &str,
    milliseconds: u32,
) -> Result<Option<String>, String> {
    let statement = "SELECT delivery FROM builds WHERE id = ?";
    let rows = d1::rows_within(env, LEDGER, milliseconds, statement, &[id.into()]).await?;
    rows.first().map(|row| row.get("delivery")).transpose()
}

/// Keeps that GitHub lets the gate say nothing in a repository; says whether that is new.
pub(crate) async fn refused(env: &Env, repository: &str, now: u64) -> Result<bool, String> {
    let statement = "INSERT INTO refusals (repository, refused_at) VALUES (?, ?) ON CONFLICT (repository) DO NOTHING \
                     RETURNING refused_at";
    let values = [repository.into(), now.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| !rows.is_empty())
}

/// Keeps that GitHub lets the gate say something there again.
pub(crate) async fn no_longer_refused(env: &Env, repository: &str) -> Result<(), String> {
    d1::rows(env, LEDGER, "DELETE FROM refusals WHERE repository = ?", &[repository.into()])
        .await
        .map(drop)
}

/// The mark that the build service has reported something.
const ORIGIN_REPORTS: &str = "origin-reports";

/// Keeps that the build service reports.
pub(crate) async fn mark_reporting(env: &Env, now: u64) -> Result<(), String> {
    marks::set_once(env, ORIGIN_REPORTS, &rfc3339(now)).await
}

/// When the build service reported first, by RFC 3339; none where it never has.
pub(crate) fn reporting_since() -> Ask<Option<String>> {
    marks::get(ORIGIN_REPORTS)
}

/// How many builds are looked at for what the build service did last.
const NEWEST: u64 = 500;

/// Looks how the handovers go: at the builds that wait, and at the newest ones.
pub(crate) fn handovers() -> Ask<Handovers> {
    // (Both states are named, for they are the index's.)
    let statement = "WITH newest AS (SELECT answer, attempted_at, reported_at FROM builds ORDER BY number DESC LIMIT ?1), \
                     open AS (SELECT answer, attempted_at, queued_at, state, handed_over_at FROM builds \
                     WHERE state IN ('queued', 'in_progress')), \
                     waiting AS (SELECT count(*) AS waiting, min(queued_at) AS waiting_since FROM open \
                     WHERE state = 'queued' AND handed_over_at IS NULL), \
                     last AS (SELECT answer, attempted_at FROM (SELECT answer, attempted_at FROM newest UNION ALL \
                     SELECT answer, attempted_at FROM open) WHERE attempted_at IS NOT NULL \
                     ORDER BY attempted_at DESC LIMIT 1) \
                     SELECT waiting, waiting_since, answer, attempted_at, \
                     (SELECT max(reported_at) FROM newest) AS reported_at FROM waiting LEFT JOIN last";
    Ask::new(statement, vec![NEWEST.into()], |rows| {
        let Some(row) = rows.first() else { return Ok(Handovers::default()) };
        let (answer, at): (Option<String>, Option<u64>) =
            (row.get("answer")?, row.get("attempted_at")?);
        Ok(Handovers {
            waiting: row.get("waiting")?,
            waiting_since: row.get("waiting_since")?,
            last_answer: answer.zip(at),
            reported_at: row.get("reported_at")?,
        })
    })
}

/// Of how many builds GitHub could not be told and is yet to be, and what the last one of them met with.
pub(crate) fn untold() -> Ask<(u64, Option<String>)> {
    let statement = "SELECT COUNT(*) AS count, (SELECT github_error FROM builds WHERE tell_at IS NOT NULL AND \
                     github_error IS NOT NULL ORDER BY number DESC LIMIT 1) AS error FROM builds \
                     WHERE tell_at IS NOT NULL AND github_error IS NOT NULL";
    Ask::new(statement, vec![], of_errors)
}

/// Lists them, the newest first, with the number of the last one.
pub(crate) async fn list(
    env: &Env,
    filter: &Filter,
) -> Result<(Vec<BuildRow>, Option<u64>), String> {
    let begins = filter.sha.as_deref().map(|sha| format!("{sha}%"));
    let owner = filter.owner.as_deref().map(owned);
    let conditions = Conditions::default()
        .and("repository = ?", filter.repository.as_deref())
        .and_owned("repository", &owner)
        .and("sha LIKE ?", begins.as_deref())
        .and("state = ?", filter.state.map(State::as_str))
        .and("delivery = ?", filter.delivery.as_deref())
        .and("queued_at >= ?", filter.since)
        .and("queued_at < ?", filter.until)
        .and("number < ?", filter.before);
    let statement =
        format!("SELECT {COLUMNS} FROM builds{} ORDER BY number DESC LIMIT ?", conditions.sql());
    let values = conditions.values_and(filter.limit);
    let rows = d1::rows(env, LEDGER, &statement, &values).await?;
    let last = rows.last().map(|row| row.get("number")).transpose()?;
    Ok((rows.iter().map(told).collect::<Result<_, _>>()?, last))
}

/// All of one, with its request.
pub(crate) async fn show(env: &Env, id: &str) -> Result<Option<BuildRow>, String> {
    let statement = format!("SELECT {COLUMNS}, request FROM builds WHERE id = ?");
    let rows = d1::rows(env, LEDGER, &statement, &[id.into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(BuildRow { request: row.get("request")?, ..told(row)? }))
}

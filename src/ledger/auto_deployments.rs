//! What became of the commits that the gate may deploy: a row for each repository, commit and environment. All times are
//! in milliseconds since 1970.
//!
//! A row is also where one deployment is claimed before it is made: whoever holds the claim is the only one to make a
//! deployment to that environment of the repository, until the claim ends by itself. So a crash in between is taken up
//! again, and no older commit overtakes a newer one.

use crate::ledger::conditions::{Conditions, owned};
use crate::ledger::{LEDGER, of_errors};
use crate::message::auto_deployment::{AutoDeployment, Filter, State};
use crate::platform::d1::{self, Ask, Row};
use crate::platform::env::Env;
use crate::time::rfc3339;

/// A commit in an environment.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// GitHub's id of the repository.
    pub repository_id: u64,
    /// The commit's hash.
    pub sha: &'a str,
    /// The environment.
    pub environment: &'a str,
}

/// What is to be kept of one.
#[derive(Debug)]
pub struct Note<'a> {
    /// Which one.
    pub key: Key<'a>,
    /// The repository's full name.
    pub repository: &'a str,
    /// The branch that the commit lies on; empty where that is not known.
    pub branch: &'a str,
    /// What became of it.
    pub state: State,
    /// Why, in words.
    pub reason: &'a str,
    /// The GUID of the delivery that gave the last hint.
    pub delivery: Option<&'a str>,
    /// When it is to be looked at again at the earliest: after a quarter of its age. None where it is not.
    pub look_at: Option<u64>,
    /// Whether GitHub has said that the repository of the id has this name. What is not verified changes nothing that is
    /// kept under another name.
    pub is_verified: bool,
}

/// The longest until what waits is looked at again, in milliseconds.
const LOOK_AT_MOST_AFTER: u64 = 2 * 60 * 60_000;

const COLUMNS: &str = "id, repository_id, repository, sha, environment, branch, state, reason, deployment, delivery, \
                       first_seen_at, since, look_at";

fn from_row(row: &Row) -> Result<AutoDeployment, String> {
    let state: String = row.get("state")?;
    let look_at: Option<u64> = row.get("look_at")?;
    Ok(AutoDeployment {
        id: row.get("id")?,
        repository_id: row.get("repository_id")?,
        repository: row.get("repository")?,
        sha: row.get("sha")?,
        environment: row.get("environment")?,
        branch: row.get("branch")?,
        state: State::from_word(&state).ok_or_else(|| format!("no state is called {state}"))?,
        reason: row.get("reason")?,
        deployment: row.get("deployment")?,
        delivery: row.get("delivery")?,
        first_seen_at: rfc3339(row.get("first_seen_at")?),
        since: rfc3339(row.get("since")?),
        look_at: look_at.map(rfc3339),
    })
}

fn rows_of(rows: &[Row]) -> Result<Vec<AutoDeployment>, String> {
    rows.iter().map(from_row).collect()
}

/// What is looked at: a commit, on the branches that a hint names, for whoever looks asks about those alone.
#[derive(Clone, Debug)]
pub struct Looked<'a> {
    /// The full name of the repository, in lower case.
    repository: &'a str,
    /// The commit's hash, and the branches.
    sha: String,
}

impl<'a> Looked<'a> {
    /// A commit of a repository, whose name is in lower case, on these branches.
    pub fn at(repository: &'a str, sha: &str, branches: &[String]) -> Self {
        let sha = [sha].into_iter().chain(branches.iter().map(String::as_str));
        Self { repository, sha: sha.collect::<Vec<_>>().join(" ") }
    }
}

/// Says whether a commit has to be looked at for a hint that came at `hinted_at`, and if so, that it is being looked at:
/// not where somebody has begun to look after it came, for they see what it hints at.
pub(crate) async fn begin_look(
    env: &Env,
    looked: &Looked<'_>,
    hinted_at: u64,
    now: u64,
) -> Result<bool, String> {
    let statement = "INSERT INTO looks (repository, sha, looked_at) VALUES (?1, ?2, ?4) \
                     ON CONFLICT (repository, sha) DO UPDATE SET looked_at = ?4 WHERE looked_at < ?3 \
                     RETURNING looked_at";
    let values =
        [looked.repository.into(), looked.sha.as_str().into(), hinted_at.into(), now.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(|rows| !rows.is_empty())
}

/// Keeps that a look came to nothing: whoever is hinted at the commit next has to look.
pub(crate) async fn undo_look(env: &Env, looked: &Looked<'_>) -> Result<(), String> {
    let statement = "DELETE FROM looks WHERE repository = ? AND sha = ?";
    let values = [looked.repository.into(), looked.sha.as_str().into()];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// Forgets what has not changed since before a time, but for what was deployed last to each environment of each branch:
/// what comes after is compared with that, and a branch's newest commit is not deployed once more.
pub(crate) async fn forget(env: &Env, before: u64) -> Result<(), String> {
    let statement = "DELETE FROM auto_deployments WHERE since < ?1 AND (state <> 'created' OR EXISTS (SELECT 1 \
                     FROM auto_deployments AS newer WHERE newer.repository_id = auto_deployments.repository_id \
                     AND newer.environment = auto_deployments.environment \
                     AND newer.branch = auto_deployments.branch AND newer.state = 'created' \
                     AND newer.since > auto_deployments.since))";
    d1::rows(env, LEDGER, statement, &[before.into()]).await.map(drop)
}

/// Forgets the looks before a time.
pub(crate) async fn forget_looks(env: &Env, before: u64) -> Result<(), String> {
    let statement = "DELETE FROM looks WHERE looked_at < ?";
    d1::rows(env, LEDGER, statement, &[before.into()]).await.map(drop)
}

/// What is kept of a commit.
pub(crate) async fn of_commit(
    env: &Env,
    repository_id: u64,
    sha: &str,
) -> Result<Vec<AutoDeployment>, String> {
    let statement =
        format!("SELECT {COLUMNS} FROM auto_deployments WHERE repository_id = ? AND sha = ?");
    rows_of(&d1::rows(env, LEDGER, &statement, &[repository_id.into(), sha.into()]).await?)
}

/// The commit that the gate deployed last to an environment.
pub(crate) async fn last_created(
    env: &Env,
    repository_id: u64,
    environment: &str,
) -> Result<Option<AutoDeployment>, String> {
    let statement = format!(
        "SELECT {COLUMNS} FROM auto_deployments WHERE repository_id = ? AND environment = ? AND state = 'created' \
         ORDER BY since DESC, id DESC LIMIT 1"
    );
    let values = [repository_id.into(), environment.into()];
    Ok(rows_of(&d1::rows(env, LEDGER, &statement, &values).await?)?.pop())
}

/// Keeps what became of a commit in an environment; what is created stays created.
pub(crate) async fn note(env: &Env, note: &Note<'_>, now: u64) -> Result<(), String> {
    let statement = "INSERT INTO auto_deployments (repository_id, repository, sha, environment, branch, state, reason, \
                     delivery, first_seen_at, since, look_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10) \
                     ON CONFLICT (repository_id, sha, environment) DO UPDATE SET repository = ?2, \
                     branch = CASE WHEN ?5 = '' THEN branch ELSE ?5 END, \
                     since = CASE WHEN state = ?6 THEN since ELSE ?9 END, state = ?6, reason = ?7, \
                     delivery = coalesce(?8, delivery), look_at = CASE WHEN ?10 IS NULL THEN NULL \
                     ELSE CAST(max(?10, ?9 + min(?12, (?9 - first_seen_at) / 4)) AS INTEGER) END \
                     WHERE state <> 'created' AND (?11 = 1 OR repository = ?2)";
    let values = [
        note.key.repository_id.into(),
        note.repository.into(),
        note.key.sha.into(),
        note.key.environment.into(),
        note.branch.into(),
        note.state.as_str().into(),
        note.reason.into(),
        note.delivery.into(),
        now.into(),
        note.look_at.into(),
        u64::from(note.is_verified).into(),
        LOOK_AT_MOST_AFTER.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// Who is about to make a deployment.
#[derive(Debug)]
pub enum Claim {
    /// Whoever asked, until it ends. `before` says that somebody has claimed it before, and may have made it.
    Claimed {
        /// Whether it was claimed before.
        before: bool,
    },
    /// Somebody else, of this commit or another one, or it is made.
    Taken,
}

/// Claims the deployment of a commit to an environment, until a time. Only one can be claimed of an environment.
pub(crate) async fn claim(env: &Env, key: Key<'_>, now: u64, until: u64) -> Result<Claim, String> {
    let statement = "UPDATE auto_deployments SET claims = claims + 1, lease_until = ?5 \
                     WHERE repository_id = ?1 AND sha = ?2 AND environment = ?3 AND state <> 'created' \
                     AND NOT EXISTS (SELECT 1 FROM auto_deployments AS other WHERE other.repository_id = ?1 \
                     AND other.environment = ?3 AND other.lease_until >= ?4) RETURNING claims";
    let values = [
        key.repository_id.into(),
        key.sha.into(),
        key.environment.into(),
        now.into(),
        until.into(),
    ];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    match rows.first() {
        None => Ok(Claim::Taken),
        Some(row) => Ok(Claim::Claimed { before: row.get::<u64>("claims")? > 1 }),
    }
}

/// Gives the claim that was made until a time back: the deployment was not made.
pub(crate) async fn release(env: &Env, key: Key<'_>, until: u64) -> Result<(), String> {
    let statement = "UPDATE auto_deployments SET lease_until = 0 \
                     WHERE repository_id = ? AND sha = ? AND environment = ? AND lease_until = ?";
    let values = [key.repository_id.into(), key.sha.into(), key.environment.into(), until.into()];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// The commits whose deployment to an environment was claimed by somebody who is gone, and may have been made,
/// each with the time until which it was claimed.
pub(crate) async fn abandoned(
    env: &Env,
    key: Key<'_>,
    now: u64,
) -> Result<Vec<(String, u64)>, String> {
    let statement = "SELECT sha, lease_until FROM auto_deployments WHERE repository_id = ? AND environment = ? AND sha <> ? \
                     AND state <> 'created' AND lease_until > 0 AND lease_until < ?";
    let values = [key.repository_id.into(), key.environment.into(), key.sha.into(), now.into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    rows.iter().map(|row| Ok((row.get("sha")?, row.get("lease_until")?))).collect()
}

/// Keeps that the deployment is made, and gives its claim back.
pub(crate) async fn created(
    env: &Env,
    key: Key<'_>,
    deployment: u64,
    reason: &str,
    now: u64,
) -> Result<(), String> {
    let statement = "UPDATE auto_deployments SET state = 'created', deployment = ?4, reason = ?5, since = ?6, \
                     look_at = NULL, lease_until = 0 WHERE repository_id = ?1 AND sha = ?2 AND environment = ?3 \
                     AND state <> 'created'";
    let values = [
        key.repository_id.into(),
        key.sha.into(),
        key.environment.into(),
        deployment.into(),
        reason.into(),
        now.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// The branch of a deployment, if the gate made it: it knows the deployment, or is just about to keep its id. The ledger is
/// waited for no longer than so many milliseconds.
pub(crate) async fn branch_of(
    env: &Env,
    key: Key<'_>,
    deployment: u64,
    milliseconds: u32,
) -> Result<Option<String>, String> {
    let statement = "SELECT branch FROM auto_deployments WHERE repository_id = ?1 AND sha = ?2 AND environment = ?3 \
                     AND (deployment = ?4 OR deployment IS NULL AND claims > 0)";
    let values =
        [key.repository_id.into(), key.sha.into(), key.environment.into(), deployment.into()];
    let rows = d1::rows_within(env, LEDGER, milliseconds, statement, &values).await?;
    rows.first().map(|row| row.get("branch")).transpose()
}

/// How many commits wait because GitHub does not answer as it should, and what it was about the last one of them.
pub(crate) fn unasked() -> Ask<(u64, Option<String>)> {
    // (Such a reason begins as a `Failure` does.)
    let statement = "SELECT COUNT(*) AS count, (SELECT reason FROM auto_deployments WHERE look_at IS NOT NULL AND \
                     state = 'waiting' AND reason LIKE 'GitHub %' ORDER BY id DESC LIMIT 1) AS error \
                     FROM auto_deployments WHERE look_at IS NOT NULL AND state = 'waiting' AND reason LIKE 'GitHub %'";
    Ask::new(statement, vec![], of_errors)
}

/// A commit that is to be looked at again.
#[derive(Debug)]
pub struct Due {
    /// GitHub's id of the repository.
    pub repository_id: u64,
    /// The repository's full name.
    pub repository: String,
    /// The commit's hash.
    pub sha: String,
    /// The branch that it lies on; empty where that is not known.
    pub branch: String,
}

/// Takes commits whose time to be looked at again has come, at most so many, and sets when they come again by their age,
/// should nobody look at them: after a quarter of it, but `least` at the earliest and two hours at the latest.
pub(crate) async fn take_due(
    env: &Env,
    now: u64,
    least: u64,
    count: u64,
) -> Result<Vec<Due>, String> {
    let statement = "UPDATE auto_deployments \
                     SET look_at = CAST(?1 + max(?2, min(?3, (?1 - first_seen_at) / 4)) AS INTEGER) \
                     WHERE id IN (SELECT id FROM auto_deployments WHERE look_at <= ?1 \
                     ORDER BY look_at LIMIT ?4) RETURNING repository_id, repository, sha, branch";
    let values = [now.into(), least.into(), LOOK_AT_MOST_AFTER.into(), count.into()];
    let rows = d1::rows(env, LEDGER, statement, &values).await?;
    let mut due: Vec<Due> = Vec::new();
    for row in &rows {
        let (repository_id, sha): (u64, String) = (row.get("repository_id")?, row.get("sha")?);
        if !due.iter().any(|due| due.repository_id == repository_id && due.sha == sha) {
            let (repository, branch) = (row.get("repository")?, row.get("branch")?);
            due.push(Due { repository_id, repository, sha, branch });
        }
    }
    Ok(due)
}

/// Ends what has been waiting since before a time; what is red since then stays so, and is not looked at any more.
pub(crate) async fn time_out(env: &Env, before: u64, now: u64, after: &str) -> Result<(), String> {
    let statement = "UPDATE auto_deployments SET reason = CASE state WHEN 'red' THEN reason ELSE ?3 || reason END, \
                     since = CASE state WHEN 'red' THEN since ELSE ?2 END, \
                     state = CASE state WHEN 'red' THEN 'red' ELSE 'timed-out' END, look_at = NULL \
                     WHERE look_at IS NOT NULL AND since < ?1";
    d1::rows(env, LEDGER, statement, &[before.into(), now.into(), after.into()]).await.map(drop)
}

/// Ends what would be looked at again of a commit, in one environment or in all, for it is not to be deployed.
pub(crate) async fn end(
    env: &Env,
    (repository_id, repository): (u64, &str),
    sha: &str,
    environment: Option<&str>,
    reason: &str,
    now: u64,
) -> Result<(), String> {
    let statement = "UPDATE auto_deployments SET state = 'refused', reason = ?5, since = ?6, look_at = NULL \
                     WHERE repository_id = ?1 AND repository = ?2 AND sha = ?3 AND (?4 IS NULL OR environment = ?4) \
                     AND look_at IS NOT NULL";
    let values = [
        repository_id.into(),
        repository.into(),
        sha.into(),
        environment.into(),
        reason.into(),
        now.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

/// Has a commit looked at anew, as if the gate had just heard of it, and says how many rows that are not created it has.
pub(crate) async fn retry(
    env: &Env,
    repository: &str,
    sha: &str,
    reason: &str,
    now: u64,
) -> Result<Vec<AutoDeployment>, String> {
    let statement = format!(
        "UPDATE auto_deployments SET state = 'waiting', reason = ?3, since = ?4, first_seen_at = ?4, \
         look_at = CAST(?4 + 60000 AS INTEGER) \
         WHERE repository = ?1 AND sha = ?2 AND state <> 'created' RETURNING {COLUMNS}"
    );
    let values = [repository.into(), sha.into(), reason.into(), now.into()];
    rows_of(&d1::rows(env, LEDGER, &statement, &values).await?)
}

/// Lists them, the newest first.
pub(crate) async fn list(env: &Env, filter: &Filter) -> Result<Vec<AutoDeployment>, String> {
    let begins = filter.sha.as_deref().map(|sha| format!("{sha}%"));
    let owner = filter.owner.as_deref().map(owned);
    let conditions = Conditions::default()
        .and("repository = ?", filter.repository.as_deref())
        .and_owned("repository", &owner)
        .and("sha LIKE ?", begins.as_deref())
        .and("state = ?", filter.state.map(State::as_str))
        .and("environment = ?", filter.environment.as_deref())
        .and("first_seen_at >= ?", filter.since)
        .and("first_seen_at < ?", filter.until)
        .and("id < ?", filter.before);
    let statement = format!(
        "SELECT {COLUMNS} FROM auto_deployments{} ORDER BY id DESC LIMIT ?",
        conditions.sql()
    );
    let values = conditions.values_and(filter.limit);
    rows_of(&d1::rows(env, LEDGER, &statement, &values).await?)
}

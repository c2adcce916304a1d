//! Dead letters: messages that left the queue without the origin's having taken them over. They are
//! kept until an operator redrives or drops them.

use serde::{Deserialize, Serialize};

use crate::ledger::LEDGER;
use crate::ledger::conditions::{Conditions, owned};
use crate::message::dead_letter::Filter;
use crate::platform::d1::{self, Row};
use crate::platform::env::Env;

/// The conditions of a list that do not say which page; `owner` is that of the filter's owner.
fn conditions<'a>(filter: &'a Filter, owner: &'a Option<(String, String)>) -> Conditions<'a> {
    Conditions::default()
        .and("repository = ? COLLATE NOCASE", filter.repository.as_deref())
        .and_owned("repository COLLATE NOCASE", owner)
        .and("queue = ?", filter.queue.as_deref())
        .and("reason = ?", filter.reason.as_deref())
        .and("build = ?", filter.build.as_deref())
        .and_that("redriven_at IS NOT NULL", filter.redriven == Some(true))
        .and_that("redriven_at IS NULL", filter.redriven == Some(false))
        .and("stored_at >= ?", filter.since.as_deref())
        .and("stored_at < ?", filter.until.as_deref())
        .and("id <= ?", filter.through)
}

/// A message about to be kept.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// What the message asks for: `builds` or `github`, as its queue is called.
    pub queue: &'static str,
    /// The queue's id of the message.
    pub message_id: &'a str,
    /// The build request's id, where the message could be read.
    pub build: Option<&'a str>,
    /// The repository's full name, where the message could be read.
    pub repository: Option<&'a str>,
    /// Why it is kept: the code of the last attempt.
    pub reason: &'static str,
    /// What went wrong, where the origin did not answer.
    pub detail: Option<&'a str>,
    /// The status of the origin's last answer.
    pub status: Option<u16>,
    /// The beginning of the origin's last answer.
    pub answer: Option<&'a str>,
    /// How often it was tried; not known of a message that the queue gave up.
    pub attempts: Option<u32>,
    /// When it was kept, by RFC 3339.
    pub stored_at: &'a str,
    /// The message, to the letter.
    pub message: &'a str,
}

/// A dead letter as a list shows it.
#[derive(Debug, Deserialize, Serialize)]
pub struct DeadLetterSummary {
    /// Its id in the ledger.
    pub id: u64,
    /// What the message asks for: `builds` or `github`, as its queue is called.
    pub queue: String,
    /// The build request's id; none where the message could not be read.
    pub build: Option<String>,
    /// The repository's full name; none where the message could not be read.
    pub repository: Option<String>,
    /// Why it is kept: the code of the last attempt.
    pub reason: String,
    /// The status of the origin's last answer.
    pub status: Option<u16>,
    /// How often it was tried.
    pub attempts: Option<u32>,
    /// When it was kept, by RFC 3339.
    pub stored_at: String,
    /// When it was last put back on the queue, by RFC 3339.
    pub redriven_at: Option<String>,
}

/// A dead letter with everything that is kept of it.
#[derive(Debug, Deserialize, Serialize)]
pub struct StoredDeadLetter {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: DeadLetterSummary,
    /// What went wrong, where the origin did not answer.
    pub detail: Option<String>,
    /// The beginning of the origin's last answer.
    pub answer: Option<String>,
    /// The message, to the letter.
    pub message: String,
}

impl DeadLetterSummary {
    fn from_row(row: &Row) -> Result<Self, String> {
        Ok(Self {
            id: row.get("id")?,
            queue: row.get("queue")?,
            build: row.get("build")?,
            repository: row.get("repository")?,
            reason: row.get("reason")?,
            status: row.get("status")?,
            attempts: row.get("attempts")?,
            stored_at: row.get("stored_at")?,
            redriven_at: row.get("redriven_at")?,
        })
    }
}

impl StoredDeadLetter {
    fn from_row(row: &Row) -> Result<Self, String> {
        Ok(Self {
            summary: DeadLetterSummary::from_row(row)?,
            detail: row.get("detail")?,
            answer: row.get("answer")?,
            message: row.get("message")?,
        })
    }
}

/// One page of the list.
#[derive(Debug, Deserialize, Serialize)]
pub struct DeadLetterPage {
    /// The dead letters, the oldest first.
    pub items: Vec<DeadLetterSummary>,
    /// The cursor of the next page, if there may be one.
    pub next: Option<u64>,
    /// How many there are on all pages.
    pub count: u64,
    /// The greatest id of them: what is asked of all of them is asked of no later ones, if it is asked through this.
    pub last: Option<u64>,
}

/// Keeps a dead letter. Keeping the same message again changes nothing.
pub(crate) async fn keep(env: &Env, letter: &DeadLetter<'_>) -> Result<(), String> {
    let statement = "INSERT INTO dead_letters (queue, message_id, build, repository, reason, detail, status, answer, \
                     attempts, stored_at, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (message_id) DO NOTHING";
    let values = [
        letter.queue.into(),
        letter.message_id.into(),
        letter.build.into(),
        letter.repository.into(),
        letter.reason.into(),
        letter.detail.into(),
        letter.status.into(),
        letter.answer.into(),
        letter.attempts.into(),
        letter.stored_at.into(),
        letter.message.into(),
    ];
    d1::rows(env, LEDGER, statement, &values).await.map(drop)
}

const SUMMARY: &str =
    "id, queue, build, repository, reason, status, attempts, stored_at, redriven_at";

/// A page of a list.
pub(crate) async fn list(env: &Env, filter: &Filter) -> Result<DeadLetterPage, String> {
    let owner = filter.owner.as_deref().map(owned);
    let all = conditions(filter, &owner);
    let statement =
        format!("SELECT count(*) AS count, max(id) AS last FROM dead_letters{}", all.sql());
    let counted = d1::rows(env, LEDGER, &statement, all.values()).await?;
    let (count, last) = match counted.first() {
        Some(row) => (row.get("count")?, row.get("last")?),
        None => (0, None),
    };
    let page = all.and("id > ?", filter.after);
    let statement = format!("SELECT {SUMMARY} FROM dead_letters{} ORDER BY id LIMIT ?", page.sql());
    let rows = d1::rows(env, LEDGER, &statement, &page.values_and(filter.limit)).await?;
    let items = rows.iter().map(DeadLetterSummary::from_row).collect::<Result<Vec<_>, _>>()?;
    let is_full = items.len() as u64 == filter.limit;
    let next = items.last().filter(|_| is_full).map(|letter| letter.id);
    Ok(DeadLetterPage { items, next, count, last })
}

/// What a page of a list has, with everything that is kept of each.
pub(crate) async fn take(env: &Env, filter: &Filter) -> Result<Vec<StoredDeadLetter>, String> {
    let owner = filter.owner.as_deref().map(owned);
    let page = conditions(filter, &owner).and("id > ?", filter.after);
    let statement = format!(
        "SELECT {SUMMARY}, detail, answer, message FROM dead_letters{} ORDER BY id LIMIT ?",
        page.sql()
    );
    let rows = d1::rows(env, LEDGER, &statement, &page.values_and(filter.limit)).await?;
    rows.iter().map(StoredDeadLetter::from_row).collect()
}

/// Deletes what a list has, on all its pages, and says how many those were.
pub(crate) async fn delete_all(env: &Env, filter: &Filter) -> Result<u64, String> {
    let owner = filter.owner.as_deref().map(owned);
    let all = conditions(filter, &owner);
    let statement = format!("DELETE FROM dead_letters{} RETURNING 1 AS one", all.sql());
    let gone = d1::rows(env, LEDGER, &statement, all.values()).await?;
    Ok(gone.len() as u64)
}

/// A dead letter, if there is one of the id.
pub(crate) async fn find(env: &Env, id: u64) -> Result<Option<StoredDeadLetter>, String> {
    let statement =
        format!("SELECT {SUMMARY}, detail, answer, message FROM dead_letters WHERE id = ?");
    let rows = d1::rows(env, LEDGER, &statement, &[id.into()]).await?;
    rows.first().map(StoredDeadLetter::from_row).transpose()
}

/// Marks a dead letter as put back on the queue, at a time by RFC 3339.
pub(crate) async fn mark_redriven(env: &Env, id: u64, redriven_at: &str) -> Result<(), String> {
    let statement = "UPDATE dead_letters SET redriven_at = ? WHERE id = ?";
    d1::rows(env, LEDGER, statement, &[redriven_at.into(), id.into()]).await.map(drop)
}

/// Deletes a dead letter, and says whether there was one.
pub(crate) async fn delete(env: &Env, id: u64) -> Result<bool, String> {
    let statement = "DELETE FROM dead_letters WHERE id = ? RETURNING id";
    d1::rows(env, LEDGER, statement, &[id.into()]).await.map(|rows| !rows.is_empty())
}

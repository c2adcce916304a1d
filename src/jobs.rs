//! What is to be done at GitHub: queue → job → its story → done, again later, or a dead letter.

use crate::auto_deploy;
use crate::github;
use crate::leaving::settle;
use crate::ledger::dead_letters::DeadLetter;
use crate::ledger::marks;
use crate::log;
use crate::message::Work;
use crate::message::build::State;
use crate::message::github_job::Job;
use crate::platform::env::Env;
use crate::platform::queue::Message;
use crate::platform::{self, Error};
use crate::retry::{Schedule, Step, Try};
use crate::statuses;
use crate::sweep;
use crate::time::rfc3339;

/// What one attempt came to.
enum Attempt {
    /// At a look at a commit.
    AutoDeploy(auto_deploy::attempt::Attempt),
    /// At saying what has become of a build; and the build's repository, where that is known.
    TellStatus(statuses::attempt::Attempt, Option<String>),
    /// At having something delivered again.
    Redeliver(sweep::Attempt),
    /// The message is no job; what is wrong with it.
    Unreadable(String),
    /// The queue gave the message up and moved it to its dead-letter queue.
    GivenUpByQueue,
}

/// Does what one message asks for.
///
/// Errors where the queue can be told nothing of the message.
pub async fn work(message: Message, env: &Env, given_up: bool) -> Result<(), Error> {
    let started = platform::now();
    let schedule = Schedule::read(|name| env.text(name)).unwrap_or_default();
    let (text, number) = (message.text(), message.attempt());
    let age = started.saturating_sub(message.sent_at()) / 1_000;
    // The last time, a message that the queue gave up is kept unread: to look into it may be what panics.
    let is_last = given_up && schedule.is_ending(number, age);
    let job =
        if is_last { Err("not looked into any more".to_owned()) } else { Job::from_message(&text) };
    let attempt = match &job {
        _ if given_up => Attempt::GivenUpByQueue,
        Err(detail) => Attempt::Unreadable(detail.clone()),
        Ok(Job::AutoDeploy(job)) => {
            Attempt::AutoDeploy(Box::pin(auto_deploy::attempt(env, job, number)).await)
        }
        Ok(Job::TellStatus(job)) => {
            let (attempt, repository) = Box::pin(statuses::tell(env, job)).await;
            Attempt::TellStatus(attempt, repository)
        }
        Ok(Job::Redeliver(job)) => Attempt::Redeliver(Box::pin(sweep::redeliver(env, job)).await),
    };

    let now = platform::now();
    let job = job.ok();
    let (id, stored_at, detail) = (message.id(), rfc3339(now), attempt.detail());
    let letter = DeadLetter {
        queue: Work::GitHub.as_str(),
        message_id: &id,
        build: job.as_ref().and_then(build_of),
        repository: attempt.repository(job.as_ref()),
        reason: attempt.code(),
        detail: detail.as_deref(),
        status: None,
        answer: None,
        attempts: (!matches!(attempt, Attempt::GivenUpByQueue)).then_some(number),
        stored_at: &stored_at,
        message: &text,
    };
    let tried = (attempt.tried(number), message.sent_at());
    let left = settle(env, &message, Work::GitHub, &schedule, tried, &letter, is_last).await;
    if let (Step::Bury, Some(Job::TellStatus(job))) = (left.step, &job) {
        statuses::give_up(env, job).await;
    }
    if attempt.is_logged() {
        let ms = now.saturating_sub(started);
        let ledger_error = left.ledger_error.as_deref();
        platform::log(&attempt.line(job.as_ref(), number, ms, left.step, ledger_error));
    }
    keep_limit(env).await;
    left.told
}

/// Keeps how much GitHub may still be asked, as its last answers said it.
pub async fn keep_limit(env: &Env) {
    if let Some(limit) = github::limit_to_keep() {
        // What is not kept now is, by and by, with the next answer.
        let _ = marks::set(env, marks::GITHUB_LIMIT, &limit.to_text()).await;
    }
}

fn build_of(job: &Job) -> Option<&str> {
    match job {
        Job::TellStatus(job) => Some(&job.build),
        Job::AutoDeploy(_) | Job::Redeliver(_) => None,
    }
}

impl Attempt {
    fn tried(&self, number: u32) -> Try {
        match self {
            Self::AutoDeploy(attempt) => attempt.tried(),
            Self::TellStatus(attempt, _) => attempt.tried(number),
            Self::Redeliver(attempt) => attempt.tried(),
            Self::Unreadable(_) | Self::GivenUpByQueue => Try::Never,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::AutoDeploy(attempt) => attempt.code(),
            Self::TellStatus(attempt, _) => attempt.code(),
            Self::Redeliver(attempt) => attempt.code(),
            Self::Unreadable(_) => "message-unreadable",
            Self::GivenUpByQueue => "given-up-by-queue",
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::AutoDeploy(attempt) => attempt.detail(),
            Self::TellStatus(attempt, _) => attempt.detail(),
            Self::Redeliver(attempt) => attempt.detail(),
            Self::Unreadable(detail) => Some(detail.clone()),
            Self::GivenUpByQueue => None,
        }
    }

    fn is_logged(&self) -> bool {
        match self {
            Self::TellStatus(attempt, _) => attempt.is_logged(),
            _ => true,
        }
    }

    fn repository<'a>(&'a self, job: Option<&'a Job>) -> Option<&'a str> {
        match (self, job) {
            (_, Some(Job::AutoDeploy(job))) => Some(job.repository.as_spelt()),
            (Self::TellStatus(_, repository), _) => repository.as_deref(),
            _ => None,
        }
    }

    /// The line that an attempt leaves in the log.
    fn line<'a>(
        &'a self,
        job: Option<&'a Job>,
        number: u32,
        ms: u64,
        step: Step,
        ledger_error: Option<&'a str>,
    ) -> log::Line<'a> {
        let look = match job {
            Some(Job::AutoDeploy(job)) => Some(job),
            _ => None,
        };
        let found = match self {
            Self::AutoDeploy(auto_deploy::attempt::Attempt::Looked { found, .. }) => &**found,
            _ => &[],
        };
        let told = match self {
            Self::TellStatus(statuses::attempt::Attempt::Told { states }, _) => &**states,
            _ => &[],
        };
        log::Line::GitHub {
            outcome: step.as_str(),
            code: self.code(),
            ms,
            attempt: number,
            retry_in: step.seconds(),
            delivery: match job {
                Some(Job::AutoDeploy(job)) => job.delivery.as_deref(),
                Some(Job::Redeliver(job)) => Some(&job.guid),
                _ => None,
            },
            repository: self.repository(job),
            sha: look.map(|job| job.sha.as_str()),
            build: job.and_then(build_of),
            told: told.iter().copied().map(State::as_str).collect(),
            found: found
                .iter()
                .map(|found| log::FoundLine {
                    environment: &found.environment,
                    state: found.state.as_str(),
                    reason: &found.reason,
                    deployment: found.deployment,
                })
                .collect(),
            detail: self.detail(),
            ledger_error,
        }
    }
}

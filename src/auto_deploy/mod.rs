//! A commit may be green: job → policy → GitHub → verdict → one deployment for each environment, or why not, in the ledger.
//!
//! What GitHub delivered was a hint that it is time to look. What decides is what GitHub answers now: on which branch the
//! commit lies, all that is said of it, and how it lies to what was deployed last. A message comes at least once, several
//! hints come at once, and each step may be cut off after it was done: so a deployment is claimed in the ledger before it is
//! made, and looked for at GitHub where somebody has claimed it before.

pub mod attempt;
pub mod settings;
pub mod verdict;

use std::cell::Cell;

use crate::github::api::{
    Branch, Call, Comparison, Deployment, DeploymentPayload, Failure, NewDeployment, Purpose,
    RepositoryFacts,
};
use crate::github::{AtRepository, GitHub, Page, gather};
use crate::ledger::auto_deployments::{self, Claim, Key, Looked, Note};
use crate::message::Work;
use crate::message::auto_deployment::{AutoDeployment, State};
use crate::message::github_job::AutoDeploy as Job;
use crate::platform::env::Env;
use crate::platform::{self, kv};
use crate::policy::Policy;
use crate::policy::auto_deploy::AutoDeploy;
use crate::policy::lookup::{self, NoPolicy};
use crate::repository::{RepositoryName, Sha};
use crate::sending;
use attempt::{Attempt, Found, Nothing};
use verdict::{Fact, Facts, Verdict, judge};

/// How long an edge of Cloudflare's keeps what it has read from KV, in seconds.
const KV_CACHE: u32 = 30;

/// How long GitHub may take until it answers with what it has already delivered, in milliseconds: somebody who began to
/// look earlier after a hint than that may not have seen what it hints at.
const LAG: u64 = 2_000;

/// How long a deployment is claimed, in milliseconds.
const LEASE: u64 = 60_000;

/// How much of that has to be left when GitHub is asked to make it, in milliseconds: it is given 20 seconds to answer.
const LEFT_OF_LEASE: u64 = 25_000;

/// In how many seconds a commit is looked at again while another one is just being deployed to the environment.
const WHILE_TAKEN: u64 = 10;

/// What waits is looked at again after a quarter of its age, but so much at the least, in milliseconds, and for a day.
const LOOK_AT_LEAST_AFTER: u64 = 60_000;
const GIVEN_UP_AFTER: u64 = 24 * 60 * 60_000;

/// How long the ledger keeps what does not change any more, in milliseconds.
const KEPT_FOR: u64 = 90 * 24 * 60 * 60_000;

/// Within how much of one another attempts that are made again are one look, in milliseconds: they come together, as their
/// hints did.
const TOGETHER: u64 = 1_000;

/// How many commits are looked at again at a time.
const MOST_DUE: u64 = 100;

/// The most branches that are asked about one by one.
const MOST_BRANCHES: usize = 10;

/// How often a commit is looked for on a branch that it is said to lie on.
const MOST_TRIES_OF_A_BRANCH: u32 = 3;

/// How the description begins of a deployment that the gate has made.
const DESCRIPTION: &str = "Auto-Deployment by buildgate";

/// Longest description, in characters: GitHub's bound for that of a status, and so as much as its pages show.
const LONGEST_DESCRIPTION: usize = 140;

/// Looks at a commit, at attempt number `number`; the first is 1.
pub async fn attempt(env: &Env, job: &Job, number: u32) -> Attempt {
    match look(env, job, number).await {
        Ok(looked) => looked,
        Err(failed) => {
            // Where that fails, too, the next hint finds a commit that is looked at again by this message alone.
            let _ = auto_deployments::undo_look(env, &looked(job)).await;
            failed
        }
    }
}

/// Puts jobs on the queue for what waits and is to be looked at again, ends what has waited for too long, and forgets what
/// is old. `is_tidying` says that this is the time for the latter.
pub async fn look_again(env: &Env, is_tidying: bool) -> Result<usize, String> {
    let now = platform::now();
    let reason = "given up after 24 hours; until then it ";
    auto_deployments::time_out(env, now.saturating_sub(GIVEN_UP_AFTER), now, reason).await?;
    if is_tidying {
        auto_deployments::forget_looks(env, now.saturating_sub(GIVEN_UP_AFTER)).await?;
        auto_deployments::forget(env, now.saturating_sub(KEPT_FOR)).await?;
    }
    let due = auto_deployments::take_due(env, now, LOOK_AT_LEAST_AFTER, MOST_DUE).await?;
    let mut all = Ok(due.len());
    for due in &due {
        // What the gate has kept can be read.
        let (Ok(repository), Ok(sha)) = (due.repository.parse(), due.sha.parse()) else { continue };
        let job = Job::again(due.repository_id, repository, sha, &due.branch, now);
        let asked = ask_to_look(env, job).await;
        // One that is not asked for now is due again later; the others do not wait for it.
        if let Err(error) = asked {
            all = Err(error);
        }
    }
    all
}

/// Puts a job on the queue.
async fn ask_to_look(env: &Env, job: Job) -> Result<(), String> {
    let message = job.into_message().map_err(|error| error.to_string())?;
    sending::send_unhurried(env, Work::GitHub, &message).await
}

/// What a failure means of everything but GitHub.
fn unavailable(code: &'static str) -> impl Fn(String) -> Attempt {
    move |detail| Attempt::Unavailable { code, detail }
}

/// What a job looks at.
fn looked(job: &Job) -> Looked<'_> {
    Looked::at(job.repository.as_lower(), job.sha.as_str(), &job.branches)
}

/// Looks at a commit. Errors with what went wrong, which is an attempt, too.
async fn look(env: &Env, job: &Job, number: u32) -> Result<Attempt, Attempt> {
    let ledger = unavailable("ledger-unavailable");
    let (id, sha, now) = (job.repository_id, job.sha.as_str(), platform::now());
    let end = async |environment: Option<&str>, reason: &str| {
        let repository = (id, job.repository.as_lower());
        let ended = auto_deployments::end(env, repository, sha, environment, reason, now).await;
        ended.map_err(unavailable("ledger-unavailable"))
    };
    let policy = policy_of(env, &job.repository).await?;
    let Some((policy_id, policy)) =
        policy.and_then(|policy| Some((policy.repository_id, policy.auto_deploy?)))
    else {
        if number == 1 && job.delivery.is_some() {
            return Ok(Attempt::Nothing { why: Nothing::NotWantedYet });
        }
        end(None, "the repository's policy has no auto_deploy any more").await?;
        return Ok(Attempt::Nothing { why: Nothing::NotWanted });
    };
    if policy_id.is_some_and(|id| id != job.repository_id) {
        return Ok(Attempt::Nothing { why: Nothing::OtherRepository });
    }
    // What is tried again is looked at anew, but once for all that are tried again together.
    let hinted_at =
        if number > 1 { now.saturating_sub(TOGETHER) } else { job.received_at.saturating_add(LAG) };
    if !auto_deployments::begin_look(env, &looked(job), hinted_at, now).await.map_err(&ledger)? {
        return Ok(Attempt::Nothing { why: Nothing::LookedAtAlready });
    }
    let kept = auto_deployments::of_commit(env, id, sha).await.map_err(&ledger)?;
    for row in kept.iter().filter(|row| row.look_at.is_some()) {
        let is_it = |listed: &String| listed.eq_ignore_ascii_case(&row.environment);
        if !policy.environments.iter().any(is_it) {
            end(Some(&row.environment), "the policy does not deploy to this environment any more")
                .await?;
        }
    }
    let is_settled = |environment: &&String| {
        !kept.iter().any(|row| {
            row.environment.eq_ignore_ascii_case(environment)
                && matches!(row.state, State::Created | State::Superseded)
        })
    };
    let open: Vec<&str> =
        policy.environments.iter().filter(is_settled).map(String::as_str).collect();
    if open.is_empty() {
        return Ok(Attempt::Nothing { why: Nothing::Settled });
    }
    let is_verified = Cell::new(policy_id.is_some());
    let look = Look { env, job, number, policy: &policy, open, kept, is_verified };
    look.examine().await
}

/// The policy of a repository; none where there is none.
async fn policy_of(env: &Env, repository: &RepositoryName) -> Result<Option<Policy>, Attempt> {
    let keys = lookup::keys(repository);
    let values = kv::read(env, "REPO_TRIGGERS", &keys, KV_CACHE).await;
    match lookup::choose(keys, values.map_err(unavailable("policy-unavailable"))?) {
        Ok(policy) => Ok(Some(policy)),
        Err(NoPolicy::NotLinked) => Ok(None),
        Err(NoPolicy::Invalid { key, problem }) => {
            Err(unavailable("invalid-policy")(format!("{key}: {problem}")))
        }
        Err(NoPolicy::Capitals { key, .. }) => {
            Err(unavailable("invalid-policy")(format!("{key}: keys are in lower case")))
        }
    }
}

/// A commit that is being looked at.
struct Look<'a> {
    env: &'a Env,
    job: &'a Job,
    /// Which attempt it is; the first is 1.
    number: u32,
    policy: &'a AutoDeploy,
    /// The environments that it may be deployed to yet.
    open: Vec<&'a str>,
    /// What the ledger has of it.
    kept: Vec<AutoDeployment>,
    /// Whether the repository of the id has the name: the operator says so, or GitHub has. Until then, the id is whatever
    /// somebody wrote who knows the secret of the name.
    is_verified: Cell<bool>,
}

impl Look<'_> {
    /// Asks GitHub, and keeps what became of the commit.
    async fn examine(&self) -> Result<Attempt, Attempt> {
        let github = match GitHub::of(self.env) {
            Ok(github) => github,
            Err(why) => {
                self.note_all(State::Refused, &why.to_string(), "", None).await?;
                return Err(Attempt::NoIdentity(why));
            }
        };
        let job = self.job;
        let (id, installation) = (job.repository_id, job.installation);
        let at = github.at(&job.repository, id, installation, Purpose::Deploy);
        match self.ask(&at).await {
            Err(Attempt::GitHub(failure)) => {
                let reason = failure.to_string();
                if failure.is_lasting() {
                    self.note_all(State::Refused, &reason, "", None).await?;
                } else if !self.kept.is_empty() {
                    let after = LOOK_AT_LEAST_AFTER.max(failure.again_in() * 1_000);
                    let look_at = Some(platform::now() + after);
                    self.note_all(State::Waiting, &reason, "", look_at).await?;
                    if job.delivery.is_none() {
                        return Err(Attempt::LeftToCron(failure));
                    }
                }
                Err(Attempt::GitHub(failure))
            }
            other => other,
        }
    }

    /// The order of these questions is that of what they cost: most commits lie on no branch that is deployed.
    async fn ask(&self, at: &AtRepository<'_>) -> Result<Attempt, Attempt> {
        let facts: RepositoryFacts = at.ask(&Call::repository(at.repository)).await?.object()?;
        if facts.id != self.job.repository_id {
            return Ok(Attempt::Nothing { why: Nothing::OtherRepository });
        }
        self.is_verified.set(true);
        if facts.full_name != *at.repository {
            let name = facts.full_name;
            let reason = format!(
                "the repository is called {name} by now, and what counts for it is the policy of that name: cargo run -- \
                 link {name}"
            );
            self.note_all(State::Refused, &reason, "", None).await?;
            return Ok(Attempt::Nothing { why: Nothing::Renamed });
        }
        let Some(branch) = self.branch(at, &facts.default_branch).await? else {
            // It may come back to one.
            if !self.kept.is_empty() {
                let reason = "lies on no branch whose commits are deployed";
                let look_at = Some(platform::now() + LOOK_AT_LEAST_AFTER);
                self.note_all(State::Waiting, reason, "", look_at).await?;
            } else if self.number <= MOST_TRIES_OF_A_BRANCH
                && self.is_said_to_count(&facts.default_branch)
            {
                return Ok(Attempt::Nothing { why: Nothing::NotOnABranchYet });
            }
            return Ok(Attempt::Nothing { why: Nothing::NotOnABranch });
        };
        let mut found = Vec::new();
        let mut open = Vec::new();
        for environment in &self.open {
            let last = self.last(environment).await?;
            let overtaken = match &last {
                Some(_) => self.overtaken(at, last.as_ref(), &branch).await?,
                None => self.overtaken_by_others(at, environment).await?,
            };
            match overtaken {
                Some(reason) => {
                    let state = State::Superseded;
                    found.push(self.note(environment, state, reason, &branch, None).await?);
                }
                None => open.push((*environment, last)),
            }
        }
        if open.is_empty() {
            return Ok(Attempt::Looked { found, again_in: None });
        }

        let said = self.said(at).await?;
        let settle = settings::settle(self.env.text("AUTO_DEPLOY_SETTLE_SECONDS").as_deref());
        let now = platform::now() / 1_000;
        let mut again_in = None;
        for (environment, last) in open {
            let noted = match judge(&said, self.policy, settle, now) {
                Verdict::Waiting { reason, until } => {
                    again_in = again_in.max(until.map(|until| until.saturating_sub(now).max(1)));
                    let after = until.map_or(0, |until| until.saturating_sub(now) * 1_000);
                    let look_at = platform::now() + after + LOOK_AT_LEAST_AFTER;
                    self.note(environment, State::Waiting, reason, &branch, Some(look_at)).await?
                }
                Verdict::Red { reason } => {
                    // A new run may be green, and its event say nothing of this branch.
                    let look_at = Some(platform::now() + LOOK_AT_LEAST_AFTER);
                    self.note(environment, State::Red, reason, &branch, look_at).await?
                }
                Verdict::Unknown { reason } => {
                    self.note(environment, State::Refused, reason, &branch, None).await?
                }
                Verdict::Green { by } => {
                    let made = self.deploy(at, environment, last, &branch, &by).await?;
                    if made.state == State::Waiting {
                        again_in = again_in.max(Some(WHILE_TAKEN));
                    }
                    made
                }
            };
            found.push(noted);
        }
        Ok(Attempt::Looked { found, again_in })
    }

    /// Whether a delivery has just said that the commit lies on a branch whose commits are deployed.
    fn is_said_to_count(&self, default_branch: &str) -> bool {
        let counts = |branch: &String| self.policy.enables_branch(branch, default_branch);
        self.job.delivery.is_some() && self.job.branches.iter().any(counts)
    }

    /// The branch whose commits are deployed that this commit lies on, if it lies on one: by GitHub's own word, for a
    /// fork's branch may be called the same.
    async fn branch(
        &self,
        at: &AtRepository<'_>,
        default_branch: &str,
    ) -> Result<Option<String>, Attempt> {
        let mut candidates: Vec<&str> = Vec::new();
        let kept = self.kept.iter().map(|row| row.branch.as_str());
        let hinted = self.job.branches.iter().map(String::as_str);
        for branch in hinted.chain(kept).chain([default_branch]) {
            if !branch.is_empty()
                && self.policy.enables_branch(branch, default_branch)
                && !candidates.contains(&branch)
            {
                candidates.push(branch);
            }
        }
        for branch in candidates.into_iter().take(MOST_BRANCHES) {
            // By its own name: a comparison takes a tag, a hash or a fork's branch for a base, too, and what is hinted at
            // is whatever somebody called theirs.
            let found: Branch = match at.ask(&Call::branch(at.repository, branch)).await {
                Err(Failure::NotFound) => continue,
                found => found?.object()?,
            };
            if found.name != branch {
                continue;
            }
            let call = Call::compare(at.repository, found.tip.as_str(), &self.job.sha);
            match at.ask(&call).await.and_then(Page::object) {
                Ok(Comparison::Behind | Comparison::Identical) => {
                    return Ok(Some(branch.to_owned()));
                }
                // There is no such commit, or it is another branch's.
                Ok(Comparison::Ahead | Comparison::Diverged) | Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let mut tips = Vec::new();
        let mut take = gather(&mut tips, |branch: Branch| branch.name);
        let call = Call::branches_where_head(at.repository, &self.job.sha);
        let asked = at.pages(call, &mut take).await;
        drop(take);
        match asked {
            Ok(()) => {
                Ok(tips.into_iter().find(|name| self.policy.enables_branch(name, default_branch)))
            }
            // There is no such commit.
            Err(Failure::NotFound | Failure::Refused { .. }) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The hash of the commit that the gate deployed last to an environment.
    async fn last(&self, environment: &str) -> Result<Option<Sha>, Attempt> {
        let last = auto_deployments::last_created(self.env, self.job.repository_id, environment);
        let last = last.await.map_err(unavailable("ledger-unavailable"))?;
        Ok(last.and_then(|last| last.sha.parse().ok()))
    }

    /// Why the commit is no longer to be deployed, by what was deployed last; none where it is ahead of that.
    async fn overtaken(
        &self,
        at: &AtRepository<'_>,
        last: Option<&Sha>,
        branch: &str,
    ) -> Result<Option<String>, Attempt> {
        let Some(last) = last else { return Ok(None) };
        let call = Call::compare(at.repository, last.as_str(), &self.job.sha);
        match at.ask(&call).await.and_then(Page::object) {
            Ok(Comparison::Ahead) => return Ok(None),
            Ok(Comparison::Behind | Comparison::Identical) => {
                return Ok(Some(format!("{} is deployed, which is newer", last.short())));
            }
            // The branch was pushed to by force: what was deployed may be gone.
            Ok(Comparison::Diverged) | Err(Failure::NotFound) => {}
            Err(failure) => return Err(failure.into()),
        }
        let tip: Branch = at.ask(&Call::branch(at.repository, branch)).await?.object()?;
        Ok((tip.tip != self.job.sha).then(|| {
            format!(
                "{} is deployed, this commit does not come after it, and the newest of {branch} is {}",
                last.short(),
                tip.tip.short()
            )
        }))
    }

    /// Why the commit is not to be deployed where the gate has deployed nothing yet: somebody else has deployed a newer
    /// one, and this is a late word on an old one.
    async fn overtaken_by_others(
        &self,
        at: &AtRepository<'_>,
        environment: &str,
    ) -> Result<Option<String>, Attempt> {
        let newest = at.ask(&Call::newest_deployment(at.repository, environment)).await?;
        let Some(Deployment { sha, .. }) = newest.list()?.pop() else { return Ok(None) };
        if sha == self.job.sha {
            return Ok(None);
        }
        let call = Call::compare(at.repository, sha.as_str(), &self.job.sha);
        match at.ask(&call).await.and_then(Page::object) {
            Ok(Comparison::Behind) => {
                Ok(Some(format!("somebody has deployed {}, which is newer", sha.short())))
            }
            Ok(Comparison::Ahead | Comparison::Identical | Comparison::Diverged)
            | Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// All that is said of the commit.
    async fn said(&self, at: &AtRepository<'_>) -> Result<Facts, Attempt> {
        let mut facts = Vec::new();
        let statuses = Call::statuses(at.repository, &self.job.sha);
        at.pages(statuses, &mut gather(&mut facts, Fact::from_status)).await?;
        let runs = Call::check_runs(at.repository, &self.job.sha);
        let has_checks = match at.pages(runs, &mut gather(&mut facts, Fact::from_run)).await {
            Ok(()) => true,
            // A fine-grained token cannot read them.
            Err(Failure::Forbidden { .. } | Failure::NotFound) if !at.is_app() => false,
            Err(failure) => return Err(failure.into()),
        };
        Ok(Facts { facts, has_checks })
    }

    /// Makes the deployment of a green commit, once.
    async fn deploy(
        &self,
        at: &AtRepository<'_>,
        environment: &str,
        last: Option<Sha>,
        branch: &str,
        by: &str,
    ) -> Result<Found, Attempt> {
        let ledger = unavailable("ledger-unavailable");
        let key = self.key(environment);
        let look_at = Some(platform::now() + LOOK_AT_LEAST_AFTER);
        let reason = format!("green by {by}; its deployment is being made");
        let noted = self.note(environment, State::Waiting, reason, branch, look_at).await?;
        let now = platform::now();
        let until = now + LEASE;
        let claim = auto_deployments::claim(self.env, key, now, until).await.map_err(&ledger)?;
        let Claim::Claimed { before } = claim else {
            let reason = format!(
                "green by {by}; waits for another deployment to {environment}, which is being made"
            );
            return self.note(environment, State::Waiting, reason, branch, look_at).await;
        };
        let release =
            async || auto_deployments::release(self.env, key, until).await.map_err(&ledger);

        // Somebody may have made a deployment of another commit, and not have come to keep that.
        let abandoned = auto_deployments::abandoned(self.env, key, now).await.map_err(&ledger)?;
        for (sha, until) in abandoned {
            let other = Key { sha: &sha, ..key };
            let Ok(hash) = sha.parse() else { continue };
            let kept = match self.made_before(at, &hash, environment).await? {
                Some(id) => {
                    let reason = "green; its deployment was found at GitHub";
                    auto_deployments::created(self.env, other, id, reason, platform::now()).await
                }
                None => auto_deployments::release(self.env, other, until).await,
            };
            kept.map_err(&ledger)?;
        }
        // Another commit may have been deployed before this one was claimed.
        let last_by_now = self.last(environment).await?;
        if last_by_now != last
            && let Some(reason) = self.overtaken(at, last_by_now.as_ref(), branch).await?
        {
            release().await?;
            return self.note(environment, State::Superseded, reason, branch, None).await;
        }
        let made_before = match before {
            true => self.made_before(at, &self.job.sha, environment).await?,
            false => None,
        };
        let deployment = match made_before {
            Some(id) => id,
            None if platform::now() + LEFT_OF_LEASE > until => {
                release().await?;
                return Ok(noted);
            }
            None => match self.make(at, environment, branch, by, until - LEFT_OF_LEASE).await {
                Ok(deployment) => deployment.id,
                // It was not made, and will not be.
                Err(Failure::Refused { status, message }) => {
                    release().await?;
                    let reason = Failure::Refused { status, message }.to_string();
                    return self.note(environment, State::Refused, reason, branch, None).await;
                }
                Err(failure) if failure.is_lasting() => {
                    release().await?;
                    return Err(failure.into());
                }
                // It may have been made: whoever claims it next looks first.
                Err(failure) => return Err(failure.into()),
            },
        };
        let reason = format!("green by {by}");
        let created =
            auto_deployments::created(self.env, key, deployment, &reason, platform::now());
        created.await.map_err(&ledger)?;
        Ok(Found {
            environment: environment.to_owned(),
            state: State::Created,
            reason,
            deployment: Some(deployment),
        })
    }

    /// The id of the deployment, if somebody who claimed it before has made it.
    async fn made_before(
        &self,
        at: &AtRepository<'_>,
        sha: &Sha,
        environment: &str,
    ) -> Result<Option<u64>, Attempt> {
        let call = Call::deployments(at.repository, sha, environment);
        let mut found: Vec<Deployment> = Vec::new();
        at.pages(call, &mut gather(&mut found, |deployment| deployment)).await?;
        let is_ours = |found: &Deployment| {
            found.description.as_deref().is_some_and(|text| text.starts_with(DESCRIPTION))
        };
        Ok(found.into_iter().find(is_ours).map(|found| found.id))
    }

    /// Makes the deployment, and asks for it at `not_after` at the latest, in milliseconds since 1970.
    async fn make(
        &self,
        at: &AtRepository<'_>,
        environment: &str,
        branch: &str,
        by: &str,
        not_after: u64,
    ) -> Result<Deployment, Failure> {
        let description = format!("{DESCRIPTION}: {branch} is green by {by}");
        let description: String = description.chars().take(LONGEST_DESCRIPTION).collect();
        let deployment = NewDeployment {
            reference: self.job.sha.as_str(),
            task: "deploy",
            auto_merge: false,
            required_contexts: [],
            payload: DeploymentPayload { branch },
            environment,
            description: &description,
        };
        let call = Call::create_deployment(at.repository, &deployment);
        at.ask(&Call { not_after: Some(not_after), ..call }).await?.object()
    }

    fn key<'a>(&'a self, environment: &'a str) -> Key<'a> {
        Key { repository_id: self.job.repository_id, sha: self.job.sha.as_str(), environment }
    }

    /// Keeps what became of the commit in an environment.
    async fn note(
        &self,
        environment: &str,
        state: State,
        reason: String,
        branch: &str,
        look_at: Option<u64>,
    ) -> Result<Found, Attempt> {
        let note = Note {
            key: self.key(environment),
            repository: self.job.repository.as_spelt(),
            branch,
            state,
            reason: &reason,
            delivery: self.job.delivery.as_deref(),
            look_at,
            is_verified: self.is_verified.get(),
        };
        let noted = auto_deployments::note(self.env, &note, platform::now()).await;
        noted.map_err(unavailable("ledger-unavailable"))?;
        Ok(Found { environment: environment.to_owned(), state, reason, deployment: None })
    }

    /// Keeps the same of each environment that the commit may be deployed to yet.
    async fn note_all(
        &self,
        state: State,
        reason: &str,
        branch: &str,
        look_at: Option<u64>,
    ) -> Result<(), Attempt> {
        for environment in &self.open {
            self.note(environment, state, reason.to_owned(), branch, look_at).await?;
        }
        Ok(())
    }
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::GitHub(failure)
    }
}

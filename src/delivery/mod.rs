//! A delivery comes in: GitHub → verified → event → policy → verdict → queue → answer.

pub mod answer;
pub mod decision;
pub mod event;
pub mod judge;
pub mod rejection;
pub mod request;
pub mod settings;
pub mod sign;
pub mod verdict;

use std::cell::{Cell, OnceCell, RefCell};
use std::num::NonZeroUsize;
use std::rc::Rc;

use crate::journal;
use crate::ledger::auto_deployments::{self, Key};
use crate::ledger::builds;
use crate::memory::Remembered;
use crate::message::Work;
use crate::platform::crypto::HmacKey;
use crate::platform::env::Env;
use crate::platform::request::{Body, BodyError, Bounds, Request, headers, read_body};
use crate::platform::response::{self, Response};
use crate::platform::{self, Error, crypto, kv};
use crate::policy::{Policy, lookup};
use crate::repository::RepositoryName;
use crate::route::Entrance;
use crate::sending::{self, Sent};
use crate::signature;
use event::{Deployment, DeploymentDetails};
use judge::{Judged, Question, ToQueue, judge};
use rejection::Rejection;
use request::{ContentType, LARGEST_BODY, WebhookHeaders};
use settings::{Guidance, Settings};
use verdict::{Known, Verdict};

/// How many repositories' policies are remembered at most, so that an isolate's memory has a bound.
const MOST_REMEMBERED: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// How long an edge of Cloudflare's keeps what it has read from KV, in seconds: the least that can be asked for.
/// With the time that a policy is remembered here, a change is still seen within 60.
const KV_CACHE: u32 = 30;

/// How long a look at a commit is put off, in seconds: signs come many at once, and then one look does for all.
const LOOK_DELAY: u32 = 3;

/// How long all that a delivery waits for may take together, in milliseconds: GitHub gives up after 10 seconds
/// (<https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#respond-within-10-seconds>).
const BUDGET: u64 = 9_000;

/// How long KV is waited for, in milliseconds; then it is asked once more.
const KV_PATIENCE: u32 = 2_000;

/// How long the ledger is waited for, in milliseconds, where it has to answer, and where the delivery goes on without it.
const LEDGER_PATIENCE: u32 = 2_500;
const SHORT_PATIENCE: u32 = 1_000;

/// How much of a delivery is read before anybody knows whose it is: what GitHub sends at most, and twice that of all
/// deliveries together, for an isolate has 128 MB. GitHub gives up after 10 seconds.
const BOUNDS: Bounds = Bounds {
    most: LARGEST_BODY,
    together: 2 * LARGEST_BODY,
    reserve: 2 * 1024 * 1024,
    milliseconds: 8_000,
};

/// By when a delivery has to be answered, in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Deadline(u64);

impl Deadline {
    /// How long something may be waited for, which is not to be waited for longer than so many milliseconds.
    fn left(self, most: u32) -> u32 {
        let left = self.0.saturating_sub(platform::now());
        left.min(most.into()) as u32
    }
}

/// A policy, and the spelling of the name that it was looked up by.
type LookedUp = (Rc<str>, Rc<Policy>);

thread_local! {
    /// The policies that this isolate has read a short time ago. That a repository is missing is never
    /// remembered, and neither is a value that cannot be used: either is put right by somebody who then
    /// redelivers. With each lies the spelling of the name that it was looked up by, for by another one a key with
    /// capitals may be found; that there is one entry for all of them keeps a repository from pushing others out.
    static POLICIES: RefCell<Remembered<String, LookedUp>> =
        RefCell::new(Remembered::at_most(MOST_REMEMBERED));

    /// Read once: a variable or a secret changes with the worker, and so with the isolate. (To read them for each
    /// delivery cost some hundredths of a small one.)
    static SETTINGS: OnceCell<Rc<Settings>> = const { OnceCell::new() };
}

/// Receives a delivery that came in by `entrance` to a gate that was reached at the URL `gate`, and answers it.
pub async fn receive(
    request: &Request,
    env: &Env,
    gate: &str,
    entrance: &Entrance,
) -> Result<Response, Error> {
    let received_at = platform::now();
    let settings = settings(env);
    let mut known = Known::at(gate, Some(entrance), settings.guidance.clone());
    let verdict = take(request, env, &settings, entrance, received_at, &mut known).await;
    answer(env, &verdict.unwrap_or_else(Verdict::Rejected), known, received_at)
}

/// Refuses what is no delivery.
pub fn refuse(env: &Env, gate: &str, why: impl Into<Rejection>) -> Result<Response, Error> {
    let known = Known::at(gate, None, guidance(env));
    answer(env, &Verdict::Rejected(why.into()), known, platform::now())
}

/// Logs what became of a delivery, notes it for the journal, and answers it.
fn answer(env: &Env, verdict: &Verdict, known: Known, received_at: u64) -> Result<Response, Error> {
    let ms = platform::now().saturating_sub(received_at);
    platform::log(&verdict.line(&known, ms));
    let (_, code, status) = verdict.codes();
    let message = verdict.message(&known);
    let body = verdict.body(&known, &message).map_err(|error| error.to_string())?;
    match known.secret {
        Some(_) => journal::note(env, verdict.entry(known, message, received_at, ms)),
        None => journal::count(env, received_at, code),
    }
    response::json(status, body, verdict.header().as_slice())
}

/// Takes a delivery: the order of these steps is the order of the refusals.
async fn take(
    request: &Request,
    env: &Env,
    settings: &Settings,
    entrance: &Entrance,
    received_at: u64,
    known: &mut Known,
) -> Result<Verdict, Rejection> {
    let header = headers(request);
    let headers = WebhookHeaders::read(&header)?;
    known.announced(&headers);

    let announced = header("Content-Length");
    let Body { bytes, room } =
        read_body(request, announced.as_deref(), BOUNDS, received_at).await?;
    let secrets = settings.secrets(known.is_local())?;
    let of_the_repository;
    let secrets = match entrance {
        Entrance::Shared => secrets,
        Entrance::Repository(repository) => {
            of_the_repository = secrets.for_repository(repository);
            &of_the_repository
        }
    };
    let imported = Cell::new(None);
    let hmac = async |key: &[u8], message: &[u8]| hmac_sha256(key, message, &imported).await;
    let body = secrets.verify(bytes, &headers.signature, hmac).await?;
    // Only a key that has verified something is remembered, or strangers could push out what is used.
    if let Some(key) = imported.take() {
        crypto::remember(key);
    }
    known.verified(body.secret_used());

    let payload = ContentType::read(header("Content-Type"))?.payload(&body)?;
    let github = settings.github.as_ref()?;
    let deadline = Deadline(received_at + BUDGET);
    let policy_of = async |repository: &RepositoryName| {
        look_up(env, repository, settings.policy_memory, deadline).await
    };
    let asked =
        async |question: Question<'_>| Box::pin(ask(env, question, received_at, deadline)).await;
    let Judged { verdict, to_queue } =
        judge(&payload, entrance, github, received_at, known, policy_of, asked).await?;
    // All that is left of the body is in what is to be queued.
    drop(payload);
    drop((body, room));
    if let Some(ToQueue { work, message, build }) = to_queue {
        let delay = if work == Work::GitHub { LOOK_DELAY } else { 0 };
        let sent = sending::send(env, work, &message, delay, deadline.0).await;
        let sent = sent.map_err(|detail| Rejection::QueueUnavailable { detail })?;
        if let Sent::Kept(why) = sent {
            known.kept = Some(why);
        }
        known.build = build;
    }
    Ok(verdict)
}

/// Asks the ledger. Whether a build has begun is told where the ledger is there; where not, the origin knows its id.
async fn ask(
    env: &Env,
    question: Question<'_>,
    now: u64,
    deadline: Deadline,
) -> Result<Option<String>, Rejection> {
    match question {
        Question::MadeFor(deployment) => branch_made_for(env, deployment, deadline).await,
        Question::Begun { build, of_job } => {
            let short = || deadline.left(SHORT_PATIENCE);
            if of_job && builds::note_job(env, build, now, short()).await.is_err() {
                // Once more: without it, GitHub would be told beside the job itself.
                let _ = builds::note_job(env, build, now, short()).await;
            }
            Ok(builds::delivery_of(env, build, short()).await.unwrap_or_default())
        }
    }
}

/// The branch that the gate made a deployment for, if it did: its ref is the commit's hash.
async fn branch_made_for(
    env: &Env,
    event: &Deployment,
    deadline: Deadline,
) -> Result<Option<String>, Rejection> {
    let DeploymentDetails { id, sha, environment, .. } = &event.deployment;
    let key = Key { repository_id: event.repository.id, sha: sha.as_str(), environment };
    let patience = || deadline.left(LEDGER_PATIENCE);
    let mut branch = auto_deployments::branch_of(env, key, *id, patience()).await;
    if branch.is_err() {
        // GitHub does not deliver again by itself.
        branch = auto_deployments::branch_of(env, key, *id, patience()).await;
    }
    branch.map_err(|detail| Rejection::PolicyUnavailable { detail })
}

/// The HMAC-SHA256 of a message: WebCrypto's, or our own where that one refuses. A key that had to be imported is put
/// into `imported`.
async fn hmac_sha256(key: &[u8], message: &[u8], imported: &Cell<Option<HmacKey>>) -> [u8; 32] {
    let mac = crypto::hmac_sha256(key, message).await.ok().and_then(|(mac, key)| {
        imported.set(key);
        mac.try_into().ok()
    });
    mac.unwrap_or_else(|| signature::hmac_sha256(key, message))
}

/// Whom the owner of a repository can ask.
pub fn guidance(env: &Env) -> Rc<Guidance> {
    settings(env).guidance.clone()
}

/// What deliveries are received with.
fn settings(env: &Env) -> Rc<Settings> {
    let read = || Rc::new(Settings::read(|name| env.text(name)));
    SETTINGS.with(|settings| settings.get_or_init(read).clone())
}

/// Looks up the policy that the operator has set for a repository: in KV, unless that was done a short time
/// ago; it is then remembered for `memory` milliseconds.
async fn look_up(
    env: &Env,
    repository: &RepositoryName,
    memory: u64,
    deadline: Deadline,
) -> Result<Rc<Policy>, Rejection> {
    // Not when the delivery came: its body may have taken seconds since then.
    let now = platform::now();
    let remembered = POLICIES.with_borrow_mut(|policies| policies.get(repository.as_lower(), now));
    if let Some((spelt, policy)) = remembered
        && *spelt == *repository.as_spelt()
    {
        return Ok(policy);
    }
    let keys = lookup::keys(repository);
    let read =
        || kv::read_within(env, "REPO_TRIGGERS", &keys, KV_CACHE, deadline.left(KV_PATIENCE));
    let mut values = read().await;
    if values.is_err() {
        values = read().await;
    }
    let values = values.map_err(|detail| Rejection::PolicyUnavailable { detail })?;
    let policy = Rc::new(lookup::choose(keys, values)?);
    let until = now + memory;
    let (name, remembered) = (repository.as_lower().to_owned(), policy.clone());
    let remembered = (repository.as_spelt().into(), remembered);
    POLICIES.with_borrow_mut(|policies| policies.keep(name, remembered, until));
    Ok(policy)
}

impl From<BodyError> for Rejection {
    fn from(why: BodyError) -> Self {
        match why {
            BodyError::TooLarge => Self::PayloadTooLarge,
            BodyError::TooSlow => Self::BodyTooSlow,
            BodyError::NoRoom => Self::Busy,
            BodyError::BrokeOff => {
                Self::MalformedPayload { problem: "the body broke off before its end".to_owned() }
            }
        }
    }
}

//! What a verified payload comes to: the one way from an event and its repository's policy to a verdict, which the
//! gate goes for a delivery and `explain` for a saved payload.

use std::rc::Rc;

use crate::delivery::decision::{Decision, Ignored, decide, not_among_branches};
use crate::delivery::event::{Deployment, Event};
use crate::delivery::rejection::Rejection;
use crate::delivery::verdict::{Known, Queued, Verdict};
use crate::message::Work;
use crate::message::github_job::AutoDeploy;
use crate::policy::Policy;
use crate::repository::{GitHubUrl, RepositoryName};
use crate::route::Entrance;

/// What a payload comes to.
#[derive(Debug)]
pub struct Judged {
    /// The verdict. [`Verdict::Queued`] holds only once the message is on its queue.
    pub verdict: Verdict,
    /// What has to be put on a queue.
    pub to_queue: Option<ToQueue>,
}

/// A message about to be put on a queue.
#[derive(Debug)]
pub struct ToQueue {
    /// What it asks for.
    pub work: Work,
    /// Its text.
    pub message: String,
    /// The id of the build request, where it is one.
    pub build: Option<String>,
}

/// What the ledger is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// For which branch the gate has made this deployment, if it has.
    MadeFor(&'a Deployment),
    /// The GUID of the delivery that a build has begun at, if it has; and it is to be kept whether a GitHub Actions job made
    /// its deployment.
    Begun {
        /// The build's id.
        build: &'a str,
        /// Whether a job made it.
        of_job: bool,
    },
}

/// Judges the payload of a delivery that came in by `entrance` at `received_at`, in milliseconds since 1970, to a gate
/// that serves `github`. `known` has the event and the delivery's GUID, and learns what the payload tells.
/// `policy_of` looks up the policy of a repository, and `ask` what the ledger knows; both are asked only where that is needed.
///
/// The order of these steps is the order of the refusals.
pub async fn judge(
    payload: &[u8],
    entrance: &Entrance,
    github: &GitHubUrl,
    received_at: u64,
    known: &mut Known,
    policy_of: impl AsyncFnOnce(&RepositoryName) -> Result<Rc<Policy>, Rejection>,
    ask: impl AsyncFn(Question<'_>) -> Result<Option<String>, Rejection>,
) -> Result<Judged, Rejection> {
    let mut event = Event::parse(known.event.as_deref().unwrap_or_default(), payload)?;
    known.learn_repository(&event);
    known.learn_deployment(&event, None);
    admit(entrance, event.repository())?;
    if let Some(repository) = event.to_build() {
        let expected = github.clone_url(&repository.full_name);
        if !repository.clone_url.eq_ignore_ascii_case(&expected) {
            let github = github.clone();
            return Err(Rejection::OtherCloneUrl { expected, github });
        }
        event.clone_from(expected);
    }

    let policy = match event.governed_by() {
        Some(repository) => match policy_of(repository).await {
            // Where the gate does not deploy, nothing follows from a status or a check, linked or not.
            Ok(policy) if policy.auto_deploy.is_none() && event.is_sign() => None,
            Err(Rejection::RepositoryNotLinked) if event.is_sign() => None,
            policy => Some(policy?),
        },
        None => None,
    };
    known.learn_trigger(policy.as_deref());
    known.learn_deployment(&event, policy.as_deref());
    if let (Some(id), Some(expected)) =
        (event.repository_id(), policy.as_deref().and_then(|policy| policy.repository_id))
        && id != expected
    {
        return Err(Rejection::OtherRepositoryId { id, expected });
    }

    // Of a sign it matters only now whether it can be read.
    if let (Event::Sign(sign), Some(_)) = (&event, &policy)
        && let Some(problem) = sign.problem()
    {
        return Err(Rejection::MalformedPayload { problem: problem.to_owned() });
    }
    if let (Event::Deployment(deployment), Some(policy)) = (&mut event, &policy)
        && policy.auto_deploy.is_some()
        && policy.branches.is_some()
        // The gate deploys hashes, and what others deploy is not to wait for the ledger.
        && deployment.deployment.reference == deployment.deployment.sha.as_str()
    {
        deployment.made_for = ask(Question::MadeFor(deployment)).await?;
    }

    let not_written =
        |error: serde_json::Error| Rejection::QueueUnavailable { detail: error.to_string() };
    Ok(match decide(&event, policy.as_deref()) {
        Decision::Ignore(why) => {
            if let (Event::Deployment(deployment), Some(policy)) = (&event, &policy)
                && !matches!(why, Ignored::BranchNotEnabled { .. })
            {
                known.nor_branch = not_among_branches(deployment, policy);
            }
            Judged { verdict: Verdict::Ignored(why), to_queue: None }
        }
        Decision::Pong(check) => Judged { verdict: Verdict::Pong(check), to_queue: None },
        Decision::Look(look) => {
            let verdict = Verdict::Queued(Queued::from(&look));
            let job = AutoDeploy {
                delivery: known.delivery.clone(),
                received_at,
                repository_id: look.repository_id,
                repository: look.repository.clone(),
                sha: look.sha.clone(),
                branches: look.branches,
                installation: look.installation,
            };
            let message = job.into_message().map_err(not_written)?;
            Judged { verdict, to_queue: Some(ToQueue { work: Work::GitHub, message, build: None }) }
        }
        Decision::Build(build) => {
            let delivery = known.delivery.as_deref().unwrap_or_default();
            let request = build.request(delivery, received_at);
            let id = request.id.clone();
            if let Event::Deployment(deployment) = &event
                && let Some(ignored) = begun(deployment, &id, delivery, &ask).await?
            {
                return Ok(Judged { verdict: Verdict::Ignored(ignored), to_queue: None });
            }
            let message = request.into_message().map_err(not_written)?;
            Judged {
                verdict: Verdict::Queued(Queued::from(&build)),
                to_queue: Some(ToQueue { work: Work::Builds, message, build: Some(id) }),
            }
        }
    })
}

/// Why a deployment that would be built is not: its build has begun, at another delivery than this.
async fn begun(
    event: &Deployment,
    build: &str,
    delivery: &str,
    ask: &impl AsyncFn(Question<'_>) -> Result<Option<String>, Rejection>,
) -> Result<Option<Ignored>, Rejection> {
    let of_job = event.run.is_some();
    if event.status.is_none() && !of_job {
        return Ok(None);
    }
    let first = ask(Question::Begun { build, of_job }).await?;
    // What is created is created once, and delivered again at worst.
    let Some(state) = &event.status else { return Ok(None) };
    Ok(first.filter(|first| !first.eq_ignore_ascii_case(delivery)).map(|_| {
        Ignored::DeploymentBegun {
            state: state.clone(),
            id: event.deployment.id,
            build: build.to_owned(),
        }
    }))
}

/// Checks that an event is of the repository by whose entrance it came: the secret of one repository must say
/// nothing of another.
fn admit(entrance: &Entrance, repository: Option<&RepositoryName>) -> Result<(), Rejection> {
    match entrance {
        Entrance::Repository(own) if repository != Some(own) => {
            Err(Rejection::OtherRepository { route: own.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_origin_clones_from_where_the_gate_says_however_the_payload_spells_it() {
        let payload = include_str!("../../fixtures/deployment.created.json");
        let spelt = "https://github.com/octocat/Hello-World.git";
        assert!(payload.contains(spelt));
        for clone_url in [spelt, "HTTPS://GITHUB.COM/OCTOCAT/HELLO-WORLD.GIT"] {
            let payload = payload.replace(spelt, clone_url);
            let github = GitHubUrl::parse(None).unwrap();
            let mut known = Known { event: Some("deployment".into()), ..Known::default() };
            let policy =
                async |_: &RepositoryName| Ok(Rc::new(Policy::parse("deployment").unwrap()));
            let entrance = &Entrance::Shared;
            let ask = async |_: Question<'_>| panic!("there is nothing to ask");
            let judged = judge(payload.as_bytes(), entrance, &github, 0, &mut known, policy, ask);
            let message = judged.now_or_never().unwrap().unwrap().to_queue.unwrap().message;
            assert!(message.contains(&format!("\"clone_url\":\"{spelt}\"")), "{message}");
        }
    }

    #[test]
    fn a_repositorys_route_admits_that_repository_only() {
        let own: RepositoryName = "octocat/Hello-World".parse().unwrap();
        let same = "OCTOCAT/hello-world".parse().unwrap();
        let other = "octocat/Spoon-Knife".parse().unwrap();
        let entrance = Entrance::Repository(own.clone());
        assert_eq!(admit(&entrance, Some(&same)), Ok(()));
        for repository in [Some(&other), None] {
            assert_eq!(
                admit(&entrance, repository),
                Err(Rejection::OtherRepository { route: own.clone() })
            );
            assert_eq!(admit(&Entrance::Shared, repository), Ok(()));
        }
    }
}

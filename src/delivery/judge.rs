//! What a verified payload comes to: the one way from an event and its repository's policy to a verdict, which the
//! gate goes for a delivery and `explain` for a saved payload.

use std::rc::Rc;

use crate::delivery::decision::{Decision, decide};
use crate::delivery::event::Event;
use crate::delivery::rejection::Rejection;
use crate::delivery::verdict::{Known, Queued, Verdict};
use crate::policy::Policy;
use crate::repository::{GitHubUrl, RepositoryName};
use crate::route::Entrance;

/// What a payload comes to.
#[derive(Debug)]
pub struct Judged {
    /// The verdict. [`Verdict::Queued`] holds only once the build is on the queue.
    pub verdict: Verdict,
    /// What has to be put on the queue, where the event is to be built.
    pub build: Option<ToQueue>,
}

/// A build request about to be put on the queue.
#[derive(Debug)]
pub struct ToQueue {
    /// Its id.
    pub id: String,
    /// Its text.
    pub message: String,
}

/// Judges the payload of a delivery that came in by `entrance` at `received_at`, in milliseconds since 1970, to a gate
/// that serves `github`. `known` has the event and the delivery's GUID, and learns what the payload tells.
/// `policy_of` looks up the policy of a repository, and is asked only where one is needed.
///
/// The order of these steps is the order of the refusals.
pub async fn judge(
    payload: &[u8],
    entrance: &Entrance,
    github: &GitHubUrl,
    received_at: u64,
    known: &mut Known,
    policy_of: impl AsyncFnOnce(&RepositoryName) -> Result<Rc<Policy>, Rejection>,
) -> Result<Judged, Rejection> {
    let mut event = Event::parse(known.event.as_deref().unwrap_or_default(), payload)?;
    known.learn_repository(&event);
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
        Some(repository) => Some(policy_of(repository).await?),
        None => None,
    };
    known.learn_trigger(policy.as_deref());
    if let (Some(id), Some(expected)) =
        (event.repository_id(), policy.as_deref().and_then(|policy| policy.repository_id))
        && id != expected
    {
        return Err(Rejection::OtherRepositoryId { id, expected });
    }

    Ok(match decide(&event, policy.as_deref()) {
        Decision::Ignore(why) => Judged { verdict: Verdict::Ignored(why), build: None },
        Decision::Pong(check) => Judged { verdict: Verdict::Pong(check), build: None },
        Decision::Build(build) => {
            let delivery = known.delivery.as_deref().unwrap_or_default();
            let request = build.request(delivery, received_at);
            let id = request.id.clone();
            let message = request
                .into_message()
                .map_err(|error| Rejection::QueueUnavailable { detail: error.to_string() })?;
            Judged {
                verdict: Verdict::Queued(Queued::from(&build)),
                build: Some(ToQueue { id, message }),
            }
        }
    })
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
            let judged =
                judge(payload.as_bytes(), &Entrance::Shared, &github, 0, &mut known, policy);
            let message = judged.now_or_never().unwrap().unwrap().build.unwrap().message;
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

//! One attempt at a job: what came of it, and what that means for the next one.

use crate::github::api::Failure;
use crate::github::app::NoIdentity;
use crate::message::auto_deployment::State;
use crate::retry::Try;

/// How long a policy takes until it is read everywhere, in seconds
/// (<https://developers.cloudflare.com/kv/concepts/how-kv-works/#consistency>).
const KV_TAKES: u64 = 60;

/// The result of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The commit was looked at, and what became of it is in the ledger.
    Looked {
        /// What became of it, by environment.
        found: Vec<Found>,
        /// In how many seconds it is to be looked at again, because nothing but time is missing.
        again_in: Option<u64>,
    },
    /// There was nothing to do.
    Nothing {
        /// Why not.
        why: Nothing,
    },
    /// GitHub did not do what it was asked, or cannot be asked.
    GitHub(Failure),
    /// The same, for now, of a commit that the cron trigger has had looked at: it will again.
    LeftToCron(Failure),
    /// The gate is nobody at GitHub.
    NoIdentity(NoIdentity),
    /// The policy or the ledger could not be read.
    Unavailable {
        /// What did not answer.
        code: &'static str,
        /// What it said instead.
        detail: String,
    },
}

/// What became of a commit in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The environment.
    pub environment: String,
    /// The state.
    pub state: State,
    /// Why, in words.
    pub reason: String,
    /// GitHub's id of the deployment, where it is made.
    pub deployment: Option<u64>,
}

/// Why there was nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The repository is not deployed by the gate, or no longer.
    NotWanted,
    /// The same, but a delivery was just told otherwise: a policy is not everywhere at once.
    NotWantedYet,
    /// Somebody has begun to look after the hint came.
    LookedAtAlready,
    /// All of its deployments are made, or what is deployed is newer.
    Settled,
    /// The commit lies on no branch whose commits are deployed, as a fork's never does.
    NotOnABranch,
    /// The same, but it was just said to lie on one: GitHub may not have it everywhere.
    NotOnABranchYet,
    /// The repository has another name by now, and what counts for it is under that one.
    Renamed,
    /// The name belongs to another repository by now.
    OtherRepository,
}

impl Attempt {
    /// What it means for the next attempt.
    pub fn tried(&self) -> Try {
        match self {
            Self::Nothing { why: Nothing::NotWantedYet } => Try::Again { no_sooner_than: KV_TAKES },
            Self::Nothing { why: Nothing::NotOnABranchYet } => Try::Again { no_sooner_than: 0 },
            Self::Looked { again_in: None, .. } | Self::Nothing { .. } | Self::LeftToCron(_) => {
                Try::Done
            }
            Self::Looked { again_in: Some(seconds), .. } => Try::Again { no_sooner_than: *seconds },
            Self::GitHub(failure) => Try::Again { no_sooner_than: failure.again_in() },
            Self::NoIdentity(_) | Self::Unavailable { .. } => Try::Again { no_sooner_than: 0 },
        }
    }

    /// The code that stands for it in the log and with a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Looked { .. } => "looked",
            Self::Nothing { why } => match why {
                Nothing::NotWanted | Nothing::NotWantedYet => "not-wanted",
                Nothing::LookedAtAlready => "looked-at-already",
                Nothing::Settled => "settled",
                Nothing::NotOnABranch | Nothing::NotOnABranchYet => "not-on-a-branch",
                Nothing::Renamed => "repository-renamed",
                Nothing::OtherRepository => "other-repository",
            },
            Self::GitHub(failure) | Self::LeftToCron(failure) => failure.code(),
            Self::NoIdentity(_) => "github-not-configured",
            Self::Unavailable { code, .. } => code,
        }
    }

    /// What went wrong.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::GitHub(failure) | Self::LeftToCron(failure) => Some(failure.to_string()),
            Self::NoIdentity(why) => Some(why.to_string()),
            Self::Unavailable { detail, .. } => Some(detail.clone()),
            Self::Looked { .. } | Self::Nothing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_is_tried_again_and_what_is_said_is_done() {
        let again = |no_sooner_than| Try::Again { no_sooner_than };
        let looked = |again_in| Attempt::Looked { found: vec![], again_in };
        let forbidden = Failure::Forbidden { message: "no".into() };
        for (attempt, tried, code) in [
            (looked(None), Try::Done, "looked"),
            (looked(Some(12)), again(12), "looked"),
            (Attempt::Nothing { why: Nothing::NotWanted }, Try::Done, "not-wanted"),
            (Attempt::Nothing { why: Nothing::LookedAtAlready }, Try::Done, "looked-at-already"),
            (Attempt::Nothing { why: Nothing::Settled }, Try::Done, "settled"),
            (Attempt::Nothing { why: Nothing::NotOnABranch }, Try::Done, "not-on-a-branch"),
            (Attempt::Nothing { why: Nothing::OtherRepository }, Try::Done, "other-repository"),
            (Attempt::GitHub(Failure::Limited { seconds: 90 }), again(90), "github-limited"),
            (Attempt::GitHub(forbidden), again(0), "github-forbidden"),
            (Attempt::Nothing { why: Nothing::NotWantedYet }, again(60), "not-wanted"),
            (Attempt::Nothing { why: Nothing::NotOnABranchYet }, again(0), "not-on-a-branch"),
            (Attempt::Nothing { why: Nothing::Renamed }, Try::Done, "repository-renamed"),
            (Attempt::LeftToCron(Failure::Limited { seconds: 90 }), Try::Done, "github-limited"),
            (Attempt::GitHub(Failure::NotInstalled), again(0), "app-not-installed"),
            (Attempt::NoIdentity(NoIdentity::Unset), again(0), "github-not-configured"),
            (
                Attempt::Unavailable { code: "ledger-unavailable", detail: String::new() },
                again(0),
                "ledger-unavailable",
            ),
        ] {
            assert_eq!((attempt.tried(), attempt.code()), (tried, code), "{attempt:?}");
        }
    }
}

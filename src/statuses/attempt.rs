//! One attempt to say on GitHub what has become of a build: what came of it, and what that means for the next one.

use crate::github::api::Failure;
use crate::github::app::NoIdentity;
use crate::message::build::State;
use crate::retry::Try;

/// In how many seconds a build is looked at again of which somebody else is just telling GitHub.
const WHILE_TAKEN: u64 = 5;

/// After how many attempts nobody waits any more for whoever is saying something of the same build.
const LONGEST_TAKEN: u32 = 4;

/// The result of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// GitHub was told all that was unsaid.
    Told {
        /// The states, in their order.
        states: Vec<State>,
    },
    /// There was nothing to say.
    Nothing,
    /// Somebody else is saying it.
    Taken,
    /// The gate is nobody at GitHub any more, and so says nothing.
    Nobody,
    /// GitHub lets the gate say nothing in that repository, and has not been told of this build that it goes on.
    NotLet {
        /// What GitHub answered.
        failure: Failure,
        /// Whether it was let before.
        is_new: bool,
    },
    /// GitHub did not do what it was asked.
    GitHub(Failure),
    /// The gate cannot be what it is set to be at GitHub.
    NoIdentity(NoIdentity),
    /// The ledger did not answer.
    Unavailable {
        /// What it said instead.
        detail: String,
    },
}

impl Attempt {
    /// What it means for the next attempt, after attempt number `number`.
    pub fn tried(&self, number: u32) -> Try {
        match self {
            // Whoever is saying it goes on with what is added, and the cron trigger asks again.
            Self::Taken if number >= LONGEST_TAKEN => Try::Done,
            Self::Told { .. } | Self::Nothing | Self::Nobody | Self::NotLet { .. } => Try::Done,
            Self::Taken => Try::Again { no_sooner_than: WHILE_TAKEN },
            Self::GitHub(failure) => Try::Again { no_sooner_than: failure.again_in() },
            Self::NoIdentity(_) | Self::Unavailable { .. } => Try::Again { no_sooner_than: 0 },
        }
    }

    /// The code that stands for it in the log and with a dead letter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Told { .. } => "told",
            Self::Nothing => "nothing-to-tell",
            Self::Taken => "being-told",
            Self::Nobody | Self::NoIdentity(_) => "github-not-configured",
            Self::NotLet { failure, .. } | Self::GitHub(failure) => failure.code(),
            Self::Unavailable { .. } => "ledger-unavailable",
        }
    }

    /// What went wrong.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotLet { failure, .. } => Some(format!(
                "nothing is said of this repository's builds: {failure}; this is logged once"
            )),
            Self::GitHub(failure) => Some(failure.to_string()),
            Self::NoIdentity(why) => Some(why.to_string()),
            Self::Unavailable { detail } => Some(detail.clone()),
            Self::Told { .. } | Self::Nothing | Self::Taken | Self::Nobody => None,
        }
    }

    /// Whether it is worth a line in the log.
    pub fn is_logged(&self) -> bool {
        !matches!(self, Self::NotLet { is_new: false, .. } | Self::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_is_tried_again_and_what_is_forbidden_is_logged_once() {
        let again = |no_sooner_than| Try::Again { no_sooner_than };
        let not_let = |is_new| Attempt::NotLet { failure: Failure::NotInstalled, is_new };
        for (attempt, tried, code, is_logged) in [
            (Attempt::Told { states: vec![State::Queued] }, Try::Done, "told", true),
            (Attempt::Nothing, Try::Done, "nothing-to-tell", false),
            (Attempt::Taken, again(5), "being-told", true),
            (Attempt::Nobody, Try::Done, "github-not-configured", true),
            (not_let(true), Try::Done, "app-not-installed", true),
            (not_let(false), Try::Done, "app-not-installed", false),
            (Attempt::GitHub(Failure::Limited { seconds: 90 }), again(90), "github-limited", true),
            (Attempt::GitHub(Failure::NotFound), again(0), "github-not-found", true),
            (Attempt::NoIdentity(NoIdentity::InvalidKey), again(0), "github-not-configured", true),
            (Attempt::Unavailable { detail: "d".into() }, again(0), "ledger-unavailable", true),
        ] {
            let found = (attempt.tried(1), attempt.code(), attempt.is_logged());
            assert_eq!(found, (tried, code, is_logged), "{attempt:?}");
        }
        assert_eq!(Attempt::Taken.tried(LONGEST_TAKEN), Try::Done);
    }
}

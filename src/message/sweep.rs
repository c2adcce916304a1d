//! A sweep, as it is kept in the ledger and told to the operator.

use serde::{Deserialize, Serialize};

/// What one sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Its id in the ledger.
    pub id: u64,
    /// When it was, by RFC 3339.
    pub at: String,
    /// Whether the operator asked for it, and not the cron trigger.
    pub by_operator: bool,
    /// How many webhooks' deliveries were looked at.
    pub hooks: u64,
    /// How many deliveries GitHub listed that were not known yet.
    pub listed: u64,
    /// How many events were found missed.
    pub missed: u64,
    /// How many that had been missed were found delivered.
    pub delivered: u64,
    /// How many GitHub is asked to deliver again now.
    pub redelivering: u64,
    /// How many are not asked for any more.
    pub given_up: u64,
    /// Whether a list went on beyond what one sweep looks at: the next one goes on there.
    pub is_cut: bool,
    /// What could not be looked at, and why.
    pub problems: Vec<String>,
}

/// How far the deliveries of a webhook were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// All that was delivered before is known.
    pub seen_until: u64,
    /// Where a list goes on that was too long, and until when it was not looked at.
    pub rest: Option<(String, u64)>,
}

/// What a list of them is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only what came before the one of this id.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u64,
}

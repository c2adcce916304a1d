//! The log: one line of JSON for each delivery and for each handover, searchable by field. The types
//! have no room for a secret or a body.

use serde::Serialize;

use crate::delivery::answer::{About, Outcome, Verdict};
use crate::policy::Trigger;
use crate::repository::RepositoryName;
use crate::signature::github::SecretUsed;

/// The line that a delivery leaves.
#[derive(Debug, Serialize)]
pub struct DeliveryLine<'a> {
    log: &'static str,
    outcome: Outcome,
    code: &'a str,
    status: u16,
    /// From the request's arrival to its answer, in milliseconds.
    ms: u64,
    delivery: Option<&'a str>,
    event: Option<&'a str>,
    repository: Option<&'a RepositoryName>,
    trigger: Option<Trigger>,
    build: Option<&'a str>,
    /// Which secret matched: once no line says `previous`, that one can go.
    secret: Option<SecretUsed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> DeliveryLine<'a> {
    /// The line for a delivery that was answered `ms` milliseconds after it came.
    pub fn new(verdict: &'a Verdict, about: &'a About, ms: u64) -> Self {
        let (outcome, code, status) = verdict.codes();
        Self {
            log: "delivery",
            outcome,
            code,
            status,
            ms,
            delivery: about.delivery.as_deref(),
            event: about.event.as_deref(),
            repository: about.repository.as_ref(),
            trigger: about.trigger,
            build: about.build.as_deref(),
            secret: about.secret,
            detail: verdict.detail(),
        }
    }
}

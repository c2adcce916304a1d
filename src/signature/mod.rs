//! Signatures: GitHub's, and those of the gate.

pub mod github;
pub mod standard_webhooks;

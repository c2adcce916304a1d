//! What the end-to-end tests stand on: a gate of a test's own in workerd, the deliveries that it is sent, the origin that
//! it hands over to, and a stand-in for GitHub.

pub mod browser;
pub mod delivery;
pub mod described;
pub mod edge;
pub mod fixtures;
pub mod gate;
pub mod github;
pub mod origin;

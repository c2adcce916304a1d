//! How far one account goes: from what a delivery and a build were measured to need, and from what Cloudflare and GitHub
//! document as their limits and prices.
//!
//! `npm run scale` builds the worker and runs this. It writes `docs/scale.md` and `docs/images/scale.svg`.

#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod model;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    report::report(&measure::measure());
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("The CPU time of a process is read as Linux gives it: run this there.");
}

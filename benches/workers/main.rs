//! The built worker beside the JavaScript that people would write instead: each contender in a workerd
//! process of its own, all set up alike (`workers.capnp`), in one run and in interleaved rounds.
//!
//! `npm run bench` builds what is compared and runs this. It writes `benches/results.md` and
//! `benches/results.svg`, which the README shows.

#[cfg(target_os = "linux")]
mod contender;
#[cfg(target_os = "linux")]
mod delivery;
#[cfg(target_os = "linux")]
#[path = "../../tests/support/fixtures.rs"]
#[allow(dead_code)]
mod fixtures;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod run;

#[cfg(target_os = "linux")]
fn main() {
    run::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!(
        "The CPU time and the memory of a process are read as Linux gives them: run this there."
    );
}

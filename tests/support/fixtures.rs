//! The project's folder and its fixtures: for the tests, the benchmarks and the stand-in for GitHub alike.

use std::path::Path;

use serde_json::Value;

/// The project's folder.
pub const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// A fixture's text.
pub fn fixture(name: &str) -> String {
    let file = Path::new(PROJECT).join("fixtures").join(format!("{name}.json"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A fixture as JSON.
pub fn payload(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The event that a fixture is named after.
pub fn event_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

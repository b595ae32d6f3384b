//! The directory of a mesh in virtual time.

use super::rust;
use crate::count::Outcome;
use crate::house::Result;
use crate::prepare::TESTING;
use crate::step::Step;

/// Histories of the long form.
const MANY: &str = "100000";

/// 1,000 histories of 8 to 32 nodes, and the planted faults.
pub(crate) fn run() -> Result<Outcome> {
    histories(None)
}

/// As many histories as `HUBLESS_TEST_SEEDS` says, or 100,000.
pub(crate) fn long() -> Result<Outcome> {
    let many = std::env::var("HUBLESS_TEST_SEEDS").unwrap_or_else(|_| MANY.to_owned());
    histories(Some(&many))
}

/// A `cargo test` of the histories, with what it says of its figures.
fn histories(seeds: Option<&str>) -> Result<Outcome> {
    let step = Step::new("simulation: histories", "cargo");
    let step = step.args(["test", "--locked", "--no-fail-fast", "--workspace"]);
    let step = step.args(["--features", TESTING, "--test", "histories"]);
    let step = step.args(["--", "--test-threads=1", "--nocapture"]);
    let step = match seeds {
        Some(seeds) => step.env("HUBLESS_TEST_SEEDS", seeds),
        None => step,
    };
    let done = step.run()?;
    let mut outcome = rust::read(&done);
    let told = done.output.lines().filter_map(|line| line.split_once("simulation "));
    outcome.notes.extend(told.map(|(_, figures)| figures.to_owned()));
    Ok(outcome)
}

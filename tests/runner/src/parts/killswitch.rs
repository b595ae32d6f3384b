//! The ledger of the KillSwitch in every state of small configurations, and with planted faults,
//! each of which must be found.

use super::rust;
use crate::count::Outcome;
use crate::house::Result;
use crate::prepare::TESTING;
use crate::step::{Done, Step};

const FAULTS: [&str; 10] = [
    "check-then-act",
    "post-paid",
    "reclaim-on-timeout",
    "settle-before-close",
    "duplicate-settle",
    "duplicate-grant",
    "root-forgets",
    "holder-forgets",
    "fail-over-same-grant",
    "lease-from-receipt",
];

/// The short form of each model, and the gate of the faults.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = models(&[])?;
    outcome += gate(None)?;
    for fault in FAULTS {
        outcome += gate(Some(fault))?;
    }
    outcome += killed(&[])?;
    Ok(outcome)
}

/// The models with their larger bounds, and ten times as many kills.
pub(crate) fn long() -> Result<Outcome> {
    let mut outcome = models(&[("HUBLESS_MODEL_STEPS", "100000000")])?;
    outcome += killed(&[("HUBLESS_TEST_ROUNDS", "200")])?;
    Ok(outcome)
}

/// A process that spends is killed, and its store asked what it knows.
fn killed(settings: &[(&str, &str)]) -> Result<Outcome> {
    rust::test_with("killswitch: killed", &["--test", "ledger"], settings)
}

fn models(settings: &[(&str, &str)]) -> Result<Outcome> {
    let step = test("killswitch: models", TESTING, "models");
    let step = settings.iter().fold(step, |step, (key, value)| step.env(key, value));
    Ok(read(&step.run()?))
}

/// The searches with one fault in the ledger, or with none.
fn gate(fault: Option<&str>) -> Result<Outcome> {
    let name = format!("killswitch: {}", fault.unwrap_or("no fault"));
    let feature = fault.map(|fault| format!(",hubless-model/fault-{fault}")).unwrap_or_default();
    Ok(read(&test(&name, &format!("{TESTING}{feature}"), "faults").run()?))
}

/// A `cargo test` of one file, of the whole workspace as [`rust::test`] says why.
fn test(name: &str, features: &str, file: &str) -> Step {
    let step = Step::new(name, "cargo").args(["test", "--locked", "--no-fail-fast", "--workspace"]);
    let step = step.args(["--features", features, "--test", file]);
    step.args(["--", "--test-threads=1", "--nocapture"])
}

/// The counts, with what each search says of itself.
fn read(done: &Done) -> Outcome {
    let mut outcome = rust::read(done);
    let models = done.output.lines().filter_map(|line| line.split_once("model "));
    outcome.notes.extend(models.map(|(_, found)| found.to_owned()));
    let shortest = done.output.lines().find(|line| line.contains("broken after "));
    outcome.notes.extend(shortest.map(|line| line.trim().to_owned()));
    outcome
}

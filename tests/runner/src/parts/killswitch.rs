//! The ledger of the KillSwitch in every state of small configurations, and with planted faults,
//! each of which must be found; and processes that spend and are killed.

use super::rust;
use crate::chaos;
use crate::count::Outcome;
use crate::house::Result;
use crate::prepare::TESTING;
use crate::step::{Done, Step};
use std::sync::{Mutex, PoisonError};

const FAULTS: [&str; 12] = [
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
    "issuer-for-root",
    "beacon-unchecked",
];

/// Faults that are looked for at once: while one is searched for, the next is compiled.
const LANES: usize = 2;

/// The short form of each model, and the gate of the faults. That the searches of the gate find
/// nothing without a fault is a part of the models: they see every state of its plans
/// (`hubless_model::plans::GATE`).
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = models(&[])?;
    outcome += gates()?;
    outcome += killed(&[])?;
    outcome += chaos::everyday();
    Ok(outcome)
}

/// The models with their larger bounds, the gate without a fault, and ten times as many kills.
pub(crate) fn long() -> Result<Outcome> {
    let mut outcome = models(&[("HUBLESS_MODEL_STEPS", "100000000")])?;
    outcome += gate(None)?;
    outcome += killed(&[("HUBLESS_TEST_ROUNDS", "200")])?;
    outcome += chaos::long();
    Ok(outcome)
}

/// Processes that spend are killed: a ledger whose store is asked what it knows, and the nodes of a
/// tree of calls, which start again.
fn killed(settings: &[(&str, &str)]) -> Result<Outcome> {
    // Side by side: they wait for leases and disks.
    let step = test("killswitch: killed", TESTING, "ledger").args(["--nocapture"]);
    with(step.env("HUBLESS_LOG", "off"), settings)
}

fn models(settings: &[(&str, &str)]) -> Result<Outcome> {
    with(search("killswitch: models", TESTING, "models"), settings)
}

fn with(step: Step, settings: &[(&str, &str)]) -> Result<Outcome> {
    let step = settings.iter().fold(step, |step, (key, value)| step.env(key, value));
    Ok(read(&step.run()?))
}

/// The searches with each of the faults.
fn gates() -> Result<Outcome> {
    let left = Mutex::new(FAULTS.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let lane = || -> Result<Outcome> {
        let mut outcome = Outcome::default();
        while let Some(fault) = next() {
            outcome += gate(Some(fault))?;
        }
        Ok(outcome)
    };
    std::thread::scope(|scope| {
        let lanes = [(); LANES].map(|()| scope.spawn(lane));
        let mut outcome = Outcome::default();
        for lane in lanes {
            outcome += lane.join().map_err(|_| "the gate of a fault panicked")??;
        }
        Ok(outcome)
    })
}

/// The searches with one fault in the ledger, or with none.
fn gate(fault: Option<&str>) -> Result<Outcome> {
    let name = format!("killswitch: {}", fault.unwrap_or("no fault"));
    let feature = fault.map(|fault| format!(",hubless-model/fault-{fault}")).unwrap_or_default();
    Ok(read(&search(&name, &format!("{TESTING}{feature}"), "faults").run()?))
}

/// A `cargo test` of searches, each of which takes all processors.
fn search(name: &str, features: &str, file: &str) -> Step {
    test(name, features, file).args(["--test-threads=1", "--nocapture"])
}

/// A `cargo test` of one file, of the whole workspace as [`rust::test`] says why.
fn test(name: &str, features: &str, file: &str) -> Step {
    let step = Step::new(name, "cargo").args(["test", "--locked", "--no-fail-fast", "--workspace"]);
    step.args(["--features", features, "--test", file, "--"])
}

/// The counts, with what each search says of itself.
fn read(done: &Done) -> Outcome {
    let mut outcome = rust::read(done);
    let models = done.output.lines().filter_map(|line| line.split_once("model "));
    outcome.notes.extend(models.map(|(_, found)| found.to_owned()));
    let kills = done.output.lines().filter_map(|line| line.find("killed ").map(|at| &line[at..]));
    let kills = kills.filter(|line| line.contains(" times: "));
    outcome.notes.extend(kills.map(str::to_owned));
    let shortest = done.output.lines().find(|line| line.contains("broken after "));
    outcome.notes.extend(shortest.map(|line| line.trim().to_owned()));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_that_can_be_planted_is_looked_for() {
        let model = include_str!("../../../model/Cargo.toml");
        let ledger = include_str!("../../../../core/proto/Cargo.toml");
        for manifest in [model, ledger] {
            let features = manifest.lines().filter_map(|line| line.strip_prefix("fault-"));
            let names = features.filter_map(|feature| Some(feature.split_once(" =")?.0));
            assert_eq!(names.collect::<Vec<_>>(), FAULTS);
        }
    }
}

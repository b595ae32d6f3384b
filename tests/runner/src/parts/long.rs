//! The long forms, which are not part of every run.

use super::{boundary, endurance, install, killswitch, memory, nightly, rust, simulation};
use crate::bench;
use crate::count::{Outcome, caught};
use crate::house::Result;
use crate::step;

const FORMS: [(&str, &[&str]); 3] = [
    ("unit", &["--lib", "--test", "checks", "--test", "readers", "--test", "wire"]),
    ("mesh", &["--test", "machine", "--", "--test-threads=1", "--nocapture"]),
    (FUZZ, &["--test", "corpus"]),
];

/// Looks at the fuzzer with coverage as well, which no part builds.
const FUZZ: &str = "fuzz";
/// Forms of their own: the packages of a release instead of quick ones, the larger models, more
/// histories, processes that are stopped for a minute, C's suite under valgrind, and what takes
/// hours.
const INSTALL: &str = "install";
const KILLSWITCH: &str = "killswitch";
const BOUNDARY: &str = "boundary";
const LARGE: &str = "large";
const MEMORY: &str = "memory";
const SIMULATION: &str = "simulation";
/// All benchmarks, with a few calls each: figures of nothing, but nothing of them is broken.
const BENCH: &str = "bench";

/// Runs the long forms of the named parts, or of all; one that cannot be built or started counts as
/// a failure, and the others run.
///
/// # Errors
/// A part has no long form.
pub(crate) fn run(names: &[String]) -> Result<Outcome> {
    let own = [INSTALL, KILLSWITCH, BOUNDARY, LARGE, MEMORY, SIMULATION, BENCH];
    let known: Vec<_> = FORMS.iter().map(|(form, _)| *form).chain(own).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{unknown:?} has no long form; these have: {}", known.join(", ")));
    }
    step::take_long();
    if let Err(message) = crate::prepare::everything() {
        return Ok(Outcome::failure(message));
    }
    // Read by the tests themselves: rounds of the mesh, agents that come and go, cases of the
    // property tests, mutations.
    let settings = [
        ("HUBLESS_TEST_ROUNDS", "200"),
        ("HUBLESS_TEST_AGENTS", "100000"),
        ("PROPTEST_CASES", "100000"),
        ("HUBLESS_FUZZ_CASES", "100000"),
    ];
    let mut outcome = Outcome::default();
    let wanted = |form: &str| names.is_empty() || names.iter().any(|name| name == form);
    for (form, arguments) in FORMS.iter().filter(|(form, _)| wanted(form)) {
        let name = format!("long: {form}");
        outcome += of(|| rust::test_with(&name, arguments, &settings));
    }
    if wanted(FUZZ) {
        outcome += of(nightly::fuzzer);
    }
    if wanted(KILLSWITCH) {
        outcome += of(killswitch::long);
    }
    if wanted(SIMULATION) {
        outcome += of(simulation::long);
    }
    if wanted(BOUNDARY) {
        outcome += of(boundary::long);
    }
    if wanted(MEMORY) {
        outcome += of(memory::long);
    }
    if wanted(LARGE) {
        outcome += of(endurance::run);
    }
    if wanted(INSTALL) {
        outcome += of(install::release);
    }
    if wanted(BENCH) {
        outcome += of(benchmarks);
    }
    Ok(outcome)
}

/// What a form came to; one that cannot go on, or panics, is a failure.
fn of(form: impl FnOnce() -> Result<Outcome>) -> Outcome {
    Outcome::of(caught(form))
}

/// A quick run of all benchmarks, from packages that are built and installed for it.
fn benchmarks() -> Result<Outcome> {
    let kept = bench::run(&bench::Options::quick())?;
    Ok(Outcome::one(kept, || "long bench: a limit of a budget was broken".to_owned()))
}

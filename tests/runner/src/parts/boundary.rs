//! Faults at the boundary of each language, seen from a process of their own; the handle tables
//! over many schedules; the C library under lists of operations. `tests/boundary/BOUNDARY.md`.

use super::memory;
use super::rust;
use crate::count::{self, Outcome};
use crate::house::{Result, root, target, venv_program};
use crate::step::Step;
use crate::toolchain;

/// How the part is run: what is shortened in the everyday form.
struct Form {
    /// How long processes are stopped, in seconds: beyond the 8 s of silence that is borne.
    stopped: &'static str,
    /// Mutated lists of operations.
    cases: &'static str,
    /// Schedules of each test of a handle table.
    schedules: &'static str,
}

const EVERYDAY: Form = Form { stopped: "10", cases: "60", schedules: "1000" };
const LONG: Form = Form { stopped: "60", cases: "10000", schedules: "100000" };

/// All faults, each followed by 1,000 calls that are counted by the caller.
///
/// # Errors
/// A program could not be started.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = faults(&EVERYDAY)?;
    outcome += operations(&EVERYDAY)?;
    outcome += tables(&EVERYDAY)?;
    Ok(outcome)
}

/// Processes that are stopped for a minute, more lists and schedules, and the lists under valgrind.
///
/// # Errors
/// A program could not be started.
pub(crate) fn long() -> Result<Outcome> {
    let mut outcome = faults(&LONG)?;
    outcome += operations(&LONG)?;
    outcome += if toolchain::make_fault().is_none() && memory::has_valgrind() {
        listed("operations-valgrind", "100")?
    } else {
        Outcome::skip("make or valgrind is not installed")
    };
    outcome += tables(&LONG)?;
    Ok(outcome)
}

/// What becomes of the calls of one process when another one goes through a fault.
fn faults(form: &Form) -> Result<Outcome> {
    let settings = root().join("python/pyproject.toml");
    let done = Step::new("boundary: pytest", venv_program("python"))
        .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-c"])
        .args([settings, root().join("tests/boundary")])
        .env("HUBLESS_LOG", "off")
        .env("HUBLESS_TEST_STOPPED_SECONDS", form.stopped)
        .run()?;
    let mut outcome = count::pytest(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(60));
    }
    Ok(outcome)
}

/// The C library under lists of operations, plainly and under the sanitizers.
fn operations(form: &Form) -> Result<Outcome> {
    if let Some(fault) = toolchain::make_fault() {
        return Ok(Outcome::skip(&format!("lists of operations: {fault}")));
    }
    let mut outcome = listed("operations", form.cases)?;
    outcome += if memory::has_sanitizers()? {
        listed("operations-sanitize", form.cases)?
    } else {
        Outcome::skip("the C compiler has no address and undefined-behaviour sanitizers")
    };
    Ok(outcome)
}

/// One target of the Makefile over so many mutations.
fn listed(tool: &str, cases: &str) -> Result<Outcome> {
    let done = Step::new(&format!("boundary: make {tool}"), "make")
        .args(["--silent", "--directory", "include", tool])
        .env("HUBLESS_LIBRARY", target().join("debug"))
        .env("OUT", root().join("target/c"))
        .env("CASES", cases)
        .env("HUBLESS_LOG", "off")
        .run()?;
    let mut outcome = count::plain(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(60));
    }
    Ok(outcome)
}

/// The handle tables over schedules of their threads.
fn tables(form: &Form) -> Result<Outcome> {
    let schedules = [("HUBLESS_TEST_SCHEDULES", form.schedules)];
    rust::test_with("boundary: handle tables", &["--test", "handles"], &schedules)
}

//! The long form of the part `large`: streams of an hour in all pairs, handlers that hold their
//! process, nodes that come and go, and memory after a million calls.
//!
//! Owns: the cases of it, which are made here since they are as long as the environment says, and
//! what is read from the kernel meanwhile. Must not know: how a language reads, calls or holds;
//! `tests/conformance/runners/*/endurance.*` do that.

mod cast;
mod counts;
mod holding;
mod length;
mod streams;

use crate::count::Outcome;
use crate::house::Result;

/// All of it, one after the other: what shares the machine would be measured as well.
///
/// # Errors
/// A program could not be started, or a length of the environment is no number.
pub(super) fn run() -> Result<Outcome> {
    let length = length::Length::of_environment()?;
    let mut outcome = holding::run()?;
    outcome += counts::cycles(&length)?;
    outcome += counts::calls(&length)?;
    outcome += streams::run(&length)?;
    Ok(outcome)
}

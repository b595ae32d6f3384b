//! Many processes on one machine: they find each other, die, dial each other at once; another
//! user sees nothing of it.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "tests print what they measured")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod crowd;
mod dial;
mod first;
mod silent;
mod users;

use hubless_mesh_tests::{Spawn, Subject};
use std::path::Path;

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

/// A process of this user without a node in it.
fn spawn(home: &Path, name: &str) -> Subject {
    Subject::spawn(SUBJECT, home, name, Spawn::default())
}

/// Longest of some times, and the middle one, in milliseconds.
fn spread(times: &mut [u64]) -> (f64, f64) {
    times.sort_unstable();
    let ms = |us: Option<&u64>| us.map_or(0.0, |us| *us as f64 / 1_000.0);
    (ms(times.get(times.len() / 2)), ms(times.last()))
}

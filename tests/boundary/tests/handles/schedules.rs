//! How the tests run: one after the other, since the numbers of handles are the process's, over
//! schedules that are drawn, and over those with few changes between threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Schedules without `HUBLESS_TEST_SCHEDULES`.
const SCHEDULES: usize = 1_000;
/// Changes between threads at which something goes wrong in most faults that were ever found.
const DEPTH: usize = 3;

static ONE: Mutex<()> = Mutex::new(());

fn all(test: impl Fn() + Send + Sync + Clone + 'static) {
    let schedules = std::env::var("HUBLESS_TEST_SCHEDULES");
    let schedules = schedules.map_or(SCHEDULES, |text| text.parse().unwrap());
    shuttle::check_random(test.clone(), schedules);
    shuttle::check_pct(test, schedules, DEPTH);
}

/// Runs a test under every schedule that is tried.
pub(crate) fn holds(test: impl Fn() + Send + Sync + Clone + 'static) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    all(test);
}

/// The control of a test: with its fault planted, some schedule shows it.
pub(crate) fn breaks(test: impl Fn() + Send + Sync + Clone + 'static) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let found = catch_unwind(AssertUnwindSafe(|| all(test)));
    assert!(found.is_err(), "the planted fault was not seen");
}

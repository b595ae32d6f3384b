//! Each configuration holds in every state that can be reached; prints how many there are. In the
//! long form `HUBLESS_MODEL_STEPS` says how many steps the large ones may take.
#![allow(clippy::print_stdout, reason = "how many states there are is what the run is asked for")]

use hubless_model::check::{Found, Until, search};
use hubless_model::plan::Plan;
use hubless_model::plans;

/// Steps looked at, far more than a search takes that is to see every state; a larger one would
/// fill the memory.
const ALL: usize = 20_000_000;

/// Steps of the long form; none: it is the short one.
fn steps() -> Option<usize> {
    let steps = std::env::var("HUBLESS_MODEL_STEPS").ok()?;
    let number = steps.parse();
    assert!(number.is_ok(), "expected a number of steps, got {steps:?}");
    number.ok()
}

fn clean(plan: Plan, most: usize) -> Found {
    let found = search(plan, Until::States(most));
    println!("{found}");
    assert!(found.broken.is_empty(), "broken");
    assert!(found.missing.is_empty(), "never seen");
    found
}

fn holds(plan: Plan) {
    assert!(clean(plan, ALL).exhausted, "not exhausted");
}

#[test]
fn a_call_that_fails_over() {
    holds(plans::called_again());
}

#[test]
fn a_store_that_lags_behind() {
    holds(plans::late());
}

#[test]
fn a_store_that_lags_behind_a_stop() {
    clean(plans::late_stop(), steps().unwrap_or(1_500_000));
}

#[test]
fn a_call_below_a_call() {
    holds(plans::deep());
}

#[test]
fn calls_side_by_side() {
    holds(plans::wide());
}

#[test]
fn a_stop_on_its_way() {
    holds(plans::stop());
}

/// Every state of a short history, and in the long form those nearest of a longer one.
fn leases(slow: u64) {
    match steps() {
        None => holds(plans::lease(slow, 5, 1)),
        Some(steps) => drop(clean(plans::lease(slow, 6, 1), steps)),
    }
}

#[test]
fn one_grant_that_is_spent_from_twice() {
    holds(plans::twice());
}

#[test]
fn leases_with_exact_clocks() {
    leases(0);
}

#[test]
fn leases_with_a_slow_clock() {
    leases(1);
}

/// Too large to be seen whole in the time of every run: nearest states first.
#[test]
fn everything_at_once() {
    clean(plans::spec(), steps().unwrap_or(2_000_000));
}

//! Each configuration holds in every state that can be reached; prints how many there are. With
//! `HUBLESS_MODEL_LONG` set the bounds are larger.
#![allow(clippy::print_stdout, reason = "how many states there are is what the run is asked for")]

use hubless_model::check::{Found, Until, search};
use hubless_model::plan::Plan;
use hubless_model::plans;

/// Steps looked at, far more than a search takes that is to see every state; a larger one would
/// fill the memory.
const ALL: usize = 20_000_000;

fn is_long() -> bool {
    std::env::var_os("HUBLESS_MODEL_LONG").is_some()
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
    clean(plans::late_stop(), if is_long() { 20_000_000 } else { 1_500_000 });
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

/// Moments of a history with leases, and up to which a clock is heard.
fn bounds() -> (u64, u64) {
    if is_long() { (6, 1) } else { (5, 1) }
}

#[test]
fn one_grant_that_is_spent_from_twice() {
    holds(plans::twice());
}

#[test]
fn leases_with_exact_clocks() {
    let (ticks, heard) = bounds();
    holds(plans::lease(0, ticks, heard));
}

#[test]
fn leases_with_a_slow_clock() {
    let (ticks, heard) = bounds();
    holds(plans::lease(1, ticks, heard));
}

/// Too large to be seen whole in the time of every run: nearest states first.
#[test]
fn everything_at_once() {
    clean(plans::spec(), if is_long() { 20_000_000 } else { 2_000_000 });
}

//! Each configuration holds in every state that can be reached; prints how many there are. In the
//! long form `HUBLESS_MODEL_STEPS` says how many steps the large ones may take.
#![allow(clippy::print_stdout, reason = "how many states there are is what the run is asked for")]

use hubless_model::check::{Found, Until, search, walk};
use hubless_model::plan::{Plan, Renewal};
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

/// Those in which faults are looked for: what is found there is the fault's.
#[test]
fn the_plans_of_the_gate() {
    for plan in plans::GATE {
        holds(plan());
    }
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
fn a_stop_on_its_way() {
    holds(plans::stop());
}

/// Every state of a short history with exact clocks (that with a slow one is of the gate), and in
/// the long form the nearest of a longer one with either.
#[test]
fn leases() {
    match steps() {
        None => holds(plans::lease(0, 5, 1)),
        Some(steps) => {
            for slow in [0, 1] {
                clean(plans::lease(slow, 6, 1), steps);
            }
        }
    }
}

#[test]
fn a_detached_grant_ends_at_its_own_time() {
    holds(plans::detached(5));
}

/// Every state of a short history is one of the gate; in the long form the nearest of a longer one,
/// with more that the root is asked.
#[test]
fn a_dishonest_node_between_the_root_and_a_holder_gains_nothing_by_time() {
    if let Some(steps) = steps() {
        clean(plans::between(Renewal::Root, 7, 3), steps);
    }
    // The same node where nothing forbids it.
    let found = search(plans::between(Renewal::Issuer, 6, 0), Until::Broken(ALL));
    println!("{found}");
    let broken: Vec<_> = found.broken.iter().map(|(invariant, _)| &invariant[..2]).collect();
    assert_eq!(broken, ["I6"]);
}

/// What SPEC 04 names, whole: of the four nodes each may be the one that dies. What happens to a
/// leaf goes first (`alone.rs`); in the long form every order is looked at.
#[test]
fn everything_at_once() {
    (0..plans::spec().nodes).for_each(|node| holds(plans::spec_where_dies(node)));
    if steps().is_some() {
        let found = walk(plans::spec());
        println!("{found}");
        assert!(found.broken.is_empty() && found.missing.is_empty() && found.exhausted);
    }
}

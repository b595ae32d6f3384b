//! The gate: with a planted fault one of its searches must find a broken invariant, and without one
//! none may (`models.rs` looks at every state of the same plans).
#![allow(clippy::print_stdout, reason = "what was found is what the run is asked for")]

use hubless_model::check::{Until, search};
use hubless_model::plan::Plan;
use hubless_model::plans;

/// States of one search at most; every fault shows itself within a part of that.
const MOST: usize = 2_000_000;

/// True when something is broken in one of these plans.
fn is_broken(plans: impl IntoIterator<Item = Plan>) -> bool {
    plans.into_iter().any(|plan| {
        let found = search(plan, Until::Broken(MOST));
        println!("{found}");
        !found.broken.is_empty()
    })
}

/// What is broken in a plan in every order is so where leaves go first. That without a fault
/// nothing is either way is in `orders.rs`.
#[test]
fn leaves_first_a_planted_fault_is_found_as_well() {
    // Those that a crash in this plan shows.
    let is_shown = cfg!(any(feature = "fault-root-forgets", feature = "fault-holder-forgets"));
    if is_shown {
        let nodes = 0..plans::wide().nodes;
        assert!(is_broken([plans::wide()]), "in every order");
        assert!(is_broken(nodes.map(|node| plans::leaves_first(plans::wide(), node))));
    }
}

#[test]
fn a_planted_fault_is_found_and_none_otherwise() {
    let mut plans: Vec<Plan> = plans::GATE.iter().map(|plan| plan()).collect();
    // The plan that was made for a fault is looked at before the others.
    let first = if cfg!(feature = "fault-fail-over-same-grant") {
        Some(plans::called_again().name)
    } else if cfg!(feature = "fault-lease-from-receipt") {
        Some(plans::slow_lease().name)
    } else if cfg!(any(feature = "fault-issuer-for-root", feature = "fault-beacon-unchecked")) {
        Some(plans::strict().name)
    } else {
        None
    };
    plans.sort_by_key(|plan| Some(plan.name) != first);
    let mut caught = None;
    for plan in plans {
        let found = search(plan, Until::Broken(MOST));
        println!("{found}");
        if !found.broken.is_empty() {
            caught = Some(found.name);
            break;
        }
    }
    assert_eq!(caught.is_some(), cfg!(feature = "planted"), "caught by {caught:?}");
}

//! The gate: with a planted fault one of these searches must find a broken invariant, and without
//! one none may (`models.rs` looks at every state of the same plans).
#![allow(clippy::print_stdout, reason = "what was found is what the run is asked for")]

use hubless_model::check::{Until, search};
use hubless_model::plan::Plan;
use hubless_model::plans;

/// States of one search at most; every fault shows itself within a part of that.
const MOST: usize = 2_000_000;

#[test]
fn a_planted_fault_is_found_and_none_otherwise() {
    let mut plans: [fn() -> Plan; 4] =
        [plans::twice, plans::called_again, plans::wide, || plans::lease(1, 5, 1)];
    // The plan that was made for a fault is looked at before the others.
    if cfg!(feature = "fault-fail-over-same-grant") {
        plans.swap(0, 1);
    } else if cfg!(feature = "fault-lease-from-receipt") {
        plans.swap(0, 3);
    }
    let mut caught = None;
    for plan in plans {
        let found = search(plan(), Until::Broken(MOST));
        println!("{found}");
        if !found.broken.is_empty() {
            caught = Some(found.name);
            break;
        }
    }
    assert_eq!(caught.is_some(), cfg!(feature = "planted"), "caught by {caught:?}");
}

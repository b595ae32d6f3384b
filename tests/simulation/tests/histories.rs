//! Histories of 8 to 32 nodes, and faults that they must find.
#![allow(clippy::unwrap_used, reason = "tests fail by it")]

use hubless_simulation::check::{Outcome, run};
use hubless_simulation::fault::Fault;

/// Histories of one run; the long form says how many.
fn seeds() -> u64 {
    std::env::var("HUBLESS_TEST_SEEDS").map_or(1_000, |text| text.parse().unwrap())
}

#[test]
fn every_history_ends_in_agreement_and_breaks_nothing_on_its_way() {
    let mut most_bytes = 0;
    for seed in 0..seeds() {
        let Outcome { broken, most_bytes: most, .. } = run(seed, Fault::None);
        assert_eq!(broken, None, "HUBLESS_TEST_SEED={seed}");
        most_bytes = most_bytes.max(most);
    }
    println!("simulation {} histories; most of a node in a minute: {most_bytes} B", seeds());
}

/// One seed again, that of a failure, named by `HUBLESS_TEST_SEED`.
#[test]
fn the_seed_that_is_named_holds_again() {
    let seed = std::env::var("HUBLESS_TEST_SEED").map_or(0, |text| text.parse().unwrap());
    let outcome = run(seed, Fault::None);
    assert_eq!(outcome.broken, None, "HUBLESS_TEST_SEED={seed}");
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_one_another() {
    for seed in 0..20 {
        let one = run(seed, Fault::None);
        assert_eq!(one, run(seed, Fault::None), "seed {seed}");
        assert_ne!(one.history, run(seed + 1, Fault::None).history, "seed {seed}");
    }
}

#[test]
fn every_planted_fault_is_found_by_its_invariant() {
    for fault in Fault::ALL {
        let mut broken = (0..200).filter_map(|seed| Some((seed, run(seed, fault).broken?)));
        let found = broken.find(|(_, (invariant, _))| *invariant == fault.caught_by());
        let (seed, (invariant, what)) = found.unwrap_or_else(|| panic!("{fault:?} is not found"));
        println!("simulation {fault:?} is found by {invariant} in seed {seed}: {what}");
    }
}

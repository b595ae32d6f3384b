//! Leases: a node that hears nothing stops in time, and a late message never makes it later.

use crate::world::{LEASE_MS, World, amount, ceiling};
use hubless_proto::killswitch::{Allowance, GrantId, Keeping, Message, Owner, Terms};

/// A chain of nodes, each with a grant from the one before; answers the last grant.
fn chain(drift: &[i64], clocks: bool) -> (World, Vec<GrantId>) {
    let mut world = World::new(drift);
    if clocks {
        world.say_clocks();
    }
    let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(1 << 40, 1 << 40, 1 << 40)) };
    let mut grants = vec![world.open(0, terms)];
    world.work();
    for node in 1..drift.len() {
        let grant = world.cut(node - 1, grants[node - 1], node, Allowance::UNLIMITED);
        world.work();
        grants.push(grant);
    }
    (world, grants)
}

/// True when this node may spend now.
fn may_spend(world: &mut World, node: usize, grant: GrantId) -> bool {
    let before = world.provider.running.len();
    world.reserve(node, grant, amount(1, 1));
    world.persist(node, 99);
    world.provider.running.len() > before
}

#[test]
fn a_holder_that_is_heard_goes_on_at_any_depth() {
    let (mut world, grants) = chain(&[0; 9], true);
    world.settle_down(20 * LEASE_MS);
    for (node, grant) in grants.iter().enumerate() {
        assert!(may_spend(&mut world, node, *grant), "node {node}: {:?}", world.refusals);
    }
}

#[test]
fn a_holder_that_is_cut_off_stops_within_one_lease_of_its_clock() {
    for fast_ppm in [-9_900, 0, 9_900] {
        let (mut world, grants) = chain(&[0, fast_ppm, 0], true);
        world.settle_down(3 * LEASE_MS);
        let cut_us = world.time_us;
        let mut last_us = [0; 3];
        while world.time_us < cut_us + 2 * LEASE_MS * 1_000 {
            world.time_us += 10_000;
            // The root hears nobody; the other two hear each other.
            world.network.retain(|letter| letter.from != 0 && letter.to != 0);
            while !world.network.is_empty() {
                world.deliver(0);
                world.network.retain(|letter| letter.from != 0 && letter.to != 0);
            }
            for node in 1..3 {
                world.timeout(node);
                if may_spend(&mut world, node, grants[node]) {
                    last_us[node] = world.time_us;
                }
            }
        }
        let bound_us = LEASE_MS * 1_000 * 101 / 100;
        for (node, last_us) in last_us.into_iter().enumerate().skip(1) {
            let after_us = last_us - cut_us;
            assert!(after_us > LEASE_MS * 1_000 / 2, "node {node} stopped too soon: {after_us}");
            assert!(after_us <= bound_us, "node {node} went on for {after_us} us");
        }
    }
}

#[test]
fn without_a_reading_the_holder_asks_before_it_spends() {
    let mut world = World::new(&[0, 0]);
    let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(100, 100, 100)) };
    let root = world.open(0, terms);
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.persist(0, 9);
    world.deliver(0);
    world.persist(1, 9);
    assert!(!may_spend(&mut world, 1, grant));
    assert!(world.network.iter().any(|l| matches!(l.message, Message::RenewAsk { .. })));
    world.work();
    assert_eq!(world.provider.running.len(), 1, "what waited begins with the lease");
}

#[test]
fn what_waits_for_a_lease_that_never_comes_is_refused() {
    let (mut world, grants) = chain(&[0, 0], false);
    world.network.clear();
    world.crash(1, 0);
    let _ = grants;
    let root = world.budgets[0].1.origin.account();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.persist(0, 9);
    world.network.retain(|letter| matches!(letter.message, Message::Grant(_)));
    world.deliver(0);
    world.persist(1, 9);
    world.reserve(1, grant, amount(1, 1));
    world.time_us += 11_000_000;
    world.timeout(1);
    assert_eq!(world.refusals.last().unwrap().code, "lease_lost");
}

#[test]
fn a_lease_that_comes_late_is_shorter_and_an_old_one_is_none() {
    let (mut world, grants) = chain(&[0, 0], true);
    world.settle_down(LEASE_MS);
    while world.network.is_empty() {
        world.time_us += 1_000;
        world.timeout(1);
    }
    let asked_us = world.time_us;
    assert!(matches!(world.network[0].message, Message::RenewAsk { .. }));
    world.deliver(0);
    let late = world.network.pop().unwrap();
    assert!(matches!(late.message, Message::Renew { .. }));
    world.time_us = asked_us + 200_000;
    world.hand_over(late.clone());
    world.time_us = asked_us + 990_000;
    assert!(may_spend(&mut world, 1, grants[1]));
    world.hand_over(late);
    world.time_us = asked_us + 1_001_000;
    assert!(!may_spend(&mut world, 1, grants[1]));
}

#[test]
fn a_repeated_grant_that_was_forgotten_is_never_spent_again() {
    let (mut world, grants) = chain(&[0, 0], true);
    let grant = world.grants[&grants[1]].clone();
    world.input(
        1,
        hubless_proto::killswitch::Input::Finish {
            grant: grants[1],
            ending: hubless_proto::killswitch::Ending::Free,
        },
    );
    world.work();
    // Longer than ended grants are remembered.
    world.time_us += 700_000_000;
    world.timeout(1);
    world.work();
    let from = world.key(0);
    let message = Message::Grant(Box::new(grant));
    world.input(1, hubless_proto::killswitch::Input::Receive { from, message });
    world.persist(1, 9);
    assert!(!may_spend(&mut world, 1, grants[1]));
    world.work();
    assert!(world.provider.running.is_empty(), "its issuer gives no lease");
}

#[test]
fn a_ledger_that_keeps_nothing_takes_no_grant_of_an_earlier_process() {
    let (world, grants) = chain(&[0, 0], true);
    let grant = world.grants[&grants[1]].clone();
    let (node, now) = (world.key(1), world.now(1));
    for (instance, taken) in [(1, true), (2, false)] {
        let owner = Owner { node, instance, keeping: Keeping::Volatile };
        let mut ledger = hubless_proto::killswitch::Ledger::new(owner);
        let from = world.key(0);
        let message = Message::Grant(Box::new(grant.clone()));
        ledger.handle(hubless_proto::killswitch::Input::Receive { from, message }, now);
        let mut lost = false;
        while let Some(output) = ledger.poll_output() {
            if let hubless_proto::killswitch::Output::Send {
                message: Message::Settle(settlement),
                ..
            } = output
            {
                lost = settlement.lost;
            }
        }
        assert_eq!((ledger.view(&grants[1]).is_some(), lost), (taken, !taken));
    }
}

//! Waits of a ledger that the table of bounds names.

use crate::world::{LEASE_MS, World, amount, ceiling};
use hubless_proto::killswitch::{Allowance, Component, Ending, GrantId, Input, Message, Terms};
use hubless_proto::limits;
use std::time::Duration;

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// A root at node 0 and a grant at node 1, with a lease of `lease_ms`.
fn two(lease_ms: u64) -> (World, GrantId, GrantId) {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let terms = Terms { lease_ms, ..Terms::of(ceiling(100, 100, 20)) };
    let root = world.open(0, terms);
    world.work();
    let grant = world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.work();
    (world, root, grant)
}

/// Fires the timers of a node for some time; when it said something that `wanted` picks, in
/// milliseconds from the start. Whatever it says is lost.
fn said(world: &mut World, node: usize, for_ms: u64, wanted: fn(&Message) -> bool) -> Vec<u64> {
    let (start_us, mut times) = (world.time_us, Vec::new());
    world.network.clear();
    while world.time_us < start_us + for_ms * 1_000 {
        let due_ms = world.nodes[node].ledger.poll_timeout().unwrap_or(u64::MAX);
        let wait_ms = due_ms.saturating_sub(world.now(node).clock_ms).clamp(1, for_ms);
        world.time_us += wait_ms * 1_000;
        world.timeout(node);
        world.persist(node, usize::MAX);
        let said = world.network.iter().filter(|letter| wanted(&letter.message)).count();
        times.extend(vec![(world.time_us - start_us) / 1_000; said]);
        world.network.clear();
    }
    times
}

#[test]
fn a_lease_is_renewed_when_a_third_is_over() {
    let (mut world, _, _) = two(LEASE_MS);
    let asked =
        said(&mut world, 1, LEASE_MS, |message| matches!(message, Message::RenewAsk { .. }));
    assert_eq!(asked.first(), Some(&(LEASE_MS / limits::LEASE_PARTS)), "{asked:?}");
}

#[test]
fn what_says_no_lease_has_the_lease_of_the_table_and_no_longer_one_is_taken() {
    let usual = ms(limits::LEASE);
    assert_eq!(Terms::default().lease_ms, usual);
    let read =
        |lease_ms: u64| Terms::read("", &serde_json::json!({"calls": 1, "leaseMs": lease_ms}));
    let most = ms(limits::LEASE_MAX);
    assert_eq!(read(most).unwrap().lease_ms, most);
    assert_eq!(read(most + 1).unwrap_err().field.as_deref(), Some("leaseMs"));
}

#[test]
fn a_last_word_is_said_again_at_growing_waits_for_a_bounded_time() {
    let (mut world, _, grant) = two(LEASE_MS);
    world.input(1, Input::Finish { grant, ending: Ending::Free });
    world.persist(1, usize::MAX);
    let is_last = |message: &Message| matches!(message, Message::Settle(_));
    let first = said(&mut world, 1, 60_000, is_last);
    let waits: Vec<u64> = first.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(first.first(), Some(&ms(limits::SETTLE_REPEAT)), "{first:?}");
    assert!(waits.windows(2).all(|two| two[0] <= two[1]), "{waits:?}");
    assert_eq!(waits.last(), Some(&ms(limits::SETTLE_REPEAT_MAX)), "{waits:?}");
    // Nobody answers for as long as it is said at all; then it is forgotten.
    let rest = said(&mut world, 1, ms(limits::SETTLE_LIFE), is_last);
    assert!(!rest.is_empty());
    let memory = ms(limits::GRANT_MEMORY) + ms(limits::SETTLE_REPEAT_MAX);
    assert_eq!(said(&mut world, 1, memory, is_last), [] as [u64; 0]);
    assert!(world.nodes[1].rows.is_empty(), "it is forgotten");
}

#[test]
fn a_grant_that_ends_waits_for_what_was_cut_from_it_and_then_charges_it_in_full() {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(100, 100, 20)) };
    let root = world.open(0, terms);
    world.work();
    let grant = world.cut(0, root, 1, ceiling(20, 20, 8));
    world.work();
    let below = world.cut(1, grant, 2, ceiling(5, 5, 1));
    world.work();
    assert!(world.held.contains(&(2, below)), "{:?}", world.refusals);
    // Node 2 is gone; node 1 ends its call.
    world.input(1, Input::Finish { grant, ending: Ending::Free });
    let drain = ms(limits::GRANT_DRAIN);
    let is_last = |message: &Message| matches!(message, Message::Settle(_));
    let ended = said(&mut world, 1, drain + 1_000, is_last);
    assert!(ended.first().is_some_and(|first| (drain..drain + 1_000).contains(first)), "{ended:?}");
    let (used, _) = world.closed[&grant];
    let charged = [Component::OutputTokens, Component::CostMicros].map(|one| used.of(one));
    assert_eq!(charged, [5, 5], "{below} is charged in full");
}

#[test]
fn a_detached_grant_ends_at_its_bound_whatever_was_asked() {
    let (mut world, root, _) = two(LEASE_MS);
    let mut order = world.order(1, Allowance::UNLIMITED);
    let begun = world.now(0).unix_ms;
    order.detached_until_ms = Some(u64::MAX);
    let grant = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.work();
    let life = world.grants[&grant].life;
    let ends = begun + ms(limits::GRANT_DETACHED);
    assert_eq!(life, hubless_proto::killswitch::Life::Detached { not_after_ms: ends });
}

//! Detached grants: they live without their issuer until an end of their own, and what they use is
//! charged whenever it is heard of.

use crate::world::{LEASE_MS, World, amount, calls, ceiling};
use hubless_proto::killswitch::{
    Allowance, Amount, Ending, GrantId, Input, Life, Message, Order, Terms,
};
use hubless_proto::limits;
use hubless_proto::wire::words::TripReason;

/// How long the grants here may go on, in milliseconds.
const LIFE_MS: u64 = 600_000;

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// A budget at node 0.
fn budget(terms: Terms) -> (World, GrantId) {
    let mut world = World::new(&[0; 3]);
    world.say_clocks();
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..terms });
    world.work();
    (world, root)
}

fn limited() -> Terms {
    Terms::of(ceiling(1_000, 1_000, 100))
}

/// Cuts a detached grant of twenty tokens and hands it over.
fn detached(world: &mut World, (node, from): (usize, GrantId), to: usize) -> GrantId {
    let order = world.order(to, Allowance::exactly(&amount(20, 20)));
    let until_ms = world.now(node).unix_ms + LIFE_MS;
    let order = Order { detached_until_ms: Some(until_ms), ..order };
    let grant = order.id;
    world.input(node, Input::Cut { from, order });
    world.work();
    grant
}

fn finish(world: &mut World, node: usize, grant: GrantId) {
    world.input(node, Input::Finish { grant, ending: Ending::Free });
    world.work();
}

/// Spends seven of a grant; true: it may.
fn spend(world: &mut World, node: usize, grant: GrantId) -> bool {
    let id = world.reserve(node, grant, amount(7, 7));
    world.work();
    let began = world.provider.running.iter().any(|call| call.id == id);
    world.commit_running();
    began
}

/// Why a grant that is held somewhere is stopped; none: it goes on.
fn stopped(world: &World, node: usize, grant: GrantId) -> Option<&'static str> {
    world.nodes[node].ledger.view(&grant).map_or(Some("gone"), |view| view.stopped)
}

#[test]
fn the_end_of_its_call_and_of_its_budget_leaves_it_going() {
    let (mut world, root) = budget(limited());
    let call = world.cut(0, root, 1, ceiling(100, 100, 9));
    world.work();
    let task = detached(&mut world, (1, call), 2);
    // A call of the usual kind below the same one ends with it.
    let leased = world.cut(1, call, 2, Allowance::exactly(&amount(5, 5)));
    world.work();
    finish(&mut world, 1, call);
    assert_eq!(stopped(&world, 2, task), None);
    assert!(world.cancelled.contains(&leased), "{:?}", world.cancelled);
    // Nothing is charged too little for as long as nothing is known.
    let charged = world.nodes[0].ledger.view(&root).unwrap().held;
    assert!(amount(100, 100).is_within(&charged), "{charged:?}");
    finish(&mut world, 0, root);
    world.settle_down(ms(limits::GRANT_DRAIN) / 2);
    assert_eq!(stopped(&world, 2, task), None);
    assert!(spend(&mut world, 2, task));
    finish(&mut world, 2, task);
    world.settle_down(3 * LEASE_MS);
    let real = world.provider.below(&root, &world.parents);
    assert_eq!(real, amount(7, 7).plus(&calls(3)).unwrap());
    assert_eq!(world.closed[&root], (real, false));
}

#[test]
fn it_outlives_the_restart_of_its_issuer() {
    let (mut world, root) = budget(limited());
    let task = detached(&mut world, (0, root), 1);
    let leased = world.cut(0, root, 1, Allowance::exactly(&amount(5, 5)));
    world.work();
    world.crash(0, usize::MAX);
    // As a node does at its start, since the switch is gone.
    world.input(0, Input::Finish { grant: root, ending: Ending::Ran });
    world.settle_down(2 * ms(limits::GRANT_DRAIN));
    assert_eq!(stopped(&world, 1, task), None);
    assert!(world.cancelled.contains(&leased));
    assert!(spend(&mut world, 1, task));
    finish(&mut world, 1, task);
    world.settle_down(3 * LEASE_MS);
    let real = world.provider.below(&root, &world.parents);
    assert_eq!(world.closed[&root].0, real);
}

#[test]
fn a_stop_of_the_budget_reaches_it_after_its_call_has_ended() {
    for at_root in [false, true] {
        let (mut world, root) = budget(limited());
        let call = world.cut(0, root, 1, ceiling(100, 100, 9));
        world.work();
        let from = if at_root { (0, root) } else { (1, call) };
        let task = detached(&mut world, from, 2);
        finish(&mut world, 1, call);
        assert_eq!(stopped(&world, 2, task), None);
        let by = world.key(0);
        let reason = TripReason::Operator;
        world.input(0, Input::Trip { grant: root, reason, by });
        world.work();
        assert!(world.cancelled.contains(&task), "at root: {at_root}");
        assert!(!spend(&mut world, 2, task));
        assert_eq!(world.nodes[0].ledger.view(&root).unwrap().open, 0);
    }
}

/// What was handed over to nobody is asked for at its end, and comes back whole.
#[test]
fn a_lost_one_is_asked_for_at_its_end() {
    let (mut world, root) = budget(limited());
    let order = world.order(1, Allowance::exactly(&amount(20, 20)));
    let until_ms = world.now(0).unix_ms + LIFE_MS;
    let order = Order { detached_until_ms: Some(until_ms), ..order };
    let task = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.persist(0, usize::MAX);
    assert_eq!(world.network.len(), 1);
    world.network.clear();
    world.settle_down(LIFE_MS - 1_000);
    assert_eq!(world.nodes[0].ledger.view(&root).unwrap().held, amount(20, 20));
    // A restart of the issuer forgets nothing of it.
    world.crash(0, usize::MAX);
    world.settle_down(2_000);
    let view = world.nodes[0].ledger.view(&root).unwrap();
    assert_eq!((view.held, view.used), (Amount::ZERO, calls(1)), "{task}");
}

#[test]
fn it_is_given_up_only_when_nobody_says_a_last_word_any_more() {
    let (mut world, root) = budget(limited());
    let task = detached(&mut world, (0, root), 1);
    world.input(0, Input::Finish { grant: root, ending: Ending::Free });
    // Its holder is gone for good.
    let alone = |world: &mut World, for_ms: u64| {
        let end_us = world.time_us + for_ms * 1_000;
        while world.time_us < end_us {
            world.time_us = end_us.min(world.time_us + 20_000_000);
            world.timeout(0);
            world.persist(0, usize::MAX);
            world.network.clear();
        }
    };
    alone(&mut world, LIFE_MS + ms(limits::SETTLE_LIFE) - 60_000);
    assert_eq!(world.nodes[0].ledger.view(&root).unwrap().open, 1, "{task}");
    alone(&mut world, 120_000);
    assert_eq!(world.closed[&root].0, amount(20, 20).plus(&calls(1)).unwrap());
}

#[test]
fn its_end_is_no_later_than_the_wall_time_of_the_budget_at_any_depth() {
    let (mut world, root) = budget(Terms { wall_time_ms: Some(9_000), ..limited() });
    let ends_ms = world.budgets[0].1.ends_at_ms.unwrap();
    let call = world.cut(0, root, 1, ceiling(100, 100, 9));
    world.work();
    for from in [(0, root), (1, call)] {
        let task = detached(&mut world, from, 2);
        let grant = &world.grants[&task];
        assert_eq!(grant.life, Life::Detached { not_after_ms: ends_ms });
        assert_eq!(grant.ends_at_ms, Some(ends_ms));
    }
    // One that says otherwise is none.
    let task = detached(&mut world, (1, call), 2);
    let mut wire = world.grants[&task].to_wire();
    wire.not_after_ms += 1;
    let kind = Some(hubless_proto::wire::v1::ledger_message::Kind::Grant(wire));
    let message = hubless_proto::wire::v1::LedgerMessage { kind };
    let error = Message::decode(prost::Message::encode_to_vec(&message).into()).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("not_after_ms"));
}

#[test]
fn what_is_leased_below_it_has_no_longer_than_it_has_itself() {
    let (mut world, root) = budget(limited());
    let order = world.order(1, ceiling(100, 100, 9));
    let until_ms = world.now(0).unix_ms + LEASE_MS / 4;
    let order = Order { detached_until_ms: Some(until_ms), ..order };
    let task = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.work();
    let below = world.cut(1, task, 2, Allowance::exactly(&amount(5, 5)));
    world.work();
    let life = world.grants[&below].life;
    let Life::Leased { lease_ms } = life else { panic!("{life:?}") };
    assert!(lease_ms <= LEASE_MS / 4, "{lease_ms}");
}

//! A provider that takes more than was set aside (K2), at another node than where the budget is:
//! charged, counted and the end of the budget.

use crate::world::{LEASE_MS, World, amount, calls, ceiling};
use hubless_proto::killswitch::{
    Allowance, Amount, Breach, Ending, GrantId, Input, Message, Order, Settlement, Terms,
};
use hubless_proto::wire::words::{RefundPolicy, TripReason};

/// Four nodes, and a budget of so many output tokens at the first.
fn four(output: u64) -> (World, GrantId) {
    let mut world = World::new(&[0; 4]);
    world.say_clocks();
    let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(output, 1_000_000, 1_000)) };
    let root = world.open(0, terms);
    world.work();
    (world, root)
}

/// Cuts a grant of ten tokens, which its holder then calls a provider with that writes 500.
fn overrun_by(world: &mut World, (node, from): (usize, GrantId), to: usize, refund: RefundPolicy) {
    let max = Allowance::exactly(&amount(10, 10));
    let order = Order { refund, ..world.order(to, max) };
    let grant = order.id;
    world.input(node, Input::Cut { from, order });
    world.work();
    if world.held.contains(&(to, grant)) {
        spend_too_much(world, to, grant);
    }
}

fn spend_too_much(world: &mut World, node: usize, grant: GrantId) {
    let id = world.reserve(node, grant, amount(10, 10));
    world.work();
    let Some(at) = world.provider.running.iter().position(|call| call.id == id) else { return };
    world.provider.running.remove(at);
    world.provider.bill(grant, &amount(490, 0));
    let used = Some(amount(500, 10));
    world.input(node, Input::Commit { grant, id, used, receipt: None });
    world.work();
}

fn reason(world: &World) -> Option<TripReason> {
    let (node, budget) = &world.budgets[0];
    let tripped = world.nodes[*node].ledger.tripped(&budget.origin.budget_id());
    tripped.map(|statement| statement.reason)
}

fn seen_at_root(world: &World, root: GrantId) -> (Amount, Amount) {
    let view = world.nodes[0].ledger.view(&root).unwrap();
    (view.used, view.overrun)
}

#[test]
fn the_first_overrun_elsewhere_is_the_last() {
    let (mut world, root) = four(1_000);
    for _ in 0..100 {
        overrun_by(&mut world, (0, root), 1, RefundPolicy::Signed);
    }
    let real = world.provider.below(&root, &world.parents);
    assert_eq!(real, amount(500, 10).plus(&calls(1)).unwrap(), "one call went over");
    assert_eq!(seen_at_root(&world, root), (real, amount(490, 0)));
    assert_eq!(reason(&world), Some(TripReason::OutputExceeded));
    // Told where it was spent, and where it was paid.
    assert_eq!(world.overruns, [(1, amount(490, 0)), (0, amount(490, 0))]);
    assert_eq!(world.audits, []);
}

#[test]
fn an_overrun_climbs_from_any_depth_to_the_root() {
    // The last grant is cut from one inside its own node.
    for inside in [false, true] {
        let (mut world, root) = four(100_000);
        let mut at = (0, root);
        for to in [1, 2, 3] {
            let grant = world.cut(at.0, at.1, to, Allowance::UNLIMITED);
            world.work();
            at = (to, grant);
        }
        if inside {
            let grant = world.cut(3, at.1, 3, Allowance::UNLIMITED);
            world.work();
            at = (3, grant);
        }
        spend_too_much(&mut world, at.0, at.1);
        assert_eq!(reason(&world), Some(TripReason::OutputExceeded), "inside: {inside}");
        let real = world.provider.below(&root, &world.parents);
        assert_eq!(seen_at_root(&world, root), (real, amount(490, 0)), "inside: {inside}");
        let told: Vec<usize> = world.overruns.iter().map(|(node, _)| *node).collect();
        assert_eq!(told, [3, 2, 1, 0], "inside: {inside}");
        assert!(world.held.iter().all(|(node, grant)| {
            let view = world.nodes[*node].ledger.view(grant);
            view.is_none_or(|view| view.stopped.is_some())
        }));
    }
}

#[test]
fn it_is_told_again_after_a_crash_and_counted_once() {
    let (mut world, root) = four(1_000);
    let grant = world.cut(0, root, 1, Allowance::exactly(&amount(10, 10)));
    world.work();
    let id = world.reserve(1, grant, amount(10, 10));
    world.work();
    let used = Some(amount(500, 10));
    world.input(1, Input::Commit { grant, id, used, receipt: None });
    // All of it is durable, and nothing of it was heard.
    world.persist(1, usize::MAX);
    world.network.clear();
    world.crash(1, 0);
    world.settle_down(3 * LEASE_MS);
    assert_eq!(reason(&world), Some(TripReason::OutputExceeded));
    let charged = amount(500, 10).plus(&calls(1)).unwrap();
    assert_eq!(seen_at_root(&world, root), (charged, amount(490, 0)));
    // Said once more, it changes nothing.
    let from = world.key(1);
    let used = amount(500, 10);
    let (receipts, shown, overrun) = (None, Vec::new(), amount(490, 0));
    let again = Settlement { grant, used, receipts, shown, lost: false, overrun };
    world.input(0, Input::Receive { from, message: Message::Settle(again) });
    assert_eq!(seen_at_root(&world, root), (charged, amount(490, 0)));
}

/// Who is believed in nothing cannot stop its caller's budget by a word: its grant is its price.
#[test]
fn a_holder_that_is_not_believed_stops_nothing() {
    for (refund, stops) in
        [(RefundPolicy::Never, false), (RefundPolicy::Signed, true), (RefundPolicy::Provider, true)]
    {
        let (mut world, root) = four(1_000);
        overrun_by(&mut world, (0, root), 1, refund);
        assert_eq!(reason(&world).is_some(), stops, "{refund:?}");
        let (used, overrun) = seen_at_root(&world, root);
        let (charged, over) = if stops { (500, 490) } else { (10, 0) };
        assert_eq!(used, amount(charged, 10).plus(&calls(1)).unwrap(), "{refund:?}");
        assert_eq!(overrun, amount(over, 0), "{refund:?}");
        let breach: &[Breach] = if stops { &[] } else { &[Breach::UsedOverGrant] };
        assert_eq!(world.audits, breach, "{refund:?}");
    }
}

#[test]
fn no_more_is_an_overrun_than_was_used() {
    let (mut world, root) = four(1_000);
    let grant = world.cut(0, root, 1, Allowance::exactly(&amount(10, 10)));
    world.work();
    let (from, receipts, shown) = (world.key(1), None, Vec::new());
    let (used, overrun) = (amount(3, 0), Amount::MAX);
    let settlement = Settlement { grant, used, receipts, shown, lost: false, overrun };
    world.input(0, Input::Receive { from, message: Message::Settle(settlement) });
    let charged = used.plus(&calls(1)).unwrap();
    assert_eq!(seen_at_root(&world, root), (charged, used));
    assert_eq!(reason(&world), Some(TripReason::OutputExceeded));
}

#[test]
fn what_stays_within_its_cap_is_no_overrun() {
    let (mut world, root) = four(1_000);
    for _ in 0..5 {
        let grant = world.cut(0, root, 1, Allowance::exactly(&amount(10, 10)));
        world.work();
        world.reserve(1, grant, amount(10, 10));
        world.work();
        world.commit_running();
        world.input(1, Input::Finish { grant, ending: Ending::Ran });
        world.work();
    }
    let (used, overrun) = seen_at_root(&world, root);
    assert_eq!((used, overrun), (amount(50, 50).plus(&calls(5)).unwrap(), Amount::ZERO));
    assert_eq!((reason(&world), world.overruns.len()), (None, 0));
}

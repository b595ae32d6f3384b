//! The rules one by one, each with its other side.

use crate::world::{LEASE_MS, World, amount, calls, ceiling};
use hubless_proto::error::Kind;
use hubless_proto::killswitch::{Allowance, Amount, Component, Ending, GrantId, Input, Terms};
use hubless_proto::wire::words::{RefundPolicy, Spends, TripReason};

fn terms(ceiling: Allowance) -> Terms {
    Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling) }
}

/// Two nodes, and a budget at the first.
fn two(ceiling: Allowance) -> (World, GrantId) {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let root = world.open(0, terms(ceiling));
    world.work();
    (world, root)
}

/// A grant of the second node.
fn granted(world: &mut World, root: GrantId, most: u64) -> GrantId {
    let max = Allowance::exactly(&amount(most, most).with(Component::Calls, 5).unwrap());
    let grant = world.cut(0, root, 1, max);
    world.work();
    assert!(world.held.contains(&(1, grant)), "{:?}", world.refusals);
    grant
}

fn used(world: &World, node: usize, grant: GrantId) -> Amount {
    world.nodes[node].ledger.view(&grant).unwrap().used
}

fn reason(world: &World) -> Option<TripReason> {
    let (node, budget) = &world.budgets[0];
    let tripped = world.nodes[*node].ledger.tripped(&budget.origin.budget_id());
    tripped.map(|statement| statement.reason)
}

fn finish(world: &mut World, node: usize, grant: GrantId, ending: Ending) {
    world.input(node, Input::Finish { grant, ending });
    world.work();
}

#[test]
fn one_of_64_concurrent_reservations_gets_the_room_of_one() {
    let (mut world, root) = two(ceiling(10, 10, 10));
    for _ in 0..64 {
        world.reserve(0, root, amount(10, 10));
    }
    world.work();
    assert_eq!(world.provider.running.len(), 1);
    assert_eq!(world.refusals.len(), 63);
    let error = &world.refusals[0];
    assert_eq!((error.kind, error.code.as_str()), (Kind::BudgetExhausted, "output_exceeded"));
    // It would fit if the one came back unused: nothing is stopped.
    assert_eq!(reason(&world), None);
}

#[test]
fn equal_to_the_limit_is_allowed_and_one_more_stops_everything() {
    let (mut world, root) = two(ceiling(10, 99, 10));
    world.reserve(0, root, amount(10, 0));
    world.work();
    world.commit_running();
    assert_eq!(used(&world, 0, root), amount(10, 0));
    world.reserve(0, root, amount(1, 0));
    world.work();
    assert_eq!(reason(&world), Some(TripReason::OutputExceeded));
    let told = world.told.len();
    world.reserve(0, root, amount(0, 0));
    world.work();
    assert_eq!((told, world.refusals.last().unwrap().kind), (1, Kind::Killed));
}

#[test]
fn each_component_has_a_reason_of_its_own() {
    let rows = [
        ((Component::InputTokens, 6), TripReason::InputExceeded),
        ((Component::OutputTokens, 6), TripReason::OutputExceeded),
        ((Component::CostMicros, 6), TripReason::CostExceeded),
        ((Component::Calls, 6), TripReason::CallsExceeded),
    ];
    for ((component, over), wanted) in rows {
        let five = Component::ALL.into_iter();
        let five = five.fold(Amount::ZERO, |sum, one| sum.with(one, 5).unwrap());
        let (mut world, root) = two(Allowance::exactly(&five));
        world.reserve(0, root, Amount::ZERO.with(component, over).unwrap());
        world.work();
        assert_eq!(reason(&world), Some(wanted));
    }
}

#[test]
fn zero_refuses_everything_and_unlimited_nothing() {
    let (mut world, root) = two(Allowance::NOTHING);
    let max = Allowance::UNLIMITED;
    world.cut(0, root, 1, max);
    world.work();
    assert_eq!(world.refusals[0].kind, Kind::BudgetExhausted);
    assert_eq!(reason(&world), Some(TripReason::CallsExceeded));
    let (mut world, root) = two(Allowance::UNLIMITED);
    let grant = world.cut(0, root, 1, max);
    world.work();
    world.reserve(1, grant, Amount::MAX.without(&calls(1)));
    world.work();
    assert_eq!((world.provider.running.len(), world.refusals.len()), (1, 0));
}

#[test]
fn what_a_provider_used_above_its_cap_is_charged_counted_and_stops() {
    let (mut world, root) = two(ceiling(10, 100, 10));
    let id = world.reserve(0, root, amount(10, 10));
    world.work();
    let used = Some(amount(13, 10));
    world.input(0, Input::Commit { grant: root, id, used, receipt: None });
    world.work();
    let view = world.nodes[0].ledger.view(&root).unwrap();
    assert_eq!((view.used, view.overrun), (amount(13, 10), amount(3, 0)));
    assert_eq!(world.overruns, [(0, amount(3, 0))]);
    assert_eq!(reason(&world), Some(TripReason::OutputExceeded));
}

#[test]
fn an_outcome_that_nobody_knows_is_charged_in_full() {
    let (mut world, root) = two(ceiling(10, 10, 10));
    let id = world.reserve(0, root, amount(4, 4));
    world.work();
    world.input(0, Input::Commit { grant: root, id, used: None, receipt: None });
    assert_eq!(used(&world, 0, root), amount(4, 4));
    // The same, when the process is gone before it could say.
    world.reserve(0, root, amount(5, 5));
    world.work();
    world.crash(0, 9);
    world.work();
    assert_eq!(used(&world, 0, root), amount(9, 9));
}

#[test]
fn a_grant_is_a_quarter_of_what_is_free_and_no_more_than_call_and_skill_say() {
    let (mut world, root) = two(ceiling(100, 40, 9));
    let mut order = world.order(1, Allowance::exactly(&Amount::MAX));
    order.hint = Allowance::UNLIMITED.with(Component::CostMicros, Some(3));
    let id = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.work();
    let wanted = amount(25, 3).with(Component::Calls, 2).unwrap();
    assert_eq!(
        world.grants[&id].amount,
        Allowance::exactly(&wanted)
            .with(Component::InputTokens, Some(hubless_proto::limits::AMOUNT_MAX))
    );
}

#[test]
fn a_skill_that_spends_nothing_gets_nothing_to_spend_and_is_charged_nothing() {
    let (mut world, root) = two(ceiling(100, 100, 9));
    let mut order = world.order(1, Allowance::UNLIMITED);
    order.spends = Spends::None;
    let grant = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.work();
    world.reserve(1, grant, amount(1, 0));
    world.work();
    assert_eq!(world.refusals[0].kind, Kind::BudgetExhausted);
    assert_eq!(reason(&world), None, "a callee's own mistake stops nothing");
    finish(&mut world, 1, grant, Ending::Ran);
    assert_eq!(used(&world, 0, root), calls(1));
    assert_eq!(world.closed[&grant], (Amount::ZERO, false));
}

#[test]
fn a_handler_that_reports_nothing_is_charged_its_whole_grant() {
    for (reports, ending, wanted, in_full) in [
        (false, Ending::Ran, amount(20, 20), true),
        (false, Ending::Free, Amount::ZERO, false),
        (true, Ending::Ran, amount(7, 7), false),
    ] {
        let (mut world, root) = two(ceiling(100, 100, 20));
        let grant = granted(&mut world, root, 20);
        if reports {
            world.reserve(1, grant, amount(7, 7));
            world.work();
            world.commit_running();
        }
        finish(&mut world, 1, grant, ending);
        assert_eq!(world.closed[&grant], (wanted, in_full));
        assert_eq!(used(&world, 0, root), wanted.plus(&calls(1)).unwrap());
    }
}

#[test]
fn a_stop_charges_the_grant_of_a_call_in_full_once_its_handler_has_begun() {
    // Whether it had begun by the stop, and whether its node died before that.
    for (begins, dies, wanted) in [(false, false, 0), (true, false, 20), (false, true, 20)] {
        let (mut world, root) = two(ceiling(100, 100, 20));
        let grant = granted(&mut world, root, 20);
        if begins {
            world.input(1, Input::Begin { grant });
        }
        if dies {
            world.crash(1, 9);
            world.work();
        }
        world.input(0, Input::Recall { grant });
        world.work();
        // Too late, and nothing to its account.
        world.input(1, Input::Begin { grant });
        finish(&mut world, 1, grant, Ending::Free);
        let charged = used(&world, 0, root).of(Component::OutputTokens);
        assert_eq!(charged, wanted, "begun {begins}, died {dies}");
    }
}

#[test]
fn a_handler_that_asks_for_more_than_there_is_is_charged_nothing() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let grant = granted(&mut world, root, 20);
    world.reserve(1, grant, amount(101, 0));
    world.work();
    assert_eq!(world.refusals[0].kind, Kind::BudgetExhausted);
    finish(&mut world, 1, grant, Ending::Ran);
    assert_eq!(world.closed[&grant], (Amount::ZERO, false));
    assert_eq!(used(&world, 0, root), calls(1));
}

#[test]
fn who_asks_after_the_last_word_about_its_grant_hears_that_its_call_has_ended() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let grant = granted(&mut world, root, 20);
    finish(&mut world, 1, grant, Ending::Ran);
    world.reserve(1, grant, amount(1, 0));
    world.work();
    let refusal = &world.refusals[0];
    assert_eq!((refusal.kind, refusal.code.as_str()), (Kind::Killed, "finished"));
}

#[test]
fn what_comes_back_depends_on_who_holds_the_grant() {
    let rows = [
        (RefundPolicy::Never, None, 20),
        (RefundPolicy::Signed, None, 5),
        (RefundPolicy::Provider, None, 20),
        (RefundPolicy::Provider, Some(amount(5, 5)), 5),
        (RefundPolicy::Provider, Some(amount(6, 5)), 20),
        (RefundPolicy::Signed, Some(amount(6, 5)), 20),
    ];
    for (refund, metered, wanted) in rows {
        let (mut world, root) = two(ceiling(100, 100, 20));
        let mut order = world.order(1, Allowance::exactly(&amount(20, 20)));
        order.refund = refund;
        let grant = order.id;
        world.input(0, Input::Cut { from: root, order });
        world.work();
        world.reserve(1, grant, amount(5, 5));
        world.work();
        world.commit_running();
        if let Some(used) = metered {
            world.input(0, Input::Metered { grant, used });
        }
        finish(&mut world, 1, grant, Ending::Ran);
        let charged = used(&world, 0, root).of(Component::OutputTokens);
        assert_eq!(charged, wanted, "{refund} {metered:?}");
    }
}

#[test]
fn nothing_is_freed_before_the_holder_has_spoken() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let grant = granted(&mut world, root, 20);
    world.input(0, Input::Recall { grant });
    world.network.clear();
    world.time_us += 3_600_000_000;
    world.timeout(0);
    let view = world.nodes[0].ledger.view(&root).unwrap();
    assert_eq!((view.open, view.held.of(Component::OutputTokens)), (1, 20));
    // A late last word still frees the rest.
    world.settle_down(2 * LEASE_MS);
    assert_eq!(world.nodes[0].ledger.view(&root).unwrap().open, 0);
}

#[test]
fn a_grant_that_is_given_up_is_never_freed() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let grant = granted(&mut world, root, 20);
    world.input(0, Input::WriteOff { grant });
    finish(&mut world, 1, grant, Ending::Free);
    assert_eq!(used(&world, 0, root).of(Component::OutputTokens), 20);
}

#[test]
fn a_grant_that_was_recalled_before_it_came_is_not_taken() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let grant = world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.persist(0, 9);
    let late = world.network.remove(0);
    world.input(0, Input::Recall { grant });
    world.work();
    assert_eq!(used(&world, 0, root), calls(1));
    world.hand_over(late);
    world.work();
    assert!(!world.held.contains(&(1, grant)));
}

#[test]
fn depth_and_fan_out_have_limits() {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let limits = Terms { depth: Some(1), fan_out: Some(2), ..terms(Allowance::UNLIMITED) };
    let root = world.open(0, limits.clone());
    world.work();
    let inner = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    world.cut(1, inner, 0, Allowance::UNLIMITED);
    world.work();
    assert_eq!(world.refusals[0].code, "depth");
    assert!(world.cancelled.contains(&inner), "a holder stops what is below it");
    let root = world.open(0, limits);
    for _ in 0..3 {
        world.cut(0, root, 0, Allowance::UNLIMITED);
        world.work();
    }
    let budget = world.budgets[1].1.origin.budget_id();
    let reason = world.nodes[0].ledger.tripped(&budget).map(|statement| statement.reason);
    assert_eq!(reason, Some(TripReason::FanOut));
}

#[test]
fn calls_inside_one_node_are_rows_and_not_messages() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let inner = world.cut(0, root, 0, Allowance::exactly(&amount(20, 20)));
    world.persist(0, 9);
    assert!(world.network.is_empty());
    world.reserve(0, inner, amount(3, 3));
    world.work();
    world.commit_running();
    finish(&mut world, 0, inner, Ending::Ran);
    assert_eq!(used(&world, 0, root), amount(3, 3).plus(&calls(1)).unwrap());
}

#[test]
fn a_stop_reaches_every_node_and_names_its_reason() {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let root = world.open(0, terms(ceiling(100, 100, 20)));
    world.work();
    let outer = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    let inner = world.cut(1, outer, 2, Allowance::UNLIMITED);
    world.work();
    let by = world.key(0);
    world.input(0, Input::Trip { grant: root, reason: TripReason::Operator, by });
    world.work();
    let budget = world.budgets[0].1.origin.budget_id();
    for node in 0..3 {
        let reason = world.nodes[node].ledger.tripped(&budget).map(|statement| statement.reason);
        assert_eq!(reason, Some(TripReason::Operator), "node {node}");
    }
    assert_eq!(world.cancelled, [root, outer, inner]);
    world.settle_down(LEASE_MS);
    assert_eq!(world.nodes[0].ledger.view(&root).unwrap().open, 0);
}

#[test]
fn the_time_of_a_budget_ends_it() {
    let mut world = World::new(&[0]);
    let root = world.open(0, Terms { wall_time_ms: Some(5_000), ..terms(Allowance::UNLIMITED) });
    world.settle_down(4_900);
    assert_eq!(reason(&world), None);
    world.settle_down(200);
    assert_eq!(reason(&world), Some(TripReason::WallTime));
    assert_eq!(world.cancelled, [root]);
}

#[test]
fn a_soft_limit_counts_what_holders_say_they_used() {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let soft = Allowance::UNLIMITED.with(Component::OutputTokens, Some(9));
    let root = world.open(0, Terms { soft, ..terms(ceiling(100, 100, 20)) });
    world.work();
    let grant = granted(&mut world, root, 20);
    world.reserve(1, grant, amount(10, 10));
    world.work();
    world.commit_running();
    assert_eq!(reason(&world), None);
    world.settle_down(LEASE_MS);
    assert_eq!(reason(&world), Some(TripReason::OutputExceeded));
}

/// Inside its node nobody has to say it.
#[test]
fn a_soft_limit_counts_what_is_spent_by_calls_of_the_own_node() {
    let (mut world, _) = two(ceiling(100, 100, 20));
    let soft = Allowance::UNLIMITED.with(Component::OutputTokens, Some(4));
    let root = world.open(0, Terms { soft, ..terms(ceiling(100, 100, 20)) });
    world.work();
    let outer = world.cut(0, root, 0, Allowance::UNLIMITED);
    world.work();
    let inner = world.cut(0, outer, 0, Allowance::UNLIMITED);
    world.work();
    let soft_reason = |world: &World| {
        let budget = world.budgets.last().unwrap().1.origin.budget_id();
        world.nodes[0].ledger.tripped(&budget).map(|statement| statement.reason)
    };
    for spent in 1..=5 {
        assert_eq!(soft_reason(&world), None, "{spent}");
        world.reserve(0, inner, amount(1, 1));
        world.work();
        world.commit_running();
    }
    assert_eq!(soft_reason(&world), Some(TripReason::OutputExceeded));
}

#[test]
fn a_holder_says_what_its_own_calls_spent_as_well() {
    let (mut world, _) = two(ceiling(100, 100, 20));
    let soft = Allowance::UNLIMITED.with(Component::OutputTokens, Some(4));
    let root = world.open(0, Terms { soft, ..terms(ceiling(100, 100, 20)) });
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    let inside = world.cut(1, grant, 1, Allowance::UNLIMITED);
    world.work();
    world.reserve(1, inside, amount(5, 5));
    world.work();
    world.commit_running();
    world.settle_down(LEASE_MS);
    let budget = world.budgets.last().unwrap().1.origin.budget_id();
    let why = world.nodes[0].ledger.tripped(&budget).map(|statement| statement.reason);
    assert_eq!(why, Some(TripReason::OutputExceeded));
}

#[test]
fn a_detached_grant_lives_without_its_issuer_until_its_end() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let mut order = world.order(1, Allowance::UNLIMITED);
    order.detached_until_ms = Some(world.now(0).unix_ms + 60_000);
    let grant = order.id;
    world.input(0, Input::Cut { from: root, order });
    world.work();
    world.crash(1, 9);
    world.held.push((1, grant));
    world.settle_down(20 * LEASE_MS);
    world.reserve(1, grant, amount(1, 1));
    world.work();
    assert_eq!(world.provider.running.len(), 1);
    world.settle_down(45 * LEASE_MS);
    world.reserve(1, grant, amount(1, 1));
    world.work();
    assert_eq!(world.provider.running.len(), 1);
    assert_eq!(world.refusals.last().unwrap().code, "wall_time");
}

#[test]
fn nobody_opens_a_budget_of_another_or_one_twice() {
    let (mut world, _) = two(ceiling(1, 1, 1));
    let (_, budget) = world.budgets[0].clone();
    world.input(0, Input::Open(budget.clone()));
    world.input(1, Input::Open(budget));
    let codes: Vec<_> = world.refusals.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["budget_exists", "not_root"]);
}

#[test]
fn ids_have_one_effect() {
    let (mut world, root) = two(ceiling(100, 100, 20));
    let id = world.reserve(0, root, amount(1, 1));
    world.input(0, Input::Reserve { grant: root, id, most: amount(1, 1) });
    let order = world.order(1, Allowance::UNLIMITED);
    world.input(0, Input::Cut { from: root, order: order.clone() });
    world.input(0, Input::Cut { from: root, order: order.clone() });
    let twin = hubless_proto::killswitch::Order { id: GrantId::from_bytes([7; 16]), ..order };
    world.input(0, Input::Cut { from: root, order: twin });
    world.work();
    let codes: Vec<_> = world.refusals.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["reservation_exists", "grant_exists", "attempt"]);
    assert_eq!((world.provider.running.len(), world.grants.len()), (1, 1));
}

#[test]
fn what_a_silent_handler_may_have_spent_is_spent_by_nobody_after_it() {
    let (mut world, root) = two(ceiling(400, 400, 40));
    let (silent, other) = (granted(&mut world, root, 10), granted(&mut world, root, 10));
    world.input(1, Input::SpendRest { grant: silent });
    for grant in [silent, other] {
        world.reserve(1, grant, amount(1, 1));
        world.work();
    }
    let [error] = &world.refusals[..] else { panic!("{:?}", world.refusals) };
    assert_eq!(error.kind, Kind::BudgetExhausted);
    assert_eq!(used(&world, 1, silent), amount(10, 10));
    assert_eq!(world.provider.running.len(), 1);
    // Calls are counted by the node: they are left.
    world.cut(1, silent, 0, Allowance::exactly(&calls(1)));
    world.work();
    assert_eq!(used(&world, 1, silent).of(Component::Calls), 1);
}

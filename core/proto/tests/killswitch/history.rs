//! Random histories: calls, spending, loss, repetition, reordering, crashes, stops, clocks that
//! drift. What was really spent is counted by the fake provider.

use crate::world::{LEASE_MS, World, amount, ceiling};
use hubless_proto::killswitch::{Allowance, Amount, Ending, GrantId, Input, Order, Terms};
use hubless_proto::wire::words::TripReason;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What an agent does; numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
enum Act {
    Cut { of: u8, to: u8, max: u8 },
    CutDetached { of: u8, to: u8, life_ms: u16 },
    Reserve { of: u8, most: u8 },
    Commit { of: u8, said: bool },
    Finish { of: u8, free: bool },
    Recall { of: u8 },
    WriteOff { of: u8 },
    Trip { of: u8 },
    Offer { of: u8, life_ms: u16 },
    Redeem { of: u8, by: u8, changed: u8 },
}

/// What happens to nodes and messages by themselves.
#[derive(Debug, Clone, Copy)]
enum Event {
    Deliver { of: u8 },
    Repeat { of: u8 },
    Lose { of: u8 },
    Persist { node: u8, count: u8 },
    Crash { node: u8, count: u8 },
    Pass { ms: u16 },
    Clock { from: u8, to: u8 },
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Act(Act),
    Event(Event),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => any::<(u8, u8, u8)>().prop_map(|(of, to, max)| Act::Cut { of, to, max }),
        2 => (any::<u8>(), any::<u8>(), 1..4_000u16)
            .prop_map(|(of, to, life_ms)| Act::CutDetached { of, to, life_ms }),
        8 => any::<(u8, u8)>().prop_map(|(of, most)| Act::Reserve { of, most }),
        5 => any::<(u8, bool)>().prop_map(|(of, said)| Act::Commit { of, said }),
        3 => any::<(u8, bool)>().prop_map(|(of, free)| Act::Finish { of, free }),
        1 => any::<u8>().prop_map(|of| Act::Recall { of }),
        1 => any::<u8>().prop_map(|of| Act::WriteOff { of }),
        1 => any::<u8>().prop_map(|of| Act::Trip { of }),
        3 => any::<(u8, u16)>().prop_map(|(of, life_ms)| Act::Offer { of, life_ms }),
        4 => any::<(u8, u8, u8)>().prop_map(|(of, by, changed)| Act::Redeem { of, by, changed }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => any::<u8>().prop_map(|of| Event::Deliver { of }),
        3 => any::<u8>().prop_map(|of| Event::Repeat { of }),
        2 => any::<u8>().prop_map(|of| Event::Lose { of }),
        14 => (0..4u8, 1..8u8).prop_map(|(node, count)| Event::Persist { node, count }),
        1 => (0..4u8, 0..3u8).prop_map(|(node, count)| Event::Crash { node, count }),
        4 => (0..400u16).prop_map(|ms| Event::Pass { ms }),
        2 => (0..4u8, 0..4u8).prop_map(|(from, to)| Event::Clock { from, to }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![2 => act().prop_map(Step::Act), 3 => event().prop_map(Step::Event)]
}

fn pick<T: Clone>(all: &[T], of: u8) -> Option<T> {
    all.get(usize::from(of) % all.len().max(1)).cloned()
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Act(act) => self.act(act),
            Step::Event(event) => self.happen(event),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Cut { of, to, max } => {
                let Some((node, grant)) = pick(&self.held, of) else { return };
                let most = u64::from(max % 24);
                let max = Allowance::exactly(&amount(most, 2 * most));
                let max = max.with(hubless_proto::killswitch::Component::Calls, Some(most));
                self.cut(node, grant, usize::from(to) % self.nodes.len(), max);
            }
            Act::CutDetached { of, to, life_ms } => {
                let Some((node, from)) = pick(&self.held, of) else { return };
                let to = usize::from(to) % self.nodes.len();
                let order = self.order(to, ceiling(8, 16, 8));
                let until_ms = self.now(node).unix_ms + u64::from(life_ms);
                let order = Order { detached_until_ms: Some(until_ms), ..order };
                self.input(node, Input::Cut { from, order });
            }
            Act::Reserve { of, most } => {
                let Some((node, grant)) = pick(&self.held, of) else { return };
                let most = u64::from(most % 10);
                self.reserve(node, grant, amount(most, 2 * most));
            }
            Act::Commit { of, said } => {
                let running = &mut self.provider.running;
                if running.is_empty() {
                    return;
                }
                let call = running.remove(usize::from(of) % running.len());
                let (grant, id, used) = (call.grant, call.id, said.then_some(call.used));
                self.input(call.node, Input::Commit { grant, id, used, receipt: None });
            }
            Act::Finish { of, free } => {
                let Some((node, grant)) = pick(&self.held, of) else { return };
                let ending = if free { Ending::Free } else { Ending::Ran };
                if self.budgets.iter().all(|(_, budget)| budget.origin.account() != grant) {
                    self.input(node, Input::Finish { grant, ending });
                }
            }
            Act::Recall { of } => self.on_cut(of, |grant| Input::Recall { grant }),
            Act::WriteOff { of } => self.on_cut(of, |grant| Input::WriteOff { grant }),
            Act::Trip { of } => {
                let Some((node, grant)) = pick(&self.held, of) else { return };
                // Else most histories end at once.
                if of % 4 == 0 {
                    let by = self.key(node);
                    self.input(node, Input::Trip { grant, reason: TripReason::Operator, by });
                }
            }
            Act::Offer { of, life_ms } => {
                let Some((node, grant)) = pick(&self.held, of) else { return };
                self.offer(node, grant, life_ms.into());
            }
            Act::Redeem { of, by, changed } => self.show_code(of, by, changed),
        }
    }

    fn happen(&mut self, event: Event) {
        let letter = |of: u8| usize::from(of) % self.network.len().max(1);
        match event {
            Event::Deliver { of } if !self.network.is_empty() => self.deliver(letter(of)),
            Event::Repeat { of } if !self.network.is_empty() => {
                let again = self.network[letter(of)].clone();
                self.hand_over(again);
            }
            Event::Lose { of } if !self.network.is_empty() => {
                let lost = letter(of);
                self.network.remove(lost);
            }
            Event::Persist { node, count } => self.persist(usize::from(node), usize::from(count)),
            Event::Crash { node, count } => self.crash_and_compare(node, count),
            Event::Pass { ms } => {
                self.time_us += u64::from(ms) * 1_000;
                for node in 0..self.nodes.len() {
                    self.timeout(node);
                }
            }
            Event::Clock { from, to } => self.say_clock(usize::from(from), usize::from(to)),
            Event::Deliver { .. } | Event::Repeat { .. } | Event::Lose { .. } => {}
        }
    }

    /// Shows a code, mostly as it is: whoever has it may show it again, or at any time.
    fn show_code(&mut self, of: u8, by: u8, changed: u8) {
        let Some((node, mut claim)) = pick(&self.codes, of) else { return };
        let as_it_is = claim.clone();
        match changed {
            0..16 => claim.amount = Allowance::UNLIMITED,
            16..32 => claim.until_ms += 1,
            32..48 => claim.digest[31] ^= 1,
            48.. => {}
        }
        let wrong = claim != as_it_is;
        let id = self.redeem(node, claim, usize::from(by) % self.nodes.len());
        self.persist(node, usize::from(wrong) * 9);
        assert!(!wrong || !self.grants.contains_key(&id), "a code that is none was redeemed");
    }

    /// True when nothing is open below the account that a step would choose.
    fn is_leaf(&self, of: u8) -> bool {
        let Some((node, grant)) = pick(&self.held, of) else { return false };
        self.nodes[node].ledger.view(&grant).is_none_or(|view| view.open == 0)
    }

    fn on_cut(&mut self, of: u8, input: impl Fn(GrantId) -> Input) {
        let ids: Vec<GrantId> = self.grants.keys().copied().collect();
        let Some(grant) = pick(&ids, of) else { return };
        let issuer = self.grants[&grant].issuer;
        let node = self.nodes.iter().position(|node| node.owner.node == issuer).unwrap();
        self.input(node, input(grant));
    }

    /// I9: when everything was durable, no account is charged with less after a restart, but for
    /// what holders on the same node said their last word about.
    fn crash_and_compare(&mut self, node: u8, count: u8) {
        let (node, count) = (usize::from(node), usize::from(count));
        let (before, durable) = (self.charges(node), self.nodes[node].pending.is_empty());
        self.crash(node, count);
        if !durable {
            return;
        }
        let after = self.charges(node);
        for (id, (charge, cuts)) in before {
            // A grant that closed at once says its last word from its remembered row.
            let Some((now, cuts_now)) = after.get(&id) else { continue };
            let freed = cuts.iter().map(|(cut, charged)| charged.without(&cuts_now[cut]));
            let least = freed.fold(charge, |least, freed| least.without(&freed));
            assert!(least.is_within(now), "I9: {id} fell from {charge:?} to {now:?}");
        }
    }

    fn charges(&self, node: usize) -> BTreeMap<GrantId, (Amount, BTreeMap<GrantId, Amount>)> {
        let ids = self.budgets.iter().map(|(_, budget)| budget.origin.budget_id());
        let ledger = &self.nodes[node].ledger;
        let accounts = ids.flat_map(|id| ledger.accounts(&id)).map(|(id, _)| id);
        let charge = |id: GrantId| {
            let view = ledger.view(&id).unwrap();
            let cuts = ledger.cuts(&id).into_iter().map(|cut| (cut.grant, cut.charged));
            // Nobody can redeem a code of a process that is gone.
            let held = view.held.without(&view.offered);
            (id, (view.used.plus(&held).unwrap(), cuts.collect()))
        };
        accounts.map(charge).collect()
    }
}

/// Ends every call, restarts every node with its store, lets one lease pass on a good network:
/// nothing is stranded, and what the root is charged with is no less than what was spent.
fn come_to_rest(world: &mut World) {
    world.commit_running();
    for node in 0..world.nodes.len() {
        world.crash(node, usize::MAX);
    }
    world.settle_down(12 * LEASE_MS);
    for (node, budget) in &world.budgets {
        let root = budget.origin.account();
        let Some(view) = world.nodes[*node].ledger.view(&root) else { continue };
        let open = (view.open, view.reservations);
        let cuts = world.nodes[*node].ledger.cuts(&root);
        assert_eq!(open, (0, 0), "stranded: {view:?}, {cuts:?}");
        let real = world.provider.below(&root, &world.parents);
        assert!(real.is_within(&view.used), "I7: {real:?} was spent, {view:?}");
    }
}

/// Two budgets of these terms, and what happens to them.
fn live(steps: Vec<Step>, drift: &[i64], terms: &Terms) {
    let mut world = World::new(drift);
    world.is_partial = true;
    world.say_clocks();
    let ceiling = ceiling(40, 80, 30);
    let lease = Terms { lease_ms: LEASE_MS, ceiling, ..terms.clone() };
    world.open(0, lease.clone());
    world.open(1, Terms { wall_time_ms: Some(20_000), ..lease });
    world.work();
    for step in steps {
        world.step(step);
        world.look();
    }
    come_to_rest(&mut world);
    world.look();
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_an_invariant(
        steps in prop::collection::vec(step(), 1..400),
        drift in prop::collection::vec(-9_900i64..=9_900, 4),
    ) {
        live(steps, &drift, &Terms::default());
    }

    /// I7 exactly: without crash, stop or lie, the root is charged with what was spent.
    #[test]
    fn nothing_leaks_when_all_goes_well(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(&[0; 4]);
        world.is_partial = true;
        world.say_clocks();
        let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(40, 80, 30)) };
        let root = world.open(0, terms);
        for step in steps {
            match step {
                Step::Act(
                    Act::Cut { .. } | Act::Reserve { .. } | Act::Offer { .. } | Act::Redeem { .. },
                ) => world.step(step),
                Step::Act(Act::Commit { of, .. }) => world.act(Act::Commit { of, said: true }),
                Step::Act(Act::Finish { of, .. }) if world.is_leaf(of) => {
                    world.act(Act::Finish { of, free: true });
                }
                Step::Event(Event::Pass { ms }) => world.settle_down(u64::from(ms)),
                Step::Act(_) | Step::Event(_) => world.work(),
            }
            if world.nodes[0].ledger.view(&root).unwrap().stopped.is_some() {
                return Ok(());
            }
        }
        world.work();
        world.commit_running();
        // Callees end before their callers, as calls do.
        for (node, grant) in world.held.clone().into_iter().rev() {
            world.input(node, Input::Finish { grant, ending: Ending::Free });
        }
        world.settle_down(3 * LEASE_MS);
        let real = world.provider.below(&root, &world.parents);
        prop_assert_eq!(world.closed.get(&root).copied(), Some((real, false)));
    }
}

impl World {
    /// Ends a call of a provider that took more than was set aside; how much more.
    fn commit_too_much(&mut self, of: u8) -> Amount {
        let running = &mut self.provider.running;
        if running.is_empty() {
            return Amount::ZERO;
        }
        let call = running.remove(usize::from(of) % running.len());
        let more = amount(5, 0);
        self.provider.bill(call.grant, &more);
        let (grant, id, used) = (call.grant, call.id, call.used.plus(&more));
        self.input(call.node, Input::Commit { grant, id, used, receipt: None });
        more
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// K2: what providers took above what was set aside, at any node, is charged and counted at the
    /// root to the token, and stops the budget, whatever is lost, repeated or overtaken.
    #[test]
    fn an_overrun_anywhere_is_counted_and_stops_the_budget(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(&[0; 4]);
        world.say_clocks();
        let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(400, 800, 60)) };
        let root = world.open(0, terms);
        world.work();
        let mut over = Amount::ZERO;
        for step in steps {
            match step {
                Step::Act(Act::Commit { of, said: true }) if of % 4 == 0 => {
                    over = over.plus(&world.commit_too_much(of)).unwrap();
                }
                Step::Event(Event::Pass { ms }) => world.happen(Event::Pass { ms: ms / 8 }),
                // What is given up, or dies, says no more.
                Step::Event(Event::Crash { .. })
                | Step::Act(
                    Act::WriteOff { .. }
                    | Act::Trip { .. }
                    | Act::Offer { .. }
                    | Act::Redeem { .. },
                ) => {}
                Step::Act(_) | Step::Event(_) => world.step(step),
            }
        }
        // What was asked for may begin only now, and a grant may arrive while others end.
        for _ in 0..3 {
            world.work();
            world.commit_running();
            let held = world.held.clone().into_iter().rev();
            for (node, grant) in held.filter(|(_, grant)| *grant != root) {
                world.input(node, Input::Finish { grant, ending: Ending::Free });
            }
            world.settle_down(12 * LEASE_MS);
        }
        // Nobody holds a grant that was lost on its way: its call ends at its issuer alone.
        for (id, grant) in world.grants.clone() {
            let issuer = world.nodes.iter().position(|node| node.owner.node == grant.issuer);
            world.input(issuer.unwrap(), Input::Recall { grant: id });
        }
        world.settle_down(12 * LEASE_MS);
        let view = world.nodes[0].ledger.view(&root).unwrap();
        let real = world.provider.below(&root, &world.parents);
        prop_assert_eq!((view.overrun, view.open), (over, 0));
        prop_assert!(real.is_within(&view.used), "{:?} was spent, {:?}", real, view);
        let budget = world.budgets[0].1.origin.budget_id();
        let reason = world.nodes[0].ledger.tripped(&budget).map(|statement| statement.reason);
        // It may have been stopped by another limit before.
        prop_assert!(over.is_zero() || reason.is_some(), "{:?} for {:?}", reason, over);
    }

    /// No invariant breaks where each lease needs the word of the root, which takes longer to come.
    #[test]
    fn no_history_of_strict_budgets_breaks_an_invariant(
        steps in prop::collection::vec(step(), 1..400),
        drift in prop::collection::vec(-9_900i64..=9_900, 4),
    ) {
        live(steps, &drift, &Terms { strict: true, ..Terms::default() });
    }
}

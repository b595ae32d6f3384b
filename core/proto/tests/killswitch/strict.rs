//! Strict budgets: nobody but the root keeps a holder going.

use crate::world::{LEASE_MS, Letter, World, amount, ceiling};
use hubless_proto::error::Kind;
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{
    Allowance, Beacon, Breach, Ending, Grant, GrantId, Input, Keeping, Ledger, Life, Message,
    Origin, Owner, Proof, Reading, Round, Terms,
};
use hubless_proto::wire::words::TripReason;

/// A lease as the root gives it, on a clock that runs as slowly as clocks may, and a step of time.
const BOUND_US: u64 = LEASE_MS * 1_000 * 101 / 100 + STEP_US;
const STEP_US: u64 = 5_000;

fn terms(strict: bool) -> Terms {
    Terms { lease_ms: LEASE_MS, strict, ..Terms::of(ceiling(1 << 40, 1 << 40, 1 << 40)) }
}

/// A chain of nodes, each with a grant from the one before, all of them with a lease.
fn chain(drift: &[i64], strict: bool) -> (World, Vec<GrantId>) {
    let mut world = World::new(drift);
    world.say_clocks();
    let mut grants = vec![world.open(0, terms(strict))];
    world.work();
    for node in 1..drift.len() {
        let grant = world.cut(node - 1, grants[node - 1], node, Allowance::UNLIMITED);
        world.settle_down(LEASE_MS / 2);
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

fn said(world: &mut World, node: usize, message: Message) {
    let from = world.key(node - 1);
    world.input(node, Input::Receive { from, message });
}

/// The next letter of this kind that is on its way, with all that comes before it delivered.
fn next(world: &mut World, wanted: impl Fn(&Message) -> bool) -> Letter {
    for _ in 0..10 * LEASE_MS {
        for node in 0..world.nodes.len() {
            world.timeout(node);
            world.persist(node, 99);
        }
        while !world.network.is_empty() {
            let letter = world.network.remove(0);
            if wanted(&letter.message) {
                return letter;
            }
            world.hand_over(letter);
        }
        world.time_us += 1_000;
    }
    panic!("it never came");
}

fn is_beacon(message: &Message) -> bool {
    matches!(message, Message::Beacon(_))
}

fn proof_of(letter: &Letter) -> Proof {
    let Message::Beacon(proof) = &letter.message else { panic!("{letter:?}") };
    (**proof).clone()
}

#[test]
fn holders_that_the_root_is_heard_of_go_on_at_any_depth() {
    let drift: Vec<i64> = (0..17).map(|node| (node % 3 - 1) * 9_900).collect();
    let (mut world, grants) = chain(&drift, true);
    world.settle_down(10 * LEASE_MS);
    for (node, grant) in grants.iter().enumerate() {
        assert!(may_spend(&mut world, node, *grant), "node {node}: {:?}", world.refusals);
    }
    assert!(world.audits.is_empty(), "{:?}", world.audits);
}

/// What node 1 does that hears of no stop and keeps node 2 going by itself, with all that it has
/// seen; answers how long node 2 went on after the stop.
fn after_the_stop_us(strict: bool) -> u64 {
    // The clock of node 2 runs as slowly as clocks may.
    let (mut world, grants) = chain(&[0, 0, -9_900], strict);
    let mut seen = Vec::new();
    let end_us = world.time_us + 3 * LEASE_MS * 1_000;
    while world.time_us < end_us {
        seen.extend(world.network.iter().filter(|l| l.to == 2 && is_beacon(&l.message)).cloned());
        if world.network.is_empty() {
            world.time_us += 1_000;
            (0..3).for_each(|node| world.timeout(node));
        } else {
            world.deliver(0);
        }
        (0..3).for_each(|node| world.persist(node, 99));
    }
    assert_eq!(!seen.is_empty(), strict);
    assert!(may_spend(&mut world, 2, grants[2]), "it went on for leases: {:?}", world.refusals);
    let by = world.key(0);
    let stop = Input::Trip { grant: grants[0], reason: TripReason::Operator, by };
    world.input(0, stop);
    world.persist(0, 99);
    // Counted here, and not where the bound of honest nodes is held.
    world.stopped_us.clear();
    let (stopped_us, mut last_us) = (world.time_us, world.time_us);
    while world.time_us < stopped_us + 10 * LEASE_MS * 1_000 {
        world.time_us += STEP_US;
        world.timeout(2);
        world.persist(2, 99);
        for letter in std::mem::take(&mut world.network) {
            if let (2, Message::RenewAsk { grant, reading, fold }) = (letter.from, letter.message) {
                for message in lies(&world, grant, reading, (fold, &seen)) {
                    said(&mut world, 2, message);
                }
            }
        }
        if may_spend(&mut world, 2, grants[2]) {
            last_us = world.time_us;
        }
    }
    last_us - stopped_us
}

/// All that node 1 can answer a question of node 2 with.
fn lies(
    world: &World,
    grant: GrantId,
    reading: Reading,
    (fold, seen): (Option<[u8; 32]>, &[Letter]),
) -> Vec<Message> {
    let beacon = |proof: Proof| Message::Beacon(Box::new(proof));
    let mut all = vec![
        Message::Renew { grant, reading, lease_ms: LEASE_MS, epoch: 0 },
        Message::Renew { grant, reading, lease_ms: 300_000, epoch: 0 },
    ];
    let Some(fold) = fold else { return all };
    // What the root said before, for what was asked then and for what is asked now.
    let old: Vec<Proof> = seen.iter().map(proof_of).collect();
    all.extend(old.iter().cloned().map(beacon));
    all.extend(old.iter().map(|proof| beacon(Proof { fold, ..proof.clone() })));
    all.extend(old.iter().map(|proof| beacon(Proof { fold, path: vec![], ..proof.clone() })));
    // The same of a strict budget of its own.
    let own = &world.nodes[1].key;
    let origin = Origin::strict(own.node_key(), [5; 16]);
    let round = Round { origin, epoch: 0, tree: fold, lease_ms: LEASE_MS };
    let of_its_own = Beacon::sign(own, round).unwrap();
    all.push(beacon(Proof { grant, fold, beacon: of_its_own, path: vec![] }));
    all
}

#[test]
fn a_dishonest_middle_node_keeps_what_is_below_it_going_unless_the_budget_is_strict() {
    let usual_us = after_the_stop_us(false);
    assert!(usual_us > 9 * LEASE_MS * 1_000, "the lie works where nothing forbids it: {usual_us}");
    let strict_us = after_the_stop_us(true);
    assert!(strict_us <= BOUND_US, "node 2 went on for {strict_us} us");
    assert!(strict_us > LEASE_MS * 1_000 / 3, "it had a lease when the budget stopped");
}

#[test]
fn a_stopped_root_signs_nothing_more() {
    let (mut world, grants) = chain(&[0, 0], true);
    let before = world.beacons;
    let asked = next(&mut world, |message| matches!(message, Message::RenewAsk { .. }));
    world.hand_over(asked);
    world.time_us += 30_000;
    world.timeout(0);
    assert_eq!(world.beacons, before + 1, "it signs as long as it is not");
    let asked = next(&mut world, |message| matches!(message, Message::RenewAsk { .. }));
    let by = world.key(0);
    world.input(0, Input::Trip { grant: grants[0], reason: TripReason::Operator, by });
    world.persist(0, 99);
    world.hand_over(asked);
    world.time_us += 30_000;
    world.timeout(0);
    assert_eq!(world.beacons, before + 1);
    // Nor what was asked before the stop and waits to be signed.
    let (mut world, grants) = chain(&[0, 0], true);
    let (from, by) = (world.key(1), world.key(0));
    let reading = Reading { instance: 1, clock_ms: 1 };
    let before = world.beacons;
    for n in 0..2 {
        let message = Message::RenewAsk { grant: grants[1], reading, fold: Some([n; 32]) };
        world.input(0, Input::Receive { from, message });
    }
    assert_eq!(world.beacons, before + 1, "the second waits");
    world.input(0, Input::Trip { grant: grants[0], reason: TripReason::Operator, by });
    world.time_us += 30_000;
    world.timeout(0);
    assert_eq!(world.beacons, before + 1);
}

/// What does not cover the question that this one covers.
fn wrong_ones(world: &World, good: &Proof) -> [Proof; 6] {
    let flip = |digest: [u8; 32]| digest.map(|byte| byte ^ 1);
    let round = *good.beacon.round();
    let key = &world.nodes[0].key;
    let signed = |round: Round| Beacon::sign(key, round).unwrap();
    let longer = [good.path.clone(), vec![[1; 32]]].concat();
    let other = Origin::strict(round.origin.root, [9; 16]);
    [
        Proof { path: good.path.iter().copied().map(flip).collect(), ..good.clone() },
        Proof { path: vec![], ..good.clone() },
        Proof { path: longer, ..good.clone() },
        Proof { beacon: signed(Round { tree: flip(round.tree), ..round }), ..good.clone() },
        Proof { beacon: signed(Round { epoch: 1, ..round }), ..good.clone() },
        Proof { beacon: signed(Round { origin: other, ..round }), ..good.clone() },
    ]
}

#[test]
fn a_wrong_path_an_altered_beacon_and_a_repeated_one_change_nothing() {
    let mut world = World::new(&[0; 4]);
    world.say_clocks();
    let root = world.open(0, terms(true));
    world.work();
    let [_, two, three] = [1, 2, 3].map(|node| world.cut(0, root, node, Allowance::UNLIMITED));
    world.settle_down(LEASE_MS / 4);
    // All ask at once: the first is answered at once, the two others together.
    let letter = loop {
        let letter = next(&mut world, is_beacon);
        if letter.to == 2 {
            break letter;
        }
        world.hand_over(letter);
    };
    let good = proof_of(&letter);
    assert_eq!((good.grant, good.path.len()), (two, 1));
    let from_root = world.key(0);
    let shown = |world: &mut World, from: NodeKey, message: Message| {
        world.input(2, Input::Receive { from, message });
    };
    let wrong = wrong_ones(&world, &good);
    for proof in wrong {
        let before = world.nodes[2].ledger.clone();
        shown(&mut world, from_root, Message::Beacon(Box::new(proof.clone())));
        assert_eq!(world.audits.pop(), Some(Breach::WrongBeacon), "{proof:?}");
        assert!(world.nodes[2].ledger == before, "{proof:?}");
    }
    let silent = [
        // Never asked with.
        Proof { fold: [0; 32], ..good.clone() },
        // Nothing of it is here.
        Proof { grant: three, ..good },
    ];
    for proof in silent {
        let before = world.nodes[2].ledger.clone();
        shown(&mut world, from_root, Message::Beacon(Box::new(proof)));
        assert!(world.nodes[2].ledger == before && world.audits.is_empty());
    }
    let (before, other) = (world.nodes[2].ledger.clone(), world.key(3));
    shown(&mut world, other, letter.message.clone());
    assert_eq!(world.audits.pop(), Some(Breach::WrongIssuer));
    assert!(world.nodes[2].ledger == before);
    world.hand_over(letter.clone());
    assert!(world.nodes[2].ledger != before, "the right one is taken");
    let taken = world.nodes[2].ledger.clone();
    world.hand_over(letter);
    assert!(world.nodes[2].ledger == taken, "once");
    assert!(world.audits.is_empty());
}

#[test]
fn a_lost_question_and_a_lost_answer_cost_a_part_of_a_lease() {
    let is_ask = |message: &Message| matches!(message, Message::RenewAsk { .. });
    let lost: [fn(&Message) -> bool; 2] = [is_ask, is_beacon];
    for lost in lost {
        let mut world = World::new(&[0, 0]);
        world.say_clocks();
        let root = world.open(0, terms(true));
        world.work();
        let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
        drop(next(&mut world, lost));
        assert!(!may_spend(&mut world, 1, grant), "it waits");
        world.settle_down(LEASE_MS / 2);
        assert_eq!(world.provider.running.len(), 1, "what waited begins");
        // And so once it has a lease.
        drop(next(&mut world, lost));
        world.settle_down(5 * LEASE_MS);
        assert!(may_spend(&mut world, 1, grant), "{:?}", world.refusals);
    }
}

#[test]
fn a_lease_runs_from_the_sending_of_the_nonce() {
    let (mut world, grants) = chain(&[0, 0], true);
    world.settle_down(LEASE_MS);
    let asked = next(&mut world, |message| matches!(message, Message::RenewAsk { .. }));
    let asked_us = world.time_us;
    world.hand_over(asked);
    world.timeout(0);
    while !world.network.iter().any(|letter| is_beacon(&letter.message)) {
        world.time_us += 1_000;
        world.timeout(0);
    }
    let late = world.network.pop().unwrap();
    assert!(is_beacon(&late.message));
    world.time_us = asked_us + 200_000;
    world.hand_over(late.clone());
    world.time_us = asked_us + 990_000;
    assert!(may_spend(&mut world, 1, grants[1]), "{:?}", world.refusals);
    world.hand_over(late);
    world.time_us = asked_us + 1_001_000;
    assert!(!may_spend(&mut world, 1, grants[1]));
}

#[test]
fn neither_a_reading_nor_the_word_of_an_issuer_begins_a_lease() {
    for strict in [false, true] {
        let mut world = World::new(&[0, 0]);
        world.say_clocks();
        let root = world.open(0, terms(strict));
        world.work();
        let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
        world.persist(0, 9);
        world.deliver(0);
        world.persist(1, 9);
        assert!(world.grants[&grant].reading.is_some());
        assert_eq!(may_spend(&mut world, 1, grant), !strict, "from its reading");
        world.network.clear();
        let reading = Reading { instance: 1, clock_ms: world.now(1).clock_ms };
        said(&mut world, 1, Message::Renew { grant, reading, lease_ms: LEASE_MS, epoch: 0 });
        let refused = strict.then_some(Breach::WrongBeacon);
        assert_eq!(world.audits.pop(), refused);
        world.time_us += 2 * LEASE_MS * 1_000 - 100_000;
        assert!(!may_spend(&mut world, 1, grant));
        // A holder that asks as those do that know of no beacons is not renewed.
        let from = world.key(1);
        world.network.clear();
        let message = Message::RenewAsk { grant, reading, fold: None };
        world.input(0, Input::Receive { from, message });
        let is_renew = |letter: &Letter| matches!(letter.message, Message::Renew { .. });
        assert_eq!(world.network.iter().any(is_renew), !strict);
        assert_eq!(world.audits.pop(), refused);
    }
}

#[test]
fn a_strict_budget_has_no_detached_grants() {
    for strict in [false, true] {
        let mut world = World::new(&[0, 0]);
        world.say_clocks();
        let root = world.open(0, terms(strict));
        world.work();
        let mut order = world.order(1, Allowance::UNLIMITED);
        order.detached_until_ms = Some(world.now(0).unix_ms + 60_000);
        world.input(0, Input::Cut { from: root, order });
        let refused = world.refusals.pop().map(|error| error.kind);
        assert_eq!(refused, strict.then_some(Kind::InvalidArgument));
        // Nor is one taken that a dishonest issuer cuts.
        let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
        world.persist(0, 9);
        world.network.clear();
        let not_after_ms = world.now(1).unix_ms + 60_000;
        let life = Life::Detached { not_after_ms };
        let forged = Grant { life, ..world.grants[&grant].clone() };
        said(&mut world, 1, Message::Grant(Box::new(forged)));
        world.persist(1, 9);
        assert_eq!(may_spend(&mut world, 1, grant), !strict);
    }
}

#[test]
fn a_grant_that_comes_again_after_it_was_forgotten_asks_with_another_nonce() {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let root = world.open(0, terms(true));
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let letter = next(&mut world, is_beacon);
        seen.push(letter.message.clone());
        world.hand_over(letter);
    }
    assert!(may_spend(&mut world, 1, grant), "the first of them began a lease");
    world.commit_running();
    let shown = world.grants[&grant].clone();
    world.input(1, Input::Finish { grant, ending: Ending::Free });
    world.work();
    world.time_us += 700_000_000;
    world.timeout(1);
    world.work();
    said(&mut world, 1, Message::Grant(Box::new(shown)));
    world.persist(1, 9);
    assert!(world.nodes[1].ledger.view(&grant).is_some(), "it is held again");
    for message in seen {
        said(&mut world, 1, message);
    }
    assert!(!may_spend(&mut world, 1, grant));
}

#[test]
fn a_ledger_without_a_secret_of_its_own_asks_for_nothing() {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let node = world.key(1);
    let owner = Owner { node, instance: 1, keeping: Keeping::Durable };
    world.nodes[1].ledger = Ledger::new(owner);
    let root = world.open(0, terms(true));
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.settle_down(LEASE_MS);
    assert!(!may_spend(&mut world, 1, grant));
    world.settle_down(10 * LEASE_MS);
    assert_eq!(world.refusals.last().unwrap().code, "lease_lost");
}

//! Bounds of strict budgets: however many ask, little goes up and one signature comes down.

use crate::world::{LEASE_MS, Letter, World};
use hubless_proto::identity::SecretKey;
use hubless_proto::killswitch::{
    Allowance, Beacon, Fold, GrantId, Input, Message, Origin, Proof, Reading, Round, Terms,
};
use hubless_proto::limits;
use std::collections::BTreeMap;

fn strict(lease_ms: u64) -> Terms {
    Terms { lease_ms, strict: true, ..Terms::default() }
}

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// Node 1 asks node 0 for a grant, with a fold of this number.
fn ask(world: &mut World, grant: GrantId, n: usize) {
    let mut fold = [0; 32];
    fold[..8].copy_from_slice(&(n as u64).to_be_bytes());
    let (from, reading) = (world.key(1), Reading { instance: 1, clock_ms: 1 });
    let message = Message::RenewAsk { grant, reading, fold: Some(fold) };
    world.input(0, Input::Receive { from, message });
}

/// How many beacons are on the way for each grant; takes them out.
fn answered(world: &mut World) -> BTreeMap<GrantId, usize> {
    let mut count = BTreeMap::new();
    for letter in std::mem::take(&mut world.network) {
        if let Message::Beacon(proof) = letter.message {
            let fold = Fold::climb(proof.fold, &proof.path);
            assert_eq!(fold, proof.beacon.round().tree);
            *count.entry(proof.grant).or_default() += 1;
        }
    }
    count
}

/// A root with so many grants at node 1, of which none has asked.
fn grants(lease_ms: u64, count: usize) -> (World, Vec<GrantId>) {
    let mut world = World::new(&[0, 0]);
    let root = world.open(0, strict(lease_ms));
    world.work();
    let cut = |world: &mut World| world.cut(0, root, 1, Allowance::UNLIMITED);
    let grants: Vec<_> = (0..count).map(|_| cut(&mut world)).collect();
    world.persist(0, usize::MAX);
    world.network.clear();
    (world, grants)
}

#[test]
fn folds_of_one_question_and_of_one_grant_in_it() {
    let count = limits::FOLD_LEAVES / limits::FOLD_QUESTIONS + 1;
    let (mut world, grants) = grants(10_000, count);
    // The first is asked on at once.
    ask(&mut world, grants[0], 0);
    assert_eq!(answered(&mut world).len(), 1);
    for (at, grant) in grants.iter().enumerate() {
        for n in 0..=limits::FOLD_QUESTIONS {
            ask(&mut world, *grant, 1 + at * 100 + n);
        }
    }
    assert_eq!((world.beacons, world.network.len()), (1, 0), "they wait for each other");
    world.time_us += ms(limits::FOLD_WINDOW) * 1_000;
    world.timeout(0);
    assert_eq!(world.beacons, 2, "one signature for all");
    let answered = answered(&mut world);
    assert_eq!(answered.get(&grants[0]), Some(&limits::FOLD_QUESTIONS));
    let all: usize = answered.values().sum();
    assert_eq!(all, limits::FOLD_LEAVES - 1, "the one beside is the nonce of a holder");
}

#[test]
fn questions_are_gathered_for_a_window_that_is_shorter_where_leases_are() {
    for (lease_ms, window_ms) in [(10_000, ms(limits::FOLD_WINDOW)), (480, 10), (10, 1)] {
        let (mut world, grants) = grants(lease_ms, 1);
        ask(&mut world, grants[0], 0);
        ask(&mut world, grants[0], 1);
        assert_eq!(answered(&mut world), BTreeMap::from([(grants[0], 1)]));
        world.time_us += (window_ms - 1) * 1_000;
        world.timeout(0);
        assert_eq!(answered(&mut world), BTreeMap::new(), "lease of {lease_ms} ms");
        world.time_us += 1_000;
        world.timeout(0);
        assert_eq!(answered(&mut world), BTreeMap::from([(grants[0], 1)]));
    }
}

#[test]
fn questions_of_one_grant_that_nobody_answers() {
    let mut world = World::new(&[0, 0, 0]);
    let lease_ms = 10_000;
    let root = world.open(0, strict(lease_ms));
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.settle_down(LEASE_MS);
    let below = world.cut(1, grant, 2, Allowance::UNLIMITED);
    world.settle_down(LEASE_MS);
    let began_us = world.time_us;
    let (from, reading) = (world.key(2), Reading { instance: 1, clock_ms: 1 });
    let mut asked = Vec::new();
    for n in 0..lease_ms / limits::LEASE_PARTS - 100 {
        let mut fold = [1; 32];
        fold[..8].copy_from_slice(&n.to_be_bytes());
        let message = Message::RenewAsk { grant: below, reading, fold: Some(fold) };
        world.input(1, Input::Receive { from, message });
        let up = |message: &Message| matches!(message, Message::RenewAsk { .. });
        let letters = std::mem::take(&mut world.network);
        asked.extend(letters.iter().filter(|l| l.from == 1 && up(&l.message)).map(|_| n));
        world.time_us += 1_000;
        world.timeout(1);
    }
    assert_eq!(asked.len(), limits::FOLD_QUESTIONS, "{asked:?}");
    // The oldest is taken for lost, and what was gathered is asked with the next.
    world.time_us = began_us + (lease_ms / limits::LEASE_PARTS + 50) * 1_000;
    world.timeout(1);
    let up =
        |letter: &Letter| letter.from == 1 && matches!(letter.message, Message::RenewAsk { .. });
    assert!(world.network.iter().any(up));
}

#[test]
fn one_digest_goes_up_from_many_holders() {
    let mut world = World::new(&[0; 12]);
    world.say_clocks();
    let root = world.open(0, strict(LEASE_MS));
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.settle_down(LEASE_MS / 4);
    let below: Vec<_> =
        (2..12).map(|node| (node, world.cut(1, grant, node, Allowance::UNLIMITED))).collect();
    world.settle_down(LEASE_MS / 4);
    let (before, began_us) = (world.beacons, world.time_us);
    world.settle_down(10 * LEASE_MS);
    let leases = (world.time_us - began_us) / (LEASE_MS * 1_000);
    let signed = u64::try_from(world.beacons - before).unwrap();
    // Eleven holders ask three times in a lease.
    assert!(signed < leases * 3 * 11 / 2, "{signed} signatures in {leases} leases");
    for (node, grant) in below {
        let before = world.provider.running.len();
        world.reserve(node, grant, hubless_proto::killswitch::Amount::ZERO);
        world.persist(node, 9);
        assert_eq!(world.provider.running.len(), before + 1, "{:?}", world.refusals);
    }
}

#[test]
fn digests_of_a_path() {
    let root = SecretKey::from_seed([1; 32]);
    let origin = Origin::strict(root.node_key(), [2; 16]);
    let round = Round { origin, epoch: 0, tree: [3; 32], lease_ms: 1 };
    let beacon = Beacon::sign(&root, round).unwrap();
    let (grant, fold) = (GrantId::from_bytes([4; 16]), [5; 32]);
    let of = |length: usize| {
        let path = vec![[6; 32]; length];
        let proof = Proof { grant, fold, beacon: beacon.clone(), path };
        Message::decode(Message::Beacon(Box::new(proof)).encode())
    };
    assert!(of(limits::BEACON_PATH).is_ok());
    let limit = of(limits::BEACON_PATH + 1).unwrap_err().limit.map(|limit| limit.name);
    assert_eq!(limit.as_deref(), Some("BEACON_PATH"));
    // Enough for the deepest tree of the fullest questions, and for the root above it.
    let each = limits::FOLD_LEAVES.ilog2() as usize;
    assert!((limits::CALL_DEPTH as usize + 1) * each <= limits::BEACON_PATH);
}

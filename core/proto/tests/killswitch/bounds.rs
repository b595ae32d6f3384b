//! Every bound of a ledger is reached, refuses in its own words, and leaves the rest working.

use crate::world::{LEASE_MS, World, ceiling};
use hubless_proto::error::Kind;
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Ending, GrantId, Input, Keeping, Ledger, Message, Now, Origin, Output,
    Owner, Reading, ReservationId, Statement, Terms, Trip,
};
use hubless_proto::limits;
use hubless_proto::wire::words::TripReason;

fn last_limit(world: &World) -> Option<String> {
    let error = world.refusals.last()?;
    assert_eq!(error.kind, Kind::Busy);
    error.limit.as_ref().map(|limit| limit.name.clone())
}

fn unlimited() -> (World, GrantId) {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::default() });
    world.work();
    (world, root)
}

#[test]
fn reservations_of_one_grant() {
    let (mut world, root) = unlimited();
    for _ in 0..=limits::GRANT_RESERVATIONS {
        world.reserve(0, root, Amount::ZERO);
        world.persist(0, 1);
    }
    assert_eq!(last_limit(&world).as_deref(), Some("GRANT_RESERVATIONS"));
    assert_eq!(world.provider.running.len(), limits::GRANT_RESERVATIONS);
}

#[test]
fn open_grants_of_one_grant_and_settled_ones_that_are_remembered() {
    let (mut world, root) = unlimited();
    let mut ids = Vec::new();
    for _ in 0..=limits::GRANT_FAN_OUT {
        ids.push(world.cut(0, root, 0, Allowance::UNLIMITED));
        world.persist(0, 1);
    }
    assert_eq!(last_limit(&world).as_deref(), Some("GRANT_FAN_OUT"));
    for grant in ids {
        world.input(0, Input::Finish { grant, ending: Ending::Free });
        world.persist(0, 1);
    }
    let view = world.nodes[0].ledger.view(&root).unwrap();
    assert_eq!(view.open, 0);
    assert_eq!(world.nodes[0].ledger.cuts(&root).len(), limits::GRANT_SETTLED);
    assert_eq!(view.used, crate::world::calls(limits::GRANT_FAN_OUT.into()));
}

#[test]
fn requests_that_wait_for_a_lease() {
    let mut world = World::new(&[0, 0]);
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(9, 9, 9)) });
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.persist(0, 9);
    world.deliver(0);
    world.persist(1, 9);
    for _ in 0..=limits::GRANT_WAITING {
        world.reserve(1, grant, Amount::ZERO);
    }
    assert_eq!(last_limit(&world).as_deref(), Some("GRANT_WAITING"));
    world.work();
    assert_eq!(world.provider.running.len(), limits::GRANT_WAITING);
}

#[test]
fn what_waits_for_the_store() {
    let (mut world, root) = unlimited();
    let now = world.now(0);
    let ledger = &mut world.nodes[0].ledger;
    let reserve = |n: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Input::Reserve { grant: root, id: ReservationId::from_bytes(id), most: Amount::ZERO }
    };
    // Last words about grants that nobody knows wait for the store as well, and have no bound of
    // their own.
    ledger.handle(reserve(0), now);
    let from = NodeKey::from_bytes([7; 32]);
    let mut sent = 0;
    for n in 0..=limits::LEDGER_HELD as u64 {
        let settlement = hubless_proto::killswitch::Settlement {
            grant: GrantId::from_bytes([u8::try_from(n % 200).unwrap(); 16]),
            used: Amount::ZERO,
            receipts: None,
            shown: Vec::new(),
            lost: false,
            overrun: Amount::ZERO,
        };
        ledger.handle(Input::Receive { from, message: Message::Settle(settlement) }, now);
        sent += 1;
    }
    assert!(sent > limits::LEDGER_HELD);
    // A stop is taken all the same: nobody says it again to whoever was told that it is.
    let trip = stopped_elsewhere();
    let budget = trip.budget_id();
    ledger.handle(Input::Receive { from, message: Message::Trip(trip) }, now);
    assert!(ledger.tripped(&budget).is_some());
    ledger.handle(reserve(1), now);
    let mut busy = None;
    while let Some(output) = ledger.poll_output() {
        if let Output::Refused { error, .. } = output {
            busy = error.limit.map(|limit| limit.name);
        }
    }
    assert_eq!(busy.as_deref(), Some("LEDGER_HELD"));
    ledger.handle(Input::Persisted { seq: u64::MAX }, now);
    let acks = std::iter::from_fn(|| ledger.poll_output()).count();
    assert_eq!(acks, limits::LEDGER_HELD);
}

/// The stop of a budget that begins at another node.
fn stopped_elsewhere() -> Trip {
    let root = SecretKey::from_seed([8; 32]);
    let by = root.node_key();
    let origin = Origin { root: by, nonce: [3; 16] };
    let reason = TripReason::Operator;
    Trip::sign(&root, Statement { origin, epoch: 0, reason, by, at_ms: 1 }).unwrap()
}

fn volatile() -> Ledger {
    let node = NodeKey::from_bytes([1; 32]);
    Ledger::new(Owner { node, instance: 1, keeping: Keeping::Volatile })
}

fn numbered(n: usize) -> [u8; 16] {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(n as u64).to_be_bytes());
    id
}

#[test]
fn grants_of_one_issuer_and_of_all() {
    let mut ledger = volatile();
    let now = Now::default();
    let reading = Some(Reading { instance: 1, clock_ms: 0 });
    let share = limits::LEDGER_GRANTS / limits::QUEUE_SHARE;
    let mut answered = 0;
    for (issuer, count) in [(2, share + 5), (3, share), (4, share), (5, share + 5)] {
        let from = NodeKey::from_bytes([issuer; 32]);
        for n in 0..count {
            let grant = GrantId::from_bytes(numbered(n));
            ledger
                .handle(Input::Receive { from, message: Message::Recall { grant, reading } }, now);
        }
        answered += std::iter::from_fn(|| ledger.poll_output()).count();
    }
    assert_eq!(answered, limits::LEDGER_GRANTS, "a quarter each, and no more in all");
    let budget = hubless_proto::killswitch::Budget::new(
        NodeKey::from_bytes([1; 32]),
        [1; 16],
        Terms::default(),
        0,
    );
    ledger.handle(Input::Open(budget), now);
    let Some(Output::Refused { error, .. }) = ledger.poll_output() else { panic!("taken") };
    assert_eq!(error.limit.map(|limit| limit.name).as_deref(), Some("LEDGER_GRANTS"));
}

#[test]
fn clock_readings_of_peers() {
    let mut ledger = volatile();
    for n in 0..=limits::LEDGER_READINGS {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let reading = Reading { instance: 1, clock_ms: 5 };
        ledger.handle(Input::Clock { peer: NodeKey::from_bytes(key), reading }, Now::default());
    }
    assert_eq!(ledger.readings(), limits::LEDGER_READINGS);
    let peer = NodeKey::from_bytes([0; 32]);
    ledger.handle(Input::Gone { peer }, Now::default());
    assert_eq!(ledger.readings(), limits::LEDGER_READINGS - 1);
}

#[test]
fn trips_are_remembered_up_to_a_bound_and_those_in_use_for_ever() {
    let (mut world, root) = unlimited();
    let by = world.key(0);
    world.input(0, Input::Trip { grant: root, reason: TripReason::Operator, by });
    world.work();
    let own = world.budgets[0].1.origin.budget_id();
    let stranger = SecretKey::from_seed([9; 32]);
    let (from, now) = (stranger.node_key(), world.now(0));
    let reason = TripReason::Operator;
    let mut first = None;
    for n in 0..limits::LEDGER_TRIPS + 2 {
        let origin = Origin { root: from, nonce: numbered(n) };
        first.get_or_insert_with(|| origin.budget_id());
        let statement = Statement { origin, epoch: 0, reason, by: from, at_ms: 1 };
        let trip = Trip::sign(&stranger, statement).unwrap();
        let ledger = &mut world.nodes[0].ledger;
        ledger.handle(Input::Receive { from, message: Message::Trip(trip) }, now);
        while ledger.poll_output().is_some() {}
    }
    let ledger = &world.nodes[0].ledger;
    assert!(ledger.tripped(&own).is_some());
    assert!(ledger.tripped(&first.unwrap()).is_none());
}

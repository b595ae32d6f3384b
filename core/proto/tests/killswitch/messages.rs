//! Messages from those who may not send them, altered, repeated or for somebody else.

use crate::world::{LEASE_MS, World, amount, ceiling};
use bytes::Bytes;
use hubless_proto::error::Kind;
use hubless_proto::identity::{Domain, SecretKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Breach, Grant, GrantId, Input, Key, Message, Reading, Settlement, Statement,
    Terms, Trip,
};
use hubless_proto::limits::RECEIPTS;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::TripReason;
use proptest::prelude::*;

fn three() -> (World, GrantId, GrantId) {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(100, 100, 20)) });
    world.work();
    let grant = world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.work();
    (world, root, grant)
}

/// Node 2 says something to another; what it did is in the audit log, and nothing changed.
#[track_caller]
fn changes_nothing(world: &mut World, to: usize, message: Message, breach: Breach) {
    let before = world.nodes[to].ledger.clone();
    let from = world.key(2);
    world.input(to, Input::Receive { from, message });
    assert_eq!(world.audits.pop(), Some(breach));
    assert!(world.nodes[to].ledger == before, "it changed the ledger");
}

#[test]
fn strangers_change_nothing() {
    let (mut world, root, grant) = three();
    let used = amount(0, 0);
    let settlement = Settlement {
        grant,
        used,
        receipts: None,
        shown: Vec::new(),
        lost: false,
        overrun: Amount::ZERO,
    };
    changes_nothing(&mut world, 0, Message::Settle(settlement), Breach::WrongHolder);
    let refused = Message::Refused { grant, kind: Kind::Busy, code: String::new() };
    changes_nothing(&mut world, 0, refused, Breach::WrongHolder);
    let progress = Message::Progress { grant, used: amount(9, 9) };
    changes_nothing(&mut world, 0, progress, Breach::WrongHolder);
    let reading = Reading { instance: 1, clock_ms: 1 };
    changes_nothing(
        &mut world,
        0,
        Message::RenewAsk { grant, reading, fold: None },
        Breach::WrongHolder,
    );
    let recall = Message::Recall { grant, reading: None };
    changes_nothing(&mut world, 1, recall, Breach::WrongIssuer);
    let recall = Message::Recall { grant: root, reading: None };
    changes_nothing(&mut world, 0, recall, Breach::WrongIssuer);
    let renew = Message::Renew { grant, reading, lease_ms: 9_000, epoch: 0 };
    changes_nothing(&mut world, 1, renew, Breach::WrongIssuer);
    let shown = world.grants[&grant].clone();
    changes_nothing(&mut world, 1, Message::Grant(Box::new(shown.clone())), Breach::WrongIssuer);
    let forged = Grant { issuer: world.key(2), ..shown };
    changes_nothing(&mut world, 1, Message::Grant(Box::new(forged.clone())), Breach::Equivocation);
    let other = Grant { audience: world.key(0), ..forged };
    changes_nothing(&mut world, 1, Message::Grant(Box::new(other)), Breach::WrongAudience);
}

#[test]
fn the_same_id_with_other_bytes_is_refused_even_after_its_end() {
    let (mut world, _, grant) = three();
    let first = world.grants[&grant].clone();
    let more = Grant { amount: Allowance::exactly(&amount(90, 90)), ..first };
    let from = world.key(0);
    let ending = hubless_proto::killswitch::Ending::Free;
    for _ in 0..2 {
        let message = Message::Grant(Box::new(more.clone()));
        world.input(1, Input::Receive { from, message });
        assert_eq!(world.audits.pop(), Some(Breach::Equivocation));
        let message = Message::Grant(Box::new(first.clone()));
        world.input(1, Input::Receive { from, message });
        assert_eq!(world.audits.pop(), None);
        world.input(1, Input::Finish { grant, ending });
        world.work();
    }
    let held = world.held.iter().filter(|(_, id)| *id == grant).count();
    assert_eq!(held, 1, "it is held once, however often it comes");
}

/// The holder of a grant may cut one of its own by the same id. What is spent of that is nothing of
/// the budget that the first was cut from.
#[test]
fn a_grant_by_the_id_of_another_stops_no_budget_but_its_own() {
    let (mut world, root, grant) = three();
    let terms = Terms { lease_ms: LEASE_MS, depth: Some(1), ..Terms::of(ceiling(50, 50, 20)) };
    let own = world.open(1, terms);
    world.work();
    let shown = world.cut(1, own, 0, Allowance::exactly(&amount(5, 5)));
    world.work();
    let forged = Grant { id: grant, ..world.grants[&shown].clone() };
    let message = Message::Grant(Box::new(forged));
    world.input(0, Input::Receive { from: world.key(1), message });
    world.work();
    assert!(world.held.contains(&(0, grant)), "{:?}", world.audits);
    world.cut(0, grant, 2, Allowance::exactly(&amount(1, 1)));
    world.work();
    let refused = world.refusals.last().unwrap();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::HopLimit, "depth"));
    let budget = world.origin(&root);
    assert_eq!(world.nodes[0].ledger.tripped(&budget).map(|said| said.reason), None);
    // What is too much of the budget itself stops it.
    world.reserve(0, root, amount(101, 0));
    world.work();
    let reason = world.nodes[0].ledger.tripped(&budget).map(|said| said.reason);
    assert_eq!(reason, Some(TripReason::OutputExceeded));
}

#[test]
fn a_last_word_that_does_not_add_up_costs_the_whole_grant() {
    for (said, seen, breach) in [
        (amount(21, 0), None, Breach::UsedOverGrant),
        (amount(1, 1), Some(amount(2, 0)), Breach::UsedUnderSeen),
    ] {
        let (mut world, root, grant) = three();
        let from = world.key(1);
        if let Some(used) = seen {
            world.input(0, Input::Receive { from, message: Message::Progress { grant, used } });
        }
        let settlement = Settlement {
            grant,
            used: said,
            receipts: None,
            shown: Vec::new(),
            lost: false,
            overrun: Amount::ZERO,
        };
        world.input(0, Input::Receive { from, message: Message::Settle(settlement) });
        assert_eq!(world.audits, [breach]);
        let used = world.nodes[0].ledger.view(&root).unwrap().used;
        assert_eq!(used.minus(&crate::world::calls(1)), Some(amount(20, 20)));
    }
}

#[test]
fn only_the_root_stops_a_budget() {
    let (world, _, _) = three();
    let origin = world.budgets[0].1.origin;
    let by = world.key(0);
    let reason = TripReason::Operator;
    let statement = Statement { origin, epoch: 0, reason, by, at_ms: 1 };
    let trip = Trip::sign(&world.nodes[0].key, statement).unwrap();
    let good = Message::Trip(trip.clone()).encode();
    assert!(Message::decode(good).is_ok());
    let signed = trip.signed();
    for bit in 0..signed.signed.len() * 8 {
        let mut bytes = signed.signed.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let record = v1::SignedRecord { signed: bytes.into(), ..signed.clone() };
        assert!(Trip::open(&record).is_err(), "bit {bit}");
    }
    let stranger = SecretKey::from_seed([99; 32]);
    for (key, domain) in [(&stranger, Domain::Trip), (&world.nodes[0].key, Domain::Grant)] {
        let signature = Bytes::copy_from_slice(&key.sign(domain, &signed.signed));
        let record = v1::SignedRecord { signature, ..signed.clone() };
        let error = Trip::open(&record).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_root"));
    }
}

#[test]
fn a_stop_is_passed_on_as_it_was_signed_with_fields_of_the_future() {
    let (mut world, root, _) = three();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    let below = world.cut(1, grant, 2, Allowance::UNLIMITED);
    world.work();
    let (origin, by) = (world.budgets[0].1.origin, world.key(0));
    let statement = Statement { origin, epoch: 0, reason: TripReason::Operator, by, at_ms: 1 };
    let mut bytes = Trip::sign(&world.nodes[0].key, statement).unwrap().signed().signed.to_vec();
    bytes.extend([0x82, 0x7d, 3, b'n', b'e', b'w']); // field 2000, three bytes
    let signature = world.nodes[0].key.sign(Domain::Trip, &bytes);
    let newer = v1::SignedRecord { signed: bytes.into(), signature: signature.to_vec().into() };
    let wire = |signed: &v1::SignedRecord| {
        let kind = Some(v1::ledger_message::Kind::Trip(signed.clone()));
        Bytes::from(prost::Message::encode_to_vec(&v1::LedgerMessage { kind }))
    };
    let message = Message::decode(wire(&newer)).unwrap();
    world.input(1, Input::Receive { from: by, message });
    world.persist(1, usize::MAX);
    let passed = world.network.iter().filter(|letter| (letter.from, letter.to) == (1, 2));
    let passed: Vec<Bytes> = passed.map(|letter| letter.message.encode()).collect();
    assert!(passed.contains(&wire(&newer)), "{:?}", world.network);
    world.work();
    for node in [1, 2] {
        let row = world.nodes[node].rows[&Key::Trip(origin.budget_id())].encode();
        let row: v1::LedgerRow = prost::Message::decode(row).unwrap();
        assert_eq!(row.kind, Some(v1::ledger_row::Kind::Trip(newer.clone())), "node {node}");
    }
    assert!(world.cancelled.contains(&grant) && world.cancelled.contains(&below));
    // What it was signed over is all of it.
    let known = &newer.signed[..newer.signed.len() - 6];
    let cut = v1::SignedRecord { signed: Bytes::copy_from_slice(known), ..newer.clone() };
    assert_eq!(Message::decode(wire(&cut)).unwrap_err().code, "not_root");
}

#[test]
fn a_grant_that_is_shown_to_others_is_checked_under_its_issuer() {
    let (world, _, grant) = three();
    let grant = &world.grants[&grant];
    let signature = grant.sign(&world.nodes[0].key);
    assert_eq!(Grant::open(grant.encode(), &signature).as_ref(), Ok(grant));
    let forged = grant.sign(&world.nodes[1].key);
    assert_eq!(Grant::open(grant.encode(), &forged).unwrap_err().code, "bad_signature");
    let more = Grant { amount: Allowance::UNLIMITED, ..grant.clone() };
    assert_eq!(Grant::open(more.encode(), &signature).unwrap_err().code, "bad_signature");
}

#[test]
fn bad_bytes_are_typed_errors() {
    let (world, _, grant) = three();
    let good = Message::Grant(Box::new(world.grants[&grant].clone())).encode();
    for cut in 1..good.len() {
        let error = Message::decode(good.slice(..cut)).unwrap_err();
        assert!(matches!(error.kind, Kind::Transport), "{cut}: {error}");
    }
    let change = |change: fn(&mut v1::Grant)| {
        let mut wire = world.grants[&grant].to_wire();
        change(&mut wire);
        let kind = Some(v1::ledger_message::Kind::Grant(wire));
        let bytes = prost::Message::encode_to_vec(&v1::LedgerMessage { kind });
        Message::decode(bytes.into()).unwrap_err()
    };
    let long = hubless_proto::limits::AMOUNT_MAX + 1;
    assert_eq!(change(|g| g.id = Bytes::from_static(&[1; 15])).field.as_deref(), Some("id"));
    assert_eq!(change(|g| g.depth = 17).kind, Kind::HopLimit);
    assert_eq!(change(|g| g.lease_ms = 0).field.as_deref(), Some("lease_ms"));
    assert_eq!(change(|g| g.lease_ms = 300_001).field.as_deref(), Some("lease_ms"));
    assert_eq!(change(|g| g.amount = None).field.as_deref(), Some("amount"));
    let over = change(|g| g.amount.as_mut().unwrap().calls = u64::MAX);
    assert_eq!(over.limit.map(|limit| limit.value), Some(long - 1));
}

fn arbitrary_amount() -> impl Strategy<Value = Amount> {
    any::<[u32; 4]>().prop_map(|[a, b, c, d]| {
        let wire = v1::Amount {
            input_tokens: a.into(),
            output_tokens: b.into(),
            cost_micros: c.into(),
            calls: d.into(),
        };
        Amount::of_wire(&wire)
    })
}

proptest! {
    #[test]
    fn messages_read_back(
        used in arbitrary_amount(),
        id in any::<[u8; 16]>(),
        receipts in any::<Option<[u8; 32]>>(),
        shown in proptest::collection::vec(any::<[u8; 9]>(), 0..=RECEIPTS),
        numbers in (any::<u64>(), any::<u64>(), any::<u64>(), 0..300_000u64),
        lost in any::<bool>(),
    ) {
        let (instance, clock_ms, epoch, lease_ms) = numbers;
        let grant = GrantId::from_bytes(id);
        let reading = Reading { instance, clock_ms };
        let shown = shown.iter().map(|one| Bytes::copy_from_slice(one)).collect();
        let all = [
            Message::Refused { grant, kind: Kind::Killed, code: "lease_lost".into() },
            Message::Progress { grant, used },
            Message::Settle(Settlement { grant, used, receipts, shown, lost, overrun: used }),
            Message::SettleAck { grant },
            Message::RenewAsk { grant, reading, fold: receipts },
            Message::Renew { grant, reading, lease_ms, epoch },
            Message::Recall { grant, reading: lost.then_some(reading) },
        ];
        for message in all {
            prop_assert_eq!(Message::decode(message.encode()), Ok(message));
        }
    }
}

//! Budgets that the operator of a mesh stops, from any node and wherever they began.

use crate::world::{LEASE_MS, World, amount, ceiling};
use bytes::Bytes;
use hubless_proto::error::Kind;
use hubless_proto::identity::{Domain, MeshId, NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Allowance, BudgetId, Ending, GrantId, Input, Key, Message, OperatorStop, Terms,
};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::TripReason;

fn operator() -> SecretKey {
    SecretKey::from_seed([77; 32])
}

fn stop(budgets: &[BudgetId], by: NodeKey) -> OperatorStop {
    OperatorStop::sign(&operator(), budgets, by, 1_700_000_000_000).unwrap()
}

/// A budget at node 0, a grant of it at node 1, and one below that at node 2.
fn chain() -> (World, [GrantId; 3], BudgetId) {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(100, 100, 40)) });
    world.work();
    let outer = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    let inner = world.cut(1, outer, 2, Allowance::UNLIMITED);
    world.work();
    assert_eq!(world.refusals, []);
    let budget = world.budgets[0].1.origin.budget_id();
    (world, [root, outer, inner], budget)
}

/// Node `from` shows a statement to node `to`, or passes it on.
fn shown(world: &mut World, from: usize, to: usize, stop: &OperatorStop) {
    let (from, message) = (world.key(from), Message::OperatorStop(stop.clone()));
    world.input(to, Input::Receive { from, message });
}

fn stopped(world: &World, node: usize, grant: GrantId) -> Option<&'static str> {
    world.nodes[node].ledger.view(&grant).and_then(|view| view.stopped)
}

#[test]
fn only_the_root_of_the_mesh_states_it() {
    let good = stop(&[BudgetId::from_bytes([1; 32])], operator().node_key());
    assert_eq!(OperatorStop::open(good.signed()).as_ref(), Ok(&good));
    let message = Message::OperatorStop(good.clone());
    assert_eq!(Message::decode(message.encode()), Ok(message));
    let signed = good.signed();
    for bit in 0..signed.signed.len() * 8 {
        let mut bytes = signed.signed.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let altered = v1::SignedRecord { signed: bytes.into(), ..signed.clone() };
        assert!(OperatorStop::open(&altered).is_err(), "bit {bit}");
    }
    let stranger = SecretKey::from_seed([99; 32]);
    for (key, domain) in [(&stranger, Domain::OperatorStop), (&operator(), Domain::Trip)] {
        let signature = Bytes::copy_from_slice(&key.sign(domain, &signed.signed));
        let forged = v1::SignedRecord { signature, ..signed.clone() };
        let error = OperatorStop::open(&forged).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_operator"));
    }
    // What a stranger states holds in the stranger's own mesh, and in no other.
    assert_eq!(good.check_mesh(operator().mesh_id()), Ok(()));
    let other: MeshId = stranger.mesh_id();
    let error = good.check_mesh(other).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_operator"));
}

#[test]
fn so_many_budgets_and_groups_fit_into_a_statement_and_groups_are_not_served() {
    let by = operator().node_key();
    let ids = vec![BudgetId::from_bytes([1; 32]); limits::STOP_BUDGETS + 1];
    let most = stop(&ids[1..], by);
    assert_eq!(OperatorStop::open(most.signed()).unwrap().budgets().len(), limits::STOP_BUDGETS);
    for wrong in [&ids[..], &[]] {
        let error = OperatorStop::sign(&operator(), wrong, by, 1).unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("budgets")));
    }
    let opened = |may_kill: usize, groups: usize| {
        let wire = v1::OperatorStop {
            mesh: operator().mesh_id().to_wire(),
            may_kill: ids.iter().take(may_kill).map(BudgetId::to_wire).collect(),
            groups: vec!["finance".to_owned(); groups],
            by: by.to_wire(),
            at_ms: 1,
        };
        let signed = Bytes::from(prost::Message::encode_to_vec(&wire));
        let signature = operator().sign(Domain::OperatorStop, &signed);
        let signature = Bytes::copy_from_slice(&signature);
        OperatorStop::open(&v1::SignedRecord { signed, signature }).map_err(|error| error.code)
    };
    assert!(opened(1, 0).is_ok());
    assert_eq!(opened(1, 1), Err("not_served".to_owned()));
    assert_eq!(opened(1, limits::STOP_GROUPS), Err("not_served".to_owned()));
    assert_eq!(opened(1, limits::STOP_GROUPS + 1), Err("too_many".to_owned()));
    assert_eq!(opened(limits::STOP_BUDGETS + 1, 0), Err("too_many".to_owned()));
}

#[test]
fn where_the_budget_begins_its_root_stops_everything_below() {
    let (mut world, [root, outer, inner], budget) = chain();
    let by = world.key(2);
    shown(&mut world, 2, 0, &stop(&[budget], by));
    world.work();
    for node in 0..3 {
        let statement = world.nodes[node].ledger.tripped(&budget).unwrap();
        assert_eq!((statement.reason, statement.by), (TripReason::Operator, by), "node {node}");
    }
    assert_eq!(world.cancelled, [root, outer, inner]);
    // Again it does nothing.
    let before = world.nodes[0].ledger.clone();
    shown(&mut world, 2, 0, &stop(&[budget], by));
    assert!(world.nodes[0].ledger == before);
    world.settle_down(LEASE_MS);
    assert_eq!(world.nodes[0].ledger.view(&root).unwrap().open, 0);
}

#[test]
fn a_holder_that_hears_of_it_first_stops_and_passes_it_on() {
    let (mut world, [root, outer, inner], budget) = chain();
    let (by, other) = (world.key(2), BudgetId::from_bytes([9; 32]));
    let statement = stop(&[other, budget], by);
    let used = world.reserve(2, inner, amount(1, 1));
    world.work();
    shown(&mut world, 0, 1, &statement);
    assert_eq!(stopped(&world, 1, outer), Some("operator"));
    world.work();
    assert_eq!(world.cancelled, [outer, inner]);
    assert_eq!(stopped(&world, 0, root), None, "the root has not heard of it");
    let most = Some(amount(1, 1));
    world.input(2, Input::Commit { grant: inner, id: used, used: most, receipt: None });
    for (node, grant) in [(1, outer), (2, inner)] {
        world.input(node, Input::Finish { grant, ending: Ending::Ran });
    }
    world.settle_down(LEASE_MS);
    // The money that was not used is the root's again; for those that stopped nothing begins anew.
    let view = world.nodes[0].ledger.view(&root).unwrap();
    assert_eq!((view.open, view.stopped), (0, None));
    for crashes in [false, true] {
        if crashes {
            world.crash(1, usize::MAX);
        }
        let held = world.held.len();
        world.cut(0, root, 1, Allowance::UNLIMITED);
        world.settle_down(LEASE_MS);
        assert_eq!(world.held.len(), held, "it was taken, after a crash: {crashes}");
        assert_eq!(world.nodes[0].ledger.view(&root).unwrap().open, 0, "it was given back");
    }
    // The control: another budget is as free as ever.
    let fresh = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(9, 9, 9)) });
    world.work();
    let held = world.cut(0, fresh, 1, Allowance::UNLIMITED);
    world.work();
    assert!(world.held.contains(&(1, held)));
}

#[test]
fn a_crash_of_a_holder_does_not_take_it_back() {
    let (mut world, [_, outer, _], budget) = chain();
    let by = world.key(0);
    shown(&mut world, 0, 1, &stop(&[budget], by));
    world.crash(1, usize::MAX);
    world.reserve(1, outer, amount(1, 1));
    world.work();
    assert!(world.provider.running.is_empty());
    assert_eq!(world.refusals.last().map(|error| error.kind), Some(Kind::Killed));
}

#[test]
fn statements_about_budgets_of_others_are_remembered_up_to_a_bound() {
    let (mut world, [_, outer, _], budget) = chain();
    let by = world.key(0);
    shown(&mut world, 0, 1, &stop(&[budget], by));
    let named = |n: usize| {
        let mut id = [0xee; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        BudgetId::from_bytes(id)
    };
    let all: Vec<_> = (0..limits::LEDGER_STOPS + limits::STOP_BUDGETS).map(named).collect();
    for some in all.chunks(limits::STOP_BUDGETS) {
        shown(&mut world, 0, 1, &stop(some, by));
        world.persist(1, usize::MAX);
    }
    let rows = world.nodes[1].rows.keys();
    let kept = rows.filter(|key| matches!(key, Key::Stop(_))).count();
    assert_eq!(kept, limits::LEDGER_STOPS);
    // The one in use is not forgotten.
    assert_eq!(stopped(&world, 1, outer), Some("operator"));
    assert!(world.nodes[1].rows.contains_key(&Key::Stop(budget)));
    assert_eq!(world.audits, []);
}

#[test]
fn a_holder_that_the_root_tells_as_well_says_it_once() {
    for first in [true, false] {
        let (mut world, _, budget) = chain();
        let statement = stop(&[budget], world.key(2));
        let told = |world: &World| world.told.iter().filter(|one| **one == (1, budget)).count();
        if first {
            shown(&mut world, 2, 1, &statement);
            world.persist(1, usize::MAX);
        }
        assert_eq!(told(&world), usize::from(first));
        shown(&mut world, 2, 0, &statement);
        world.work();
        assert!(world.nodes[1].ledger.tripped(&budget).is_some(), "it heard the root");
        assert_eq!(told(&world), 1);
    }
}

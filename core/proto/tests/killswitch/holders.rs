//! A holder stops what is below its grant, and neither what is above nor what is beside it.

use crate::world::{LEASE_MS, World, amount, calls, ceiling};
use hubless_proto::error::Kind;
use hubless_proto::killswitch::{
    Allowance, Ending, Grant, GrantId, Input, Message, Reading, Terms,
};
use hubless_proto::wire::words::TripReason;

fn trip(world: &mut World, node: usize, grant: GrantId) {
    let by = world.key(node);
    world.input(node, Input::Trip { grant, reason: TripReason::Operator, by });
}

fn stopped(world: &World, node: usize, grant: GrantId) -> Option<&'static str> {
    world.nodes[node].ledger.view(&grant).and_then(|view| view.stopped)
}

/// A budget at node 0; a grant of it at node 1, one below that at node 1 itself and one at node 2;
/// beside the first, one more of node 2.
fn tree() -> (World, [GrantId; 5]) {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let root = world.open(0, Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(400, 400, 100)) });
    world.work();
    let held = world.cut(0, root, 1, Allowance::UNLIMITED);
    let beside = world.cut(0, root, 2, Allowance::UNLIMITED);
    world.work();
    let inside = world.cut(1, held, 1, Allowance::UNLIMITED);
    let below = world.cut(1, held, 2, Allowance::UNLIMITED);
    world.work();
    assert_eq!(world.refusals, []);
    (world, [root, held, beside, inside, below])
}

#[test]
fn a_holder_stops_what_is_below_it_and_nothing_else() {
    let (mut world, [root, held, beside, inside, below]) = tree();
    for (node, grant) in [(1, held), (1, inside), (2, below), (2, beside)] {
        world.reserve(node, grant, amount(5, 5));
    }
    world.work();
    world.commit_running();
    trip(&mut world, 1, held);
    // Nothing begins from this moment on, before anybody else has heard of it.
    world.reserve(1, held, amount(1, 1));
    world.reserve(1, inside, amount(1, 1));
    world.cut(1, held, 2, Allowance::UNLIMITED);
    world.work();
    let kinds: Vec<_> = world.refusals.iter().map(|error| error.kind).collect();
    assert_eq!(kinds, [Kind::Killed; 3]);
    assert_eq!(world.cancelled, [held, inside, below]);
    for (node, grant) in [(1, inside), (2, below), (1, held)] {
        world.input(node, Input::Finish { grant, ending: Ending::Ran });
    }
    world.settle_down(LEASE_MS);
    // Charged with what was used; what is beside it goes on, and the rest is there for others.
    let settled = world.settled[&held];
    assert_eq!(settled, amount(15, 15).plus(&calls(2)).unwrap());
    assert_eq!((stopped(&world, 0, root), stopped(&world, 2, beside)), (None, None));
    assert!(world.told.is_empty(), "the budget itself was stopped");
    let running = world.provider.running.len();
    world.reserve(2, beside, amount(1, 1));
    world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    assert_eq!((world.provider.running.len(), world.refusals.len()), (running + 1, 3));
    // A second stop, and one by whoever holds nothing, changes nothing.
    trip(&mut world, 1, held);
    assert_eq!(world.refusals.last().map(|error| error.code.as_str()), Some("grant"));
}

#[test]
fn a_holder_cannot_stop_its_parent() {
    let (mut world, [root, held, beside, _, below]) = tree();
    let before: Vec<_> = world.nodes.iter().map(|node| node.ledger.clone()).collect();
    for (node, grant) in [(1, root), (1, beside), (2, held)] {
        trip(&mut world, node, grant);
        let error = world.refusals.pop().unwrap();
        assert_eq!((error.kind, error.code.as_str()), (Kind::NotFound, "grant"));
    }
    let after = world.nodes.iter().map(|node| &node.ledger);
    assert!(after.zip(&before).all(|(after, before)| after == before));
    // The control: it may stop its own, which stands open as long as something runs.
    world.reserve(2, below, amount(5, 5));
    world.work();
    trip(&mut world, 2, below);
    assert_eq!(stopped(&world, 2, below), Some("operator"));
    world.work();
    assert_eq!((stopped(&world, 1, held), stopped(&world, 0, root)), (None, None));
}

/// It calls the node where the budget begins, by a grant that it wrote itself, and says in it that
/// nothing may be below: that limit is its own.
#[test]
fn a_holder_cannot_stop_its_parent_by_a_grant_of_its_own() {
    let (mut world, [root, held, ..]) = tree();
    let given = world.nodes[1].ledger.held_grant(&held).unwrap().clone();
    let reading = Reading { instance: 1, clock_ms: world.now(0).clock_ms };
    for (depth_max, fan_out_max, code) in [(1, 16, "depth"), (16, 0, "fan_out")] {
        let own = Grant {
            id: GrantId::from_bytes(world.fresh()),
            issuer: world.key(1),
            audience: world.key(0),
            parent: held,
            reading: Some(reading),
            depth: 1,
            depth_max,
            fan_out_max,
            ..given.clone()
        };
        let id = own.id;
        let message = Message::Grant(Box::new(own));
        world.input(0, Input::Receive { from: world.key(1), message });
        world.work();
        assert!(world.held.contains(&(0, id)), "{:?}", world.refusals);
        world.cut(0, id, 0, Allowance::UNLIMITED);
        world.work();
        assert_eq!(world.refusals.pop().map(|error| error.code).as_deref(), Some(code));
        assert_eq!(world.cancelled.last(), Some(&id), "what it pays for is stopped");
        assert_eq!(stopped(&world, 0, root), None);
    }
}

/// Two nodes say that they cut a grant of the same id.
#[test]
fn who_acknowledges_a_last_word_silences_no_other() {
    let mut world = World::new(&[0, 0, 0]);
    world.say_clocks();
    let grant = GrantId::from_bytes(world.fresh());
    let reading = Some(Reading { instance: 1, clock_ms: 0 });
    for from in [1, 2] {
        let from = world.key(from);
        world.input(0, Input::Receive { from, message: Message::Recall { grant, reading } });
        world.persist(0, 99);
    }
    world.network.clear();
    let from = world.key(1);
    world.input(0, Input::Receive { from, message: Message::SettleAck { grant } });
    world.persist(0, 99);
    world.time_us += 120_000_000;
    world.timeout(0);
    world.persist(0, 99);
    let heard: Vec<_> = world.network.iter().map(|letter| letter.to).collect();
    assert_eq!(heard, [2], "who has not heard it hears it again, and nobody else");
}

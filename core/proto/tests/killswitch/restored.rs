//! Nodes whose store does not know everything that they did.

use crate::world::{LEASE_MS, World, amount, ceiling};
use hubless_proto::killswitch::{Allowance, Amount, GrantId, Input, Message, Terms};

/// Two nodes, a budget of 100 at the first, and 20 of it granted to the second.
fn granted() -> (World, GrantId, GrantId) {
    let mut world = World::new(&[0, 0]);
    world.say_clocks();
    let terms = Terms { lease_ms: LEASE_MS, ..Terms::of(ceiling(100, 100, 100)) };
    let root = world.open(0, terms);
    world.work();
    let grant = world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.work();
    (world, root, grant)
}

fn charged(world: &World, root: GrantId) -> Amount {
    world.nodes[0].ledger.cuts(&root)[0].charged
}

fn spend(world: &mut World, grant: GrantId) {
    world.reserve(1, grant, amount(5, 5));
    world.work();
    world.commit_running();
}

/// The holder spends 5, then 5 more, and comes back with its rows as they were in between.
fn restored(is_known: bool) -> Amount {
    let (mut world, root, grant) = granted();
    spend(&mut world, grant);
    let copy = world.nodes[1].rows.clone();
    spend(&mut world, grant);
    world.nodes[1].rows = copy;
    world.nodes[1].is_partial = is_known;
    world.crash(1, 0);
    world.settle_down(5_000);
    assert_eq!(world.nodes[0].ledger.cuts(&root)[0].state, "settled");
    charged(&world, root)
}

#[test]
fn what_a_restored_holder_held_is_charged_in_full() {
    assert_eq!(restored(true), amount(20, 20));
    // The control: one that takes the older copy for the newest has spent 5 more than it says.
    assert_eq!(restored(false), amount(5, 5));
}

/// The holder comes back without any row, and hears of its grant once more.
fn emptied(is_known: bool, message: impl FnOnce(&World, GrantId) -> Message) -> Amount {
    let (mut world, root, grant) = granted();
    spend(&mut world, grant);
    world.nodes[1].rows.clear();
    world.nodes[1].is_partial = is_known;
    world.crash(1, 0);
    let message = message(&world, grant);
    let from = world.key(0);
    world.input(1, Input::Receive { from, message });
    world.settle_down(5_000);
    world.input(0, Input::Recall { grant });
    world.settle_down(5_000);
    charged(&world, root)
}

#[test]
fn a_holder_without_its_store_never_says_that_nothing_was_spent() {
    let recall = |world: &World, grant: GrantId| Message::Recall {
        grant,
        reading: world.grants[&grant].reading,
    };
    let again =
        |world: &World, grant: GrantId| Message::Grant(Box::new(world.grants[&grant].clone()));
    assert_eq!(emptied(true, recall), amount(20, 20));
    assert_eq!(emptied(true, again), amount(20, 20));
    // The control: one that takes the empty store for a whole one.
    assert_eq!(emptied(false, recall), Amount::ZERO);
}

#[test]
fn a_budget_of_a_restored_root_is_over() {
    let (mut world, root, grant) = granted();
    let copy = world.nodes[0].rows.clone();
    world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.work();
    world.nodes[0].rows = copy.clone();
    world.crash(0, 0);
    // The control: taken for whole, it is cut from although a grant of it is forgotten.
    let before = world.refusals.len();
    world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.work();
    assert_eq!(world.refusals.len(), before);

    world.nodes[0].rows = copy;
    world.nodes[0].is_partial = true;
    world.crash(0, 0);
    world.cut(0, root, 1, Allowance::exactly(&amount(20, 20)));
    world.settle_down(5_000);
    assert_eq!(world.refusals.len(), before + 1);
    assert!(world.nodes[0].ledger.view(&root).is_none(), "its grants came back, and it is closed");
    assert!(world.nodes[1].ledger.view(&grant).is_none());
}

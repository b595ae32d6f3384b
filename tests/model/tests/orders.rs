//! What `alone.rs` says of steps that need not be taken in every order, in every state of small
//! plans: they commute with those of others, and where they go first the same is seen.
#![allow(clippy::print_stdout, reason = "how many states there are is what the run is asked for")]

use hubless_model::check::{Until, search};
use hubless_model::local::print_of;
use hubless_model::model::Model;
use hubless_model::plan::{Mishaps, Plan};
use hubless_model::plans;
use hubless_model::world::{Action, World};
use std::collections::BTreeSet;

/// Steps of a search that is to see everything.
const ALL: usize = 20_000_000;

/// A plan where one node alone may die.
fn where_dies(plan: Plan, node: usize) -> Plan {
    Plan { mishaps: Mishaps { dies: Some(node), ..plan.mishaps }, ..plan }
}

/// Looks at each step of a leaf in a state with each step of others; how many pairs there were.
fn commute(model: &Model, world: &World, possible: &[Action]) -> usize {
    let mut pairs = 0;
    for cut in 0..model.plan.cuts.len() {
        let own = model.steps_of_leaf(world, cut);
        for other in possible.iter().filter(|other| !own.contains(other) && !own.is_empty()) {
            let (moved, first) = (model.after(world, other.clone()), &own);
            let still = model.steps_of_leaf(&moved, cut);
            for step in first {
                assert!(still.contains(step), "{other:?} takes {step:?} away");
                let one = model.after(&moved, step.clone());
                let two = model.after(&model.after(world, step.clone()), other.clone());
                assert!(one == two, "{step:?} and {other:?} are not the same either way");
                pairs += 1;
            }
        }
    }
    pairs
}

/// Looks at every state of a plan; how many states and pairs of steps there were.
fn all_commute(plan: Plan) -> (usize, usize) {
    let model = Model::new(plan);
    let begin = model.begin();
    let (mut seen, mut open, mut pairs) = (BTreeSet::from([print_of(&begin)]), vec![begin], 0);
    while let Some(world) = open.pop() {
        let mut possible = Vec::new();
        model.possible_at_all(&world, &mut possible);
        pairs += commute(&model, &world, &possible);
        for action in possible {
            let next = model.after(&world, action);
            if seen.insert(print_of(&next)) {
                open.push(next);
            }
        }
    }
    (seen.len(), pairs)
}

#[test]
fn steps_of_a_leaf_commute_with_those_of_others() {
    for node in 0..plans::beside().nodes {
        let (states, pairs) = all_commute(where_dies(plans::beside(), node));
        println!("beside, {node} dies: {pairs} pairs of steps in {states} states");
        assert!(pairs > states, "nearly no steps were compared");
    }
}

#[test]
fn leaves_first_the_same_is_seen_in_fewer_states() {
    for plan in [plans::beside as fn() -> Plan, plans::wide] {
        for node in 0..plan().nodes {
            let all = search(where_dies(plan(), node), Until::States(ALL));
            let first = search(plans::leaves_first(plan(), node), Until::States(ALL));
            println!("{all}\n{first}");
            assert!(all.exhausted && first.exhausted, "not exhausted");
            assert!(all.broken.is_empty() && first.broken.is_empty(), "broken");
            assert_eq!(all.missing, first.missing);
            assert!(first.states < all.states, "all of them were looked at");
        }
    }
}

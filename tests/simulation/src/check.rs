//! What must hold of a history, and when it is looked at.

use crate::fault::Fault;
use crate::plan::Plan;
use crate::word::{Word, node_key};
use crate::world::World;
use hubless_proto::directory::replica::{RowKey, Statement};
use std::collections::BTreeMap;

/// How often a history is looked at, in virtual milliseconds.
const LOOK_MS: u64 = 7_000;

/// What a whole history came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A number of all that happened.
    pub history: u64,
    /// The invariant that was broken, and how.
    pub broken: Option<(&'static str, String)>,
    /// Most bytes that a node sent within a minute.
    pub most_bytes: u64,
}

/// Runs the history of a seed.
#[must_use]
pub fn run(seed: u64, fault: Fault) -> Outcome {
    let plan = Plan::of(seed);
    let end_ms = plan.end_ms;
    let mut world = World::new(plan, seed, fault);
    let mut at = 0;
    while at < end_ms && world.broken.is_none() {
        at += LOOK_MS;
        world.run_until(at);
        look(&mut world);
    }
    if world.broken.is_none() {
        agreed(&mut world);
    }
    let (history, most_bytes) = (world.history(), world.most_bytes);
    Outcome { history, broken: world.broken, most_bytes }
}

/// What must hold at any time.
pub fn look(world: &mut World) {
    let mut found = None;
    for (place, node) in world.nodes.iter().enumerate().filter(|(_, node)| node.live) {
        let now = node.clock.read(world.now_ms);
        // A node that waits for a tick of this moment has not had it yet.
        let over = |word: &&Word| word.claim().expires_at_ms + 2 < now.unix_ms;
        if let Some(word) = node.replica.rows().find(over) {
            found = Some(("expiry", format!("node {place} serves {:?}", word.claim().key)));
        }
        let full = node.waiting().into_iter().find(|(waiting, bound)| waiting > bound);
        if let Some((waiting, bound)) = full {
            found = Some(("memory", format!("node {place}: {waiting} wait, {bound} may")));
        }
    }
    if let Some((invariant, what)) = found {
        world.violated(invariant, || what);
    }
}

/// What must hold after a time in which nothing happened: every node has the latest record of every
/// node and agent that lives, and none of what was taken back.
pub fn agreed(world: &mut World) {
    let mut found = None;
    let live = world.live();
    let mut wanted: BTreeMap<RowKey, u64> = BTreeMap::new();
    for node in live.iter().filter_map(|place| world.nodes.get(*place)) {
        wanted.insert(RowKey::Node(node.key), node.seq);
        let agents = node.agents.values().map(|word| (word.claim().key, word.claim().seq));
        wanted.extend(agents);
    }
    for (place, node) in live.iter().filter_map(|at| Some((*at, world.nodes.get(*at)?))) {
        let held: BTreeMap<RowKey, u64> =
            node.replica.rows().map(|word| (word.claim().key, word.claim().seq)).collect();
        for (key, seq) in &wanted {
            if held.get(key) != Some(seq) {
                let has = held.get(key);
                found = Some(("convergence", format!("node {place} has {has:?} of {key:?}")));
            }
        }
        let lives = |host| live.iter().any(|place| node_key(*place) == host);
        let stale = held.keys().find(|key| match key {
            RowKey::Agent(_, host) => lives(*host) && !wanted.contains_key(*key),
            RowKey::Node(_) | RowKey::Left(..) | RowKey::Ended(_) => false,
        });
        if let (None, Some(key)) = (&found, stale) {
            found = Some(("withdrawal", format!("node {place} still has {key:?}")));
        }
    }
    if let Some((invariant, what)) = found {
        world.violated(invariant, || what);
    }
}

//! 1,000 nodes with 10 agents each.
#![allow(clippy::unwrap_used, reason = "tests fail by it")]

use hubless_proto::directory::replica::{RowKey, Statement};
use hubless_proto::limits::{self, ms};
use hubless_simulation::check::{everywhere, nowhere, same, until};
use hubless_simulation::fault::Fault;
use hubless_simulation::node::Node;
use hubless_simulation::plan::Plan;
use hubless_simulation::word::node_key;
use hubless_simulation::world::World;

const NODES: usize = 1_000;
const AGENTS: u64 = 10;
/// Everything must have come to everyone within this time.
const MOST_MS: u64 = 300_000;

fn rows(nodes: usize) -> usize {
    nodes + nodes * usize::try_from(AGENTS).unwrap()
}

/// A mesh in which everybody knows everything, and how long that took.
fn grown(seed: u64) -> (World, u64) {
    let mut world = World::new(Plan::large(NODES, AGENTS), seed, Fault::None);
    let took = until(&mut world, MOST_MS, |world| same(world, rows(NODES)));
    (world, took)
}

fn agent(world: &World, node: usize) -> RowKey {
    world.nodes[node].agents.values().next().unwrap().claim().key
}

/// Bytes of the average node within a minute in which a twentieth of all is renewed.
fn idle(world: &mut World) -> u64 {
    let sent = |world: &World| world.nodes.iter().map(|node| node.sent_bytes).sum::<u64>();
    let before = sent(world);
    for minute in 0..60 {
        for node in world.live().into_iter().filter(|node| node % 20 == 0 && node / 20 == minute) {
            world.renew(node);
            let agents: Vec<_> = world.nodes[node].agents.keys().copied().collect();
            agents.into_iter().for_each(|agent| world.change(node, agent));
        }
        let next = world.now_ms + 1_000;
        world.run_until(next);
    }
    (sent(world) - before) / world.live().len() as u64
}

#[test]
fn a_thousand_nodes_agree_after_a_start_a_join_and_a_leave() {
    let (mut world, start) = grown(1);
    let idle = idle(&mut world);
    let joined = world.start();
    let new = agent(&world, joined);
    let known = until(&mut world, MOST_MS, |world| everywhere(world, &new));
    let join = known + until(&mut world, MOST_MS, |world| same(world, rows(NODES + 1)));
    world.leave(joined);
    let leave = until(&mut world, MOST_MS, |world| nowhere(world, &new));
    println!(
        "simulation {NODES} nodes: start {start} ms; join known everywhere {known} ms, \
         agreed {join} ms; leave {leave} ms; a node sends {idle} B a minute"
    );
}

#[test]
fn a_thousand_nodes_agree_after_a_kill_of_three_hundred() {
    let (mut world, _) = grown(2);
    for node in 0..NODES * 3 / 10 {
        world.crash(node * 10 / 3);
    }
    let new = world.register(world.live()[0], ms(limits::RECORD_LIFE)).unwrap();
    let known = until(&mut world, MOST_MS, |world| everywhere(world, &new));
    let dead: Vec<usize> = (0..NODES).filter(|node| !world.nodes[*node].live).collect();
    // A hint reaches most: who was not told finds out when it asks.
    let pairs = dead.len() * world.live().len();
    let suspected = until(&mut world, MOST_MS, |world| {
        let all = world.nodes.iter().filter(|node| node.live);
        let of = |node: &Node| {
            dead.iter().filter(|dead| node.replica.is_suspected(&node_key(**dead))).count()
        };
        all.map(of).sum::<usize>() * 10 >= pairs * 9
    });
    let suspected = known + suspected;
    println!(
        "simulation {NODES} nodes, 300 killed: a new agent is known everywhere after {known} ms, \
         nine of ten of the dead are suspected after {suspected} ms"
    );
}

#[test]
fn a_thousand_nodes_agree_after_a_partition_of_a_minute() {
    let (mut world, _) = grown(3);
    world.cut();
    let mut news = Vec::new();
    for step in 0..20 {
        let node = world.live()[step * 37];
        news.push(world.register(node, ms(limits::RECORD_LIFE)).unwrap());
        let next = world.now_ms + 3_000;
        world.run_until(next);
    }
    assert!(news.iter().any(|new| !everywhere(&world, new)), "nothing was cut");
    world.heal();
    let healed = until(&mut world, MOST_MS, |world| news.iter().all(|new| everywhere(world, new)));
    let agreed = healed + until(&mut world, MOST_MS, |world| same(world, rows(NODES) + 20));
    println!(
        "simulation {NODES} nodes, a minute in two halves: news known everywhere {healed} ms \
         after it, agreed {agreed} ms after it"
    );
}

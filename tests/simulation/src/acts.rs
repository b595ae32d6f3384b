//! What is done to nodes: they start, publish, close, are killed and cut off.

use crate::node::{Clock, Node};
use crate::plan::Step;
use crate::word::{Word, node_key};
use crate::world::{CONTACT_MS, Event, World};
use hubless_proto::directory::replica::{Input, RowKey, Statement};
use hubless_proto::identity::AgentId;
use hubless_proto::limits::{self, ms};
use std::collections::BTreeSet;

/// Longest time until the other end of a link that broke notices.
const NOTICE_MS: u64 = 10_000;
/// A node that closes is there so long to say so.
const CLOSING_MS: u64 = 200;

impl World {
    /// A node starts; gives its place.
    pub fn start(&mut self) -> usize {
        let (ahead, fast) = self.plan.clocks;
        let mut within = |most: u64| {
            let wrong = self.chance.below(2 * most + 1);
            i64::try_from(wrong).unwrap_or_default() - i64::try_from(most).unwrap_or_default()
        };
        let clock = Clock { ahead_ms: within(ahead), fast_ppm: within(fast) };
        let node = self.nodes.len();
        let seed = self.chance.number();
        self.nodes.push(Node::new(node_key(node), clock, seed, self.now_ms, self.fault));
        let mut said: Vec<Word> =
            self.nodes.get_mut(node).map(|one| one.renewed(self.now_ms)).into_iter().collect();
        for _ in 0..self.plan.agents {
            let agent = self.next_agent();
            let life_ms = ms(limits::RECORD_LIFE);
            let new = self.nodes.get_mut(node).map(|one| one.shown(agent, life_ms, self.now_ms));
            said.extend(new);
        }
        self.input(node, Input::Publish(said));
        self.contact(node);
        self.contact(node);
        self.schedule(self.now_ms + CONTACT_MS, Event::Contact { node });
        node
    }

    /// An agent is registered at a node; gives its key.
    pub fn register(&mut self, node: usize, life_ms: u64) -> Option<RowKey> {
        let agent = self.next_agent();
        let word = self.nodes.get_mut(node)?.shown(agent, life_ms, self.now_ms);
        let key = word.claim().key;
        self.input(node, Input::Publish(vec![word]));
        Some(key)
    }

    /// An agent of a node publishes something else, or is renewed.
    pub fn change(&mut self, node: usize, agent: AgentId) {
        let life_ms = ms(limits::RECORD_LIFE);
        let Some(one) = self.nodes.get_mut(node) else { return };
        let word = one.shown(agent, life_ms, self.now_ms);
        self.input(node, Input::Publish(vec![word]));
    }

    /// The record of a node is renewed.
    pub fn renew(&mut self, node: usize) {
        let Some(one) = self.nodes.get_mut(node) else { return };
        let word = one.renewed(self.now_ms);
        self.input(node, Input::Publish(vec![word]));
    }

    /// A node closes: it says so, and is gone.
    pub fn leave(&mut self, node: usize) {
        let Some(one) = self.nodes.get_mut(node) else { return };
        let word = one.ended(self.now_ms);
        self.input(node, Input::Publish(vec![word]));
        self.schedule(self.now_ms + CLOSING_MS, Event::Closed { node });
    }

    /// A node is killed.
    pub fn crash(&mut self, node: usize) {
        let Some(one) = self.nodes.get_mut(node).filter(|one| one.live) else { return };
        one.live = false;
        for other in self.links.of(node) {
            let notice = self.now_ms + 1 + self.chance.below(NOTICE_MS);
            self.schedule(notice, Event::Broken { one: node, other });
        }
    }

    /// Half of the nodes are cut off from the others.
    pub fn cut(&mut self) {
        let side = (0..self.nodes.len()).filter(|_| self.chance.permille(500)).collect();
        self.links.cut(side);
        for (one, other) in self.links.all() {
            if self.links.is_cut(one, other) {
                let notice = self.now_ms + 1 + self.chance.below(NOTICE_MS);
                self.schedule(notice, Event::Broken { one, other });
            }
        }
    }

    /// All can reach each other again.
    pub fn heal(&mut self) {
        self.links.cut(BTreeSet::new());
    }

    /// Does a step of the plan, if somebody is there to do it.
    pub(crate) fn step(&mut self, step: Step) {
        let live = self.live();
        let Some(node) = self.chance.one(&live) else { return };
        let agents: Vec<AgentId> = self
            .nodes
            .get(node)
            .map(|one| one.agents.keys().copied().collect())
            .unwrap_or_default();
        let agent = self.chance.one(&agents);
        match step {
            Step::Start => {
                self.start();
            }
            Step::Register => {
                self.register(node, ms(limits::RECORD_LIFE));
            }
            Step::Brief => {
                self.register(node, ms(limits::TRANSIENT_LIFE));
            }
            Step::Change => {
                if let Some(agent) = agent {
                    self.change(node, agent);
                }
            }
            Step::Withdraw => {
                let now_ms = self.now_ms;
                let one = self.nodes.get_mut(node);
                let word = one.zip(agent).and_then(|(one, agent)| one.withdrawn(agent, now_ms));
                self.input(node, Input::Publish(word.into_iter().collect()));
            }
            Step::Leave if live.len() > 4 => self.leave(node),
            Step::Crash if live.len() > 4 => self.crash(node),
            Step::Leave | Step::Crash => {}
            Step::Cut => self.cut(),
            Step::Heal => self.heal(),
        }
    }
}

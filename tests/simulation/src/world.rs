//! A history as it runs: nodes, events in the order of virtual time, the network between.

use crate::chance::{Chance, mixed};
use crate::fault::Fault;
use crate::network::{Links, Weather};
use crate::node::Node;
use crate::plan::{Plan, Step};
use crate::word::{Word, agent_id, node_key, place, size};
use hubless_proto::directory::replica::{
    Input, Loss, Message, Nearness, Output, RowKey, Statement,
};
use hubless_proto::identity::AgentId;
use hubless_proto::limits::{self, ms};
use std::collections::BTreeMap;

/// A node that lost all links looks for another so often.
pub(crate) const CONTACT_MS: u64 = 5_000;
/// Of so many looks, one makes a contact in any case: once a minute.
const CONTACT_TURNS: u64 = 12;
/// Links that are not used are looked for so often.
const SWEEP_MS: u64 = 60_000;

/// Something that is due.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message comes.
    Arrive { from: usize, to: usize, message: Message<Word> },
    /// A connection is made for a message, or is not.
    Dialled { from: usize, to: usize, message: Message<Word> },
    /// A node looks for a contact if it has none.
    Contact { node: usize },
    /// The clock of a node has come to what it waits for.
    Wake { node: usize },
    /// A link is noticed to be broken.
    Broken { one: usize, other: usize },
    /// A node has said that it is no more.
    Closed { node: usize },
    /// A node starts.
    Start,
    /// A step of the plan.
    Happen(Step),
    /// Links that are not used are closed.
    Sweep,
}

/// A history.
#[derive(Debug)]
pub struct World {
    /// What is to happen.
    pub plan: Plan,
    /// Virtual time in milliseconds.
    pub now_ms: u64,
    /// Every node that ever was.
    pub nodes: Vec<Node>,
    /// Most bytes that a node sent within a minute.
    pub most_bytes: u64,
    /// What was seen to be wrong first.
    pub broken: Option<(&'static str, String)>,
    weather: Weather,
    pub(crate) links: Links,
    pub(crate) chance: Chance,
    due: BTreeMap<(u64, u64), Event>,
    serial: u64,
    history: u64,
    agents: u64,
    pub(crate) fault: Fault,
}

impl World {
    /// The history of a plan and a seed, before anything happened.
    #[must_use]
    pub fn new(plan: Plan, seed: u64, fault: Fault) -> Self {
        let mut world = Self {
            weather: plan.weather,
            plan,
            now_ms: 0,
            nodes: Vec::new(),
            most_bytes: 0,
            broken: None,
            links: Links::default(),
            chance: Chance::new(mixed(seed ^ 0x5eed)),
            due: BTreeMap::new(),
            serial: 0,
            history: mixed(seed),
            agents: 0,
            fault,
        };
        for node in 0..world.plan.nodes {
            world.schedule(world.plan.start_ms(node), Event::Start);
        }
        for (at, step) in world.plan.steps.clone() {
            world.schedule(at, Event::Happen(step));
        }
        world.schedule(SWEEP_MS, Event::Sweep);
        world
    }

    /// Lets everything happen until a time.
    pub fn run_until(&mut self, end_ms: u64) {
        while self.broken.is_none()
            && let Some(next) = self.due.first_entry().filter(|next| next.key().0 <= end_ms)
        {
            let ((at, _), event) = next.remove_entry();
            if self.now_ms < self.plan.quiet_ms && at >= self.plan.quiet_ms {
                self.calm();
            }
            self.now_ms = at;
            self.happens(event);
        }
        self.now_ms = self.now_ms.max(end_ms);
    }

    /// A number of all that happened, in its order.
    #[must_use]
    pub const fn history(&self) -> u64 {
        self.history
    }

    /// Places of nodes that run.
    #[must_use]
    pub fn live(&self) -> Vec<usize> {
        let live = self.nodes.iter().enumerate().filter(|(_, node)| node.live);
        live.map(|(place, _)| place).collect()
    }

    /// Notes that something is wrong; what was first stands.
    pub fn violated(&mut self, invariant: &'static str, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some((invariant, what()));
        }
    }

    pub(crate) fn next_agent(&mut self) -> AgentId {
        self.agents += 1;
        agent_id(self.agents)
    }

    fn calm(&mut self) {
        self.weather = Weather::FAIR;
        self.heal();
    }

    pub(crate) fn schedule(&mut self, at_ms: u64, event: Event) {
        self.serial += 1;
        self.due.insert((at_ms.max(self.now_ms), self.serial), event);
    }

    fn note(&mut self, parts: [u64; 3]) {
        for part in [self.now_ms].into_iter().chain(parts) {
            self.history = mixed(self.history.rotate_left(7) ^ part);
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrive { from, to, message } => self.arrives(from, to, message),
            Event::Dialled { from, to, message } => self.dialled(from, to, message),
            Event::Contact { node } => {
                if self.is_live(node) {
                    // A node of the ticket is dialled again and again, whatever else is known.
                    let turn =
                        self.now_ms / CONTACT_MS % CONTACT_TURNS == node as u64 % CONTACT_TURNS;
                    if turn || self.links.of(node).is_empty() {
                        self.contact(node);
                    }
                    self.schedule(self.now_ms + CONTACT_MS, Event::Contact { node });
                }
            }
            Event::Wake { node } => {
                let due = self.nodes.get_mut(node).and_then(|one| one.woken_ms.take());
                if due.is_some() {
                    self.input(node, Input::Tick);
                }
            }
            Event::Broken { one, other } => self.breaks(one, other),
            Event::Closed { node } => {
                for other in self.links.of(node) {
                    self.links.part(node, other);
                    self.unlinked(other, node, Loss::Closed);
                }
                if let Some(one) = self.nodes.get_mut(node) {
                    one.live = false;
                }
            }
            Event::Start => {
                self.start();
            }
            Event::Happen(step) => self.step(step),
            Event::Sweep => self.sweep(),
        }
    }

    fn arrives(&mut self, from: usize, to: usize, message: Message<Word>) {
        if !self.is_live(to) || self.links.is_cut(from, to) || !self.links.joined(from, to) {
            return;
        }
        self.links.join(from, to, self.now_ms);
        if self.fault == Fault::TellsEveryone
            && let Message::Push(carried) = &message
        {
            for other in self.links.of(to).into_iter().filter(|other| *other != from) {
                // Bounded, so that the fault is found before memory ends.
                if self.due.len() < 200_000 {
                    self.send(to, other, Message::Push(carried.clone()));
                }
            }
        }
        self.input(to, Input::Heard(node_key(from), message));
    }

    fn dialled(&mut self, from: usize, to: usize, message: Message<Word>) {
        if !self.is_live(from) {
            return;
        }
        if !self.is_live(to) || self.links.is_cut(from, to) {
            self.unlinked(from, to, Loss::Unreached);
            return;
        }
        self.link(from, to);
        self.send(from, to, message);
    }

    fn link(&mut self, one: usize, other: usize) {
        if self.links.joined(one, other) {
            return;
        }
        self.links.join(one, other, self.now_ms);
        self.input(one, Input::Linked(node_key(other), Nearness::Far));
        self.input(other, Input::Linked(node_key(one), Nearness::Far));
    }

    fn unlinked(&mut self, node: usize, other: usize, loss: Loss) {
        self.input(node, Input::Unlinked(node_key(other), loss));
    }

    fn breaks(&mut self, one: usize, other: usize) {
        let lasts = self.is_live(one) && self.is_live(other) && !self.links.is_cut(one, other);
        if lasts || !self.links.joined(one, other) {
            return;
        }
        self.links.part(one, other);
        self.unlinked(one, other, Loss::Broken);
        self.unlinked(other, one, Loss::Broken);
    }

    fn sweep(&mut self) {
        let idle_ms = ms(limits::CONNECTION_IDLE);
        for (one, other) in self.links.idle(self.now_ms.saturating_sub(idle_ms)) {
            self.links.part(one, other);
            self.unlinked(one, other, Loss::Closed);
            self.unlinked(other, one, Loss::Closed);
        }
        self.schedule(self.now_ms + SWEEP_MS, Event::Sweep);
    }

    /// Connects a node to another by chance, as a ticket would.
    pub(crate) fn contact(&mut self, node: usize) {
        let reached = |other: &usize| *other != node && !self.links.is_cut(node, *other);
        let others: Vec<usize> = self.live().into_iter().filter(reached).collect();
        if let Some(other) = self.chance.one(&others) {
            self.link(node, other);
        }
    }

    pub(crate) fn is_live(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|one| one.live)
    }

    fn send(&mut self, from: usize, to: usize, message: Message<Word>) {
        let bytes = size(&message);
        if let Some(node) = self.nodes.get_mut(from) {
            let minute = self.now_ms / 60_000;
            if node.minute.0 != minute {
                node.minute = (minute, 0);
            }
            node.minute.1 += bytes;
            let sent = node.minute.1;
            self.most_bytes = self.most_bytes.max(sent);
            if sent > self.plan.minute_bytes {
                self.violated("traffic", || format!("node {from} sent {sent} B within a minute"));
            }
        }
        self.note([from as u64, to as u64, bytes]);
        if !self.links.joined(from, to) {
            let dial = if self.is_live(to) && !self.links.is_cut(from, to) {
                self.weather.way_ms
            } else {
                ms(limits::DIAL)
            };
            self.schedule(self.now_ms + dial, Event::Dialled { from, to, message });
            return;
        }
        let mut ways = self.weather.ways(&mut self.chance);
        if let Some(last) = ways.pop() {
            for way in ways {
                let message = message.clone();
                self.schedule(self.now_ms + way, Event::Arrive { from, to, message });
            }
            self.schedule(self.now_ms + last, Event::Arrive { from, to, message });
        }
    }

    pub(crate) fn input(&mut self, node: usize, input: Input<Word>) {
        let now_ms = self.now_ms;
        let Some(one) = self.nodes.get_mut(node).filter(|one| one.live) else { return };
        let outputs = one.handle(input, now_ms);
        for output in outputs {
            self.output(node, output);
        }
        self.wake(node);
    }

    fn wake(&mut self, node: usize) {
        let Some(one) = self.nodes.get_mut(node) else { return };
        let Some(due) = one.replica.poll_timeout() else { return };
        let at = one.clock.when(due).max(self.now_ms + 1);
        if one.woken_ms.is_none_or(|woken| at < woken) {
            one.woken_ms = Some(at);
            self.schedule(at, Event::Wake { node });
        }
    }

    fn output(&mut self, node: usize, output: Output<Word>) {
        match output {
            Output::Send { to, message } => self.send(node, place(&to), message),
            Output::Taken { statement, .. } => {
                let claim = statement.claim();
                self.note([node as u64, claim.seq, 1]);
                // Numbers are times, and a record without one has that of its issue.
                let time = if claim.seq == 0 { claim.issued_at_ms } else { claim.seq };
                self.taken(node, claim.key, time);
            }
            Output::Refused { seq, .. } => self.note([node as u64, seq, 2]),
            Output::Removed { statement, .. } => {
                self.note([node as u64, statement.claim().seq, 3]);
            }
            Output::Suspected(_) | Output::Returned(_) => {}
            Output::Refute => self.renew(node),
        }
    }

    /// Nothing that a node knows to be dead comes back to it.
    fn taken(&mut self, node: usize, key: RowKey, seq: u64) {
        let Some(one) = self.nodes.get_mut(node) else { return };
        let dead = |one: &Node, key: RowKey| one.dead.get(&key).is_some_and(|last| seq <= *last);
        let rises = match key {
            RowKey::Agent(agent, host) => {
                dead(one, key)
                    || dead(one, RowKey::Ended(*host.as_bytes()))
                    || dead(one, RowKey::Ended(*agent.as_bytes()))
            }
            RowKey::Node(host) => dead(one, RowKey::Ended(*host.as_bytes())),
            RowKey::Left(agent, host) => {
                let last = one.dead.entry(RowKey::Agent(agent, host)).or_default();
                *last = seq.max(*last);
                false
            }
            RowKey::Ended(_) => {
                let last = one.dead.entry(key).or_default();
                *last = seq.max(*last);
                false
            }
        };
        if rises {
            self.violated("resurrection", || format!("node {node} takes {key:?} {seq} again"));
        }
    }
}

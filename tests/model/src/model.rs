//! What may happen in a state, and what comes of it.

use crate::killswitch::{
    Allowance, Asked, Beacon, Budget, CallId, Component, Ending, Grant, GrantId, Input, Message,
    Now, Order, Reading, ReservationId, Share, Terms,
};
use crate::liar::is_of_use;
use crate::local::{Effect, Local, Step, count, print_of, secret, tokens};
use crate::plan::{Histories, Plan, Renewal};
use crate::world::{Action, Letter, Said, Seen, Spent, World};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::wire::record::Digest;
use hubless_proto::wire::words::{RefundPolicy, Spends, TripReason};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

/// A configuration with what is the same in all of its states.
pub struct Model {
    /// What may happen.
    pub plan: Plan,
    pub(crate) budget: Budget,
    pub(crate) keys: Vec<NodeKey>,
    // A node does the same whatever the others do: each of its steps is taken once.
    steps: RwLock<BTreeMap<(u64, u64), Taken>>,
    // Equal nodes are one.
    locals: RwLock<BTreeMap<u64, Arc<Local>>>,
    // What a dishonest node signed, by what it is about.
    pub(crate) beacons: RwLock<BTreeMap<Digest, Beacon>>,
}

pub(crate) type Taken = Arc<(Arc<Local>, Vec<Effect>)>;

impl Model {
    /// The model of a plan.
    ///
    /// # Panics
    /// Where leaves are to go first in a plan in which they are not alone.
    pub fn new(plan: Plan) -> Self {
        let keys: Vec<_> = (0..plan.nodes).map(|node| secret(node).node_key()).collect();
        let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(plan.ceiling));
        let lease_ms = plan.time.map_or(1_000, |time| time.lease);
        let strict = plan.liar.is_some_and(|liar| liar.renewal == Renewal::Root);
        let terms = Terms { lease_ms, strict, ..Terms::of(ceiling) };
        let budget = Budget::new(keys[0], [7; 16], terms, 0);
        let model = Self {
            plan,
            budget,
            keys,
            steps: RwLock::default(),
            locals: RwLock::default(),
            beacons: RwLock::default(),
        };
        assert!(model.plan.histories == Histories::All || model.leaves_are_alone());
        model
    }

    /// The budget is open, and everybody heard everybody's clock unless time passes.
    pub fn begin(&self) -> World {
        let plan = &self.plan;
        let nodes = (0..plan.nodes).map(|node| Arc::new(Local::new(node, &self.budget)));
        let mut world = World {
            nodes: nodes.collect(),
            network: BTreeMap::new(),
            cut: vec![false; plan.cuts.len()],
            spends: vec![Spent::Not; plan.spends.len()],
            settled: vec![None; plan.cuts.len()],
            granted: vec![0; plan.cuts.len()],
            finished: BTreeSet::new(),
            told: vec![false; plan.nodes],
            ended: None,
            crashes: 0,
            asks: 0,
            now: 0,
            slow: vec![0; plan.nodes],
            stopped_at: None,
            seen: Seen::default(),
        };
        self.run(&mut world, 0, Step::Input(Box::new(Input::Open(self.budget.clone()))));
        while world.nodes[0].pending() > 0 {
            self.run(&mut world, 0, Step::Persist);
        }
        if plan.time.is_none() {
            (0..plan.nodes).for_each(|node| self.hello(&mut world, node));
        }
        world
    }

    /// Each hears the clock of this node, and this node that of each.
    fn hello(&self, world: &mut World, node: usize) {
        for other in (0..self.plan.nodes).filter(|other| *other != node) {
            for (from, to) in [(node, other), (other, node)] {
                let said = Said::Clock(self.reading(world, from));
                self.hand_over(world, &Letter { from, to, said });
            }
        }
    }

    pub(crate) fn reading(&self, world: &World, node: usize) -> Reading {
        let instance = world.nodes[node].instance();
        Reading { instance, clock_ms: self.now(world, node).clock_ms }
    }

    fn now(&self, world: &World, node: usize) -> Now {
        // Clocks of different machines begin at different times.
        let begin_ms = 1_000 + 100 * node as u64;
        Now { clock_ms: begin_ms + world.now - world.slow[node], unix_ms: world.now }
    }

    pub(crate) fn account(&self, index: usize) -> GrantId {
        match u8::try_from(index).unwrap() {
            0 => self.budget.origin.account(),
            cut => GrantId::from_bytes([cut; 16]),
        }
    }

    fn index(&self, account: &GrantId) -> Option<usize> {
        (0..=self.plan.cuts.len()).find(|index| self.account(*index) == *account)
    }

    fn order(&self, cut: usize) -> Order {
        let plan = self.plan.cuts[cut];
        Order {
            id: self.account(cut + 1),
            audience: self.keys[plan.to],
            agent: AgentId::from_bytes([9; 32]),
            call_id: CallId::from_bytes([plan.call; 16]),
            attempt: plan.attempt,
            max: Allowance::UNLIMITED,
            hint: Allowance::UNLIMITED,
            spends: Spends::Tokens,
            share: Share::Quarter,
            refund: RefundPolicy::Signed,
            detached_until_ms: plan.until,
        }
    }

    /// Everything that may happen in a state, in the order of the plan.
    pub fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(self.first_leaf(world));
        if actions.is_empty() {
            self.possible_at_all(world, actions);
        }
    }

    /// Everything that may happen in a state.
    pub fn possible_at_all(&self, world: &World, actions: &mut Vec<Action>) {
        let plan = &self.plan;
        let holds = |node: usize, account: usize| {
            world.nodes[node].charges.contains_key(&self.account(account))
        };
        for (cut, grant) in plan.cuts.iter().enumerate() {
            if !world.cut[cut] && holds(plan.issuer(cut), grant.from) {
                actions.push(Action::Cut(cut));
            }
            let issuer = &world.nodes[plan.issuer(cut)];
            let open = issuer.cuts.get(&self.account(cut + 1)).is_some_and(|(_, open)| *open);
            if plan.mishaps.recalls && open {
                actions.push(Action::Recall(cut));
            }
            let ends = plan.time.is_none();
            let over = |node: usize| world.finished.contains(&(cut + 1, node));
            let at = (0..plan.nodes).filter(|node| ends && holds(*node, cut + 1) && !over(*node));
            actions.extend(at.map(|node| Action::Finish(cut + 1, node)));
        }
        (0..plan.spends.len()).for_each(|spend| self.possible_of(world, spend, actions));
        if plan.mishaps.trips && world.stopped_at.is_none() {
            actions.push(Action::Trip);
        }
        // What a dishonest node hears it has heard.
        let honest = world.network.values().filter(|letter| !self.is_liar(letter.to));
        actions.extend(honest.cloned().map(Action::Deliver));
        for node in 0..plan.nodes {
            let pending = world.nodes[node].pending();
            if pending > 0 {
                actions.push(Action::Persist(node));
            }
            if self.may_die(world, node) {
                actions.extend((0..=pending).map(|count| Action::Crash(node, count)));
            }
        }
        self.possible_in_time(world, actions);
        self.possible_lies(world, actions);
    }

    /// What may become of a spending.
    pub(crate) fn possible_of(&self, world: &World, spend: usize, actions: &mut Vec<Action>) {
        let wanted = self.plan.spends[spend];
        let held = || world.nodes[wanted.at].charges.contains_key(&self.account(wanted.of));
        match world.spends[spend] {
            Spent::Not if held() => actions.push(Action::Reserve(spend)),
            Spent::Running => {
                actions.extend((0..=wanted.most).map(|n| Action::Commit(spend, Some(n))));
                let unknown = self.plan.mishaps.unknown.then_some(Action::Commit(spend, None));
                actions.extend(unknown);
            }
            Spent::Not | Spent::Asked | Spent::Refused | Spent::Done(_) | Spent::Lost => {}
        }
    }

    pub(crate) fn is_liar(&self, node: usize) -> bool {
        self.plan.liar.is_some_and(|liar| liar.node == node)
    }

    fn possible_in_time(&self, world: &World, actions: &mut Vec<Action>) {
        let Some(time) = self.plan.time else { return };
        let nodes = 0..self.plan.nodes;
        let is_due = |node: &usize| {
            let now_ms = self.now(world, *node).clock_ms;
            world.nodes[*node].due_ms().is_some_and(|due_ms| due_ms <= now_ms)
        };
        let due: Vec<_> = nodes.clone().filter(is_due).collect();
        actions.extend(due.iter().map(|node| Action::Timeout(*node)));
        if world.now <= time.heard && self.plan.liar.is_none() {
            actions.extend(nodes.clone().skip(1).map(Action::Clock));
        }
        if due.is_empty() && world.now < time.ticks {
            actions.push(Action::Tick(None));
            if world.slow.iter().sum::<u64>() < time.slow {
                let honest = nodes.skip(1).filter(|node| !self.is_liar(*node));
                actions.extend(honest.map(|node| Action::Tick(Some(node))));
            }
        }
    }

    /// The state after an action.
    pub fn after(&self, last: &World, action: Action) -> World {
        let mut world = last.clone();
        let world_ref = &mut world;
        match action {
            Action::Cut(cut) => {
                let (from, order) = (self.account(self.plan.cuts[cut].from), self.order(cut));
                world_ref.cut[cut] = true;
                self.input(world_ref, self.plan.issuer(cut), Input::Cut { from, order });
            }
            Action::Reserve(spend) => self.reserve(world_ref, spend),
            Action::Commit(spend, used) => self.commit(world_ref, spend, used),
            Action::Finish(account, node) => {
                let (grant, ending) = (self.account(account), Ending::Free);
                world_ref.finished.insert((account, node));
                self.input(world_ref, node, Input::Finish { grant, ending });
            }
            Action::Recall(cut) => {
                let grant = self.account(cut + 1);
                self.input(world_ref, self.plan.issuer(cut), Input::Recall { grant });
            }
            Action::Trip => {
                world_ref.stopped_at = Some(world_ref.now);
                let (grant, reason) = (self.account(0), TripReason::Operator);
                self.input(world_ref, 0, Input::Trip { grant, reason, by: self.keys[0] });
            }
            Action::Deliver(letter) => self.hand_over(world_ref, &letter),
            Action::Lie(letter) => {
                world_ref.asks += u8::from(letter.to == 0);
                self.hand_over(world_ref, &letter);
            }
            Action::Persist(node) => self.run(world_ref, node, Step::Persist),
            Action::Crash(node, count) => self.crash(world_ref, node, count),
            Action::Timeout(node) => self.run(world_ref, node, Step::Timeout),
            Action::Clock(node) => {
                let to = self.caller_of(node);
                let said = Said::Clock(self.reading(world_ref, node));
                world_ref.post(Letter { from: node, to, said });
            }
            Action::Tick(slow) => {
                world_ref.now += 1;
                if let Some(node) = slow {
                    world_ref.slow[node] += 1;
                }
            }
        }
        world
    }

    fn caller_of(&self, node: usize) -> usize {
        let called = self.plan.cuts.iter().position(|cut| cut.to == node);
        called.map_or(0, |cut| self.plan.issuer(cut))
    }

    fn reserve(&self, world: &mut World, spend: usize) {
        let wanted = self.plan.spends[spend];
        world.spends[spend] = Spent::Asked;
        let (grant, most) = (self.account(wanted.of), tokens(wanted.most));
        let id = reservation(spend);
        self.input(world, wanted.at, Input::Reserve { grant, id, most });
    }

    fn commit(&self, world: &mut World, spend: usize, used: Option<u64>) {
        let wanted = self.plan.spends[spend];
        world.spends[spend] = Spent::Done(used.unwrap_or(wanted.most));
        let (grant, id) = (self.account(wanted.of), reservation(spend));
        let used = used.map(tokens);
        self.input(world, wanted.at, Input::Commit { grant, id, used, receipt: None });
    }

    fn crash(&self, world: &mut World, node: usize, count: usize) {
        world.crashes += 1;
        for (wanted, spent) in self.plan.spends.iter().zip(&mut world.spends) {
            if wanted.at == node {
                *spent = match *spent {
                    Spent::Running => Spent::Lost,
                    // It was never begun.
                    Spent::Asked => Spent::Refused,
                    kept @ (Spent::Not | Spent::Refused | Spent::Done(_) | Spent::Lost) => kept,
                };
            }
        }
        self.run(world, node, Step::Crash(count));
        if self.plan.time.is_none() {
            self.hello(world, node);
        }
    }

    fn input(&self, world: &mut World, node: usize, input: Input) {
        self.run(world, node, Step::Input(Box::new(input)));
    }

    fn hand_over(&self, world: &mut World, letter: &Letter) {
        let input = self.heard(letter);
        self.input(world, letter.to, input);
    }

    fn heard(&self, letter: &Letter) -> Input {
        let from = self.keys[letter.from];
        match &letter.said {
            Said::Message(message) => Input::Receive { from, message: message.clone() },
            Said::Clock(reading) => Input::Clock { peer: from, reading: *reading },
        }
    }

    /// True when a letter makes a difference to whom it is for, or to what that one says.
    pub(crate) fn tells(&self, world: &World, letter: &Letter) -> bool {
        let taken = self.hears(world, letter);
        taken.0.print != world.nodes[letter.to].print || !taken.1.is_empty()
    }

    /// What a letter makes of whom it is for.
    pub(crate) fn hears(&self, world: &World, letter: &Letter) -> Taken {
        let step = Step::Input(Box::new(self.heard(letter)));
        self.take(world, letter.to, &step)
    }

    /// Takes one step of one node.
    fn run(&self, world: &mut World, node: usize, step: Step) {
        let taken = self.take(world, node, &step);
        world.nodes[node] = Arc::clone(&taken.0);
        for effect in &taken.1 {
            self.happen(world, node, effect);
        }
    }

    /// What one step of one node makes of it.
    fn take(&self, world: &World, node: usize, step: &Step) -> Taken {
        let now = self.now(world, node);
        let key = (world.nodes[node].print, print_of(&(node, step, now)));
        let known = self.steps.read().unwrap().get(&key).cloned();
        known.unwrap_or_else(|| {
            let at = (&self.budget, self.plan.store);
            let (next, effects) = world.nodes[node].step(step, now, at);
            let mut locals = self.locals.write().unwrap();
            let next = Arc::clone(locals.entry(next.print).or_insert_with(|| Arc::new(next)));
            drop(locals);
            let taken = Arc::new((next, effects));
            self.steps.write().unwrap().insert(key, Arc::clone(&taken));
            taken
        })
    }

    fn happen(&self, world: &mut World, node: usize, effect: &Effect) {
        match effect {
            Effect::Send(to, message) => self.post(world, node, to, message.clone()),
            Effect::Granted(grant) => self.granted(world, node, grant),
            Effect::Reserved(_, id) => self.begun(world, id),
            Effect::Refused(Asked::Reservation(_, id)) => {
                let spend = usize::from(id.as_bytes()[0]);
                world.spends[spend] = Spent::Refused;
            }
            Effect::Refused(Asked::Grant(id)) => {
                let cut = self.index(id).unwrap() - 1;
                // It may be ordered again, unless it was cut and taken back.
                world.cut[cut] = world.granted[cut] > 0 || world.nodes[node].cuts.contains_key(id);
            }
            Effect::Refused(Asked::Budget(_) | Asked::Trip(_) | Asked::Code(..)) => {}
            Effect::Settled(grant, charged) => {
                let Some(index) = self.index(grant) else { return };
                let first = *world.settled[index - 1].get_or_insert(*charged);
                world.seen.resettled |= first != *charged;
            }
            Effect::Tripped => world.told[node] = true,
            Effect::Closed(account, used, in_full) => {
                world.seen.in_full |= *in_full;
                if self.index(account) == Some(0) {
                    world.ended = Some(*used);
                }
            }
            Effect::Forgot => world.seen.forgot = true,
        }
    }

    fn granted(&self, world: &mut World, node: usize, grant: &Grant) {
        let index = self.index(&grant.id).unwrap();
        world.granted[index - 1] = count(&grant.amount.held());
        if grant.audience != self.keys[node] {
            let message = Message::Grant(Box::new(grant.clone()));
            self.post(world, node, &grant.audience, message);
        }
    }

    fn begun(&self, world: &mut World, id: &ReservationId) {
        let spend = usize::from(id.as_bytes()[0]);
        world.seen.twice |= world.spends[spend] != Spent::Asked;
        world.spends[spend] = Spent::Running;
        let (Some(time), Some(stopped_at)) = (self.plan.time, world.stopped_at) else { return };
        // Counted apart: what is detached may not hear of a stop until its own end.
        if let Some(until) = self.plan.until(self.plan.spends[spend].of) {
            world.seen.late |= world.now >= until;
            world.seen.latest |= world.now + 1 == until;
            return;
        }
        let most = stopped_at + time.lease + time.slow;
        world.seen.late |= world.now > most;
        world.seen.latest |= world.now + 1 == most;
    }

    fn post(&self, world: &mut World, from: usize, to: &NodeKey, message: Message) {
        let to = self.keys.iter().position(|key| key == to).unwrap();
        if self.is_liar(to) && !is_of_use(&message) {
            return;
        }
        world.post(Letter { from, to, said: Said::Message(message) });
    }
}

fn reservation(spend: usize) -> ReservationId {
    ReservationId::from_bytes([u8::try_from(spend).unwrap(); 16])
}

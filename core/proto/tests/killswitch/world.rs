//! Nodes with their ledgers, stores and clocks, and the network between them.

use crate::provider::{Provider, Running};
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Beacon, Breach, Budget, BudgetId, CallId, Claim, Component, Grant, GrantId,
    Input, Keeping, Key, Ledger, Life, Message, Now, Order, Output, Owner, Reading, ReservationId,
    Row, Share, Terms, Trip, Write,
};
use hubless_proto::wire::record::Digest;
use hubless_proto::wire::words::{RefundPolicy, Spends};
use std::collections::{BTreeMap, VecDeque};

/// The lease of the budgets here, in milliseconds.
pub(crate) const LEASE_MS: u64 = 1_000;

/// Unix time in milliseconds at which the real time here begins.
const BEGIN_UNIX_MS: u64 = 1_700_000_000_000;

pub(crate) fn amount(output: u64, cost: u64) -> Amount {
    let amount = Amount::ZERO.with(Component::OutputTokens, output).unwrap();
    amount.with(Component::CostMicros, cost).unwrap()
}

pub(crate) fn calls(calls: u64) -> Amount {
    Amount::ZERO.with(Component::Calls, calls).unwrap()
}

/// A ceiling of output tokens, cost and calls; input tokens are not limited.
pub(crate) fn ceiling(output: u64, cost: u64, calls: u64) -> Allowance {
    let output = Allowance::UNLIMITED.with(Component::OutputTokens, Some(output));
    output.with(Component::CostMicros, Some(cost)).with(Component::Calls, Some(calls))
}

/// One node. What is in `rows` is durable; `pending` was handed to the store and is not yet.
pub(crate) struct Node {
    pub(crate) key: SecretKey,
    pub(crate) ledger: Ledger,
    pub(crate) rows: BTreeMap<Key, Row>,
    pub(crate) pending: VecDeque<(u64, Vec<Write>)>,
    pub(crate) owner: Owner,
    /// Its clock runs so many millionths faster.
    pub(crate) fast_ppm: i64,
    /// Its store does not know everything that it did.
    pub(crate) is_partial: bool,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) message: Message,
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Vec<Letter>,
    pub(crate) provider: Provider,
    /// Real time in microseconds.
    pub(crate) time_us: u64,
    /// Grants that were cut, with the one each was cut from.
    pub(crate) parents: BTreeMap<GrantId, GrantId>,
    pub(crate) grants: BTreeMap<GrantId, Grant>,
    /// Node and grant of every account that may be used.
    pub(crate) held: Vec<(usize, GrantId)>,
    pub(crate) budgets: Vec<(usize, Budget)>,
    /// When the root first said that a budget is stopped, in real time.
    pub(crate) stopped_us: BTreeMap<BudgetId, u64>,
    pub(crate) told: Vec<(usize, BudgetId)>,
    pub(crate) closed: BTreeMap<GrantId, (Amount, bool)>,
    pub(crate) audits: Vec<Breach>,
    /// What providers took above what was set aside, by the node that tells of it.
    pub(crate) overruns: Vec<(usize, Amount)>,
    pub(crate) refusals: Vec<hubless_proto::Error>,
    pub(crate) cancelled: Vec<GrantId>,
    /// What each settled grant is charged with, for good.
    pub(crate) settled: BTreeMap<GrantId, Amount>,
    /// True: a call of the provider costs none, half or all of what was reserved, in turn.
    pub(crate) is_partial: bool,
    /// Beacons that were signed.
    pub(crate) beacons: usize,
    /// Codes that were made, each with the node that made it.
    pub(crate) codes: Vec<(usize, Claim)>,
    /// Which code each grant is asked for with.
    pub(crate) redeeming: BTreeMap<GrantId, Digest>,
    /// Which code became which grant.
    pub(crate) redeemed: BTreeMap<Digest, GrantId>,
    next: u64,
}

/// What another process would draw: never the same again.
fn seed_of(owner: &Owner) -> [u8; 32] {
    let mut seed = *owner.node.as_bytes();
    seed[..8].copy_from_slice(&owner.instance.to_be_bytes());
    seed
}

impl World {
    /// Nodes whose clocks run so many millionths faster than real time.
    pub(crate) fn new(fast_ppm: &[i64]) -> Self {
        let node = |(index, fast_ppm): (usize, &i64)| {
            let key = SecretKey::from_seed([u8::try_from(index).unwrap() + 1; 32]);
            let owner = Owner { node: key.node_key(), instance: 1, keeping: Keeping::Durable };
            let ledger = Ledger::new(owner).seeded(seed_of(&owner));
            let (rows, pending) = (BTreeMap::new(), VecDeque::new());
            Node { key, ledger, rows, pending, owner, fast_ppm: *fast_ppm, is_partial: false }
        };
        Self {
            nodes: fast_ppm.iter().enumerate().map(node).collect(),
            network: Vec::new(),
            provider: Provider::default(),
            time_us: 1_000_000,
            parents: BTreeMap::new(),
            grants: BTreeMap::new(),
            held: Vec::new(),
            budgets: Vec::new(),
            stopped_us: BTreeMap::new(),
            told: Vec::new(),
            closed: BTreeMap::new(),
            audits: Vec::new(),
            overruns: Vec::new(),
            refusals: Vec::new(),
            cancelled: Vec::new(),
            settled: BTreeMap::new(),
            is_partial: false,
            beacons: 0,
            codes: Vec::new(),
            redeeming: BTreeMap::new(),
            redeemed: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn key(&self, node: usize) -> NodeKey {
        self.nodes[node].owner.node
    }

    pub(crate) fn now(&self, node: usize) -> Now {
        let fast = i128::from(self.nodes[node].fast_ppm) + 1_000_000;
        // Clocks of different machines begin at different times.
        let clock_us = i128::from(self.time_us) * fast / 1_000_000 + (node as i128) * 7_000_000;
        let unix_ms = BEGIN_UNIX_MS + self.time_us / 1_000;
        Now { clock_ms: u64::try_from(clock_us / 1_000).unwrap(), unix_ms }
    }

    /// Sixteen bytes that were never used before.
    pub(crate) fn fresh(&mut self) -> [u8; 16] {
        self.next += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next.to_be_bytes());
        id
    }

    /// Opens a budget at a node; answers its account.
    pub(crate) fn open(&mut self, node: usize, terms: Terms) -> GrantId {
        let now = self.now(node);
        let budget = Budget::new(self.key(node), self.fresh(), terms, now.unix_ms);
        let grant = budget.origin.account();
        self.budgets.push((node, budget.clone()));
        self.input(node, Input::Open(budget));
        grant
    }

    pub(crate) fn order(&mut self, audience: usize, max: Allowance) -> Order {
        Order {
            id: GrantId::from_bytes(self.fresh()),
            audience: self.key(audience),
            agent: AgentId::from_bytes([9; 32]),
            call_id: CallId::from_bytes(self.fresh()),
            attempt: 1,
            max,
            hint: Allowance::UNLIMITED,
            spends: Spends::Tokens,
            share: Share::Quarter,
            refund: RefundPolicy::Signed,
            detached_until_ms: None,
        }
    }

    /// Cuts a grant for a node; it travels at once. Answers its id, granted or not.
    pub(crate) fn cut(
        &mut self,
        node: usize,
        from: GrantId,
        audience: usize,
        max: Allowance,
    ) -> GrantId {
        let order = self.order(audience, max);
        let id = order.id;
        self.input(node, Input::Cut { from, order });
        id
    }

    pub(crate) fn reserve(&mut self, node: usize, grant: GrantId, most: Amount) -> ReservationId {
        let id = ReservationId::from_bytes(self.fresh());
        self.input(node, Input::Reserve { grant, id, most });
        id
    }

    /// Says of every call of the provider what it cost.
    pub(crate) fn commit_running(&mut self) {
        for call in std::mem::take(&mut self.provider.running) {
            let (grant, id, used) = (call.grant, call.id, Some(call.used));
            self.input(call.node, Input::Commit { grant, id, used, receipt: None });
        }
        self.work();
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let now = self.now(node);
        self.nodes[node].ledger.handle(input, now);
        self.drain(node);
    }

    pub(crate) fn timeout(&mut self, node: usize) {
        let now = self.now(node);
        self.nodes[node].ledger.handle_timeout(now);
        self.drain(node);
    }

    /// Does what a driver does with the outputs.
    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ledger.poll_output() {
            self.output(node, output);
        }
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Persist { seq, writes } => self.nodes[node].pending.push_back((seq, writes)),
            Output::Send { to, message } => self.post(node, to, message),
            Output::Opened { grant } => self.held.push((node, grant)),
            Output::Granted(grant) => self.granted(node, *grant),
            Output::Held(grant) => self.held.push((node, grant.id)),
            Output::Offered(claim) => self.codes.push((node, *claim)),
            Output::Reserved { grant, id } => self.begin(node, grant, id),
            Output::Refused { error, .. } => self.refusals.push(error),
            Output::Sign(statement) => {
                let trip = Trip::sign(&self.nodes[node].key, statement).unwrap();
                let now = self.now(node);
                self.nodes[node].ledger.handle(Input::Signed(trip), now);
            }
            Output::SignBeacon(round) => {
                let beacon = Beacon::sign(&self.nodes[node].key, round).unwrap();
                self.beacons += 1;
                let now = self.now(node);
                self.nodes[node].ledger.handle(Input::Beacon(beacon), now);
            }
            Output::Tripped(statement) => {
                let budget = statement.origin.budget_id();
                self.told.push((node, budget));
                self.stopped_us.entry(budget).or_insert(self.time_us);
            }
            Output::Closed { grant, used, in_full } => {
                self.closed.insert(grant, (used, in_full));
            }
            Output::Audit { breach, .. } => self.audits.push(breach),
            Output::Overrun { overrun, .. } => self.overruns.push((node, overrun)),
            Output::Cancel { grant, .. } => self.cancelled.push(grant),
            Output::Settled { grant, charged, .. } => {
                let first = *self.settled.entry(grant).or_insert(charged);
                assert_eq!(charged, first, "I4: {grant} was settled twice at node {node}");
            }
        }
    }

    /// The call itself is counted here, whatever comes of it.
    fn granted(&mut self, node: usize, grant: Grant) {
        self.provider.bill(grant.parent, &calls(1));
        if let Some(code) = self.redeeming.remove(&grant.id) {
            let before = self.redeemed.insert(code, grant.id);
            assert_eq!(before, None, "I5: one code became two grants");
        }
        self.parents.insert(grant.id, grant.parent);
        self.grants.insert(grant.id, grant.clone());
        if grant.audience == grant.issuer {
            self.held.push((node, grant.id));
        } else {
            self.post(node, grant.audience, Message::Grant(Box::new(grant)));
        }
    }

    fn begin(&mut self, node: usize, grant: GrantId, id: ReservationId) {
        let key = Key::Reservation(grant, id);
        let stored = self.nodes[node].rows.contains_key(&key);
        assert!(stored, "R1: a reservation was released before its row was durable");
        let origin = self.origin(&grant);
        if let Some(stopped_us) = self.stopped_us.get(&origin) {
            // Where nothing is heard of a stop, a detached grant goes on until its own end.
            let end_us = self.detached_end_us(&grant).map(|end_us| end_us + LEASE_MS * 10);
            let bound_us = stopped_us + LEASE_MS * 1_000 * 101 / 100;
            let bound_us = end_us.map_or(bound_us, |end_us| end_us.max(bound_us)) + 1_000;
            let late = self.time_us;
            assert!(late <= bound_us, "I6: began at {late} us, stopped at {stopped_us} us");
        }
        let told = self.told.contains(&(node, origin));
        assert!(!told, "I8: spending began at a node that was told of the stop");
        let most = self.most_of(node, grant, id);
        let part = if self.is_partial { u64::from(id.as_bytes()[7]) % 3 } else { 2 };
        let used = Component::ALL.into_iter().fold(most, |used, component| {
            used.with(component, most.of(component) * part / 2).unwrap()
        });
        self.provider.begin(Running { node, grant, id, used });
    }

    /// End of the nearest detached grant that this one is or is below, in real time.
    fn detached_end_us(&self, grant: &GrantId) -> Option<u64> {
        let mut at = *grant;
        loop {
            let grant = self.grants.get(&at)?;
            if let Life::Detached { not_after_ms } = grant.life {
                return Some((not_after_ms - BEGIN_UNIX_MS) * 1_000);
            }
            at = grant.parent;
        }
    }

    fn most_of(&self, node: usize, grant: GrantId, id: ReservationId) -> Amount {
        let row = &self.nodes[node].rows[&Key::Reservation(grant, id)];
        let wire: hubless_proto::wire::v1::LedgerRow =
            prost::Message::decode(row.encode()).unwrap();
        use hubless_proto::wire::v1::ledger_row::Kind;
        let Some(Kind::Reservation(row)) = wire.kind else { panic!("no reservation") };
        Amount::of_wire(&row.most.unwrap())
    }

    pub(crate) fn origin(&self, grant: &GrantId) -> BudgetId {
        let mut at = *grant;
        while let Some(parent) = self.parents.get(&at) {
            at = *parent;
        }
        let mut all = self.budgets.iter().map(|(_, budget)| budget.origin);
        all.find(|origin| origin.account() == at).unwrap().budget_id()
    }

    fn post(&mut self, from: usize, to: NodeKey, message: Message) {
        let to = self.nodes.iter().position(|node| node.owner.node == to).unwrap();
        // What is sent goes over the wire as bytes.
        let message = Message::decode(message.encode()).unwrap();
        self.network.push(Letter { from, to, message });
    }

    /// Takes a letter out of the network and hands it over.
    pub(crate) fn deliver(&mut self, index: usize) {
        let letter = self.network.remove(index);
        self.hand_over(letter);
    }

    pub(crate) fn hand_over(&mut self, letter: Letter) {
        let from = self.key(letter.from);
        self.input(letter.to, Input::Receive { from, message: letter.message });
    }

    /// Makes the next `count` writes of a node durable.
    pub(crate) fn persist(&mut self, node: usize, count: usize) {
        for _ in 0..count {
            let Some((seq, writes)) = self.nodes[node].pending.pop_front() else { return };
            self.store(node, writes);
            self.input(node, Input::Persisted { seq });
        }
    }

    fn store(&mut self, node: usize, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put(row) => drop(self.nodes[node].rows.insert(row.key(), *row)),
                Write::Delete(key) => drop(self.nodes[node].rows.remove(&key)),
            }
        }
    }

    /// Kills a node's process after `count` more writes were durable, and starts it again.
    pub(crate) fn crash(&mut self, node: usize, count: usize) {
        for _ in 0..count {
            let Some((_, writes)) = self.nodes[node].pending.pop_front() else { break };
            self.store(node, writes);
        }
        self.nodes[node].pending.clear();
        self.provider.crash(node);
        self.nodes[node].owner.instance += 1;
        let (owner, now) = (self.nodes[node].owner, self.now(node));
        // As bytes, as a store keeps them.
        let rows: Vec<Row> =
            self.nodes[node].rows.values().map(|row| Row::decode(row.encode()).unwrap()).collect();
        let partly = self.nodes[node].is_partial;
        let recover = if partly { Ledger::recover_partly } else { Ledger::recover };
        self.nodes[node].ledger = recover(owner, rows, now).unwrap().seeded(seed_of(&owner));
        let roots: Vec<_> = self.budgets.iter().map(|(_, b)| b.origin.account()).collect();
        self.held.retain(|(at, grant)| *at != node || roots.contains(grant));
        self.drain(node);
    }

    /// Each node says to each other what its clock reads.
    pub(crate) fn say_clocks(&mut self) {
        for from in 0..self.nodes.len() {
            for to in 0..self.nodes.len() {
                self.say_clock(from, to);
            }
        }
    }

    pub(crate) fn say_clock(&mut self, from: usize, to: usize) {
        let (peer, instance) = (self.key(from), self.nodes[from].owner.instance);
        let reading = Reading { instance, clock_ms: self.now(from).clock_ms };
        self.input(to, Input::Clock { peer, reading });
    }

    /// Delivers, persists and fires timers until nothing is left to do for `ms` milliseconds.
    pub(crate) fn settle_down(&mut self, ms: u64) {
        let end_us = self.time_us + ms * 1_000;
        loop {
            self.work();
            if self.time_us >= end_us {
                return;
            }
            let soon_us = self.time_us + 1_000;
            self.time_us = self.next_timeout_us().min(end_us).max(soon_us);
            for node in 0..self.nodes.len() {
                self.timeout(node);
            }
        }
    }

    /// When a timer of any node is due next, in real time.
    fn next_timeout_us(&self) -> u64 {
        let due = |node: usize| {
            let clock_ms = self.nodes[node].ledger.poll_timeout()?;
            let fast = i128::from(self.nodes[node].fast_ppm) + 1_000_000;
            let clock_us = i128::from(clock_ms) * 1_000 - (node as i128) * 7_000_000;
            u64::try_from(clock_us * 1_000_000 / fast + 1).ok()
        };
        (0..self.nodes.len()).filter_map(due).min().unwrap_or(u64::MAX)
    }

    /// Delivers and persists until nothing is under way.
    pub(crate) fn work(&mut self) {
        loop {
            let idle = self.nodes.iter().all(|node| node.pending.is_empty());
            for node in 0..self.nodes.len() {
                self.persist(node, usize::MAX);
            }
            if !self.network.is_empty() {
                self.deliver(0);
            } else if idle {
                return;
            }
        }
    }
}

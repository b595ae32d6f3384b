//! One node: its ledger, its store, and what one step makes of both.

use crate::killswitch::{
    Amount, Asked, Beacon, Budget, Component, Grant, GrantId, Input, Keeping, Key, Ledger, Message,
    Now, Output, Owner, ReservationId, Row, Trip, Write,
};
use crate::plan::Store;
use hubless_proto::identity::{NodeKey, SecretKey};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

/// Hash of a value, the same in every run.
pub fn print_of(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Key of a node.
pub fn secret(node: usize) -> SecretKey {
    SecretKey::from_seed([u8::try_from(node).unwrap() + 1; 32])
}

/// What the nonces of a node are made of. No plan has a strict budget and a crash, so it need not
/// be another for the next process.
fn seed(node: usize) -> [u8; 32] {
    [u8::try_from(node).unwrap() + 101; 32]
}

/// An amount of the one component that is counted here.
pub fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(Component::OutputTokens, count).unwrap()
}

/// The tokens of an amount.
pub fn count(amount: &Amount) -> u64 {
    amount.of(Component::OutputTokens)
}

/// What happens to a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// An input of its ledger.
    Input(Box<Input>),
    /// Timers that are due go off.
    Timeout,
    /// Its next write is durable.
    Persist,
    /// Its process dies after so many more writes were durable, and another begins.
    Crash(usize),
}

/// What a step does to others.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A message leaves.
    Send(NodeKey, Message),
    /// A grant leaves with its call.
    Granted(Box<Grant>),
    /// A provider is called.
    Reserved(GrantId, ReservationId),
    /// Something was refused.
    Refused(Asked),
    /// A grant is charged for good.
    Settled(GrantId, u64),
    /// The node says that the budget is stopped.
    Tripped,
    /// An account is over: what was used of it, and whether that is all since nothing was reported.
    Closed(GrantId, u64, bool),
    /// An account was charged with less after a restart.
    Forgot,
}

/// One node.
#[derive(Debug, Clone)]
pub struct Local {
    ledger: Ledger,
    owner: Owner,
    node: usize,
    // Durable.
    rows: BTreeMap<Key, Row>,
    // Handed to the store and not yet durable.
    pending: VecDeque<(u64, Vec<Write>)>,
    /// What it is, as one number.
    pub print: u64,
    /// What each account is charged with.
    pub charges: BTreeMap<GrantId, u64>,
    /// What each grant is charged with that was cut here, and whether it is open.
    pub cuts: BTreeMap<GrantId, (u64, bool)>,
    /// True while each account holds no more than it is.
    pub fits: bool,
    /// True when the budget is stopped here.
    pub stopped: bool,
}

impl Local {
    /// A node that knows of nothing.
    pub fn new(node: usize, budget: &Budget) -> Self {
        let owner = Owner { node: secret(node).node_key(), instance: 1, keeping: Keeping::Durable };
        let mut local = Self {
            ledger: Ledger::new(owner).seeded(seed(node)),
            owner,
            node,
            rows: BTreeMap::new(),
            pending: VecDeque::new(),
            print: 0,
            charges: BTreeMap::new(),
            cuts: BTreeMap::new(),
            fits: true,
            stopped: false,
        };
        local.look(budget);
        local
    }

    /// This process of it, as in its HELLO.
    pub const fn instance(&self) -> u64 {
        self.owner.instance
    }

    /// Writes that are not durable.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// When something is due next on its clock.
    pub fn due_ms(&self) -> Option<u64> {
        self.ledger.poll_timeout()
    }

    /// What a step makes of it, and does to others.
    pub fn step(&self, step: &Step, now: Now, at: (&Budget, Store)) -> (Self, Vec<Effect>) {
        let (budget, store) = at;
        let (mut next, mut effects) = (self.clone(), Vec::new());
        match step {
            Step::Input(input) => next.ledger.handle((**input).clone(), now),
            Step::Timeout => next.ledger.handle_timeout(now),
            Step::Persist => next.persist(now),
            Step::Crash(count) => next.crash(*count, now),
        }
        next.drain(now, &mut effects);
        while store == Store::AtOnce && !next.pending.is_empty() {
            next.persist(now);
            next.drain(now, &mut effects);
        }
        next.look(budget);
        let durable = match step {
            Step::Crash(count) => self.pending.len() <= *count,
            Step::Input(_) | Step::Timeout | Step::Persist => false,
        };
        if durable && self.is_more_than(&next) {
            effects.push(Effect::Forgot);
        }
        (next, effects)
    }

    fn persist(&mut self, now: Now) {
        let Some(seq) = self.store_next() else { return };
        self.ledger.handle(Input::Persisted { seq }, now);
    }

    fn store_next(&mut self) -> Option<u64> {
        let (seq, writes) = self.pending.pop_front()?;
        for write in writes {
            match write {
                Write::Put(row) => drop(self.rows.insert(row.key(), *row)),
                Write::Delete(key) => drop(self.rows.remove(&key)),
            }
        }
        Some(seq)
    }

    fn crash(&mut self, count: usize, now: Now) {
        for _ in 0..count {
            self.store_next();
        }
        self.pending.clear();
        self.owner.instance += 1;
        let rows: Vec<Row> = self.rows.values().cloned().collect();
        self.ledger = Ledger::recover(self.owner, rows, now).unwrap().seeded(seed(self.node));
        // What was said before and may be lost is said again at once.
        self.ledger.handle_timeout(now);
    }

    fn drain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(output) = self.ledger.poll_output() {
            match output {
                Output::Persist { seq, writes } => self.pending.push_back((seq, writes)),
                Output::Sign(statement) => {
                    let trip = Trip::sign(&secret(self.node), statement).unwrap();
                    self.ledger.handle(Input::Signed(trip), now);
                }
                Output::Send { to, message } => effects.push(Effect::Send(to, message)),
                Output::Granted(grant) => effects.push(Effect::Granted(grant)),
                Output::Reserved { grant, id } => effects.push(Effect::Reserved(grant, id)),
                Output::Refused { asked, .. } => effects.push(Effect::Refused(asked)),
                Output::Settled { grant, charged, .. } => {
                    effects.push(Effect::Settled(grant, count(&charged)));
                }
                Output::Tripped(_) => effects.push(Effect::Tripped),
                Output::Closed { grant, used, in_full } => {
                    effects.push(Effect::Closed(grant, count(&used), in_full));
                }
                Output::SignBeacon(round) => {
                    let beacon = Beacon::sign(&secret(self.node), round).unwrap();
                    self.ledger.handle(Input::Beacon(beacon), now);
                }
                Output::Opened { .. }
                | Output::Held(_)
                | Output::Offered(_)
                | Output::Cancel { .. }
                | Output::Overrun { .. }
                | Output::Audit { .. } => {}
            }
        }
    }

    /// Takes down what the checks need.
    fn look(&mut self, budget: &Budget) {
        let id = budget.origin.budget_id();
        (self.charges, self.cuts, self.fits) = (BTreeMap::new(), BTreeMap::new(), true);
        for (account, _) in self.ledger.accounts(&id) {
            let view = self.ledger.view(&account).unwrap();
            let all = view.used.plus(&view.held).unwrap();
            self.fits &= view.amount.allows(&all);
            self.charges.insert(account, count(&all));
            for cut in self.ledger.cuts(&account) {
                let open = matches!(cut.state, "open" | "recalled");
                self.cuts.insert(cut.grant, (count(&cut.charged), open));
            }
        }
        self.stopped = self.ledger.tripped(&id).is_some();
        let writes: Vec<_> = self.pending.iter().map(|(_, writes)| writes).collect();
        self.print = print_of(&(&self.ledger, &self.rows, writes));
    }

    /// I9: true when an account lost more of its charge than last words freed.
    fn is_more_than(&self, next: &Self) -> bool {
        self.charges.iter().any(|(account, charge)| {
            let freed: u64 = self.cuts.iter().fold(0, |sum, (cut, (charged, _))| {
                let now = next.cuts.get(cut).map_or(0, |(charged, _)| *charged);
                // Of grants of other nodes nothing comes back by a restart.
                let inside = self.charges.contains_key(cut);
                sum + if inside { charged.saturating_sub(now) } else { 0 }
            });
            next.charges.get(account).is_some_and(|now| now + freed < *charge)
        })
    }
}

//! The ledger of one node: every budget that begins here, every grant that is held here.

use super::account::{Account, Drain, Sub};
use super::closed::Closed;
use super::codes::Redeemer;
use super::io::{Asked, Breach, Input, Output};
use super::outbox::{Keeping, Outbox};
use super::spend::Outcome;
use super::strict::Nonces;
use super::timers::{Timer, Timers};
use super::{
    Allowance, Amount, BudgetId, Grant, GrantId, Message, Now, OperatorStop, Origin, Reading,
    Statement, Trip,
};
use crate::error::{Error, Kind, Retry};
use crate::identity::{AgentId, NodeKey};
use crate::limits;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who a ledger belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The node.
    pub node: NodeKey,
    /// This process of it, as in its HELLO.
    pub instance: u64,
    /// Whether the ledger outlives the process.
    pub keeping: Keeping,
}

/// The escrow tree as one node sees it: nothing is spent that was not set aside before, here and
/// at every node above.
///
/// A pure machine: after each input and each timeout, outputs are taken until there is none.
///
/// ```
/// use hubless_proto::identity::NodeKey;
/// use hubless_proto::killswitch::{
///     Allowance, Amount, Budget, Component, Input, Keeping, Ledger, Now, Output, Owner,
///     ReservationId, Terms,
/// };
///
/// let node = NodeKey::from_bytes([1; 32]);
/// let mut ledger = Ledger::new(Owner { node, instance: 1, keeping: Keeping::Volatile });
/// let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(100));
/// let budget = Budget::new(node, [7; 16], Terms::of(ceiling), 0);
/// let grant = budget.origin.account();
/// ledger.handle(Input::Open(budget), Now::default());
/// assert_eq!(ledger.poll_output(), Some(Output::Opened { grant }));
///
/// let most = Amount::ZERO.with(Component::OutputTokens, 100).unwrap();
/// let id = ReservationId::from_bytes([1; 16]);
/// ledger.handle(Input::Reserve { grant, id, most }, Now::default());
/// assert_eq!(ledger.poll_output(), Some(Output::Reserved { grant, id }));
/// let id = ReservationId::from_bytes([2; 16]);
/// ledger.handle(Input::Reserve { grant, id, most }, Now::default());
/// assert!(matches!(ledger.poll_output(), Some(Output::Refused { .. })));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    pub(super) owner: Owner,
    pub(super) accounts: BTreeMap<GrantId, Account>,
    // Grants that ended here and are remembered; a grant is here or in `accounts`, not in both.
    pub(super) closed: BTreeMap<(GrantId, NodeKey), Closed>,
    // How many of both each issuer has.
    pub(super) issuers: BTreeMap<NodeKey, usize>,
    // Account of each grant in the `subs` of one.
    pub(super) cut_from: BTreeMap<GrantId, GrantId>,
    // Accounts of each budget.
    pub(super) budgets: BTreeMap<BudgetId, BTreeSet<GrantId>>,
    pub(super) trips: BTreeMap<BudgetId, Tripped>,
    // Keys of `trips`, oldest first.
    pub(super) trip_order: VecDeque<BudgetId>,
    // Budgets that the operator of the mesh stopped, and that do not begin here.
    pub(super) stops: BTreeMap<BudgetId, OperatorStop>,
    pub(super) readings: BTreeMap<NodeKey, Reading>,
    // What waits for the first lease of a grant that is held.
    pub(super) waiting: BTreeMap<GrantId, VecDeque<Input>>,
    pub(super) timers: Timers,
    pub(super) out: Outbox,
    pub(super) nonces: Nonces,
    // First process of the node whose grants are all known here; 0: every one.
    pub(super) since: u64,
}

/// A budget that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Tripped {
    pub(super) statement: Statement,
    /// None at the root until it is signed.
    pub(super) trip: Option<Trip>,
}

/// What a ledger says of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Most that may be used.
    pub amount: Allowance,
    /// Used here and below, as far as it was settled.
    pub used: Amount,
    /// Set aside for reservations and open grants.
    pub held: Amount,
    /// Part of `used`: what providers took above what was set aside for it, here and below.
    pub overrun: Amount,
    /// Open reservations.
    pub reservations: usize,
    /// Open grants that were cut from it.
    pub open: usize,
    /// Part of `held`: for redeem codes that nobody has redeemed yet.
    pub offered: Amount,
    /// Why nothing more may be begun; none: it may.
    pub stopped: Option<&'static str>,
}

/// What a ledger says of one grant that was cut from an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutView {
    /// Its id.
    pub grant: GrantId,
    /// Node that holds it.
    pub audience: NodeKey,
    /// Agent that is called.
    pub agent: AgentId,
    /// How much it is.
    pub amount: Allowance,
    /// `open`, `recalled`, `settled` or `written_off`.
    pub state: &'static str,
    /// What it is charged with.
    pub charged: Amount,
    /// What its holder said it used so far.
    pub seen: Amount,
}

impl Ledger {
    /// A ledger that knows of nothing.
    pub const fn new(owner: Owner) -> Self {
        Self {
            owner,
            accounts: BTreeMap::new(),
            closed: BTreeMap::new(),
            issuers: BTreeMap::new(),
            cut_from: BTreeMap::new(),
            budgets: BTreeMap::new(),
            trips: BTreeMap::new(),
            trip_order: VecDeque::new(),
            stops: BTreeMap::new(),
            readings: BTreeMap::new(),
            waiting: BTreeMap::new(),
            timers: Timers::new(),
            out: Outbox::new(owner.keeping),
            nonces: Nonces::new(),
            since: match owner.keeping {
                Keeping::Volatile => owner.instance,
                Keeping::Durable => 0,
            },
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Now) {
        if !self.is_behind(&input) {
            self.take(input, now);
        }
        self.out.flush();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((grant, timer)) = self.timers.pop(now.clock_ms) {
            match timer {
                Timer::Renew => self.ask_lease(grant, now),
                Timer::Fold => self.fold(grant, now),
                Timer::Lease => self.end_lease(grant, now),
                Timer::End => self.end_time(grant, now),
                Timer::Codes => self.look_at_codes(grant, now),
                Timer::Drain => self.end_drain(grant, now),
                Timer::Recall => self.repeat_recall(grant, now),
                Timer::Settle => self.repeat_settle(grant, now),
                Timer::Forget => self.forget(grant, now),
            }
        }
        self.out.flush();
    }

    /// What is to be done next; none: nothing until another input or timeout.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// When something is due next, on the clock of leases.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.timers.next()
    }

    /// One account: a grant that is held here, or a budget.
    pub fn view(&self, grant: &GrantId) -> Option<View> {
        let account = self.accounts.get(grant)?;
        Some(View {
            amount: account.amount(),
            used: account.used(),
            held: account.holds,
            overrun: account.overrun,
            reservations: account.reserved.len(),
            open: account.open,
            offered: account.offered(),
            stopped: account.drain.map(Drain::name),
        })
    }

    /// True for a grant that was cut here and of which its holder has not said its last word.
    pub fn is_open(&self, grant: &GrantId) -> bool {
        self.sub(grant).is_some_and(|sub| sub.state.is_open())
    }

    /// The grants that were cut from an account, but for those settled long ago.
    pub fn cuts(&self, grant: &GrantId) -> Vec<CutView> {
        let subs = self.accounts.get(grant).into_iter().flat_map(|account| account.subs.values());
        let view = |sub: &Sub| CutView {
            grant: sub.grant.id,
            audience: sub.grant.audience,
            agent: sub.grant.agent,
            amount: sub.grant.amount,
            state: sub.state.name(),
            charged: sub.charged(),
            seen: sub.seen,
        };
        subs.map(view).collect()
    }

    /// The accounts of a budget on this node, with the grant that each was cut from.
    pub fn accounts(&self, budget: &BudgetId) -> Vec<(GrantId, Option<GrantId>)> {
        let ids = self.budgets.get(budget).into_iter().flatten();
        let accounts = ids.filter_map(|id| self.accounts.get(id));
        accounts.map(|account| (account.id(), account.grant().map(|grant| grant.parent))).collect()
    }

    /// The budgets that begin here, by their accounts.
    pub fn roots(&self) -> Vec<GrantId> {
        self.accounts.values().filter(|account| account.is_root()).map(Account::id).collect()
    }

    /// The budget that an account belongs to.
    pub fn origin(&self, account: &GrantId) -> Option<Origin> {
        self.accounts.get(account).map(Account::origin)
    }

    /// The grant that an account holds; none: it is that of a budget.
    pub fn held_grant(&self, account: &GrantId) -> Option<&Grant> {
        self.accounts.get(account).and_then(Account::grant)
    }

    /// Every budget that something is known of: that it is open here, or that it was stopped.
    pub fn known_budgets(&self) -> BTreeSet<BudgetId> {
        self.budgets.keys().chain(self.trips.keys()).copied().collect()
    }

    /// The grants that are held here.
    pub fn held(&self) -> Vec<GrantId> {
        self.accounts.values().filter(|account| !account.is_root()).map(Account::id).collect()
    }

    /// True for a grant that is held here, and for one that ended and is remembered.
    pub fn knows(&self, grant: GrantId) -> bool {
        self.accounts.contains_key(&grant) || self.closed_key(grant, |_| true).is_some()
    }

    /// Number of peers whose clock readings are known.
    pub fn readings(&self) -> usize {
        self.readings.len()
    }

    /// True when a reading of the clock of this peer is known.
    pub fn hears(&self, peer: &NodeKey) -> bool {
        self.readings.contains_key(peer)
    }

    /// Why a budget is stopped; none: it is not.
    pub fn tripped(&self, budget: &BudgetId) -> Option<&Statement> {
        self.trips.get(budget).map(|tripped| &tripped.statement)
    }

    /// The stop of the budget of an account that is here; none: it is not stopped.
    pub fn stop(&self, account: &GrantId) -> Option<&Statement> {
        self.tripped(&self.accounts.get(account)?.origin().budget_id())
    }

    /// Takes one input, or a request that waited.
    pub(super) fn take(&mut self, input: Input, now: Now) {
        match input {
            Input::Open(budget) => self.open(budget, now),
            Input::Cut { from, order } => self.cut(from, order, now),
            Input::Reserve { grant, id, most } => self.reserve(grant, id, most, now),
            Input::Commit { grant, id, used, receipt } => {
                self.commit(grant, id, Outcome { used, receipt }, now);
            }
            Input::Begin { grant } => self.begin(grant),
            Input::Finish { grant, ending } => self.finish(grant, ending, now),
            Input::SpendRest { grant } => self.spend_rest(grant),
            Input::Recall { grant } => self.recall(grant, now),
            Input::WriteOff { grant } => self.write_off(grant, now),
            Input::Metered { grant, used } => self.metered(grant, used),
            Input::Unsent { grant } => self.unsent(grant, now),
            Input::Receipt { grant, receipt } => self.receipt(grant, receipt),
            Input::Keyed { grant, frame } => self.keyed(grant, frame),
            Input::Offer { grant, digest, until_ms } => self.offer(grant, (digest, until_ms), now),
            Input::Redeem { id, claim, by, refund } => {
                self.redeem(id, claim, Redeemer { node: by, refund }, now);
            }
            Input::Trip { grant, reason, by } => self.trip(grant, reason, by, now),
            Input::Signed(trip) => self.signed(trip, now),
            Input::Beacon(beacon) => self.beacon_signed(&beacon),
            Input::Clock { peer, reading } => self.clock(peer, reading),
            Input::Gone { peer } => drop(self.readings.remove(&peer)),
            Input::Receive { from, message } => self.receive(from, message, now),
            Input::Persisted { seq } => self.persisted(seq, now),
        }
    }

    fn receive(&mut self, from: NodeKey, message: Message, now: Now) {
        match message {
            Message::Grant(grant) => self.take_grant(from, *grant, now),
            Message::Refused { grant, .. } => self.grant_refused(from, grant, now),
            Message::Progress { grant, used } => self.progress(from, grant, used, now),
            Message::Settle(settlement) => self.settle(from, settlement, now),
            Message::SettleAck { grant } => self.settle_acknowledged(from, grant, now),
            Message::RenewAsk { grant, reading, fold } => {
                self.lease_asked(from, (grant, fold), reading, now);
            }
            Message::Renew { grant, reading, lease_ms, epoch } => {
                self.lease_renewed(from, (grant, epoch), (reading, lease_ms), now);
            }
            Message::Beacon(proof) => self.beacon_received(from, &proof, now),
            Message::Recall { grant, reading } => self.recalled(from, grant, reading, now),
            Message::Trip(trip) => self.trip_received(from, trip, now),
            Message::OperatorStop(stop) => self.operator_stop(from, &stop, now),
        }
    }

    fn clock(&mut self, peer: NodeKey, reading: Reading) {
        let known = self.readings.len();
        match self.readings.get_mut(&peer) {
            Some(latest) => *latest = reading,
            None if known < limits::LEDGER_READINGS => {
                self.readings.insert(peer, reading);
            }
            // Its holder asks for the first lease instead.
            None => {}
        }
    }

    /// Refuses what begins something while the store is so far behind that nothing more may wait
    /// for it; true: it was refused. What frees money, stops, or comes from the store is taken.
    fn is_behind(&mut self, input: &Input) -> bool {
        if self.out.held() < limits::LEDGER_HELD {
            return false;
        }
        let asked = match input {
            Input::Open(budget) => Asked::Budget(budget.origin.account()),
            Input::Cut { order, .. } => Asked::Grant(order.id),
            Input::Reserve { grant, id, .. } => Asked::Reservation(*grant, *id),
            Input::Offer { grant, digest, .. } => Asked::Code(*grant, *digest),
            Input::Redeem { id, .. } => Asked::Grant(*id),
            // Nobody says them again to who acted on them.
            Input::Receive { message: Message::Trip(_) | Message::OperatorStop(_), .. } => {
                return false;
            }
            // A message that is not heard is said again.
            Input::Receive { .. } => return true,
            Input::Commit { .. }
            | Input::Begin { .. }
            | Input::Finish { .. }
            | Input::SpendRest { .. }
            | Input::Recall { .. }
            | Input::WriteOff { .. }
            | Input::Metered { .. }
            | Input::Unsent { .. }
            | Input::Receipt { .. }
            | Input::Keyed { .. }
            | Input::Trip { .. }
            | Input::Signed(_)
            | Input::Beacon(_)
            | Input::Clock { .. }
            | Input::Gone { .. }
            | Input::Persisted { .. } => return false,
        };
        let error = full("the store is too far behind", "LEDGER_HELD", limits::LEDGER_HELD);
        self.refuse(asked, error);
        true
    }

    pub(super) fn refuse(&mut self, asked: Asked, error: Error) {
        self.out.at_once(Output::Refused { asked, error });
    }

    pub(super) fn audit(&mut self, by: NodeKey, grant: GrantId, breach: Breach) {
        self.out.at_once(Output::Audit { by, grant, breach });
    }

    pub(super) fn send(&mut self, to: NodeKey, message: Message) {
        self.out.at_once(Output::Send { to, message });
    }

    pub(super) fn write_account(&mut self, grant: GrantId) {
        if let Some(account) = self.accounts.get(&grant) {
            self.out.put(super::row::Key::Account(grant), || account.row());
        }
    }

    /// Takes an account in.
    pub(super) fn insert(&mut self, account: Account) {
        let (id, budget) = (account.id(), account.origin().budget_id());
        self.budgets.entry(budget).or_default().insert(id);
        if let Some(grant) = account.grant() {
            *self.issuers.entry(grant.issuer).or_default() += 1;
        }
        self.accounts.insert(id, account);
    }

    /// Takes an account out.
    pub(super) fn remove(&mut self, id: GrantId) -> Option<Account> {
        let account = self.accounts.remove(&id)?;
        let budget = account.origin().budget_id();
        if let Some(ids) = self.budgets.get_mut(&budget) {
            ids.remove(&id);
            if ids.is_empty() {
                self.budgets.remove(&budget);
            }
        }
        if let Some(grant) = account.grant() {
            self.uncount(grant.issuer);
        }
        self.timers.clear_all(id);
        Some(account)
    }

    pub(super) fn uncount(&mut self, issuer: NodeKey) {
        if let Some(count) = self.issuers.get_mut(&issuer) {
            *count -= 1;
            if *count == 0 {
                self.issuers.remove(&issuer);
            }
        }
    }

    /// Refuses what does not fit: all grants have a bound, and each issuer a quarter of it.
    pub(super) fn has_room(&self, issuer: Option<&NodeKey>) -> Result<(), Error> {
        let most = limits::LEDGER_GRANTS;
        let held = issuer.and_then(|issuer| self.issuers.get(issuer)).copied().unwrap_or(0);
        let foreign = issuer.is_some_and(|issuer| *issuer != self.owner.node);
        let share = if foreign { most / limits::QUEUE_SHARE } else { most };
        if self.accounts.len() + self.closed.len() < most && held < share {
            return Ok(());
        }
        Err(full("no more grants fit into this node", "LEDGER_GRANTS", most))
    }
}

/// The error for a bound that was reached.
pub(super) fn full(message: &str, limit: &str, most: usize) -> Error {
    Error::refusal(Kind::Busy, "ledger", message)
        .with_limit(limit, most as u64)
        .with_retry(Retry::Later)
}

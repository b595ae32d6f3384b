//! The ledger of a node, who waits for its answers, and what comes out of it.

use super::durable::{failed, refused};
use super::guards::{Funded, Reservation};
use super::rows::Rows;
use super::settling::Answered;
use super::stopping::Stopping;
use super::switch::Switch;
use crate::audit::Audit;
use crate::call::core::CallCore;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Amount, Asked, Beacon, Breach, BudgetId, Claim, Component, Grant, GrantId, Input, Ledger,
    Message, Now, OperatorStop, Output, ReservationId, Statement, Trip,
};
use hubless_proto::limits;
use hubless_proto::wire::record::Digest;
use hubless_proto::wire::words::TripReason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T>>;

pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) budgets: BTreeMap<GrantId, Answer<()>>,
    pub(super) grants: BTreeMap<GrantId, Answer<Funded>>,
    pub(super) holds: BTreeMap<GrantId, Answer<()>>,
    pub(super) codes: BTreeMap<(GrantId, Digest), Answer<Claim>>,
    pub(super) reservations: BTreeMap<(GrantId, ReservationId), Answer<Reservation>>,
    /// Calls that are handled here under a grant.
    pub(super) calls: BTreeMap<GrantId, Handled>,
    pub(super) switches: BTreeMap<GrantId, Weak<Switch>>,
    /// Last words that were not acknowledged yet, and who they are for.
    pub(super) unsaid: BTreeMap<GrantId, NodeKey>,
    /// Grants whose call was answered, and whose last word is on its way.
    pub(super) answered: BTreeMap<GrantId, Answered>,
    /// Budgets and grants of an earlier process that are not over yet.
    pub(super) left: BTreeSet<GrantId>,
    /// Budgets that are open here, by their accounts.
    pub(super) roots: BTreeMap<GrantId, BudgetId>,
    /// Stops since the start, by reason.
    pub(super) trips: BTreeMap<TripReason, u64>,
    /// Spendings that took more than was set aside for them, since the start.
    pub(super) overruns: u64,
    /// What budgets that began here had used when they were over, since the start.
    pub(super) used: Amount,
    pub(super) stopping: Stopping,
    audit: Arc<Audit>,
    /// Number of the last write.
    pub(super) asked: u64,
    /// Why nothing becomes durable any more.
    pub(super) failed: Option<Error>,
}

/// What is done once nothing of ours is borrowed any more.
pub(super) enum Effect {
    Send(NodeKey, Message),
    Opened(Answer<()>, Result<()>),
    Held(Answer<()>, Result<()>),
    /// Without an answer, nobody waits for it any more.
    Granted(Option<Answer<Funded>>, Box<Grant>),
    NotGranted(Answer<Funded>, Box<Error>),
    Offered(Answer<Claim>, Result<Box<Claim>>),
    Reserved(Option<Answer<Reservation>>, GrantId, ReservationId),
    NotReserved(Answer<Reservation>, Box<Error>),
    Cancel(Arc<CallCore>, TripReason),
    Tripped(Arc<Switch>, Statement),
    TellGateway(Box<Trip>),
    /// A grant that was cut here is charged for good.
    Settled(GrantId),
    /// A budget that was opened here is over, and used so much.
    Over(GrantId, Amount),
}

/// A call that is handled here, with what of its grant is still asked for once the ledger has
/// forgotten it.
pub(super) struct Handled {
    pub(super) call: Weak<CallCore>,
    budget: BudgetId,
    agent: AgentId,
    node: NodeKey,
}

impl Handled {
    pub(super) fn new(call: &Arc<CallCore>, grant: &Grant) -> Self {
        let (budget, agent, node) = (grant.origin.budget_id(), grant.agent, grant.audience);
        Self { call: Arc::downgrade(call), budget, agent, node }
    }
}

impl State {
    pub(super) fn new(ledger: Ledger, audit: Arc<Audit>) -> Self {
        Self {
            ledger,
            budgets: BTreeMap::new(),
            grants: BTreeMap::new(),
            holds: BTreeMap::new(),
            codes: BTreeMap::new(),
            reservations: BTreeMap::new(),
            calls: BTreeMap::new(),
            switches: BTreeMap::new(),
            unsaid: BTreeMap::new(),
            answered: BTreeMap::new(),
            left: BTreeSet::new(),
            roots: BTreeMap::new(),
            trips: BTreeMap::new(),
            overruns: 0,
            used: Amount::ZERO,
            stopping: Stopping::default(),
            audit,
            asked: 0,
            failed: None,
        }
    }

    /// The operator of the mesh stops budgets, as `from` says; those of which something is here.
    pub(super) fn operator_stop(
        &mut self,
        from: NodeKey,
        stop: &OperatorStop,
        now: Now,
    ) -> Vec<BudgetId> {
        let is_here = |budget: &&BudgetId| !self.ledger.accounts(budget).is_empty();
        let here = stop.budgets().iter().filter(is_here).copied().collect();
        for budget in stop.budgets() {
            let entry = Entry::of(Event::OperatorStop).budget(*budget);
            self.audit.fold(entry.by(&format!("mesh:{from}")).node(stop.by()));
        }
        let message = Message::OperatorStop(stop.clone());
        self.ledger.handle(Input::Receive { from, message }, now);
        here
    }

    /// Somebody shows or signs a stop who is not the operator of the mesh.
    pub(super) fn refuse_stop(&self, from: NodeKey, why: &Error) {
        tracing::warn!(%from, error = %why, "a stop of budgets is not taken");
        let entry = Entry::of(Event::OperatorStop).by(&format!("mesh:{from}"));
        self.audit.fold(entry.refused(why));
    }

    /// Somebody shows a redeem code that is none.
    pub(super) fn refuse_code(&self, by: NodeKey, why: &Error) {
        tracing::warn!(%by, error = %why, "a redeem code is not taken");
        let entry = Entry::of(Event::BudgetBreach).by(&format!("mesh:{by}"));
        self.audit.fold(entry.refused(why));
    }

    /// The holder of a grant stops what is below it; the first stop stands.
    pub(super) fn trip_held(&mut self, grant: &Grant, now: Now) {
        let (id, reason, by) = (grant.id, TripReason::Operator, grant.audience);
        if self.ledger.view(&id).is_some_and(|view| view.stopped.is_none()) {
            let budget = grant.origin.budget_id();
            tracing::info!(reason = reason.name(), %budget, agent = %grant.agent, "a call stopped \
                what is below it");
            let entry = Entry::of(Event::GrantTripped).budget(budget).by(&format!("mesh:{by}"));
            self.audit.record(entry.by_agent(Some(grant.agent)).because(reason.name()));
        }
        self.ledger.handle(Input::Trip { grant: id, reason, by }, now);
    }

    /// Writes down that what a grant pays for was stopped here, by its lease or a limit: neither by
    /// the stop of its budget, which has a row, nor by its issuer, nor by its handler.
    fn note_end(&self, grant: GrantId, reason: TripReason) {
        // What nothing is set aside in is over by now, and the ledger has forgotten it.
        let Some(held) = self.calls.get(&grant) else { return };
        let budget = held.budget;
        let elsewhere = matches!(reason, TripReason::Parent | TripReason::Operator);
        if elsewhere || self.ledger.tripped(&budget).is_some() {
            return;
        }
        tracing::info!(reason = reason.name(), %budget, agent = %held.agent, "a call was stopped");
        let entry = Entry::of(Event::GrantTripped).budget(budget);
        let entry = entry.by(&format!("mesh:{}", held.node)).by_agent(Some(held.agent));
        self.audit.fold(entry.because(reason.name()));
    }

    /// Takes everything that came out of the ledger.
    pub(super) fn drain(&mut self, key: &SecretKey, rows: &dyn Rows, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(output) = self.ledger.poll_output() {
            if let Output::Persist { seq, writes } = output {
                self.asked = seq;
                rows.write(seq, writes);
            } else if let Output::Sign(statement) = output {
                match Trip::sign(key, statement) {
                    Ok(trip) => {
                        effects.push(Effect::TellGateway(Box::new(trip.clone())));
                        self.ledger.handle(Input::Signed(trip), now);
                        effects.extend(self.stopped(statement).filter(|_| self.failed.is_some()));
                    }
                    Err(error) => tracing::error!(%error, "a stop could not be signed"),
                }
            } else if let Output::SignBeacon(round) = output {
                match Beacon::sign(key, round) {
                    Ok(beacon) => self.ledger.handle(Input::Beacon(beacon), now),
                    Err(error) => tracing::error!(%error, "a beacon could not be signed"),
                }
            } else if let Output::Send { to, message } = output {
                effects.extend(self.send(to, message));
            } else {
                effects.extend(self.effect(output));
            }
        }
        self.stopping.look_at(&self.ledger);
        effects
    }

    /// Nothing becomes durable any more: whoever waits for an answer gets this one, and so does
    /// whoever asks from now on.
    pub(super) fn fail(&mut self, why: &Error) -> Vec<Effect> {
        self.failed.get_or_insert_with(|| why.clone());
        let (error, refusal) = (failed(why), refused(why));
        let mut effects = Vec::new();
        let opened = std::mem::take(&mut self.budgets).into_values();
        effects.extend(opened.map(|answer| Effect::Opened(answer, Err(error.clone()))));
        let held = std::mem::take(&mut self.holds).into_values();
        effects.extend(held.map(|answer| Effect::Held(answer, Err(refusal.clone()))));
        let codes = std::mem::take(&mut self.codes).into_values();
        effects.extend(codes.map(|answer| Effect::Offered(answer, Err(error.clone()))));
        let boxed = || Box::new(error.clone());
        let granted = std::mem::take(&mut self.grants).into_values();
        effects.extend(granted.map(|answer| Effect::NotGranted(answer, boxed())));
        let reserved = std::mem::take(&mut self.reservations).into_values();
        effects.extend(reserved.map(|answer| Effect::NotReserved(answer, boxed())));
        // A stop that is not durable is told to nobody but the program itself.
        let stops = self.switches.keys().filter_map(|account| self.ledger.stop(account).copied());
        effects.extend(stops.filter_map(|stop| self.stopped(stop)));
        effects
    }

    fn effect(&mut self, output: Output) -> Option<Effect> {
        match output {
            Output::Opened { grant } => {
                if let Some(budget) = self.roots.get(&grant) {
                    self.audit.record(Entry::of(Event::BudgetOpened).budget(*budget));
                }
                return self.budgets.remove(&grant).map(|answer| Effect::Opened(answer, Ok(())));
            }
            Output::Granted(grant) => {
                return Some(Effect::Granted(self.grants.remove(&grant.id), grant));
            }
            Output::Held(grant) => {
                return self.holds.remove(&grant.id).map(|answer| Effect::Held(answer, Ok(())));
            }
            Output::Offered(claim) => {
                let answer = self.codes.remove(&(claim.grant, claim.digest));
                return answer.map(|answer| Effect::Offered(answer, Ok(claim)));
            }
            Output::Reserved { grant, id } => {
                let answer = self.reservations.remove(&(grant, id));
                return Some(Effect::Reserved(answer, grant, id));
            }
            Output::Refused { asked, error } => return self.refused(asked, error),
            Output::Cancel { grant, reason } => {
                self.note_end(grant, reason);
                let call = self.calls.get(&grant).and_then(|held| held.call.upgrade());
                return call.map(|call| Effect::Cancel(call, reason));
            }
            Output::Tripped(statement) => {
                tracing::info!(reason = statement.reason.name(), by = %statement.by,
                    budget = %statement.origin.budget_id(), "a budget was stopped");
                *self.trips.entry(statement.reason).or_default() += 1;
                let account = statement.origin.account();
                if self.roots.contains_key(&account) {
                    self.stopping.begin(account);
                }
                let entry = Entry::of(Event::BudgetTripped).budget(statement.origin.budget_id());
                let entry = entry.by(&format!("mesh:{}", statement.by));
                self.audit.record(entry.because(statement.reason.name()));
                return self.stopped(statement);
            }
            Output::Overrun { by, budget, overrun } => self.overrun(by, budget, &overrun),
            Output::Audit { by, grant, breach } => return self.breach(by, grant, breach),
            Output::Settled { grant, charged, written_off } => {
                if written_off {
                    tracing::warn!(%grant, ?charged, "written off: its holder did not come back");
                } else {
                    tracing::trace!(%grant, ?charged, "settled");
                }
                return Some(Effect::Settled(grant));
            }
            Output::Closed { grant, used, in_full } => return self.closed(grant, used, in_full),
            // Taken before.
            Output::Persist { .. }
            | Output::Sign(_)
            | Output::SignBeacon(_)
            | Output::Send { .. } => {}
        }
        None
    }

    /// A provider took more than was set aside for it.
    fn overrun(&mut self, by: NodeKey, budget: BudgetId, overrun: &Amount) {
        tracing::warn!(%by, %budget, ?overrun, "a provider took more than was set aside");
        self.overruns += 1;
        let entry = Entry::of(Event::ProviderOverrun).budget(budget).spent(overrun);
        self.audit.fold(entry.by(&format!("mesh:{by}")));
    }

    /// A grant or budget is over; those of an earlier process are told of.
    fn closed(&mut self, grant: GrantId, used: Amount, in_full: bool) -> Option<Effect> {
        tracing::trace!(%grant, ?used, in_full, "closed");
        let root = self.roots.remove(&grant);
        if let Some(budget) = root {
            self.audit.record(Entry::of(Event::BudgetClosed).budget(budget).spent(&used));
        }
        let over = root.map(|_| Effect::Over(grant, used));
        if over.is_some() {
            self.used = self.used.plus_at_most(&used);
        }
        if !self.left.remove(&grant) {
            return over;
        }
        let [input, output, cost, calls] = Component::ALL.map(|one| used.of(one));
        let left = self.left.len();
        let said = "left by an earlier process, and over";
        tracing::info!(%grant, input, output, cost, calls, left, "{said}");
        over
    }

    fn stopped(&self, statement: Statement) -> Option<Effect> {
        let account = statement.origin.account();
        let switch = self.switches.get(&account).and_then(Weak::upgrade);
        switch.map(|switch| Effect::Tripped(switch, statement))
    }

    fn send(&mut self, to: NodeKey, message: Message) -> Vec<Effect> {
        let (grant, refusal) = match &message {
            Message::Settle(settlement) => {
                let over = Error::refusal(Kind::Killed, "finished", "the grant is used up");
                (settlement.grant, over)
            }
            Message::Refused { grant, kind, code } => {
                (*grant, Error::refusal(*kind, code, "the grant was refused"))
            }
            Message::Grant(_)
            | Message::Progress { .. }
            | Message::SettleAck { .. }
            | Message::RenewAsk { .. }
            | Message::Renew { .. }
            | Message::Beacon(_)
            | Message::Recall { .. }
            | Message::Trip(_)
            | Message::OperatorStop(_) => return vec![Effect::Send(to, message)],
        };
        if self.unsaid.len() < limits::LEDGER_GRANTS {
            self.unsaid.insert(grant, to);
        }
        // A call that waits to be held hears it too.
        let waits = self.holds.remove(&grant).map(|answer| Effect::Held(answer, Err(refusal)));
        [Some(Effect::Send(to, message)), waits].into_iter().flatten().collect()
    }

    fn refused(&mut self, asked: Asked, error: Error) -> Option<Effect> {
        match asked {
            Asked::Budget(grant) => {
                self.roots.remove(&grant);
                self.budgets.remove(&grant).map(|answer| Effect::Opened(answer, Err(error)))
            }
            Asked::Grant(grant) => match self.grants.remove(&grant) {
                Some(answer) => Some(Effect::NotGranted(answer, Box::new(error))),
                None => self.holds.remove(&grant).map(|answer| Effect::Held(answer, Err(error))),
            },
            Asked::Reservation(grant, id) => {
                let error = self.why_over(&grant).unwrap_or(error);
                let answer = self.reservations.remove(&(grant, id));
                answer.map(|answer| Effect::NotReserved(answer, Box::new(error)))
            }
            Asked::Code(grant, digest) => {
                let answer = self.codes.remove(&(grant, digest));
                answer.map(|answer| Effect::Offered(answer, Err(error)))
            }
            // The switch is done with: there is nothing to stop.
            Asked::Trip(_) => None,
        }
    }

    /// Why nothing is left of the grant of a call whose budget is stopped; the ledger forgets what
    /// is over.
    fn why_over(&self, grant: &GrantId) -> Option<Error> {
        if self.ledger.view(grant).is_some() {
            return None;
        }
        let stop = self.ledger.tripped(&self.calls.get(grant)?.budget)?;
        Some(Error::refusal(Kind::Killed, stop.reason.name(), "the call tree was stopped"))
    }

    fn breach(&mut self, by: NodeKey, grant: GrantId, breach: Breach) -> Option<Effect> {
        tracing::warn!(%by, %grant, ?breach, "a breach of a budget");
        let denied = Error::refusal(Kind::Denied, "grant", "the grant is not for this call");
        let entry = Entry::of(Event::BudgetBreach).by(&format!("mesh:{by}")).refused(&denied);
        self.audit.fold(entry.because(breach.name()));
        self.holds.remove(&grant).map(|answer| Effect::Held(answer, Err(denied)))
    }
}

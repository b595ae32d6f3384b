//! The ledger of a node, who waits for its answers, and what comes out of it.

use super::guards::{Funded, Reservation};
use super::rows::Rows;
use super::switch::Switch;
use crate::call::core::CallCore;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Asked, Breach, Grant, GrantId, Input, Ledger, Message, Now, Output, ReservationId, Statement,
    Trip,
};
use hubless_proto::limits;
use hubless_proto::wire::words::TripReason;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T>>;

pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) budgets: BTreeMap<GrantId, Answer<()>>,
    pub(super) grants: BTreeMap<GrantId, Answer<Funded>>,
    pub(super) holds: BTreeMap<GrantId, Answer<()>>,
    pub(super) reservations: BTreeMap<(GrantId, ReservationId), Answer<Reservation>>,
    /// Calls that are handled here under a grant.
    pub(super) calls: BTreeMap<GrantId, Weak<CallCore>>,
    pub(super) switches: BTreeMap<GrantId, Weak<Switch>>,
    /// Last words that were not acknowledged yet, and who they are for.
    pub(super) unsaid: BTreeMap<GrantId, NodeKey>,
}

/// What is done once nothing of ours is borrowed any more.
pub(super) enum Effect {
    Send(NodeKey, Message),
    Opened(Answer<()>, Result<()>),
    Held(Answer<()>, Result<()>),
    /// Without an answer, nobody waits for it any more.
    Granted(Option<Answer<Funded>>, Box<Grant>),
    NotGranted(Answer<Funded>, Box<Error>),
    Reserved(Option<Answer<Reservation>>, GrantId, ReservationId),
    NotReserved(Answer<Reservation>, Box<Error>),
    Cancel(Arc<CallCore>, TripReason),
    Tripped(Arc<Switch>, Statement),
}

impl State {
    pub(super) const fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            budgets: BTreeMap::new(),
            grants: BTreeMap::new(),
            holds: BTreeMap::new(),
            reservations: BTreeMap::new(),
            calls: BTreeMap::new(),
            switches: BTreeMap::new(),
            unsaid: BTreeMap::new(),
        }
    }

    /// Takes everything that came out of the ledger.
    pub(super) fn drain(&mut self, key: &SecretKey, rows: &dyn Rows, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(output) = self.ledger.poll_output() {
            if let Output::Persist { seq, writes } = output {
                rows.write(seq, writes);
            } else if let Output::Sign(statement) = output {
                match Trip::sign(key, statement) {
                    Ok(trip) => self.ledger.handle(Input::Signed(trip), now),
                    Err(error) => tracing::error!(%error, "a stop could not be signed"),
                }
            } else if let Output::Send { to, message } = output {
                effects.extend(self.send(to, message));
            } else {
                effects.extend(self.effect(output));
            }
        }
        effects
    }

    fn effect(&mut self, output: Output) -> Option<Effect> {
        match output {
            Output::Opened { grant } => {
                return self.budgets.remove(&grant).map(|answer| Effect::Opened(answer, Ok(())));
            }
            Output::Granted(grant) => {
                return Some(Effect::Granted(self.grants.remove(&grant.id), grant));
            }
            Output::Held(grant) => {
                return self.holds.remove(&grant.id).map(|answer| Effect::Held(answer, Ok(())));
            }
            Output::Reserved { grant, id } => {
                let answer = self.reservations.remove(&(grant, id));
                return Some(Effect::Reserved(answer, grant, id));
            }
            Output::Refused { asked, error } => return self.refused(asked, error),
            Output::Cancel { grant, reason } => {
                let call = self.calls.get(&grant).and_then(Weak::upgrade);
                return call.map(|call| Effect::Cancel(call, reason));
            }
            Output::Tripped(statement) => {
                tracing::info!(reason = statement.reason.name(), by = %statement.by,
                    budget = %statement.origin.budget_id(), "a budget was stopped");
                let account = statement.origin.account();
                let switch = self.switches.get(&account).and_then(Weak::upgrade);
                return switch.map(|switch| Effect::Tripped(switch, statement));
            }
            Output::Audit { by, grant, breach } => return self.breach(by, grant, breach),
            Output::Settled { grant, charged } => tracing::trace!(%grant, ?charged, "settled"),
            Output::Closed { grant, used, in_full } => {
                tracing::trace!(%grant, ?used, in_full, "closed");
            }
            // Taken before.
            Output::Persist { .. } | Output::Sign(_) | Output::Send { .. } => {}
        }
        None
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
            | Message::Recall { .. }
            | Message::Trip(_) => return vec![Effect::Send(to, message)],
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
                self.budgets.remove(&grant).map(|answer| Effect::Opened(answer, Err(error)))
            }
            Asked::Grant(grant) => match self.grants.remove(&grant) {
                Some(answer) => Some(Effect::NotGranted(answer, Box::new(error))),
                None => self.holds.remove(&grant).map(|answer| Effect::Held(answer, Err(error))),
            },
            Asked::Reservation(grant, id) => {
                let answer = self.reservations.remove(&(grant, id));
                answer.map(|answer| Effect::NotReserved(answer, Box::new(error)))
            }
            // The switch is done with: there is nothing to stop.
            Asked::Trip(_) => None,
        }
    }

    fn breach(&mut self, by: NodeKey, grant: GrantId, breach: Breach) -> Option<Effect> {
        tracing::warn!(%by, %grant, ?breach, "a breach of a budget");
        let denied = Error::refusal(Kind::Denied, "grant", "the grant is not for this call");
        self.holds.remove(&grant).map(|answer| Effect::Held(answer, Err(denied)))
    }
}

//! Trips: a budget is stopped once and for all, and everybody below hears of it.

use super::account::Drain;
use super::io::{Asked, Output};
use super::ledger::{Ledger, Tripped};
use super::row::{Key, Row};
use super::{BudgetId, GrantId, Message, Now, Statement, Trip};
use crate::error::{Error, Kind};
use crate::identity::NodeKey;
use crate::limits;
use crate::wire::v1;
use crate::wire::words::TripReason;

impl Ledger {
    /// Somebody who may asks for a stop: of the budget where it begins here, else of what is below
    /// the grant that is held here.
    pub(super) fn trip(&mut self, grant: GrantId, reason: TripReason, by: NodeKey, now: Now) {
        match self.accounts.get(&grant).map(super::account::Account::is_root) {
            Some(true) => self.trip_budget(grant, reason, by, now),
            Some(false) => self.drain(grant, Drain::Stopped(reason), now),
            None => {
                let message = "expected a grant that is held here, or a budget that is open here";
                let error = Error::new(Kind::NotFound, message).with_code("grant");
                self.refuse(Asked::Trip(grant), error);
            }
        }
    }

    /// Stops a budget that begins here. Nothing more is granted or spent from this moment; the
    /// others hear of it once it is signed and durable, so that a crash cannot take it back.
    pub(super) fn trip_budget(
        &mut self,
        account: GrantId,
        reason: TripReason,
        by: NodeKey,
        now: Now,
    ) {
        let Some(root) = self.accounts.get(&account) else { return };
        let (origin, epoch) = (root.origin(), root.epoch());
        let budget = origin.budget_id();
        if self.trips.contains_key(&budget) {
            return;
        }
        let statement = Statement { origin, epoch, reason, by, at_ms: now.unix_ms };
        self.remember_trip(budget, Tripped { statement, trip: None });
        self.out.at_once(Output::Sign(statement));
        self.stop_all(&budget, reason, now);
    }

    /// The own key signed a statement.
    pub(super) fn signed(&mut self, trip: Trip, now: Now) {
        let budget = trip.budget_id();
        let Some(tripped) = self.trips.get_mut(&budget).filter(|one| one.trip.is_none()) else {
            return;
        };
        if tripped.statement != *trip.statement() {
            return;
        }
        tripped.trip = Some(trip.clone());
        self.write_trip(&trip);
        for (to, message) in self.forwarded(&trip) {
            self.out.after(Output::Send { to, message });
        }
        self.out.after(Output::Tripped(*trip.statement()));
        self.stop_all(&budget, trip.statement().reason, now);
    }

    /// The root of a budget stopped it.
    pub(super) fn trip_received(&mut self, from: NodeKey, trip: Trip, now: Now) {
        let budget = trip.budget_id();
        if self.trips.contains_key(&budget) {
            return;
        }
        let statement = *trip.statement();
        // Those below hear of it before anything else is done.
        for (to, message) in self.forwarded(&trip) {
            if to != from {
                self.send(to, message);
            }
        }
        self.write_trip(&trip);
        self.remember_trip(budget, Tripped { statement, trip: Some(trip) });
        // Of what its operator stopped here before it was told then.
        if self.budgets.contains_key(&budget) && !self.stops.contains_key(&budget) {
            self.out.after(Output::Tripped(statement));
        }
        self.stop_all(&budget, statement.reason, now);
    }

    pub(super) fn stop_all(&mut self, budget: &BudgetId, reason: TripReason, now: Now) {
        let accounts = self.budgets.get(budget).cloned().unwrap_or_default();
        for account in accounts {
            self.drain(account, Drain::Stopped(reason), now);
        }
    }

    fn forwarded(&self, trip: &Trip) -> Vec<(NodeKey, Message)> {
        let peers = self.holders(&trip.budget_id()).into_iter();
        peers.map(|peer| (peer, Message::Trip(trip.clone()))).collect()
    }

    /// Every other node that holds an open grant of a budget that was cut here.
    pub(super) fn holders(&self, budget: &BudgetId) -> Vec<NodeKey> {
        let ids = self.budgets.get(budget).into_iter().flatten();
        let accounts = ids.filter_map(|id| self.accounts.get(id));
        let open = accounts.flat_map(|account| account.subs.values());
        let open = open.filter(|sub| sub.state.is_open()).map(|sub| sub.grant.audience);
        let mut peers: Vec<NodeKey> = open.filter(|peer| *peer != self.owner.node).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// Keeps a trip; at the bound the oldest one of which nothing is here is forgotten.
    pub(super) fn remember_trip(&mut self, budget: BudgetId, tripped: Tripped) {
        if self.trips.len() >= limits::LEDGER_TRIPS {
            let unused = |budget: &BudgetId| !self.budgets.contains_key(budget);
            if let Some(at) = self.trip_order.iter().position(unused)
                && let Some(oldest) = self.trip_order.remove(at)
            {
                self.trips.remove(&oldest);
                self.out.delete(Key::Trip(oldest));
            }
        }
        self.trips.insert(budget, tripped);
        self.trip_order.push_back(budget);
    }

    fn write_trip(&mut self, trip: &Trip) {
        let key = Key::Trip(trip.budget_id());
        self.out.put(key, || Row::new(key, v1::ledger_row::Kind::Trip(trip.signed().clone())));
    }
}

//! Leases: how long a node that hears nothing from above goes on.
//!
//! A lease runs from the moment at which its holder last asked, on the holder's own clock: a
//! message that is late can only make it shorter.

use super::account::{Drain, SubState};
use super::io::{Breach, Output};
use super::ledger::Ledger;
use super::timers::Timer;
use super::{Amount, GrantId, Life, Message, Now, Reading, fault};
use crate::identity::NodeKey;
use crate::limits::{CALL_DEPTH, LEASE, LEASE_PARTS, ms};
use crate::wire::record::Digest;
use crate::wire::words::TripReason;

/// Whether something may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may, for so many milliseconds; none: nothing here says when it ends.
    Active { left_ms: Option<u64> },
    /// There was no lease yet.
    Waiting,
    /// The lease is over.
    Over,
}

impl Ledger {
    /// Whether something may be begun from an account, and whose lease decides: inside a node the
    /// lease of the grant that came from outside counts for all that was cut from it.
    pub(super) fn standing(&self, grant: GrantId, now: Now) -> (GrantId, Standing) {
        let mut id = grant;
        for _ in 0..=CALL_DEPTH {
            let Some(account) = self.accounts.get(&id) else { return (id, Standing::Over) };
            let Some(held) = account.grant() else {
                return (id, Standing::Active { left_ms: None });
            };
            if let Life::Detached { not_after_ms } = held.life {
                // What is leased below it has no longer than it has itself.
                let left_ms = now.clock_at(not_after_ms).saturating_sub(now.clock_ms);
                let active = Standing::Active { left_ms: Some(left_ms) };
                return (id, if left_ms == 0 { Standing::Over } else { active });
            }
            if held.issuer != self.owner.node {
                let standing = match account.lease.until_ms {
                    None => Standing::Waiting,
                    Some(until_ms) if now.clock_ms < until_ms => {
                        Standing::Active { left_ms: Some(until_ms - now.clock_ms) }
                    }
                    Some(_) => Standing::Over,
                };
                return (id, standing);
            }
            id = held.parent;
        }
        (id, Standing::Over)
    }

    /// How long a lease may be that is given from an account now.
    pub(super) fn lease_below(&self, grant: GrantId, left_ms: Option<u64>) -> u64 {
        let own_ms = self.accounts.get(&grant).map_or(0, super::account::Account::lease_ms);
        left_ms.map_or(own_ms, |left_ms| left_ms.min(own_ms))
    }

    /// Begins the first lease of a grant from the reading that it carries, or asks for one.
    pub(super) fn begin_lease(&mut self, grant: GrantId, reading: Option<Reading>, now: Now) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        let Some(Life::Leased { lease_ms }) = account.grant().map(|grant| grant.life) else {
            return;
        };
        account.lease.length_ms = lease_ms;
        // Its issuer alone begins no lease of a strict budget.
        let strict = account.origin().is_strict();
        let own = reading.filter(|one| !strict && one.instance == self.owner.instance);
        let from_ms = own.map(|reading| reading.clock_ms).filter(|ms| *ms <= now.clock_ms);
        let from_ms =
            if fault::LEASE_FROM_RECEIPT { from_ms.map(|_| now.clock_ms) } else { from_ms };
        let until_ms = from_ms.map(|from_ms| from_ms.saturating_add(lease_ms));
        // With less than a part of it left, it could end before an answer comes.
        let least_ms = now.clock_ms.saturating_add((lease_ms / LEASE_PARTS).max(1));
        match until_ms.filter(|until_ms| least_ms < *until_ms) {
            Some(until_ms) => self.set_lease(grant, (until_ms, lease_ms), now),
            None => {
                // No answer in this time: nobody above is to be heard. Nothing is spent before.
                let wait_ms = if strict { ms(LEASE) } else { lease_ms.max(ms(LEASE)) };
                let end_ms = now.clock_ms.saturating_add(wait_ms);
                self.timers.set(grant, Timer::Lease, end_ms);
                self.ask_lease(grant, now);
            }
        }
    }

    /// Asks the issuer whether it may go on, and says what was used so far.
    pub(super) fn ask_lease(&mut self, grant: GrantId, now: Now) {
        let reading = Reading { instance: self.owner.instance, clock_ms: now.clock_ms };
        let Some(account) = self.accounts.get_mut(&grant).filter(|one| one.drain.is_none()) else {
            return;
        };
        let Some(issuer) = account.grant().map(|grant| grant.issuer) else { return };
        account.lease.asked = true;
        let strict = account.origin().is_strict();
        let again_ms = (account.lease.length_ms / LEASE_PARTS).max(1);
        self.timers.set(grant, Timer::Renew, now.clock_ms.saturating_add(again_ms));
        if strict {
            return self.fold_soon(grant, now);
        }
        self.send(issuer, Message::RenewAsk { grant, reading, fold: None });
        let used = self.known(grant);
        if used != Amount::ZERO {
            self.send(issuer, Message::Progress { grant, used });
        }
    }

    /// A holder asks whether it may go on.
    pub(super) fn lease_asked(
        &mut self,
        from: NodeKey,
        (grant, fold): (GrantId, Option<Digest>),
        reading: Reading,
        now: Now,
    ) {
        let account = self.cut_from.get(&grant).copied();
        let parent = account.and_then(|id| self.accounts.get(&id));
        let sub = parent.and_then(|parent| parent.subs.get(&grant));
        let Some((parent, sub)) = parent.zip(sub) else {
            return self.send(from, Message::Recall { grant, reading: Some(reading) });
        };
        if sub.grant.audience != from {
            return self.audit(from, grant, Breach::WrongHolder);
        }
        if let Some(tripped) = self.trips.get(&parent.origin().budget_id()) {
            if let Some(trip) = tripped.trip.clone() {
                // A stop that a crash could still take back is told to nobody.
                self.out.after(Output::Send { to: from, message: Message::Trip(trip) });
            }
            return;
        }
        if sub.state != SubState::Open || parent.drain.is_some() {
            let reading = sub.grant.reading;
            return self.send(from, Message::Recall { grant, reading });
        }
        let (id, strict) = (parent.id(), parent.origin().is_strict());
        match fold.filter(|_| strict) {
            Some(fold) => self.fold_asked(id, grant, fold, now),
            None if strict => self.audit(from, grant, Breach::WrongBeacon),
            None => self.answer_lease(id, grant, reading, now),
        }
    }

    /// Answers a holder, or asks above first when too little is left of the own lease.
    fn answer_lease(&mut self, parent: GrantId, grant: GrantId, reading: Reading, now: Now) {
        let (holder, standing) = self.standing(parent, now);
        let left_ms = match standing {
            Standing::Active { left_ms } => left_ms,
            Standing::Waiting => Some(0),
            Standing::Over => {
                return self.drain(holder, Drain::Stopped(TripReason::LeaseLost), now);
            }
        };
        let lease = self.accounts.get(&holder).map(|account| account.lease).unwrap_or_default();
        // Else each level would have less than the one above it.
        let fresh = left_ms.is_none_or(|left| left.saturating_mul(8) >= lease.length_ms * 7);
        if fresh {
            return self.give_lease(parent, grant, reading, left_ms);
        }
        if let Some(account) = self.accounts.get_mut(&holder) {
            account.asks.insert(grant, reading);
        }
        if !lease.asked {
            self.ask_lease(holder, now);
        }
    }

    fn give_lease(
        &mut self,
        parent: GrantId,
        grant: GrantId,
        reading: Reading,
        left_ms: Option<u64>,
    ) {
        let lease_ms = self.lease_below(parent, left_ms);
        let Some(account) = self.accounts.get(&parent) else { return };
        let Some(sub) = account.subs.get(&grant) else { return };
        let (to, epoch) = (sub.grant.audience, account.epoch());
        if sub.state == SubState::Open && account.drain.is_none() && lease_ms > 0 {
            self.send(to, Message::Renew { grant, reading, lease_ms, epoch });
        }
    }

    /// The issuer says that a holder may go on, from the time it asked.
    pub(super) fn lease_renewed(
        &mut self,
        from: NodeKey,
        (grant, epoch): (GrantId, u64),
        (reading, lease_ms): (Reading, u64),
        now: Now,
    ) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        let Some(held) = account.grant() else { return };
        if held.issuer != from {
            return self.audit(from, grant, Breach::WrongIssuer);
        }
        if held.origin.is_strict() && !fault::ISSUER_FOR_ROOT {
            return self.audit(from, grant, Breach::WrongBeacon);
        }
        let own = reading.instance == self.owner.instance && reading.clock_ms <= now.clock_ms;
        let leased = matches!(held.life, Life::Leased { .. });
        if !own || !leased || held.epoch != epoch || account.drain.is_some() {
            return;
        }
        self.extend_lease(grant, (reading.clock_ms, lease_ms), now);
    }

    /// A lease runs from this time on the own clock, unless it would not be longer.
    pub(super) fn extend_lease(
        &mut self,
        grant: GrantId,
        (from_ms, lease_ms): (u64, u64),
        now: Now,
    ) {
        let from_ms = if fault::LEASE_FROM_RECEIPT { now.clock_ms } else { from_ms };
        let until_ms = from_ms.saturating_add(lease_ms);
        let old_ms = self.accounts.get(&grant).and_then(|account| account.lease.until_ms);
        if until_ms <= now.clock_ms || old_ms.is_some_and(|old_ms| until_ms <= old_ms) {
            return;
        }
        if old_ms.is_some_and(|old_ms| old_ms <= now.clock_ms) {
            return self.drain(grant, Drain::Stopped(TripReason::LeaseLost), now);
        }
        self.set_lease(grant, (until_ms, lease_ms), now);
    }

    fn set_lease(&mut self, grant: GrantId, (until_ms, length_ms): (u64, u64), now: Now) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        account.lease.until_ms = Some(until_ms);
        account.lease.length_ms = length_ms;
        account.lease.asked = false;
        let asks = std::mem::take(&mut account.asks);
        let began_ms = until_ms.saturating_sub(length_ms);
        let renew_ms = began_ms.saturating_add((length_ms / LEASE_PARTS).max(1));
        self.timers.set(grant, Timer::Lease, until_ms);
        self.timers.set(grant, Timer::Renew, renew_ms.max(now.clock_ms + 1));
        for (below, reading) in asks {
            if let Some(parent) = self.cut_from.get(&below).copied() {
                let left_ms = Some(until_ms.saturating_sub(now.clock_ms));
                self.give_lease(parent, below, reading, left_ms);
            }
        }
        for request in self.waiting.remove(&grant).unwrap_or_default() {
            self.take(request, now);
        }
    }

    /// The lease of a grant is over, or its first one never came.
    pub(super) fn end_lease(&mut self, grant: GrantId, now: Now) {
        let lease = self.accounts.get(&grant).map(|account| account.lease);
        if lease.is_some_and(|lease| lease.until_ms.is_none_or(|ms| ms <= now.clock_ms)) {
            self.drain(grant, Drain::Stopped(TripReason::LeaseLost), now);
        }
    }

    /// The wall time of a budget, or the time of a detached grant, is over.
    pub(super) fn end_time(&mut self, grant: GrantId, now: Now) {
        let Some(account) = self.accounts.get(&grant) else { return };
        if account.is_root() {
            self.trip_budget(grant, TripReason::WallTime, self.owner.node, now);
        } else {
            self.drain(grant, Drain::Stopped(TripReason::WallTime), now);
        }
    }
}

/// The wait after one of `repeat_ms`: it doubles up to a bound.
pub(super) fn next_repeat(repeat_ms: u64) -> u64 {
    let (first, most) = (crate::limits::SETTLE_REPEAT, crate::limits::SETTLE_REPEAT_MAX);
    repeat_ms.saturating_mul(2).clamp(ms(first), ms(most))
}

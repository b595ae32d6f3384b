//! Grants that are held here: taken, drained, closed, and the last word about them.

use super::account::{Account, Drain, SubState, Title};
use super::closed::{Closed, unused};
use super::io::{Breach, Ending, Output};
use super::lease::next_repeat;
use super::ledger::Ledger;
use super::row::Key;
use super::spend::Outcome;
use super::timers::Timer;
use super::{Grant, GrantId, Life, Message, Now, Reading, Settlement, fault};
use crate::error::{Error, Kind, Result};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use crate::wire::words::TripReason;

impl Ledger {
    /// A grant came with a call.
    pub(super) fn take_grant(&mut self, from: NodeKey, grant: Grant, now: Now) {
        let id = grant.id;
        if grant.issuer != from {
            return self.audit(from, id, Breach::WrongIssuer);
        }
        if grant.audience != self.owner.node {
            return self.audit(from, id, Breach::WrongAudience);
        }
        if self.is_known(&grant, now) {
            return;
        }
        if !self.is_ours(grant.reading) {
            return self.send(from, Message::Settle(Settlement { lost: true, ..unused(id) }));
        }
        match self.admit_grant(&grant, now) {
            Ok(()) => {
                self.hold(grant.clone(), now);
                self.begin_lease(id, grant.reading, now);
                self.out.after(Output::Held(Box::new(grant)));
            }
            Err(error) => {
                let digest = Some(grant.digest());
                let refused = Some((error.kind, error.code));
                self.close_unused(Closed { digest, refused, ..Closed::new(from, unused(id)) }, now);
            }
        }
    }

    /// Deals with a grant whose id was seen before.
    fn is_known(&mut self, grant: &Grant, now: Now) -> bool {
        let (id, from) = (grant.id, grant.issuer);
        if let Some(account) = self.accounts.get_mut(&id) {
            if account.grant() != Some(grant) {
                self.audit(from, id, Breach::Equivocation);
            } else if fault::DUPLICATE_GRANT {
                account.double();
            }
            return true;
        }
        let Some(closed) = self.closed.get(&(id, from)) else { return false };
        if closed.digest.is_some_and(|digest| digest != grant.digest()) {
            self.audit(from, id, Breach::Equivocation);
        } else {
            self.say_last_word((id, from), now);
        }
        true
    }

    fn admit_grant(&self, grant: &Grant, now: Now) -> Result<()> {
        if let Some(reason) = self.stop_reason(&grant.budget_id()) {
            return Err(super::spend::ended(Drain::Stopped(reason)));
        }
        if grant.depth > grant.depth_max || grant.depth == 0 {
            let message = format!("expected a depth of 1 to {}", grant.depth_max);
            return Err(Error::refusal(Kind::HopLimit, "depth", message));
        }
        if let Life::Detached { not_after_ms } = grant.life {
            if grant.origin.is_strict() {
                let message = "expected no detached grant: the budget is strict";
                return Err(Error::refusal(Kind::Expired, "not_after", message));
            }
            let most_ms = now.unix_ms.saturating_add(ms(limits::GRANT_DETACHED));
            if not_after_ms <= now.unix_ms
                || not_after_ms > most_ms.saturating_add(ms(limits::CLOCK_SKEW))
            {
                let message = "expected a detached grant that ends within 24 h";
                return Err(Error::refusal(Kind::Expired, "not_after", message));
            }
        }
        self.has_room(Some(&grant.issuer))
    }

    /// Takes a grant in; it is durable before anything is spent from it.
    pub(super) fn hold(&mut self, grant: Grant, now: Now) {
        let id = grant.id;
        if let Life::Detached { not_after_ms } = grant.life {
            self.timers.set(id, Timer::End, now.clock_at(not_after_ms));
        }
        self.insert(Account::new(Title::Held(grant)));
        self.write_account(id);
    }

    /// The issuer wants a grant ended.
    pub(super) fn recalled(
        &mut self,
        from: NodeKey,
        grant: GrantId,
        reading: Option<Reading>,
        now: Now,
    ) {
        if let Some(account) = self.accounts.get(&grant) {
            if account.grant().is_none_or(|held| held.issuer != from) {
                return self.audit(from, grant, Breach::WrongIssuer);
            }
            return self.drain(grant, Drain::Stopped(TripReason::Parent), now);
        }
        if self.closed.contains_key(&(grant, from)) {
            return self.say_last_word((grant, from), now);
        }
        // It has not come yet, or never will; from here on it is not taken.
        if self.is_ours(reading) {
            self.close_unused(Closed::new(from, unused(grant)), now);
        } else {
            self.send(from, Message::Settle(Settlement { lost: true, ..unused(grant) }));
        }
    }

    /// Remembers that nothing was or will be spent from a grant, and says so.
    fn close_unused(&mut self, closed: Closed, now: Now) {
        // Without room nothing can be promised: the issuer asks again.
        if self.has_room(Some(&closed.issuer)).is_ok() {
            self.remember(closed, now);
        }
    }

    fn remember(&mut self, closed: Closed, now: Now) {
        let (key, issuer) = ((closed.settlement.grant, closed.issuer), closed.issuer);
        let give_up_ms = now.after(limits::SETTLE_LIFE);
        let closed = Closed { give_up_ms, ..closed };
        self.out.put(closed.key(), || closed.row());
        if self.closed.insert(key, closed).is_none() {
            *self.issuers.entry(issuer).or_default() += 1;
        }
        self.say_last_word(key, now);
    }

    /// Says the last word once it is durable, and again until it is acknowledged.
    fn say_last_word(&mut self, key: (GrantId, NodeKey), now: Now) {
        let Some(closed) = self.closed.get_mut(&key) else { return };
        let message = closed.message();
        if !closed.acknowledged {
            closed.repeat_ms = next_repeat(closed.repeat_ms);
            self.timers.set(key.0, Timer::Settle, now.clock_ms.saturating_add(closed.repeat_ms));
        }
        self.out.after(Output::Send { to: key.1, message });
    }

    /// Says the last word once more, until nobody can be expected to hear it.
    pub(super) fn repeat_settle(&mut self, grant: GrantId, now: Now) {
        let Some(key) = self.closed_key(grant, |closed| !closed.acknowledged) else { return };
        let give_up_ms = self.closed.get(&key).map_or(0, |closed| closed.give_up_ms);
        if now.clock_ms >= give_up_ms {
            return self.timers.set(grant, Timer::Forget, now.after(limits::GRANT_MEMORY));
        }
        self.say_last_word(key, now);
    }

    /// The issuer wrote the last word down.
    pub(super) fn settle_acknowledged(&mut self, from: NodeKey, grant: GrantId, now: Now) {
        let Some(closed) = self.closed.get_mut(&(grant, from)) else { return };
        if closed.acknowledged {
            return;
        }
        closed.acknowledged = true;
        // Its issuer has them; a repeated word is only acknowledged again.
        closed.settlement.shown = Vec::new();
        closed.settlement.receipts = None;
        self.out.put(closed.key(), || closed.row());
        // Whoever else says that it cut a grant of this id has not heard of it.
        if self.closed_key(grant, |closed| !closed.acknowledged).is_none() {
            self.timers.clear(grant, Timer::Settle);
        }
        self.timers.set(grant, Timer::Forget, now.after(limits::GRANT_MEMORY));
    }

    /// Forgets a grant: should it come again, its reading is too old to begin a lease, and its
    /// issuer gives none.
    pub(super) fn forget(&mut self, grant: GrantId, now: Now) {
        let over = |closed: &Closed| closed.acknowledged || closed.give_up_ms <= now.clock_ms;
        let Some(key) = self.closed_key(grant, over) else { return };
        if let Some(closed) = self.closed.remove(&key) {
            self.out.delete(closed.key());
            self.uncount(key.1);
        }
    }

    pub(super) fn closed_key(
        &self,
        grant: GrantId,
        wanted: impl Fn(&Closed) -> bool,
    ) -> Option<(GrantId, NodeKey)> {
        let from = (grant, NodeKey::from_bytes([0; 32]));
        let to = (grant, NodeKey::from_bytes([0xff; 32]));
        self.closed.range(from..=to).find(|(_, closed)| wanted(closed)).map(|(key, _)| *key)
    }

    /// A handler is about to run. Not written down: after a crash every grant counts as begun.
    pub(super) fn begin(&mut self, grant: GrantId) {
        if let Some(account) = self.accounts.get_mut(&grant).filter(|one| one.drain.is_none()) {
            account.begun = true;
        }
    }

    /// A call ended, or a switch is done with.
    pub(super) fn finish(&mut self, grant: GrantId, ending: Ending, now: Now) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        account.finished = true;
        account.begun |= ending == Ending::Ran;
        account.in_full &= ending == Ending::Ran;
        if account.drain.is_none() {
            return self.drain(grant, Drain::Finished, now);
        }
        self.write_account(grant);
        self.timers.set(grant, Timer::Drain, now.after(limits::GRANT_DRAIN));
        self.try_close(grant, now);
    }

    /// Begins the end of an account: nothing new, and what was cut from it comes back; but for
    /// detached grants where only its call ended, which is what they are for.
    pub(super) fn drain(&mut self, grant: GrantId, why: Drain, now: Now) {
        let Some(account) = self.accounts.get_mut(&grant).filter(|one| one.drain.is_none()) else {
            return self.stop_detached(grant, why, now);
        };
        account.drain = Some(why);
        account.asks.clear();
        account.folding.clear();
        let subs = account.to_recall(why);
        self.write_account(grant);
        self.end_codes(grant, |_| true);
        for timer in [Timer::Renew, Timer::Fold, Timer::Lease, Timer::End, Timer::Codes] {
            self.timers.clear(grant, timer);
        }
        self.timers.set(grant, Timer::Drain, now.after(limits::GRANT_DRAIN));
        if let Drain::Stopped(reason) = why {
            self.out.at_once(Output::Cancel { grant, reason });
        }
        for sub in subs {
            self.recall(sub, now);
        }
        // Refused, since this account drains and those inside this node that were cut from it.
        for request in self.waiting.remove(&grant).unwrap_or_default() {
            self.take(request, now);
        }
        if fault::SETTLE_BEFORE_CLOSE {
            self.settle_too_soon(grant);
        }
        self.try_close(grant, now);
    }

    /// A budget is stopped of which an account has ended before: what that left to go on ends too.
    /// That the call above is over stops nothing of that.
    fn stop_detached(&mut self, grant: GrantId, why: Drain, now: Now) {
        let of_call = [TripReason::Parent, TripReason::LeaseLost].map(Drain::Stopped);
        if why == Drain::Finished || of_call.contains(&why) {
            return;
        }
        let subs = self.accounts.get(&grant).map(|account| account.to_recall(why));
        for sub in subs.unwrap_or_default() {
            self.recall(sub, now);
        }
    }

    /// Planted: says the last word before it is the last.
    fn settle_too_soon(&mut self, grant: GrantId) {
        let Some(account) = self.accounts.get(&grant) else { return };
        let Some(held) = account.grant().filter(|_| !account.reserved.is_empty()) else { return };
        let settlement = Settlement { used: account.used(), ..unused(grant) };
        let (to, message) = (held.issuer, Message::Settle(settlement));
        self.out.after(Output::Send { to, message });
    }

    /// What drains has had its time: what is still open is charged in full.
    pub(super) fn end_drain(&mut self, grant: GrantId, now: Now) {
        let Some(account) = self.accounts.get(&grant) else { return };
        if account.is_root() && !account.finished {
            // A holder that comes back may still settle.
            return;
        }
        let reserved: Vec<_> = account.reserved.keys().copied().collect();
        // What is detached may go on until its end, and has as long as any to say its last word.
        let open = account.subs.values().filter(|sub| sub.state.is_open());
        let over: Vec<_> = open.map(|sub| (sub.grant.id, sub.over_ms(now))).collect();
        for id in reserved {
            self.commit(grant, id, Outcome::default(), now);
        }
        let (given_up, later): (Vec<_>, Vec<_>) =
            over.into_iter().partition(|(_, over_ms)| *over_ms <= now.clock_ms);
        if let Some(next_ms) = later.iter().map(|(_, over_ms)| *over_ms).min() {
            self.timers.set(grant, Timer::Drain, next_ms);
        }
        for (sub, _) in given_up {
            self.write_off(sub, now);
        }
    }

    /// Ends an account once nothing more can be spent from it.
    pub(super) fn try_close(&mut self, grant: GrantId, now: Now) {
        let Some(account) = self.accounts.get(&grant) else { return };
        let over = account.drain.is_some() && account.reserved.is_empty() && account.open == 0;
        if !over || (account.is_root() && !account.finished) {
            return;
        }
        let Some(account) = self.remove(grant) else { return };
        for sub in account.subs.keys() {
            self.cut_from.remove(sub);
            self.out.delete(Key::Subgrant(grant, *sub));
        }
        self.out.delete(Key::Account(grant));
        let (used, in_full) = account.last_word();
        let used = account.at_least_shown(used);
        self.out.after(Output::Closed { grant, used, in_full });
        let Some(held) = account.grant() else { return };
        let (receipts, shown) = (account.receipts, account.shown.clone());
        let (lost, overrun) = (account.lost, account.overrun);
        let settlement = Settlement { used, receipts, shown, lost, overrun, ..unused(grant) };
        if account.is_remote(&self.owner.node) {
            let digest = Some(held.digest());
            self.remember(Closed { digest, ..Closed::new(held.issuer, settlement) }, now);
        } else {
            self.settle_inside(settlement, now);
        }
    }

    /// The last word about a grant from one account of this ledger to another.
    fn settle_inside(&mut self, settlement: Settlement, now: Now) {
        let Settlement { grant, used, overrun, lost, .. } = settlement;
        let Some(parent) = self.cut_from.get(&grant).copied() else { return };
        self.count_overrun(parent, &overrun);
        if lost {
            self.write_off(grant, now);
        } else {
            self.close_sub(grant, SubState::Settled(used), now);
        }
        self.exceed_by(parent, &overrun, now);
    }
}

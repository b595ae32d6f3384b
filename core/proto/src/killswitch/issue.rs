//! Grants that are cut here: how large, how they are charged, how they are settled.

use super::account::{Account, Sub, SubState, Title};
use super::io::{Asked, Breach, Input, Order, Output, Share};
use super::lease::{Standing, next_repeat};
use super::ledger::{Ledger, full};
use super::receipt::evidence;
use super::row::Key;
use super::timers::Timer;
use super::{
    Allowance, Amount, Component, Frame, Grant, GrantId, Life, Message, Now, Settlement, closed,
    fault,
};
use crate::error::{Error, Kind, Result};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use crate::wire::record::Digest;
use crate::wire::words::{RefundPolicy, Spends, TripReason};
use sha2::{Digest as _, Sha256};

impl Ledger {
    /// Cuts a grant for one call. The call itself is counted at the account that makes it.
    pub(super) fn cut(&mut self, from: GrantId, order: Order, now: Now) {
        let asked = Asked::Grant(order.id);
        match self.may_begin(from, now) {
            Ok(None) => {}
            Ok(Some(holder)) => return self.wait(holder, asked, Input::Cut { from, order }),
            Err(error) => return self.refuse(asked, error),
        }
        if fault::FAIL_OVER_SAME_GRANT && self.fail_over(from, &order) {
            return;
        }
        match self.admit(from, &order, now).and_then(|()| self.size(from, &order, now)) {
            Ok(amount) => self.grant(from, &order, amount, now),
            Err(error) => self.refuse(asked, error),
        }
    }

    /// Planted: hands the open grant of the same call to another node.
    fn fail_over(&mut self, from: GrantId, order: &Order) -> bool {
        let subs = self.accounts.get(&from).map(|account| &account.subs);
        let mut open = subs.into_iter().flat_map(|subs| subs.values());
        let first = open.find(|sub| sub.state.is_open() && sub.grant.call_id == order.call_id);
        let Some(grant) = first.map(|sub| sub.grant.clone()) else { return false };
        let reading = self.readings.get(&order.audience).copied();
        let grant = Grant { audience: order.audience, reading, ..grant };
        self.out.after(Output::Granted(Box::new(grant)));
        true
    }

    /// Looks at everything but the amount.
    pub(super) fn admit(&mut self, from: GrantId, order: &Order, now: Now) -> Result<()> {
        if self.cut_from.contains_key(&order.id) || self.accounts.contains_key(&order.id) {
            let message = "expected a grant of another id";
            return Err(Error::new(Kind::Conflict, message).with_code("grant_exists"));
        }
        self.has_room((order.audience == self.owner.node).then_some(&self.owner.node))?;
        let Some(account) = self.accounts.get(&from) else { return Ok(()) };
        if account.origin().is_strict() && order.detached_until_ms.is_some() {
            let message = "expected no detached grant: the budget is strict";
            return Err(Error::invalid("detached", message));
        }
        let twin = |sub: &Sub| {
            let same = (sub.grant.call_id, sub.grant.attempt) == (order.call_id, order.attempt);
            sub.state.is_open() && same
        };
        if account.subs.values().any(twin) {
            let message = "expected one grant for each attempt of a call";
            return Err(Error::new(Kind::Conflict, message).with_code("attempt"));
        }
        let (depth, said) = account.depth_max();
        if account.depth() >= depth {
            if said {
                self.exceed(from, TripReason::Depth, now);
            }
            let message = format!("expected grants of at most depth {depth}");
            return Err(Error::refusal(Kind::HopLimit, "depth", message));
        }
        let (fan_out, said) = account.fan_out_max();
        if account.open < fan_out as usize {
            return Ok(());
        }
        if !said {
            let message = "too many grants are open";
            return Err(full(message, "GRANT_FAN_OUT", limits::GRANT_FAN_OUT as usize));
        }
        self.exceed(from, TripReason::FanOut, now);
        let message = format!("expected at most {fan_out} calls at once");
        Err(Error::refusal(Kind::BudgetExhausted, "fan_out", message))
    }

    /// The share of what is free, and no more than the call and the skill say.
    fn size(&mut self, from: GrantId, order: &Order, now: Now) -> Result<Allowance> {
        let Some(account) = self.accounts.get(&from) else { return Ok(Allowance::NOTHING) };
        let free = account.free();
        if !free.allows(&ONE_CALL) {
            return Err(self.does_not_fit(from, &ONE_CALL, now));
        }
        let wanted = order.max.min(&order.hint);
        let rest = free.without(&ONE_CALL);
        let part = match order.share {
            Share::Quarter => rest.quarter(),
            Share::Whole => rest,
        };
        let amount = part.min(&wanted);
        if order.spends == Spends::None {
            return Ok(amount.spending_nothing());
        }
        // With nothing left of what it is to spend, the call is not worth making.
        let reported = Component::ALL.into_iter().filter(|one| one.is_reported());
        let empty = |one: &Component| amount.of(*one) == Some(0) && wanted.of(*one) != Some(0);
        let missing = reported.filter(empty).try_fold(ONE_CALL, |sum, one| sum.with(one, 1))?;
        if missing == ONE_CALL { Ok(amount) } else { Err(self.does_not_fit(from, &missing, now)) }
    }

    pub(super) fn grant(&mut self, from: GrantId, order: &Order, amount: Allowance, now: Now) {
        let (_, standing) = self.standing(from, now);
        let left_ms = match standing {
            Standing::Active { left_ms } => left_ms,
            Standing::Waiting | Standing::Over => Some(0),
        };
        let strict = self.accounts.get(&from).is_some_and(|one| one.origin().is_strict());
        // How long a lease of a strict budget is its root says.
        let lease_ms = self.lease_below(from, left_ms.filter(|_| !strict)).max(1);
        let Some(account) = self.accounts.get_mut(&from) else { return };
        let own = order.audience == self.owner.node;
        let grant = Grant {
            id: order.id,
            origin: account.origin(),
            epoch: account.epoch(),
            parent: from,
            issuer: self.owner.node,
            audience: order.audience,
            agent: order.agent,
            amount,
            depth: account.depth() + 1,
            depth_max: account.depth_max().0,
            fan_out_max: account.fan_out_max().0,
            life: life(account, order, lease_ms, now),
            call_id: order.call_id,
            attempt: order.attempt,
            refund: order.refund,
            reading: if own { None } else { self.readings.get(&order.audience).copied() },
            chain: chain(account),
            ends_at_ms: account.ends_at_ms(),
        };
        account.spent = account.spent.plus_at_most(&ONE_CALL);
        account.holds = account.holds.plus_at_most(&amount.held());
        account.open += 1;
        let sub = Sub::new(grant.clone());
        self.out.put(Key::Subgrant(from, grant.id), || sub.row());
        account.subs.insert(grant.id, sub);
        self.cut_from.insert(grant.id, from);
        self.write_account(from);
        if own {
            self.hold(grant.clone(), now);
        } else {
            self.ask_at_end(&grant, now);
        }
        self.out.after(Output::Granted(Box::new(grant)));
        self.look_at_soft(from, now);
    }

    /// A holder says its last word.
    pub(super) fn settle(&mut self, from: NodeKey, settlement: Settlement, now: Now) {
        let grant = settlement.grant;
        let Some(sub) = self.sub(&grant) else {
            // Settled so long ago that it is forgotten, or never cut: the holder may rest.
            return self
                .out
                .after(Output::Send { to: from, message: Message::SettleAck { grant } });
        };
        if sub.grant.audience != from {
            return self.audit(from, grant, Breach::WrongHolder);
        }
        if sub.state.is_open() {
            let (charged, breach) = charged(sub, &settlement);
            let overrun = believed_overrun(sub, &settlement);
            if let Some(breach) = breach {
                self.audit(from, grant, breach);
            }
            if let Some(id) = self.cut_from.get(&grant).copied() {
                self.tell_overrun(id, from, &overrun);
                self.close_sub(grant, SubState::Settled(charged), now);
                // Above it, what it was cut from says so with its own last word.
                self.exceed_by(id, &overrun, now);
            }
        } else if fault::DUPLICATE_SETTLE {
            self.credit_again(grant, &settlement.used);
        }
        self.out.after(Output::Send { to: from, message: Message::SettleAck { grant } });
    }

    /// Planted: frees what the last word left over once more.
    fn credit_again(&mut self, grant: GrantId, used: &Amount) {
        let Some(id) = self.cut_from.get(&grant) else { return };
        let Some(account) = self.accounts.get_mut(id) else { return };
        let Some(sub) = account.subs.get(&grant) else { return };
        account.below = account.below.without(&sub.grant.amount.held().without(used));
    }

    /// A holder will never spend from a grant.
    pub(super) fn grant_refused(&mut self, from: NodeKey, grant: GrantId, now: Now) {
        self.settle(from, closed::unused(grant), now);
    }

    /// A holder says what it used so far.
    pub(super) fn progress(&mut self, from: NodeKey, grant: GrantId, used: Amount, now: Now) {
        let Some(id) = self.cut_from.get(&grant).copied() else { return };
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let Some(sub) = account.subs.get_mut(&grant) else { return };
        if sub.grant.audience != from {
            return self.audit(from, grant, Breach::WrongHolder);
        }
        sub.seen = sub.seen.max(&used.min(&sub.grant.amount.most()));
        self.look_at_soft(id, now);
    }

    /// The provider's side says what was used.
    pub(super) fn metered(&mut self, grant: GrantId, used: Amount) {
        let Some(id) = self.cut_from.get(&grant).copied() else { return };
        let account = self.accounts.get_mut(&id);
        if let Some(sub) = account.and_then(|account| account.subs.get_mut(&grant)) {
            sub.metered = Some(sub.metered.unwrap_or(Amount::ZERO).max(&used));
        }
    }

    /// Nobody has heard of a grant, so all of it is free.
    pub(super) fn unsent(&mut self, grant: GrantId, now: Now) {
        self.close_sub(grant, SubState::Settled(Amount::ZERO), now);
    }

    /// A key of a gateway goes with a grant.
    pub(super) fn keyed(&mut self, grant: GrantId, frame: Frame) {
        let Some(id) = self.cut_from.get(&grant).copied() else { return };
        let account = self.accounts.get_mut(&id);
        let sub = account.and_then(|account| account.subs.get_mut(&grant));
        let Some(sub) = sub.filter(|sub| sub.state.is_open() && sub.frame.is_none()) else {
            return;
        };
        sub.frame = Some(frame);
        self.out.put(Key::Subgrant(id, grant), || sub.row());
    }

    /// The caller has no more use for a grant.
    pub(super) fn recall(&mut self, grant: GrantId, now: Now) {
        let Some(id) = self.cut_from.get(&grant).copied() else { return };
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let Some(sub) = account.subs.get_mut(&grant) else { return };
        if sub.state != SubState::Open {
            return;
        }
        sub.state = SubState::Recalled;
        let origin = sub.grant.origin;
        if sub.grant.audience == self.owner.node {
            // Inside a node what is below a stopped budget hears the reason of the stop.
            let reason = self.stop_reason(&origin.budget_id()).unwrap_or(TripReason::Parent);
            return self.drain(grant, super::account::Drain::Stopped(reason), now);
        }
        self.out.put(Key::Subgrant(id, grant), || sub.row());
        if self.stop_reason(&origin.budget_id()).is_some() {
            // The stop of the budget comes along the same way, and says why.
            self.timers.set(grant, Timer::Recall, now.after(limits::SETTLE_REPEAT));
        } else {
            self.repeat_recall(grant, now);
        }
        if fault::RECLAIM_ON_TIMEOUT {
            self.close_sub(grant, SubState::Settled(Amount::ZERO), now);
        }
    }

    /// A detached grant is asked for once its time is over.
    pub(super) fn ask_at_end(&mut self, grant: &Grant, now: Now) {
        if let Life::Detached { not_after_ms } = grant.life {
            self.timers.set(grant.id, Timer::Recall, now.clock_at(not_after_ms));
        }
    }

    /// Says a recall once more, or at the end of a detached grant for the first time.
    pub(super) fn repeat_recall(&mut self, grant: GrantId, now: Now) {
        let Some(id) = self.cut_from.get(&grant).copied() else { return };
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let Some(sub) = account.subs.get_mut(&grant) else { return };
        match sub.state {
            // A detached one has had its time: its holder may have been gone when it ended.
            SubState::Open => return self.recall(grant, now),
            SubState::Recalled => {}
            SubState::Settled(_) | SubState::WrittenOff(_) => return,
        }
        sub.repeat_ms = next_repeat(sub.repeat_ms);
        let (to, reading) = (sub.grant.audience, sub.grant.reading);
        let at_ms = now.clock_ms.saturating_add(sub.repeat_ms);
        self.timers.set(grant, Timer::Recall, at_ms);
        self.send(to, Message::Recall { grant, reading });
    }

    /// A grant is given up.
    pub(super) fn write_off(&mut self, grant: GrantId, now: Now) {
        let Some(sub) = self.sub(&grant).filter(|sub| sub.state.is_open()) else { return };
        let charged = in_full(sub);
        self.close_sub(grant, SubState::WrittenOff(charged), now);
    }

    /// Charges an open grant for good.
    pub(super) fn close_sub(&mut self, grant: GrantId, state: SubState, now: Now) {
        let Some(id) = self.cut_from.get(&grant).copied() else { return };
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let Some(sub) = account.subs.get_mut(&grant).filter(|sub| sub.state.is_open()) else {
            return;
        };
        sub.state = state;
        let charged = sub.charged();
        account.holds = account.holds.without(&sub.grant.amount.held());
        account.below = account.below.plus_at_most(&charged);
        account.open -= 1;
        account.asks.remove(&grant);
        self.out.put(Key::Subgrant(id, grant), || sub.row());
        account.settled.push_back(grant);
        if account.settled.len() > limits::GRANT_SETTLED
            && let Some(oldest) = account.settled.pop_front()
        {
            account.subs.remove(&oldest);
            self.cut_from.remove(&oldest);
            self.out.delete(Key::Subgrant(id, oldest));
        }
        self.timers.clear(grant, Timer::Recall);
        self.write_account(id);
        let written_off = matches!(state, SubState::WrittenOff(_));
        self.out.after(Output::Settled { grant, charged, written_off });
        self.look_at_soft(id, now);
        self.try_close(id, now);
    }

    pub(super) fn sub(&self, grant: &GrantId) -> Option<&Sub> {
        let account = self.accounts.get(self.cut_from.get(grant)?)?;
        account.subs.get(grant)
    }
}

/// What one call counts, whatever comes of it.
const ONE_CALL: Amount = Amount::of_calls(1);

fn life(account: &Account, order: &Order, lease_ms: u64, now: Now) -> Life {
    let Some(until_ms) = order.detached_until_ms else { return Life::Leased { lease_ms } };
    let above_ms = match account.grant().map(|grant| grant.life) {
        Some(Life::Detached { not_after_ms }) => not_after_ms,
        Some(Life::Leased { .. }) | None => u64::MAX,
    };
    let most_ms = now.unix_ms.saturating_add(ms(limits::GRANT_DETACHED));
    let wall_ms = account.ends_at_ms().unwrap_or(u64::MAX);
    Life::Detached { not_after_ms: until_ms.min(most_ms).min(above_ms).min(wall_ms).max(1) }
}

fn chain(account: &Account) -> Digest {
    match &account.title {
        Title::Root(budget) => *budget.origin.budget_id().as_bytes(),
        Title::Held(grant) => Sha256::new()
            .chain_update(grant.chain)
            .chain_update(grant.id.as_bytes())
            .finalize()
            .into(),
    }
}

/// All of a grant; of what is not limited, as much as was seen.
fn in_full(sub: &Sub) -> Amount {
    let evidence = sub.seen.max(&sub.metered.unwrap_or(Amount::ZERO));
    sub.grant.amount.held().max(&evidence.min(&sub.grant.amount.most()))
}

/// What a last word costs, and what does not add up in it.
fn charged(sub: &Sub, settlement: &Settlement) -> (Amount, Option<Breach>) {
    let (most, evidence) =
        (sub.grant.amount.most(), sub.metered.unwrap_or(sub.seen).max(&sub.seen));
    let overrun = believed_overrun(sub, settlement);
    let used = settlement.used.min(&most.plus_at_most(&overrun));
    if settlement.lost {
        return (in_full(sub).plus_at_most(&overrun), None);
    }
    if used != settlement.used {
        return (in_full(sub).max(&used), Some(Breach::UsedOverGrant));
    }
    if !evidence.min(&most).is_within(&used) {
        return (in_full(sub).max(&used), Some(Breach::UsedUnderSeen));
    }
    match (sub.grant.refund, sub.metered) {
        (RefundPolicy::Signed, _) | (RefundPolicy::Provider, Some(_)) => (used, None),
        (RefundPolicy::Never, _) => (but_calls(in_full(sub).max(&used), &used), None),
        (RefundPolicy::Provider, None) => by_receipts(sub, settlement, used),
    }
}

/// What providers took above what was set aside, as the holder says: it is charged above the grant,
/// and stops the budget. Of a holder that is not believed in anything it is nothing: whoever is
/// called could else stop its caller's budget by one word. What it says above its grant is a breach
/// then, and its grant is its price.
fn believed_overrun(sub: &Sub, settlement: &Settlement) -> Amount {
    match sub.grant.refund {
        RefundPolicy::Never => Amount::ZERO,
        RefundPolicy::Signed | RefundPolicy::Provider => settlement.overrun.min(&settlement.used),
    }
}

/// What a last word costs where only receipts free: tokens and cost, each but for what they show
/// that nobody can pay any more, and calls, which nodes count. What the grant does not limit costs
/// what was used, by the word of the holder or of the gateway: there nothing is to be freed.
fn by_receipts(sub: &Sub, settlement: &Settlement, used: Amount) -> (Amount, Option<Breach>) {
    let full = in_full(sub).max(&used);
    let shown = match evidence(&sub.grant, sub.frame.as_ref(), settlement) {
        Ok(Some(shown)) => shown,
        Ok(None) => return (but_calls(full, &used), None),
        Err(breach) => return (full, Some(breach)),
    };
    let amount = &sub.grant.amount;
    let limited = |all: Amount| {
        let free = Component::ALL.into_iter().filter(|one| amount.of(*one).is_none());
        free.fold(all, |all, one| all.with(one, 0).unwrap_or(all))
    };
    if !limited(shown.used.min(&amount.most())).is_within(&used) {
        return (full, Some(Breach::UsedUnderSeen));
    }
    let paid = shown.used.without(&limited(shown.used));
    (but_calls(full.without(&shown.free).max(&used).max(&paid), &used), None)
}

/// What is charged in full, but for calls: nodes count them, so they always settle exactly.
fn but_calls(full: Amount, used: &Amount) -> Amount {
    full.with(Component::Calls, used.of(Component::Calls)).unwrap_or(full)
}

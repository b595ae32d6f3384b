//! Spending: reserve, then spend, then commit.

use super::account::{Account, Drain, Sub, Title};
use super::io::{Asked, Input, Output};
use super::lease::Standing;
use super::ledger::{Ledger, full};
use super::row::{Key, Row};
use super::timers::Timer;
use super::{Allowance, Amount, Budget, GrantId, Now, ReservationId, fault};
use crate::error::{Error, Kind, Result, Retry};
use crate::identity::NodeKey;
use crate::limits;
use crate::wire::v1;
use crate::wire::words::TripReason;
use bytes::Bytes;

/// What became of a reservation.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// None: nobody knows, so all of it.
    pub(super) used: Option<Amount>,
    /// Receipt of the gateway, as it was signed.
    pub(super) receipt: Option<Bytes>,
}

impl Ledger {
    /// A switch is made.
    pub(super) fn open(&mut self, budget: Budget, now: Now) {
        let grant = budget.origin.account();
        let asked = Asked::Budget(grant);
        if budget.origin.root != self.owner.node {
            let error = Error::new(Kind::Denied, "expected a budget of this node");
            return self.refuse(asked, error.with_code("not_root"));
        }
        let tripped = self.trips.contains_key(&budget.origin.budget_id());
        if tripped || self.accounts.contains_key(&grant) {
            let error = Error::new(Kind::Conflict, "expected a budget that was never open");
            return self.refuse(asked, error.with_code("budget_exists"));
        }
        if let Err(error) = self.has_room(None) {
            return self.refuse(asked, error);
        }
        if let Some(ends_at_ms) = budget.ends_at_ms {
            self.timers.set(grant, Timer::End, now.clock_at(ends_at_ms));
        }
        self.insert(Account::new(Title::Root(budget)));
        self.write_account(grant);
        self.out.after(Output::Opened { grant });
    }

    /// Sets the most of one spending aside.
    pub(super) fn reserve(&mut self, grant: GrantId, id: ReservationId, most: Amount, now: Now) {
        let asked = Asked::Reservation(grant, id);
        match self.may_begin(grant, now) {
            Ok(None) => {}
            Ok(Some(holder)) => {
                return self.wait(holder, asked, Input::Reserve { grant, id, most });
            }
            Err(error) => return self.refuse(asked, error),
        }
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        if let Err(error) = admit(account, id) {
            return self.refuse(asked, error);
        }
        // Who asks is one that reports, whatever the answer.
        let first = !std::mem::replace(&mut account.reported, true);
        let fits = if fault::POST_PAID {
            account.used() == Amount::ZERO || account.amount().allows(&account.used())
        } else {
            account.free().allows(&most)
        };
        if !fits {
            if first {
                self.write_account(grant);
            }
            let error = self.does_not_fit(grant, &most, now);
            return self.refuse(asked, error);
        }
        account.reserved.insert(id, most);
        if !fault::CHECK_THEN_ACT && !fault::POST_PAID {
            account.holds = account.holds.plus_at_most(&most);
        }
        self.out.put(Key::Reservation(grant, id), || reservation_row(grant, id, &most));
        if first {
            self.write_account(grant);
        }
        self.out.after(Output::Reserved { grant, id });
    }

    /// Turns what was set aside into what was used.
    pub(super) fn commit(&mut self, grant: GrantId, id: ReservationId, outcome: Outcome, now: Now) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        let Some(most) = account.reserved.remove(&id) else { return };
        let used = outcome.used.unwrap_or(most);
        if !fault::CHECK_THEN_ACT && !fault::POST_PAID {
            account.holds = account.holds.without(&most);
        }
        account.spent = account.spent.plus_at_most(&used);
        let overrun = used.without(&most);
        if let Some(receipt) = outcome.receipt {
            account.chain(receipt);
        }
        self.out.delete(Key::Reservation(grant, id));
        self.tell_overrun(grant, self.owner.node, &overrun);
        self.write_account(grant);
        self.exceed_by(grant, &overrun, now);
        self.look_at_soft(grant, now);
        self.try_close(grant, now);
    }

    /// A gateway said what the key that came with a grant cost.
    pub(super) fn receipt(&mut self, grant: GrantId, receipt: Bytes) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        if account.chain(receipt) {
            self.write_account(grant);
        }
    }

    /// Whoever could spend from a grant said nothing: what is free of it may have been spent.
    pub(super) fn spend_rest(&mut self, grant: GrantId) {
        self.end_codes(grant, |_| true);
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        account.spent = account.spent.plus_at_most(&account.rest());
        self.write_account(grant);
    }

    /// Looks whether something may be begun from an account. Some: not before the grant of that
    /// id, which is it or is above it, has its first lease.
    pub(super) fn may_begin(&mut self, grant: GrantId, now: Now) -> Result<Option<GrantId>> {
        let Some(account) = self.accounts.get(&grant) else {
            // Who names it was given it: what is not here any more is over.
            return Err(ended(Drain::Finished));
        };
        if let Some(drain) = account.drain {
            return Err(ended(drain));
        }
        let (holder, standing) = self.standing(grant, now);
        match standing {
            Standing::Active { .. } => Ok(None),
            Standing::Waiting => Ok(Some(holder)),
            Standing::Over => {
                self.drain(holder, Drain::Stopped(TripReason::LeaseLost), now);
                Err(ended(Drain::Stopped(TripReason::LeaseLost)))
            }
        }
    }

    /// Puts a request behind the first lease of `holder`.
    pub(super) fn wait(&mut self, holder: GrantId, asked: Asked, request: Input) {
        let waiting = self.waiting.entry(holder).or_default();
        if waiting.len() < limits::GRANT_WAITING {
            return waiting.push_back(request);
        }
        let message = "too much waits for the lease of this grant";
        self.refuse(asked, full(message, "GRANT_WAITING", limits::GRANT_WAITING));
    }

    /// The refusal of what does not fit, after stopping a budget in which it never will.
    pub(super) fn does_not_fit(&mut self, grant: GrantId, wanted: &Amount, now: Now) -> Error {
        let Some(account) = self.accounts.get(&grant) else { return ended(Drain::Finished) };
        let (free, most) = (account.free(), account.amount().without(&account.used()));
        let reason = free.exceeded(wanted).unwrap_or(TripReason::CallsExceeded);
        let never = most.exceeded(wanted);
        if let Some(reason) = never.filter(|_| account.is_root()) {
            self.exceed(grant, reason, now);
        }
        let message = format!("expected at most what is left, {}", shown(&free, wanted));
        let retry = if never.is_some() { Retry::Never } else { Retry::Later };
        Error::refusal(Kind::BudgetExhausted, reason.name(), message).with_retry(retry)
    }

    /// A limit was broken: stops the budget if it begins here and each grant down to this one was
    /// cut here, else what is below the grant. One that another node cut has the limits that this
    /// node wrote into it: they are no reason to stop the budget that it says it is of.
    pub(super) fn exceed(&mut self, grant: GrantId, reason: TripReason, now: Now) {
        match self.root_above(grant) {
            Some(root) => self.trip_budget(root, reason, self.owner.node, now),
            None => self.drain(grant, Drain::Stopped(reason), now),
        }
    }

    /// The budget that an account is of, by grants that were all cut here. A grant of another node
    /// may have the id of one that was, and is none.
    fn root_above(&self, grant: GrantId) -> Option<GrantId> {
        let mut id = grant;
        loop {
            let account = self.accounts.get(&id)?;
            if account.is_root() {
                return Some(id);
            }
            if account.is_remote(&self.owner.node) {
                return None;
            }
            id = *self.cut_from.get(&id)?;
        }
    }

    /// What is known to be spent from an account: here, below it on this node, and below that as
    /// far as holders said.
    pub(super) fn known(&self, grant: GrantId) -> Amount {
        let Some(account) = self.accounts.get(&grant) else { return Amount::ZERO };
        let open = account.subs.values().filter(|sub| sub.state.is_open());
        let here = |sub: &Sub| sub.grant.audience == self.owner.node;
        let below = |sub: &Sub| if here(sub) { self.known(sub.grant.id) } else { Amount::ZERO };
        let known = |sub: &Sub| sub.seen.max(&below(sub));
        open.fold(account.used(), |sum, sub| sum.plus_at_most(&known(sub)))
    }

    /// Adds what providers took above what was set aside, so that it is in the own last word.
    pub(super) fn count_overrun(&mut self, grant: GrantId, overrun: &Amount) {
        if let Some(account) = self.accounts.get_mut(&grant) {
            account.overrun = account.overrun.plus_at_most(overrun);
        }
    }

    /// The same, for the audit log as well: a handler of node `by` spent it.
    pub(super) fn tell_overrun(&mut self, grant: GrantId, by: NodeKey, overrun: &Amount) {
        self.count_overrun(grant, overrun);
        let origin = self.accounts.get(&grant).map(Account::origin);
        if let Some(origin) = origin.filter(|_| !overrun.is_zero()) {
            let (budget, overrun) = (origin.budget_id(), *overrun);
            self.out.at_once(Output::Overrun { by, budget, overrun });
        }
    }

    /// Stops what a provider took too much from: the budget, if it begins here, whoever cut the
    /// grants between; else above this account its last word does.
    pub(super) fn exceed_by(&mut self, grant: GrantId, overrun: &Amount, now: Now) {
        let Some(reason) = Allowance::NOTHING.exceeded(overrun) else { return };
        let Some(root) = self.origin(&grant).map(|origin| origin.account()) else { return };
        if self.accounts.contains_key(&root) {
            self.trip_budget(root, reason, self.owner.node, now);
        } else {
            self.drain(grant, Drain::Stopped(reason), now);
        }
    }

    /// Stops the budget above an account that is known to have spent more than its soft limit.
    pub(super) fn look_at_soft(&mut self, grant: GrantId, now: Now) {
        let Some(root) = self.root_above(grant) else { return };
        let Some(Title::Root(budget)) = self.accounts.get(&root).map(|one| &one.title) else {
            return;
        };
        let soft = budget.terms.soft;
        if soft == Allowance::UNLIMITED {
            return;
        }
        if let Some(reason) = soft.exceeded(&self.known(root)) {
            self.trip_budget(root, reason, self.owner.node, now);
        }
    }
}

fn admit(account: &Account, id: ReservationId) -> Result<()> {
    if account.reserved.contains_key(&id) {
        let message = "expected a reservation of another id";
        return Err(Error::new(Kind::Conflict, message).with_code("reservation_exists"));
    }
    if account.reserved.len() >= limits::GRANT_RESERVATIONS {
        let message = "too many reservations are open";
        return Err(full(message, "GRANT_RESERVATIONS", limits::GRANT_RESERVATIONS));
    }
    Ok(())
}

/// The error for what comes after the end.
pub(super) fn ended(drain: Drain) -> Error {
    let message = match drain {
        Drain::Finished => "the call of this grant has ended",
        Drain::Stopped(_) => "the call tree was stopped",
    };
    Error::refusal(Kind::Killed, drain.name(), message)
}

/// The components that do not fit, as people read them.
fn shown(free: &Allowance, wanted: &Amount) -> String {
    let mut all = Vec::new();
    for component in super::Component::ALL {
        let free = free.of(component).unwrap_or(limits::AMOUNT_MAX);
        if wanted.of(component) > free {
            let name = component.name();
            all.push(format!("{free} of {name}, wanted {}", wanted.of(component)));
        }
    }
    all.join(", ")
}

fn reservation_row(grant: GrantId, id: ReservationId, most: &Amount) -> Row {
    let row = v1::ReservationRow {
        account: grant.to_wire(),
        id: id.to_wire(),
        most: Some(most.to_wire()),
    };
    Row::new(Key::Reservation(grant, id), v1::ledger_row::Kind::Reservation(row))
}

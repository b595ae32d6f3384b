//! A ledger from the rows of its store, after the process that wrote them is gone.
//!
//! Nobody can say what was under way: an open reservation counts as spent, a grant that was cut
//! stays charged until its holder speaks, and what was held ends.

use super::account::{Account, Drain, Sub, SubState, Title};
use super::closed::Closed;
use super::ledger::{Ledger, Owner, Tripped};
use super::message::{amount_of_wire, optional_of_wire};
use super::row::{Key, Row, stop_of_wire};
use super::timers::Timer;
use super::{
    Amount, Budget, Frame, Grant, GrantId, Keeping, Life, Now, ReservationId, Settlement, Trip,
    closed, fault,
};
use crate::error::{Error, Kind, Result};
use crate::identity::NodeKey;
use crate::limits;
use crate::wire::v1::{self, account_row, ledger_row::Kind as Wire};
use crate::wire::words::TripReason;
use std::collections::BTreeMap;
use std::str::FromStr as _;

/// Rows by what they are of.
#[derive(Default)]
struct Rows {
    accounts: BTreeMap<GrantId, Account>,
    reservations: Vec<(GrantId, ReservationId, Amount)>,
    subs: Vec<(GrantId, Sub)>,
}

impl Ledger {
    /// The ledger that wrote these rows, in another process: what its grants and budgets are
    /// charged with is at least what it was.
    ///
    /// # Errors
    /// As [`Row::decode`]: a row that no ledger wrote.
    pub fn recover(owner: Owner, rows: impl IntoIterator<Item = Row>, now: Now) -> Result<Self> {
        Self::rebuild(owner, rows, now, |_| ())
    }

    /// As [`Self::recover`], from a store that does not know everything that earlier processes of
    /// the node did, since it is new, or an older copy of it came back: what they held is charged
    /// in full, and their budgets are over.
    ///
    /// # Errors
    /// As [`Self::recover`].
    pub fn recover_partly(
        owner: Owner,
        rows: impl IntoIterator<Item = Row>,
        now: Now,
    ) -> Result<Self> {
        Self::rebuild(owner, rows, now, Self::forget_earlier)
    }

    /// What rows say, for whoever only looks: nothing has ended, and what is set aside is so still.
    ///
    /// # Errors
    /// As [`Self::recover`].
    pub fn shown(rows: impl IntoIterator<Item = Row>) -> Result<Self> {
        let node = NodeKey::from_bytes([0; 32]);
        let mut ledger = Self::new(Owner { node, instance: 0, keeping: Keeping::Volatile });
        let mut found = Rows::default();
        for row in rows {
            ledger.read(&row, &mut found, Now::default())?;
        }
        for (id, reservation, most) in std::mem::take(&mut found.reservations) {
            if let Some(account) = found.accounts.get_mut(&id) {
                account.reserved.insert(reservation, most);
                account.holds = account.holds.plus_at_most(&most);
            }
        }
        ledger.assemble(found);
        Ok(ledger)
    }

    fn rebuild(
        owner: Owner,
        rows: impl IntoIterator<Item = Row>,
        now: Now,
        look: impl FnOnce(&mut Self),
    ) -> Result<Self> {
        let mut ledger = Self::new(owner);
        let mut found = Rows::default();
        for row in rows {
            ledger.read(&row, &mut found, now)?;
        }
        ledger.assemble(found);
        look(&mut ledger);
        ledger.resume(now);
        ledger.out.flush();
        Ok(ledger)
    }

    fn read(&mut self, row: &Row, found: &mut Rows, now: Now) -> Result<()> {
        match row.kind()? {
            Wire::Account(row) => {
                let account = account_of_wire(row)?;
                found.accounts.insert(account.id(), account);
            }
            Wire::Reservation(row) => found.reservations.push((
                GrantId::from_slice(&row.account)?,
                ReservationId::from_slice(&row.id)?,
                amount_of_wire(row.most.as_ref()),
            )),
            Wire::Subgrant(row) => {
                found.subs.push((GrantId::from_slice(&row.account)?, sub_of_wire(row)?));
            }
            Wire::Since(row) => self.since = row.instance,
            Wire::Stop(row) => {
                let (budget, stop) = stop_of_wire(row)?;
                self.stops.insert(budget, stop);
            }
            Wire::Closed(row) => {
                let closed = closed_of_wire(row, now)?;
                *self.issuers.entry(closed.issuer).or_default() += 1;
                self.closed.insert((closed.settlement.grant, closed.issuer), closed);
            }
            Wire::Trip(signed) => {
                let trip = Trip::open(signed)?;
                let (budget, statement) = (trip.budget_id(), *trip.statement());
                self.remember_trip(budget, Tripped { statement, trip: Some(trip) });
            }
        }
        Ok(())
    }

    /// Puts the parts of each account together, with what the crash made of them.
    fn assemble(&mut self, found: Rows) {
        let Rows { mut accounts, reservations, subs } = found;
        for (id, reservation, most) in reservations {
            let Some(account) = accounts.get_mut(&id) else { continue };
            if !fault::HOLDER_FORGETS {
                account.spent = account.spent.plus_at_most(&most);
            }
            account.reported = true;
            self.out.delete(Key::Reservation(id, reservation));
        }
        for (id, sub) in subs {
            let Some(account) = accounts.get_mut(&id) else { continue };
            if fault::ROOT_FORGETS && account.is_root() && sub.state.is_open() {
                continue;
            }
            if sub.state.is_open() {
                account.open += 1;
                account.holds = account.holds.plus_at_most(&sub.grant.amount.held());
            } else {
                account.settled.push_back(sub.grant.id);
            }
            self.cut_from.insert(sub.grant.id, id);
            account.subs.insert(sub.grant.id, sub);
        }
        for account in accounts.into_values() {
            let id = account.id();
            self.insert(account);
            self.write_account(id);
        }
    }

    /// Goes on with every account: what was held ends, but for what lives without its issuer.
    fn resume(&mut self, now: Now) {
        let keys: Vec<_> = self.closed.keys().copied().collect();
        for (grant, issuer) in keys {
            let acknowledged = self.closed.get(&(grant, issuer)).is_some_and(|c| c.acknowledged);
            let (timer, at_ms) = match acknowledged {
                true => (Timer::Forget, now.after(limits::GRANT_MEMORY)),
                false => (Timer::Settle, now.clock_ms),
            };
            self.timers.set(grant, timer, at_ms);
        }
        let ids: Vec<GrantId> = self.accounts.keys().copied().collect();
        for id in ids {
            self.resume_account(id, now);
        }
    }

    fn resume_account(&mut self, id: GrantId, now: Now) {
        let (stopped, own) = (self.stopped_before(&id), self.owner.node);
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let (drain, remote) = (account.drain, account.grant().is_some());
        let lost = account.lost.then_some(Drain::Stopped(TripReason::LeaseLost));
        let stopped = stopped.or(lost);
        // Whoever had a use for what drains is gone.
        account.finished |= drain.is_some();
        let again = |sub: &&Sub| match sub.state {
            SubState::Open => !sub.is_detached(),
            SubState::Recalled => true,
            SubState::Settled(_) | SubState::WrittenOff(_) => false,
        };
        let open: Vec<GrantId> = account.subs.values().filter(again).map(|s| s.grant.id).collect();
        let abroad = |sub: &&Sub| sub.is_detached() && sub.grant.audience != own;
        let detached = |sub: &&Sub| sub.state == SubState::Open && abroad(sub);
        let goes_on: Vec<Grant> =
            account.subs.values().filter(detached).map(|sub| sub.grant.clone()).collect();
        let ends_at_ms = match &account.title {
            Title::Root(budget) => budget.ends_at_ms,
            Title::Held(Grant { life: Life::Detached { not_after_ms }, .. }) => Some(*not_after_ms),
            Title::Held(_) => None,
        };
        let lives_on = !remote || ends_at_ms.is_some();
        if let Some(ends_at_ms) = ends_at_ms.filter(|_| drain.is_none()) {
            self.timers.set(id, Timer::End, now.clock_at(ends_at_ms));
        }
        for sub in open {
            self.recall_again(sub, now);
        }
        for grant in goes_on {
            self.ask_at_end(&grant, now);
        }
        match (drain, stopped) {
            (Some(_), _) => {
                self.timers.set(id, Timer::Drain, now.after(limits::GRANT_DRAIN));
                self.try_close(id, now);
            }
            (None, Some(stopped)) => self.drain(id, stopped, now),
            (None, None) if lives_on => {}
            (None, None) => self.drain(id, Drain::Stopped(TripReason::LeaseLost), now),
        }
    }

    /// The call that a grant was cut for went with the process.
    fn recall_again(&mut self, grant: GrantId, now: Now) {
        let Some(account) = self.cut_from.get(&grant).and_then(|id| self.accounts.get_mut(id))
        else {
            return;
        };
        let Some(sub) = account.subs.get_mut(&grant) else { return };
        if sub.grant.audience == self.owner.node {
            // Its own account drains as well, and settles here.
            return;
        }
        sub.state = SubState::Recalled;
        self.timers.set(grant, Timer::Recall, now.clock_ms);
    }
}

fn account_of_wire(row: &v1::AccountRow) -> Result<Account> {
    let title = match row.title.as_ref() {
        Some(account_row::Title::Grant(grant)) => Title::Held(Grant::of_wire(grant)?),
        Some(account_row::Title::Budget(budget)) => Title::Root(Budget::of_wire(budget)?),
        None => return Err(Error::invalid("title", "expected a grant or a budget")),
    };
    let mut account = Account::new(title);
    account.spent = amount_of_wire(row.spent.as_ref());
    account.below = amount_of_wire(row.below.as_ref());
    account.overrun = amount_of_wire(row.overrun.as_ref());
    account.receipts = optional_of_wire(&row.receipts)?;
    account.shown.clone_from(&row.shown);
    account.reported = row.reported;
    account.in_full = row.in_full;
    // Whether its handler ran nobody knows any more.
    account.begun = true;
    account.lost = row.lost;
    account.drain = Drain::of(&row.draining);
    Ok(account)
}

fn sub_of_wire(row: &v1::SubgrantRow) -> Result<Sub> {
    let missing = || Error::invalid("grant", "expected a grant");
    let mut sub = Sub::new(Grant::of_wire(row.grant.as_ref().ok_or_else(missing)?)?);
    sub.state = match row.state.as_str() {
        "settled" => SubState::Settled(amount_of_wire(row.used.as_ref())),
        "written_off" => SubState::WrittenOff(amount_of_wire(row.used.as_ref())),
        "recalled" => SubState::Recalled,
        // Whatever else it may be, it stays charged.
        _ => SubState::Open,
    };
    sub.frame = row.frame.as_ref().map(Frame::of_wire).transpose()?;
    Ok(sub)
}

fn closed_of_wire(row: &v1::ClosedRow, now: Now) -> Result<Closed> {
    let grant = GrantId::from_slice(&row.grant)?;
    let refused = row.refused.as_ref().map(|refused| {
        (Kind::from_str(&refused.kind).unwrap_or(Kind::Denied), refused.code.clone())
    });
    Ok(Closed {
        issuer: NodeKey::from_slice(&row.issuer)?,
        digest: optional_of_wire(&row.digest)?,
        settlement: Settlement {
            used: amount_of_wire(row.used.as_ref()),
            receipts: optional_of_wire(&row.receipts)?,
            lost: row.lost,
            shown: row.shown.clone(),
            overrun: amount_of_wire(row.overrun.as_ref()),
            ..closed::unused(grant)
        },
        refused,
        acknowledged: row.acknowledged,
        repeat_ms: 0,
        give_up_ms: now.after(limits::SETTLE_LIFE),
    })
}

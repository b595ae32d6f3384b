//! Ends of keys: of one, by whoever has it, and of all that are of a budget, by its root.

use super::accounts::{Open, ReservationId, Till};
use super::row::{Row, RowKey, Write};
use crate::error::{Error, Kind, Result};
use crate::identity::RootKey;
use crate::killswitch::{Amount, BudgetId};
use crate::limits::{CLOCK_SKEW, PROVIDER_KEY_LIFE, TILL_TRIPS, ms};
use crate::metering::chain::{Chain, LinkId};

/// What a key that was ended cost: no more than both together is ever paid by it and below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paid {
    /// What was paid.
    pub spent: Amount,
    /// What is set aside for calls that are open.
    pub reserved: Amount,
}

impl Paid {
    /// The most that is ever paid.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.spent.plus_at_most(&self.reserved)
    }
}

/// A budget that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tripped {
    /// Root whose key the teller showed.
    pub(super) teller: RootKey,
    /// Unix time in milliseconds until which a key of it may live.
    pub(super) until_ms: u64,
}

/// The refusal of a key that was ended, or whose budget was stopped.
pub fn over() -> Error {
    let message = "the call of this key has ended, or its budget was stopped";
    Error::refusal(Kind::Killed, "", message)
}

impl Till {
    /// Ends a key: nothing more is paid by it, nor by those below it, for good. Gives what it
    /// cost, and the calls that are open, which are to be cut; the writes are to be durable before
    /// anybody is told. A second time says what there is by then.
    ///
    /// # Errors
    /// `auth`: code `unknown_root`; `bad_chain` for the key of a root; `expired` for a key of which
    /// nothing is known any more. `busy`, limit `TILL_LINKS` or `TILL_LINK_SHARE`.
    pub fn end(
        &mut self,
        chain: &Chain,
        now_ms: u64,
    ) -> Result<(Paid, Vec<ReservationId>, Vec<Write>)> {
        let forgotten_ms = self.root_of(chain)?.forgotten_ms;
        let Some(last) = chain.links.last() else {
            let message = "expected a key below that of the root";
            return Err(Error::refusal(Kind::Auth, "bad_chain", message));
        };
        if !self.links.contains_key(&last.id) && last.until_ms <= now_ms.max(forgotten_ms) {
            if last.until_ms <= forgotten_ms {
                // Its account may have been forgotten with what it cost.
                let message = "nothing is known of the key any more";
                return Err(Error::refusal(Kind::Auth, "expired", message));
            }
            return Ok((Paid::default(), Vec::new(), Vec::new()));
        }
        let mut writes = self.open_accounts(chain, now_ms)?;
        let mut paid = Paid::default();
        if let Some(link) = self.links.get_mut(&last.id) {
            link.account.ended = true;
            paid = Paid { spent: link.account.spent, reserved: link.account.reserved };
        }
        writes.extend(self.link_row(last.id).map(Write::put));
        let open = self.open_below(|_, path| path.contains(&last.id));
        Ok((paid, open, writes))
    }

    /// Stops every key of a budget, those that are not known yet as well, for good. `teller` is the
    /// key of who tells, in the share of whose root it is kept. Gives the calls that are open,
    /// which are to be cut.
    ///
    /// # Errors
    /// `denied`: the key is of another budget; `killed`: it was ended. `busy`, limit `TILL_TRIPS`:
    /// the keys of the budget end with their lives.
    pub fn trip(
        &mut self,
        budget: BudgetId,
        teller: &Chain,
        now_ms: u64,
    ) -> Result<(Vec<ReservationId>, Vec<Write>)> {
        self.may_tell(budget, teller)?;
        let (teller, mut writes) = (teller.root, Vec::new());
        if !self.trips.contains_key(&budget) {
            writes.extend(self.make_room(teller, now_ms)?);
            // A key that was issued a moment ago, by a clock that is ahead, ends by then.
            let until_ms = now_ms.saturating_add(ms(PROVIDER_KEY_LIFE + CLOCK_SKEW));
            self.trips.insert(budget, Tripped { teller, until_ms });
            writes.push(Write::put(Row::Trip { budget, teller, until_ms }));
        }
        let of = |till: &Self, path: &[LinkId]| {
            path.iter().any(|id| till.links.get(id).is_some_and(|link| link.budget == Some(budget)))
        };
        Ok((self.open_below(of), writes))
    }

    /// A key of a budget tells of that one alone: whoever has it can make budgets, and their stops
    /// would take the room of those that nodes tell of.
    fn may_tell(&self, budget: BudgetId, teller: &Chain) -> Result<()> {
        let mut known = teller.links.iter().filter_map(|link| self.links.get(&link.id));
        if known.any(|link| link.account.ended) {
            return Err(over());
        }
        if teller.links.iter().filter_map(|link| link.budget).any(|of| of != budget) {
            let message = "a key of a budget tells of the stop of that budget alone";
            return Err(Error::refusal(Kind::Denied, "", message));
        }
        Ok(())
    }

    /// True for a chain of a budget that was stopped.
    pub(super) fn is_stopped(&self, chain: &Chain) -> bool {
        let mut budgets = chain.links.iter().filter_map(|link| link.budget);
        budgets.any(|budget| self.trips.contains_key(&budget))
    }

    /// Forgets stops that concern no key any more, when there is no room.
    fn make_room(&mut self, teller: RootKey, now_ms: u64) -> Result<Vec<Write>> {
        let own = self.trips.iter().filter(|(_, trip)| trip.teller == teller);
        if own.clone().count() < TILL_TRIPS {
            return Ok(Vec::new());
        }
        let over = own.filter(|(_, trip)| trip.until_ms <= now_ms).map(|(budget, _)| *budget);
        let over: Vec<_> = over.collect();
        if over.is_empty() {
            let error = Error::refusal(Kind::Busy, "trips", "too many budgets were stopped");
            return Err(error.with_limit("TILL_TRIPS", TILL_TRIPS as u64));
        }
        for budget in &over {
            self.trips.remove(budget);
        }
        Ok(over.into_iter().map(|budget| Write::Delete(RowKey::Trip(budget))).collect())
    }

    /// Open reservations whose path is one of these.
    fn open_below(&self, is_one: impl Fn(&Self, &[LinkId]) -> bool) -> Vec<ReservationId> {
        let below = |open: &Open| {
            // What is open has a path.
            self.path(open.root, open.link).is_ok_and(|path| is_one(self, &path))
        };
        let open = self.open.iter().filter(|(_, open)| below(open));
        open.map(|(id, _)| ReservationId(*id)).collect()
    }
}

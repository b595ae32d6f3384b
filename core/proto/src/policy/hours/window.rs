//! The hour of every principal.

use super::account::{Account, needed};
use super::row::{HourPart, HourRow, HourWrite};
use crate::error::{Error, Kind, Result, Retry};
use crate::killswitch::{Allowance, Amount, Component, GrantId};
use crate::limits::{self, ms};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What principals have set aside, and what they spent within the hour.
///
/// The window slides: what a request may spend counts from before it begins until it is over, what
/// it spent for an hour after that, and up to `HOUR_SLOT` longer. So in no interval of one hour
/// more than the limit is begun, nor spent. What an hour does not limit is counted all the same,
/// for a limit that comes later.
///
/// A pure machine: writes come out, which are to be durable before the request begins. Its time is
/// one that passes as that of its users does; one that goes back counts as standing still.
///
/// ```
/// use hubless_proto::killswitch::{Allowance, Amount, Component, GrantId};
/// use hubless_proto::policy::{Hours, Wanted};
///
/// let mut hours = Hours::new();
/// let hour = Allowance::UNLIMITED.with(Component::Calls, Some(3));
/// let call = Allowance::UNLIMITED.with(Component::Calls, Some(2));
/// let wanted = |id| Wanted { who: "alice", id: GrantId::from_bytes([id; 16]), call, hour };
/// assert!(hours.begin(&wanted(1), 0).is_ok());
/// assert_eq!(hours.begin(&wanted(2), 0).unwrap_err().code, "hour");
/// // The first one is over, and made one call.
/// let one = Amount::ZERO.with(Component::Calls, 1)?;
/// hours.end(GrantId::from_bytes([1; 16]), &one, 1_000);
/// assert!(hours.begin(&wanted(2), 1_000).is_ok());
/// # Ok::<(), hubless_proto::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    accounts: BTreeMap<String, Account>,
    // Whose each open request is.
    open: BTreeMap<GrantId, String>,
    // Latest time that was told.
    now_ms: u64,
    // When it was last looked for what counts no more.
    swept_ms: u64,
}

/// A request that is about to begin.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The principal.
    pub who: &'a str,
    /// Account of the budget that pays for it.
    pub id: GrantId,
    /// Most that it may spend.
    pub call: Allowance,
    /// Most that its principal may spend in an hour.
    pub hour: Allowance,
}

/// A request that may begin, once the write is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Most that it may spend: where itself has no limit, all that is left of the hour.
    pub most: Allowance,
    /// What is to be durable before.
    pub write: HourWrite,
}

impl Hours {
    /// Nobody has asked yet.
    pub const fn new() -> Self {
        Self { accounts: BTreeMap::new(), open: BTreeMap::new(), now_ms: 0, swept_ms: 0 }
    }

    /// As an earlier process left it: what was set aside then counts as spent, all of it. A time
    /// that is earlier than the rows say makes nothing count for longer than an hour from it.
    pub fn recover(rows: impl IntoIterator<Item = HourRow>, now_ms: u64) -> (Self, Vec<HourWrite>) {
        let mut hours = Self::new();
        let now_ms = hours.tick(now_ms);
        let (mut writes, over_ms) = (Vec::new(), over_ms(now_ms));
        let mut moved: BTreeMap<String, Amount> = BTreeMap::new();
        for HourRow { who, part, amount } in rows {
            match part {
                HourPart::Spent { over_ms: at_ms } if at_ms <= over_ms => {
                    if at_ms > now_ms {
                        hours.accounts.entry(who).or_default().spend(at_ms, &amount);
                        continue;
                    }
                }
                HourPart::Spent { .. } | HourPart::Open(_) => {
                    let sum = moved.entry(who.clone()).or_default();
                    *sum = sum.plus_at_most(&amount);
                }
            }
            writes.push(HourWrite::Delete(who, part));
        }
        for (who, amount) in moved {
            let amount = hours.accounts.entry(who.clone()).or_default().spend(over_ms, &amount);
            let part = HourPart::Spent { over_ms };
            writes.push(HourWrite::Put(HourRow { who, part, amount }));
        }
        (hours, writes)
    }

    /// Sets the most of a request aside.
    ///
    /// # Errors
    /// `budget_exhausted`, code `hour`, with the component and its limit, for what does not fit
    /// into what is left, and with the time after which it does, where that is known: the hour
    /// ends for something that was spent. `busy`, code `hour`, at the bounds `HOUR_PRINCIPALS` and
    /// `HOUR_OPEN`. `conflict`: the request has begun.
    pub fn begin(&mut self, wanted: &Wanted<'_>, now_ms: u64) -> Result<Begun> {
        let now_ms = self.tick(now_ms);
        if self.open.contains_key(&wanted.id) {
            let message = "expected a budget that pays for no other request";
            return Err(Error::new(Kind::Conflict, message).with_code("budget_exists"));
        }
        let account = self.accounts.get(wanted.who);
        if account.is_none() && self.accounts.len() >= limits::HOUR_PRINCIPALS {
            let message = "too many principals spent something within the hour";
            return Err(full(message, "HOUR_PRINCIPALS", limits::HOUR_PRINCIPALS));
        }
        if self.open.len() >= limits::HOUR_OPEN {
            let message = "too many requests with a budget for an hour are open";
            return Err(full(message, "HOUR_OPEN", limits::HOUR_OPEN));
        }
        let most = fit(account, wanted, now_ms)?;
        let (who, part, amount) = (wanted.who.to_owned(), HourPart::Open(wanted.id), most.held());
        self.accounts.entry(who.clone()).or_default().open.insert(wanted.id, amount);
        self.open.insert(wanted.id, who.clone());
        Ok(Begun { most, write: HourWrite::Put(HourRow { who, part, amount }) })
    }

    /// A request is over, and nothing more is spent of it: what it used takes the place of what was
    /// set aside. Twice is as good as once.
    pub fn end(&mut self, id: GrantId, used: &Amount, now_ms: u64) -> Vec<HourWrite> {
        let over_ms = over_ms(self.tick(now_ms));
        let Some(who) = self.open.remove(&id) else { return Vec::new() };
        let mut writes = vec![HourWrite::Delete(who.clone(), HourPart::Open(id))];
        let Entry::Occupied(mut account) = self.accounts.entry(who.clone()) else { return writes };
        account.get_mut().open.remove(&id);
        if !used.is_zero() {
            let amount = account.get_mut().spend(over_ms, used);
            let part = HourPart::Spent { over_ms };
            writes.push(HourWrite::Put(HourRow { who, part, amount }));
        }
        if account.get().is_empty() {
            account.remove();
        }
        writes
    }

    /// Forgets what counts no more, at most once in `HOUR_SLOT`: it frees memory and rows, and
    /// nothing else depends on it.
    pub fn forget(&mut self, now_ms: u64) -> Vec<HourWrite> {
        let now_ms = self.tick(now_ms);
        if now_ms < self.swept_ms.saturating_add(ms(limits::HOUR_SLOT)) {
            return Vec::new();
        }
        self.swept_ms = now_ms;
        let mut writes = Vec::new();
        self.accounts.retain(|who, account| {
            let gone = account.forget(now_ms).into_iter();
            let part = |over_ms| HourWrite::Delete(who.clone(), HourPart::Spent { over_ms });
            writes.extend(gone.map(part));
            !account.is_empty()
        });
        writes
    }

    /// The clock was wrong, and is put forward: what was spent counts for as long as it did.
    pub fn put_forward(&mut self, by_ms: u64) -> Vec<HourWrite> {
        let by_ms = by_ms.min(limits::AMOUNT_MAX).next_multiple_of(ms(limits::HOUR_SLOT));
        self.now_ms = self.tick(self.now_ms.saturating_add(by_ms));
        self.swept_ms = self.swept_ms.saturating_add(by_ms);
        let (mut writes, mut moved) = (Vec::new(), Vec::new());
        for (who, account) in &mut self.accounts {
            for (over_ms, amount) in std::mem::take(&mut account.spent) {
                let part = HourPart::Spent { over_ms };
                writes.push(HourWrite::Delete(who.clone(), part));
                let over_ms = over_ms.saturating_add(by_ms);
                let amount = account.spend(over_ms, &amount);
                let part = HourPart::Spent { over_ms };
                moved.push(HourWrite::Put(HourRow { who: who.clone(), part, amount }));
            }
        }
        // Last: what was moved may stand where something else was.
        writes.append(&mut moved);
        writes
    }

    /// What counts for a principal: set aside, or spent within the hour.
    pub fn charge(&self, who: &str, now_ms: u64) -> Amount {
        let now_ms = self.now_ms.max(now_ms.min(limits::AMOUNT_MAX));
        self.accounts.get(who).map_or(Amount::ZERO, |account| account.charge(now_ms))
    }

    /// Whose an open request is.
    pub fn whose(&self, id: &GrantId) -> Option<&str> {
        self.open.get(id).map(String::as_str)
    }

    /// Principals for whom something counts.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// True when nothing counts for anybody.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Time does not go back; a time that no clock of ours shows counts as the last one.
    fn tick(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms.min(limits::AMOUNT_MAX));
        self.now_ms
    }
}

/// What a request may spend, if that fits.
fn fit(account: Option<&Account>, wanted: &Wanted<'_>, now_ms: u64) -> Result<Allowance> {
    let charge = account.map_or(Amount::ZERO, |account| account.charge(now_ms));
    let (left, needed) = (wanted.hour.without(&charge), needed(&wanted.call));
    let short = |one: &Component| left.of(*one).is_some_and(|left| needed.of(*one) > left);
    let Some(component) = Component::ALL.into_iter().find(short) else {
        return Ok(wanted.call.min(&left));
    };
    let at_ms = account.and_then(|account| account.fits_at(&needed, &wanted.hour, now_ms));
    let retry = match at_ms {
        Some(at_ms) => Retry::AfterMs(at_ms.saturating_sub(now_ms)),
        None if wanted.hour.allows(&needed) => Retry::Later,
        None => Retry::Never,
    };
    let (name, hour) = (component.name(), wanted.hour.of(component).unwrap_or_default());
    let (left, needed) = (left.of(component).unwrap_or_default(), needed.of(component));
    let message = format!(
        "of {hour} {name} an hour {left} are left, and the request may spend {needed}: ask for less"
    );
    let error = Error::refusal(Kind::BudgetExhausted, "hour", message).with_field(name);
    Err(error.with_limit(name, hour).with_retry(retry))
}

/// When what is spent now ends to count: after more than an hour.
fn over_ms(now_ms: u64) -> u64 {
    let slot_ms = ms(limits::HOUR_SLOT);
    let hour_ms = now_ms.saturating_add(ms(limits::HOUR));
    (hour_ms - hour_ms % slot_ms).saturating_add(slot_ms)
}

fn full(message: &str, limit: &str, most: usize) -> Error {
    let error = Error::refusal(Kind::Busy, "hour", message).with_limit(limit, most as u64);
    error.with_retry(Retry::Later)
}

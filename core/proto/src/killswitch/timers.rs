//! What is due when.

use super::GrantId;
use std::collections::{BTreeMap, BTreeSet};

/// What a timer of a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Ask for another lease.
    Renew,
    /// Ask for the word of the root with what was gathered.
    Fold,
    /// The lease is over.
    Lease,
    /// Wall time, or the end of a detached grant.
    End,
    /// The first redeem code ends.
    Codes,
    /// What drains has had its time.
    Drain,
    /// Say a recall once more.
    Recall,
    /// Say the last word once more.
    Settle,
    /// Forget a grant that ended.
    Forget,
}

/// One timer of each kind for each grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timers {
    at: BTreeMap<(GrantId, Timer), u64>,
    // The same, by time.
    due: BTreeSet<(u64, GrantId, Timer)>,
}

impl Timers {
    /// Nothing is due.
    pub(super) const fn new() -> Self {
        Self { at: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Sets a timer, whatever it was set to.
    pub(super) fn set(&mut self, grant: GrantId, timer: Timer, at_ms: u64) {
        if let Some(old_ms) = self.at.insert((grant, timer), at_ms) {
            self.due.remove(&(old_ms, grant, timer));
        }
        self.due.insert((at_ms, grant, timer));
    }

    /// Takes a timer out.
    pub(super) fn clear(&mut self, grant: GrantId, timer: Timer) {
        if let Some(at_ms) = self.at.remove(&(grant, timer)) {
            self.due.remove(&(at_ms, grant, timer));
        }
    }

    /// Takes all timers of a grant out.
    pub(super) fn clear_all(&mut self, grant: GrantId) {
        let range = (grant, Timer::Renew)..=(grant, Timer::Forget);
        let set: Vec<Timer> = self.at.range(range).map(|((_, timer), _)| *timer).collect();
        set.into_iter().for_each(|timer| self.clear(grant, timer));
    }

    /// Takes out the next that is due.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<(GrantId, Timer)> {
        let (at_ms, grant, timer) = *self.due.first()?;
        if at_ms > now_ms {
            return None;
        }
        self.clear(grant, timer);
        Some((grant, timer))
    }

    /// Every timer, with its time.
    pub(super) fn all(&self) -> impl Iterator<Item = (GrantId, Timer, u64)> {
        self.at.iter().map(|((grant, timer), at_ms)| (*grant, *timer, *at_ms))
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|(at_ms, ..)| *at_ms)
    }
}

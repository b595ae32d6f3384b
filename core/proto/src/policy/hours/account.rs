//! What counts for one principal.

use crate::killswitch::{Allowance, Amount, Component, GrantId};
use std::collections::BTreeMap;

/// What one principal has set aside, and what it spent within the hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Set aside for requests that are not over, by the accounts of their budgets.
    pub(super) open: BTreeMap<GrantId, Amount>,
    /// Spent, by the moment from which on it counts no more.
    pub(super) spent: BTreeMap<u64, Amount>,
}

impl Account {
    /// True when nothing counts.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.spent.is_empty()
    }

    /// Everything that counts at a moment.
    pub(super) fn charge(&self, now_ms: u64) -> Amount {
        let open = sum(Amount::ZERO, self.open.values());
        sum(open, self.spent.range(after(now_ms)..).map(|(_, spent)| spent))
    }

    /// Adds what was spent; the sum of what ends to count at the same moment.
    pub(super) fn spend(&mut self, over_ms: u64, used: &Amount) -> Amount {
        let sum = self.spent.entry(over_ms).or_default();
        *sum = sum.plus_at_most(used);
        *sum
    }

    /// Takes out what counts no more; the moments of it.
    pub(super) fn forget(&mut self, now_ms: u64) -> Vec<u64> {
        let counts = self.spent.split_off(&after(now_ms));
        std::mem::replace(&mut self.spent, counts).into_keys().collect()
    }

    /// When so much fits into the hour, if nothing more is spent and nothing that is set aside is
    /// given back; none: not before that.
    pub(super) fn fits_at(&self, needed: &Amount, hour: &Allowance, now_ms: u64) -> Option<u64> {
        let counted = |at_ms: &u64| hour.without(&self.charge(*at_ms)).allows(needed);
        self.spent.range(after(now_ms)..).map(|(over_ms, _)| *over_ms).find(counted)
    }
}

/// The least that a request has to find free: its own most, and where it has none, anything at all.
pub(super) fn needed(call: &Allowance) -> Amount {
    let least = |sum: Amount, one| sum.with(one, call.of(one).unwrap_or(1)).unwrap_or(sum);
    Component::ALL.into_iter().fold(Amount::ZERO, least)
}

/// What ends to count at a moment does not count at it.
const fn after(now_ms: u64) -> u64 {
    now_ms.saturating_add(1)
}

fn sum<'a>(begin: Amount, all: impl Iterator<Item = &'a Amount>) -> Amount {
    all.fold(begin, |sum, one| sum.plus_at_most(one))
}

//! The last numbers of agents that are gone, so that an old record does not bring one back.

use crate::identity::AgentId;
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};

/// Last numbers, each kept until a day after the agent's records had ended.
#[derive(Debug)]
pub(super) struct Past<K = AgentId> {
    rows: BTreeMap<K, Row>,
    // Same entries as `rows`, by their end.
    ends: BTreeSet<(u64, K)>,
}

impl<K> Default for Past<K> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), ends: BTreeSet::new() }
    }
}

#[derive(Debug, Clone, Copy)]
struct Row {
    seq: u64,
    is_dead: bool,
    until_ms: u64,
}

impl<K: Ord + Copy> Past<K> {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Remembers the number under which an agent left; `is_dead`: by its own tombstone. The
    /// highest number stands, and of two equal ones the tombstone.
    pub(super) fn remember(&mut self, id: K, seq: u64, is_dead: bool, records_end_ms: u64) {
        let life = u64::try_from(limits::LAST_NUMBER_LIFE.as_millis()).unwrap_or(u64::MAX);
        let mut row = Row { seq, is_dead, until_ms: records_end_ms.saturating_add(life) };
        if let Some(old) = self.rows.remove(&id) {
            self.ends.remove(&(old.until_ms, id));
            let until_ms = row.until_ms.max(old.until_ms);
            if (old.seq, old.is_dead) > (row.seq, row.is_dead) {
                row = old;
            }
            row.until_ms = until_ms;
        }
        while self.rows.len() >= limits::LAST_NUMBERS {
            let Some((_, first)) = self.ends.pop_first() else { break };
            self.rows.remove(&first);
        }
        self.rows.insert(id, row);
        self.ends.insert((row.until_ms, id));
    }

    /// True when a record of this number is of the past: below the last, or not above a tombstone.
    pub(super) fn holds(&self, id: &K, seq: u64) -> bool {
        self.rows.get(id).is_some_and(|row| seq < row.seq || (row.is_dead && seq == row.seq))
    }

    /// True for one of which a number is remembered.
    pub(super) fn knows(&self, id: &K) -> bool {
        self.rows.contains_key(id)
    }

    pub(super) fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(until_ms, _)| *until_ms)
    }

    pub(super) fn forget(&mut self, now_ms: u64) {
        while self.ends.first().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            if let Some((_, id)) = self.ends.pop_first() {
                self.rows.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_stands_and_a_tombstone_beats_its_equal() {
        let id = AgentId::from_bytes([1; 32]);
        let mut past = Past::<AgentId>::default();
        past.remember(id, 5, false, 0);
        assert!(past.holds(&id, 4) && !past.holds(&id, 5));
        past.remember(id, 5, true, 0);
        past.remember(id, 3, false, 1_000);
        assert!(past.holds(&id, 5) && !past.holds(&id, 6));
        assert_eq!(past.next_end(), Some(1_000 + 24 * 3_600_000));
        past.forget(1_000 + 24 * 3_600_000);
        assert!(!past.holds(&id, 0) && past.rows.is_empty());
    }

    #[test]
    fn keeps_a_bounded_number() {
        let mut past = Past::<AgentId>::default();
        for n in 0..limits::LAST_NUMBERS as u64 + 3 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            past.remember(AgentId::from_bytes(key), 1, false, n);
        }
        assert_eq!(
            (past.rows.len(), past.ends.len()),
            (limits::LAST_NUMBERS, limits::LAST_NUMBERS)
        );
        assert!(!past.holds(&AgentId::from_bytes([0; 32]), 0));
    }
}

//! How much members bring within a second. Who brings is counted, not whom it is about: nobody
//! uses up the share of another one by what he says of him.

use super::claim::Now;
use crate::identity::NodeKey;
use crate::limits;
use std::collections::BTreeMap;

/// What was brought in the second that is counted.
#[derive(Debug, Default)]
pub(super) struct Brought {
    second_ms: u64,
    /// New records that hold, by who brought them and by the node that they are of.
    new: BTreeMap<(NodeKey, NodeKey), u32>,
    /// Records that did not hold, by who brought them.
    forged: BTreeMap<NodeKey, u32>,
}

impl Brought {
    /// True when a member may bring no more new records of a node now.
    pub(super) fn is_enough(&mut self, by: NodeKey, of: NodeKey, now: Now) -> bool {
        self.turn(now);
        is_full(&self.new, &(by, of))
    }

    /// True when nothing more is looked at that a member brings now.
    pub(super) fn is_distrusted(&mut self, by: NodeKey, now: Now) -> bool {
        self.turn(now);
        is_full(&self.forged, &by)
    }

    pub(super) fn count_new(&mut self, by: NodeKey, of: NodeKey) {
        *self.new.entry((by, of)).or_default() += 1;
    }

    pub(super) fn count_forged(&mut self, by: NodeKey) {
        *self.forged.entry(by).or_default() += 1;
    }

    fn turn(&mut self, now: Now) {
        if now.steady_ms.saturating_sub(self.second_ms) >= 1_000 {
            self.second_ms = now.steady_ms;
            self.new.clear();
            self.forged.clear();
        }
    }
}

/// True where one may bring no more, or so many are counted that no other is.
fn is_full<K: Ord>(counts: &BTreeMap<K, u32>, of: &K) -> bool {
    counts.get(of).map_or(counts.len() >= limits::REPLICA_BRINGERS, |count| {
        *count >= limits::MEMBER_RECORDS_PER_S
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: usize) -> NodeKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        NodeKey::from_bytes(key)
    }

    #[test]
    fn so_many_that_bring_are_counted_within_a_second() {
        let mut brought = Brought::default();
        for n in 0..limits::REPLICA_BRINGERS {
            brought.count_forged(node(n));
        }
        let at = |steady_ms| Now { steady_ms, ..Now::default() };
        let stranger = node(limits::REPLICA_BRINGERS);
        assert!(brought.is_distrusted(stranger, at(999)) && !brought.is_distrusted(node(1), at(9)));
        assert!(!brought.is_distrusted(stranger, at(1_000)));
        assert!(brought.forged.is_empty());
    }
}

//! Agents whose hosting was shown on a connection, each until that hosting ends.
//!
//! Owns: how many are kept. Must not know: which of the two sides showed them. Time is passed in;
//! tested beside it, and over connections in `tests`.

use hubless_proto::identity::AgentId;
use hubless_proto::limits;
use std::collections::BTreeMap;

/// A hosting that was shown: which one, and its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hosting {
    /// Its number: an agent that is registered again has a higher one.
    pub(super) seq: u64,
    /// Unix time in milliseconds.
    pub(super) until_ms: u64,
}

/// Hostings of one side of a connection.
#[derive(Debug, Default)]
pub(super) struct Hostings {
    /// The latest of each agent.
    rows: BTreeMap<AgentId, Hosting>,
}

impl Hostings {
    /// Keeps one until its end; false: no more fit, even in the place of those that are over.
    pub(super) fn keep(&mut self, agent: AgentId, shown: Hosting, now_ms: u64) -> bool {
        if !self.rows.contains_key(&agent) {
            if self.rows.len() >= limits::MEMBER_RECORDS {
                self.rows.retain(|_, row| row.until_ms > now_ms);
            }
            if self.rows.len() >= limits::MEMBER_RECORDS {
                return false;
            }
        }
        let row = self.rows.entry(agent).or_default();
        // Streams overtake each other: an older one that is late takes nothing back.
        row.seq = row.seq.max(shown.seq);
        row.until_ms = row.until_ms.max(shown.until_ms);
        true
    }

    /// True when one is kept that lives at that time.
    pub(super) fn holds(&self, agent: AgentId, at_ms: u64) -> bool {
        self.rows.get(&agent).is_some_and(|row| row.until_ms > at_ms)
    }

    /// True when the one of this number, or a later one, is kept and lives at that time.
    pub(super) fn holds_of(&self, agent: AgentId, seq: u64, at_ms: u64) -> bool {
        self.rows.get(&agent).is_some_and(|row| row.seq >= seq && row.until_ms > at_ms)
    }

    /// Forgets the one of this number; a later one stays, which the same agent has since it was
    /// registered again.
    pub(super) fn forget(&mut self, agent: AgentId, seq: u64) {
        if self.rows.get(&agent).is_some_and(|row| row.seq <= seq) {
            self.rows.remove(&agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn agent(n: usize) -> AgentId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        AgentId::from_bytes(bytes)
    }

    fn until(until_ms: u64) -> Hosting {
        Hosting { seq: NOW, until_ms }
    }

    #[test]
    fn one_counts_until_its_end_and_longer_when_it_is_shown_again() {
        let mut all = Hostings::default();
        assert!(!all.holds(agent(1), NOW));
        all.keep(agent(1), until(NOW + 10), NOW);
        assert!(all.holds(agent(1), NOW + 9) && !all.holds(agent(1), NOW + 10));
        all.keep(agent(1), until(NOW + 20), NOW);
        all.keep(agent(1), until(NOW + 10), NOW);
        assert!(all.holds(agent(1), NOW + 19) && !all.holds(agent(1), NOW + 20));
        all.forget(agent(1), NOW);
        assert!(!all.holds(agent(1), NOW));
    }

    #[test]
    fn the_end_of_one_hosting_is_not_the_end_of_a_later_one() {
        let mut all = Hostings::default();
        let of = |seq| Hosting { seq, until_ms: NOW + 10 };
        all.keep(agent(1), of(NOW), NOW);
        assert!(all.holds_of(agent(1), NOW, NOW) && !all.holds_of(agent(1), NOW + 1, NOW));
        assert!(!all.holds_of(agent(1), NOW, NOW + 10), "it is over");
        all.keep(agent(1), of(NOW + 1), NOW);
        all.forget(agent(1), NOW);
        assert!(all.holds_of(agent(1), NOW + 1, NOW), "what is taken back is the one before");
        all.forget(agent(1), NOW + 1);
        assert!(!all.holds(agent(1), NOW));
    }

    #[test]
    fn so_many_are_kept_and_those_that_are_over_make_room() {
        let mut all = Hostings::default();
        let most = limits::MEMBER_RECORDS;
        for n in 0..most {
            assert!(all.keep(agent(n), until(NOW + if n < 2 { 10 } else { 1_000 }), NOW));
        }
        let long = until(NOW + 1_000);
        assert!(!all.keep(agent(most), long, NOW + 9));
        assert!(all.keep(agent(0), long, NOW + 9), "it is there already");
        assert!(all.keep(agent(most), long, NOW + 10));
        assert!(all.holds(agent(most), NOW + 10) && all.holds(agent(0), NOW + 10));
        assert!(!all.keep(agent(most + 1), long, NOW + 10), "one was over");
    }
}

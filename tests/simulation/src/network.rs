//! The network between the nodes: which links there are, what becomes of a message.

use crate::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};

/// How bad it is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Messages of a thousand that are lost.
    pub lost_permille: u64,
    /// Messages of a thousand that come twice.
    pub twice_permille: u64,
    /// Messages of a thousand that come late, behind others.
    pub late_permille: u64,
    /// Longest way of any other message, in milliseconds.
    pub way_ms: u64,
}

impl Weather {
    /// Nothing is lost; messages still overtake each other.
    pub const FAIR: Self =
        Self { lost_permille: 0, twice_permille: 0, late_permille: 0, way_ms: 40 };

    /// How long each copy of a message takes; none: it is lost.
    #[must_use]
    pub fn ways(&self, chance: &mut Chance) -> Vec<u64> {
        if chance.permille(self.lost_permille) {
            return Vec::new();
        }
        let copies = if chance.permille(self.twice_permille) { 2 } else { 1 };
        let mut way = || {
            let late = chance.permille(self.late_permille);
            1 + chance.below(if late { 3_000 } else { self.way_ms })
        };
        (0..copies).map(|_| way()).collect()
    }
}

/// Links between nodes by their places, each with the time of its last use.
#[derive(Debug, Default)]
pub struct Links {
    used: BTreeMap<(usize, usize), u64>,
    of: BTreeMap<usize, BTreeSet<usize>>,
    cut: BTreeSet<usize>,
}

impl Links {
    /// True for two nodes that are connected.
    #[must_use]
    pub fn joined(&self, one: usize, other: usize) -> bool {
        self.used.contains_key(&pair(one, other))
    }

    /// Connects two nodes, or notes that they use their link.
    pub fn join(&mut self, one: usize, other: usize, now_ms: u64) {
        self.used.insert(pair(one, other), now_ms);
        self.of.entry(one).or_default().insert(other);
        self.of.entry(other).or_default().insert(one);
    }

    /// Parts two nodes.
    pub fn part(&mut self, one: usize, other: usize) {
        self.used.remove(&pair(one, other));
        for (from, to) in [(one, other), (other, one)] {
            if let Some(all) = self.of.get_mut(&from) {
                all.remove(&to);
            }
        }
    }

    /// Nodes that one is connected to.
    #[must_use]
    pub fn of(&self, node: usize) -> Vec<usize> {
        self.of.get(&node).map(|all| all.iter().copied().collect()).unwrap_or_default()
    }

    /// Links that were not used since a time.
    #[must_use]
    pub fn idle(&self, since_ms: u64) -> Vec<(usize, usize)> {
        let idle = self.used.iter().filter(|(_, used)| **used < since_ms);
        idle.map(|(pair, _)| *pair).collect()
    }

    /// All links.
    #[must_use]
    pub fn all(&self) -> Vec<(usize, usize)> {
        self.used.keys().copied().collect()
    }

    /// Cuts these nodes off from the others; none: nobody.
    pub fn cut(&mut self, nodes: BTreeSet<usize>) {
        self.cut = nodes;
    }

    /// True for two nodes between which nothing passes.
    #[must_use]
    pub fn is_cut(&self, one: usize, other: usize) -> bool {
        self.cut.contains(&one) != self.cut.contains(&other)
    }
}

fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

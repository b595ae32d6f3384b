//! The members that this node is connected to.

use super::chance::Chance;
use crate::identity::NodeKey;
use std::collections::BTreeMap;

/// Where a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nearness {
    /// It reads the runtime folder of this node: what lies there it knows.
    Near,
    /// Elsewhere.
    Far,
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// In good order: it was not needed, or the member said good-bye.
    Closed,
    /// It broke: the member may be no more.
    Broken,
    /// It never came to be: the member cannot be reached from here.
    Unreached,
    /// None of its addresses may be dialled from here, which says nothing of the member.
    NoWay,
}

/// Links by member.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: BTreeMap<NodeKey, Nearness>,
}

impl Links {
    pub(super) fn insert(&mut self, node: NodeKey, nearness: Nearness) {
        self.all.insert(node, nearness);
    }

    pub(super) fn remove(&mut self, node: &NodeKey) {
        self.all.remove(node);
    }

    pub(super) fn contains(&self, node: &NodeKey) -> bool {
        self.all.contains_key(node)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeKey> {
        self.all.keys()
    }

    /// So many of them, by chance, in an order by chance.
    pub(super) fn some(&self, many: usize, chance: &mut Chance) -> Vec<(NodeKey, Nearness)> {
        let mut all: Vec<_> = self.all.iter().map(|(node, near)| (*node, *near)).collect();
        for at in 0..many.min(all.len()) {
            let other = at + chance.place(all.len() - at);
            all.swap(at, other);
        }
        all.truncate(many);
        all
    }
}

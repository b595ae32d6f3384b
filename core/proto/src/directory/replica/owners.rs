//! What is known of each node that has rows: how many, how fast, whether it is a member.

use crate::directory::quota::Rate;
use crate::identity::NodeKey;
use std::collections::BTreeMap;

/// One node.
#[derive(Debug, Default)]
pub(super) struct Owner {
    pub(super) rows: usize,
    pub(super) rate: Rate,
    /// The number of its record; none: it is not known where it is.
    pub(super) seq: Option<u64>,
    /// The number of the record under which it was lost.
    pub(super) suspect: Option<u64>,
    /// The number of the record under which others were told so.
    pub(super) told: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Owners {
    all: BTreeMap<NodeKey, Owner>,
}

impl Owners {
    pub(super) fn of(&self, node: &NodeKey) -> Option<&Owner> {
        self.all.get(node)
    }

    pub(super) fn known(&mut self, node: &NodeKey) -> Option<&mut Owner> {
        self.all.get_mut(node)
    }

    pub(super) fn entry(&mut self, node: NodeKey) -> &mut Owner {
        self.all.entry(node).or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// One row less; the last one takes the node with it.
    pub(super) fn less(&mut self, node: &NodeKey) {
        if let Some(owner) = self.all.get_mut(node) {
            owner.rows = owner.rows.saturating_sub(1);
            if owner.rows == 0 {
                self.all.remove(node);
            }
        }
    }

    /// Nodes whose record is in force.
    pub(super) fn members(&self) -> impl Iterator<Item = (&NodeKey, &Owner)> {
        self.all.iter().filter(|(_, owner)| owner.seq.is_some())
    }
}

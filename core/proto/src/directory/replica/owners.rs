//! What is known of each node that has rows: how many, and whether it is a member.

use crate::identity::{AgentId, NodeKey};
use std::collections::{BTreeMap, BTreeSet};

/// One node.
#[derive(Debug, Default)]
pub(super) struct Owner {
    /// Its own record and those of its agents.
    pub(super) rows: usize,
    /// Its words that an agent is no more there, those that end first before: they take no place of
    /// what lives.
    pub(super) left: BTreeSet<(u64, AgentId)>,
    /// The number of its record; none: it is not known where it is.
    pub(super) seq: Option<u64>,
    /// The number of the record under which it was lost.
    pub(super) suspect: Option<u64>,
    /// The number of the record under which others were told so.
    pub(super) told: u64,
    /// It cannot be dialled from here, by its record.
    pub(super) no_way: bool,
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

    /// One row less of what lives; the last one of any kind takes the node with it.
    pub(super) fn less(&mut self, node: &NodeKey) {
        if let Some(owner) = self.all.get_mut(node) {
            owner.rows = owner.rows.saturating_sub(1);
        }
        self.tidy(node);
    }

    /// A word less that an agent is no more at a node.
    pub(super) fn less_left(&mut self, node: &NodeKey, left: &(u64, AgentId)) {
        if let Some(owner) = self.all.get_mut(node) {
            owner.left.remove(left);
        }
        self.tidy(node);
    }

    fn tidy(&mut self, node: &NodeKey) {
        if self.all.get(node).is_some_and(|owner| owner.rows == 0 && owner.left.is_empty()) {
            self.all.remove(node);
        }
    }

    /// Nodes whose record is in force.
    pub(super) fn members(&self) -> impl Iterator<Item = (&NodeKey, &Owner)> {
        self.all.iter().filter(|(_, owner)| owner.seq.is_some())
    }
}

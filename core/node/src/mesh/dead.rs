//! Nodes of this machine whose process is known to be no more.
//!
//! What a process sent before it was killed may arrive after the news of its death: a connection
//! that is introduced then has nobody at its other end.

use hubless_proto::identity::NodeKey;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The dead that are remembered; older ones can hardly still have a connection on its way.
const REMEMBERED: usize = 1_024;

/// The latest of the dead.
#[derive(Debug, Default)]
pub(super) struct Dead(Mutex<VecDeque<NodeKey>>);

impl Dead {
    pub(super) fn add(&self, node: NodeKey) {
        self.change(|dead| {
            if !dead.contains(&node) {
                dead.truncate(REMEMBERED - 1);
                dead.push_front(node);
            }
        });
    }

    pub(super) fn contains(&self, node: NodeKey) -> bool {
        self.change(|dead| dead.contains(&node))
    }

    /// A named node runs again under its key.
    pub(super) fn remove(&self, node: NodeKey) {
        self.change(|dead| dead.retain(|other| *other != node));
    }

    fn change<T>(&self, act: impl FnOnce(&mut VecDeque<NodeKey>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_latest() {
        let dead = Dead::default();
        let node = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            NodeKey::from_bytes(key)
        };
        (0..=REMEMBERED).for_each(|number| dead.add(node(number)));
        assert!(!dead.contains(node(0)));
        assert!(dead.contains(node(1)) && dead.contains(node(REMEMBERED)));
        dead.remove(node(1));
        assert!(!dead.contains(node(1)));
    }
}

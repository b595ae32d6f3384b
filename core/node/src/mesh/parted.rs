//! Processes of nodes that left.
//!
//! A connection and the runtime folder both tell of it, each in its own time: a record that was
//! read before, or a HELLO that was sent before, may be taken up after the news. Either tells of a
//! node that takes no more calls.

use hubless_proto::identity::NodeKey;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Those that are remembered; older ones are overtaken by nothing any more.
const REMEMBERED: usize = 1_024;

/// The latest that left, by node and instance.
#[derive(Debug, Default)]
pub(super) struct Parted(Mutex<VecDeque<(NodeKey, u64)>>);

impl Parted {
    pub(super) fn add(&self, node: NodeKey, instance: u64) {
        let mut parted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parted.truncate(REMEMBERED - 1);
        parted.push_front((node, instance));
    }

    /// True for a process that left; a newer one of the same node has another number.
    pub(super) fn contains(&self, node: NodeKey, instance: u64) -> bool {
        let parted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parted.contains(&(node, instance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_latest_of_each_process() {
        let (parted, node) = (Parted::default(), NodeKey::from_bytes([1; 32]));
        for instance in 0..=REMEMBERED as u64 {
            parted.add(node, instance);
        }
        assert!(!parted.contains(node, 0), "it was the oldest");
        assert!(parted.contains(node, 1) && parted.contains(node, REMEMBERED as u64));
        assert!(!parted.contains(node, REMEMBERED as u64 + 1), "a newer process lives");
        assert!(!parted.contains(NodeKey::from_bytes([2; 32]), 1));
    }
}

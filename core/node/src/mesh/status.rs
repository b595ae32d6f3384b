//! What can be said about peers and paths.

use hubless_proto::identity::NodeKey;
use std::time::Duration;

/// How a call went to its callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPath {
    /// True through a relay, else direct.
    pub relayed: bool,
    /// Smoothed round trip of the path.
    pub rtt: Duration,
}

impl CallPath {
    /// The stable name: `relay` or `direct`.
    pub const fn name(self) -> &'static str {
        if self.relayed { "relay" } else { "direct" }
    }
}

/// Bytes that the connections of a node carried, with the packets around them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Bytes that came.
    pub received_bytes: u64,
}

impl Traffic {
    /// Both together.
    pub(crate) const fn plus(self, more: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes.saturating_add(more.sent_bytes),
            received_bytes: self.received_bytes.saturating_add(more.received_bytes),
        }
    }
}

/// Records of the mesh that a node holds, its own and those of its runtime folder among them. None,
/// as long as it knows of no node beyond that folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordsHeld {
    /// Records: of nodes, of agents, and of what was taken back.
    pub records: usize,
    /// Nodes that they are of.
    pub nodes: usize,
}

/// A node that this one is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its key.
    pub node: NodeKey,
    /// The path in use.
    pub path: CallPath,
    /// Open connections: one, and others that are being left, such as one of two that were made at
    /// once; at most `PEER_CONNECTIONS`.
    pub connections: usize,
}

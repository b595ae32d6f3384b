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

/// A node that this one is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its key.
    pub node: NodeKey,
    /// The path in use.
    pub path: CallPath,
    /// Open connections: one, and a second while two that were made at once become one.
    pub connections: usize,
}

//! Connections that go by a relay which is there no more.

use crate::link::{CloseReason, RelayUrl};
use crate::mesh::connection::Connection;
use crate::mesh::shared::Shared;
use hubless_proto::identity::NodeKey;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Shared {
    /// Opens no more streams on what goes by this relay, and names the nodes at the other ends:
    /// calls wait for another way to them instead of being lost on this one.
    pub(super) fn give_up_relay(self: &Arc<Self>, relay: &RelayUrl) -> BTreeSet<NodeKey> {
        let mut nodes = BTreeSet::new();
        for connection in self.going_by(relay) {
            connection.fell_silent();
            nodes.insert(connection.peer());
            if connection.start_drain() {
                self.spawn(connection.drain(self.patience.drain));
            }
        }
        nodes
    }

    /// Ends what goes by this relay, and names the nodes at the other ends. As long as there is a
    /// connection to a node, the engine would send on its way what is to make another one: one
    /// that is left for another ends as well, where nothing else leads to the node.
    pub(super) fn end_relayed(&self, relay: &RelayUrl) -> BTreeSet<NodeKey> {
        let mut nodes = BTreeSet::new();
        for connection in self.going_by(relay) {
            nodes.insert(connection.peer());
            // The node lives, as far as is known.
            connection.close(CloseReason::Drained);
        }
        for node in &nodes {
            let left = self.peers.of(*node);
            if !left.iter().any(|connection| connection.is_usable()) {
                left.iter().for_each(|connection| connection.close(CloseReason::Drained));
            }
        }
        nodes
    }

    /// Ends what goes by relays as they were before they were begun anew with, and names the nodes
    /// at the other ends.
    pub(super) fn end_stale(&self) -> BTreeSet<NodeKey> {
        let mut all = self.peers.all();
        all.retain(|connection| self.link.is_stale(&connection.tunnel));
        all.iter().for_each(|connection| connection.close(CloseReason::Drained));
        all.iter().map(|connection| connection.peer()).collect()
    }

    /// A dial by relays which a peer named was in vain.
    pub(in crate::mesh) fn dialled_in_vain(&self, relays: &[RelayUrl]) {
        for relay in relays.iter().filter(|relay| self.going_by(relay).is_empty()) {
            self.link.relay_failed(relay);
        }
    }

    fn going_by(&self, relay: &RelayUrl) -> Vec<Arc<Connection>> {
        let mut all = self.peers.all();
        all.retain(|connection| connection.tunnel.relay().as_ref() == Some(relay));
        all
    }
}

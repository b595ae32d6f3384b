//! What is known of agents elsewhere, and of the own ones as others see them.

use super::host::News;
use super::lifecycle::Inner;
use crate::engine::Hosted;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Address, AgentId, MeshId, Name, NodeKey};
use hubless_proto::registry::ClientAgent;
use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// An agent that can be called.
pub(super) struct Known {
    pub(super) agent: AgentId,
    /// Node that hosts it; none: only a catalogue knows it.
    pub(super) node: Option<NodeKey>,
    pub(super) descriptor: Arc<v1::Descriptor>,
}

impl Known {
    pub(super) fn hosted(hosted: &Hosted, node: NodeKey) -> Self {
        let descriptor = Arc::clone(hosted.policy.descriptor());
        Self { agent: hosted.id(), node: Some(node), descriptor }
    }

    pub(super) fn listed(listed: &ClientAgent) -> Self {
        let descriptor = Arc::new(listed.descriptor.clone());
        Self { agent: listed.id, node: listed.node, descriptor }
    }
}

/// The directory of the mesh, as this node sees it.
pub(super) struct World {
    changes: watch::Sender<u64>,
}

impl World {
    pub(super) fn new(_node: NodeKey, _mesh: MeshId) -> Self {
        Self { changes: watch::Sender::new(0) }
    }

    /// Fires whenever something is known that was not.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn bump(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    pub(super) fn nodes(&self) -> BTreeMap<NodeKey, usize> {
        BTreeMap::new()
    }

    pub(super) fn by_id(&self, _id: &AgentId) -> Option<Known> {
        None
    }

    pub(super) fn by_name(&self, _name: &Name) -> Vec<Known> {
        Vec::new()
    }

    pub(super) fn by_address(&self, _address: Address) -> Result<Option<Known>> {
        Ok(None)
    }

    pub(super) fn is_own_mesh(&self) -> bool {
        true
    }

    pub(super) fn learn(&self, _: AgentId, _: NodeKey, _ok: bool, _rtt: Option<Duration>) {}

    pub(super) fn tick(&self) {}
}

impl Inner {
    pub(super) fn news(&self, _news: News) {}

    pub(super) fn answer(&self, _ask: v1::Ask) -> Result<v1::answer::Answer> {
        Err(Error::new(Kind::NotFound, "none"))
    }

    pub(super) fn find_now(
        &self,
        _query: &hubless_proto::query::Query,
        _explain: bool,
    ) -> Result<Vec<super::Found>> {
        Ok(Vec::new())
    }
}

//! From an id, an address or a name to one agent.

use super::{Directory, Found};
use crate::error::{Error, Kind, Result};
use crate::identity::{Address, AgentId, Name, NodeKey, Target};
use crate::limits;
use crate::query::Health;
use crate::wire::v1;
use std::sync::Arc;

impl Directory {
    /// The one agent that a target means.
    ///
    /// # Errors
    /// `not_found`; `ambiguous` with the ids, when a name or an address means several keys.
    pub fn resolve(&mut self, target: &Target, now_ms: u64) -> Result<Found> {
        let ids: Vec<AgentId> = match target {
            Target::Id(id) => vec![*id],
            Target::At { agent, node } => {
                let hosted = self.is_hosted(agent, node, now_ms);
                let found = hosted.then(|| self.found(agent, *node)).flatten();
                return found.ok_or_else(|| unknown(target));
            }
            Target::Address(address) => self.by_address(*address),
            Target::Name { name, mesh } if mesh.is_none_or(|mesh| mesh == self.mesh) => {
                self.by_name(name)
            }
            Target::Name { .. } => Vec::new(),
        };
        let found: Vec<Found> = ids.iter().filter_map(|id| self.by_id(id, now_ms)).collect();
        if found.len() > 1 {
            return Err(ambiguous(found.iter().map(|found| &found.id)));
        }
        found.into_iter().next().ok_or_else(|| unknown(target))
    }

    /// The agent of this key, at its best host.
    pub fn by_id(&mut self, id: &AgentId, now_ms: u64) -> Option<Found> {
        let node = self.best_host(id, now_ms)?;
        self.found(id, node)
    }

    /// The keys that carry this name.
    pub fn by_name(&self, name: &Name) -> Vec<AgentId> {
        self.index.by_name(name).copied().collect()
    }

    /// The keys that have this address; `0:` stands for the own mesh.
    pub fn by_address(&self, address: Address) -> Vec<AgentId> {
        self.index.by_address(address).copied().collect()
    }

    /// The descriptor that stands.
    pub fn descriptor(&self, id: &AgentId) -> Option<Arc<v1::Descriptor>> {
        self.entries.get(id).map(|entry| Arc::clone(&entry.descriptor))
    }

    /// True when a live Hosting of the agent by this node is known and its signatures hold.
    pub fn is_hosted(&mut self, id: &AgentId, node: &NodeKey, now_ms: u64) -> bool {
        self.settle(id, node, now_ms)
    }

    /// Nodes that host the agent, the best first; last those where it says that it is down.
    pub fn hosts(&self, id: &AgentId, now_ms: u64) -> Vec<NodeKey> {
        let Some(entry) = self.entries.get(id) else { return Vec::new() };
        let mut hosts: Vec<_> = entry
            .live(now_ms)
            .map(|(node, host)| {
                let away = *node != self.own;
                let latency = self.signals.latency_us(node).unwrap_or(u64::MAX);
                (host.health == Health::Down, away, host.priority, latency, *node)
            })
            .collect();
        hosts.sort_unstable();
        hosts.into_iter().map(|(.., node)| node).collect()
    }

    /// The best host whose signatures hold: the own node, then by priority (lower first), then by
    /// round trip.
    pub(super) fn best_host(&mut self, id: &AgentId, now_ms: u64) -> Option<NodeKey> {
        self.hosts(id, now_ms).into_iter().find(|node| self.settle(id, node, now_ms))
    }
}

fn unknown(target: &Target) -> Error {
    let message = format!("no agent is known as {target}");
    Error::new(Kind::NotFound, message).with_field("to")
}

/// The refusal of a look-up that finds several keys.
pub(crate) fn ambiguous<'a>(ids: impl Iterator<Item = &'a AgentId>) -> Error {
    let message = "several agents match; use the id of one of them";
    let candidates = ids.take(limits::CANDIDATES).map(ToString::to_string).collect();
    Error { candidates, ..Error::refusal(Kind::Ambiguous, "", message).with_field("to") }
}

//! The directory itself: what it holds and what ends by time.

use super::documents::Documents;
use super::entry::Entry;
use super::index::Index;
use super::past::Past;
use super::quota::NodeRow;
use super::watch::Watchers;
use crate::identity::{AgentId, MeshId, NodeKey};
use crate::query::Signals;
use crate::wire::announcement;
use crate::wire::record::Digest;
use crate::wire::v1;
use std::collections::{BTreeMap, BTreeSet};

/// What a node knows of the agents of its mesh.
///
/// ```
/// use hubless_proto::directory::Directory;
/// use hubless_proto::identity::{MeshId, NodeKey};
/// use hubless_proto::query::Query;
///
/// let (mesh, own) = (MeshId::from_bytes([1; 32]), NodeKey::from_bytes([2; 32]));
/// let mut directory = Directory::new(mesh, own);
/// assert!(directory.find(&Query::default(), 0).is_empty());
/// assert_eq!(directory.poll_timeout(), None);
/// ```
#[derive(Debug)]
pub struct Directory {
    pub(super) mesh: MeshId,
    pub(super) own: NodeKey,
    pub(super) entries: BTreeMap<AgentId, Entry>,
    pub(super) nodes: BTreeMap<NodeKey, NodeRow>,
    // Of nodes whose token states any.
    pub(super) zones: BTreeMap<NodeKey, Vec<String>>,
    pub(super) index: Index,
    // Every host of every entry, by the end of its records.
    pub(super) ends: BTreeSet<(u64, AgentId, NodeKey)>,
    pub(super) past: Past,
    pub(super) documents: Documents,
    pub(super) signals: Signals,
    pub(super) watchers: Watchers,
    pub(super) changes: u64,
    pub(super) undocumented: u64,
}

impl Directory {
    /// Knows nobody; `own` is the node it belongs to.
    pub fn new(mesh: MeshId, own: NodeKey) -> Self {
        Self {
            mesh,
            own,
            entries: BTreeMap::new(),
            nodes: BTreeMap::new(),
            zones: BTreeMap::new(),
            index: Index::new(mesh),
            ends: BTreeSet::new(),
            past: Past::default(),
            documents: Documents::default(),
            signals: Signals::new(),
            watchers: Watchers::default(),
            changes: 0,
            undocumented: 0,
        }
    }

    /// Forgets what is over.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while let Some((until_ms, id, node)) = self.ends.first().copied() {
            if until_ms > now_ms {
                break;
            }
            self.remove_host(&id, &node, now_ms);
        }
        self.past.forget(now_ms);
    }

    /// When something is over next.
    pub fn poll_timeout(&self) -> Option<u64> {
        let ends = self.ends.first().map(|(until_ms, _, _)| *until_ms);
        ends.into_iter().chain(self.past.next_end()).min()
    }

    /// A node takes back the hosting of this number, of each agent, and those before it. What it
    /// says may come late: an agent that was shown there again meanwhile stays.
    pub fn hide(&mut self, node: &NodeKey, agents: &[(AgentId, u64)], now_ms: u64) {
        for (id, seq) in agents {
            let host = self.entries.get(id).and_then(|entry| entry.hosts.get(node));
            if host.is_some_and(|host| host.stamp.seq <= *seq) {
                self.remove_host(id, node, now_ms);
            }
        }
    }

    /// A node ceased to exist.
    pub fn gone(&mut self, node: &NodeKey, now_ms: u64) {
        let agents = self.nodes.get(node).map(|row| row.agents.clone()).unwrap_or_default();
        for id in agents {
            self.remove_host(&id, node, now_ms);
        }
        self.signals.forget_node(node);
        self.zones.remove(node);
    }

    /// What was seen of others, for ranking.
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// What was seen of others, to be told more.
    pub const fn signals_mut(&mut self) -> &mut Signals {
        &mut self.signals
    }

    /// Keeps the input schema of a skill document whose digest was checked: from then on, queries
    /// that ask what an agent accepts see it.
    pub fn add_document(&mut self, digest: Digest, document: &v1::SkillDocument, now_ms: u64) {
        if self.documents.knows(&digest) {
            return;
        }
        self.documents.add(digest, document);
        self.changes += 1;
        self.tell_accepting(&digest, now_ms);
    }

    /// Grows with every change that a query may see; who waits for a match looks again then.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Grows when an agent publishes a skill whose document is not known, or is hosted by one more
    /// node that has it: only then may a query with `accepts` have to know what it had not to know
    /// before, or another node be asked for it.
    pub const fn undocumented(&self) -> u64 {
        self.undocumented
    }

    /// Number of agents.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when no agent is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Agents that a node hosts.
    pub fn agents_of(&self, node: &NodeKey) -> usize {
        self.nodes.get(node).map_or(0, |row| row.agents.len())
    }

    /// The nodes that are known, with the number of their agents.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeKey, usize)> {
        self.nodes.iter().map(|(node, row)| (node, row.agents.len()))
    }

    /// Checks the signatures of a host that was only read so far; false: it does not hold, and is
    /// gone.
    pub(super) fn settle(&mut self, id: &AgentId, node: &NodeKey, now_ms: u64) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return false };
        let Some(host) = entry.hosts.get_mut(node) else { return false };
        let lives = now_ms < host.until_ms;
        let Some(pending) = host.pending.take() else { return lives };
        // All else was checked when it was read.
        if lives && announcement::check_signatures(&pending, id).is_ok() {
            return true;
        }
        self.remove_host(id, node, now_ms);
        false
    }

    /// Takes one host out, and the agent with its last one.
    pub(super) fn remove_host(&mut self, id: &AgentId, node: &NodeKey, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let Some(host) = entry.hosts.remove(node) else { return };
        self.ends.remove(&(host.until_ms, *id, *node));
        self.changes += 1;
        if let Some(row) = self.nodes.get_mut(node) {
            row.agents.remove(id);
            if row.agents.is_empty() {
                self.nodes.remove(node);
                // Asked for again where they are needed.
                self.zones.remove(node);
            }
        }
        if !entry.hosts.is_empty() {
            return;
        }
        let Some(entry) = self.entries.remove(id) else { return };
        self.index.remove(&entry);
        self.signals.forget(id);
        if !entry.descriptor.transient {
            self.past.remember(*id, entry.stamp.seq, false, host.until_ms.max(now_ms));
        }
        self.watchers.departed(id, entry.name.as_str());
    }
}

//! One agent of the directory and the nodes that host it.

use super::Source;
use crate::identity::{AgentId, Name, NodeKey};
use crate::query::Health;
use crate::wire::announcement::OpenedAgent;
use crate::wire::record::{Digest, Opened, RecordBody};
use crate::wire::v1;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One agent.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: AgentId,
    pub(super) name: Name,
    pub(super) descriptor: Arc<v1::Descriptor>,
    pub(super) stamp: Stamp,
    pub(super) issued_at_ms: u64,
    /// Digests of two descriptors with one number, both signed by the agent.
    pub(super) evidence: Option<[Digest; 2]>,
    pub(super) hosts: BTreeMap<NodeKey, Host>,
}

/// One node that hosts it.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) stamp: Stamp,
    pub(super) until_ms: u64,
    pub(super) priority: u32,
    /// What the agent says of itself there.
    pub(super) health: Health,
    pub(super) sources: Sources,
    /// What was not opened so far: its signatures are checked when it is first used.
    pub(super) pending: Option<Box<v1::AgentAnnouncement>>,
}

/// Where a host is known from; it is gone once it is known from nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sources {
    own: bool,
    folder: bool,
    member: bool,
    spread: bool,
    external: bool,
}

impl Sources {
    pub(super) const fn set(&mut self, source: Source) {
        match source {
            Source::Own => self.own = true,
            Source::Folder => self.folder = true,
            Source::Member => self.member = true,
            Source::Spread => self.spread = true,
            Source::External => self.external = true,
        }
    }

    pub(super) const fn clear(&mut self, source: Source) {
        match source {
            Source::Own => self.own = false,
            Source::Folder => self.folder = false,
            Source::Member => self.member = false,
            Source::Spread => self.spread = false,
            Source::External => self.external = false,
        }
    }

    /// True when the node is of the own mesh.
    pub(super) const fn is_member(self) -> bool {
        self.own || self.folder || self.member || self.spread
    }

    pub(super) const fn is_none(self) -> bool {
        !self.is_member() && !self.external
    }
}

/// Number and digest of a record: what decides which of two stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) seq: u64,
    pub(super) digest: Digest,
}

/// What a record means beside the one that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is later.
    Newer,
    /// It is the same.
    Same,
    /// It is earlier: an old one came again.
    Older,
    /// It has the same number and says something else; the lower digest stands.
    Equivocation {
        /// True when the new one has the lower digest.
        stands: bool,
    },
}

impl Stamp {
    pub(super) const fn of<T: RecordBody>(record: &Opened<T>) -> Self {
        Self { seq: record.term.seq, digest: record.digest }
    }

    /// What `new` means while `self` stands.
    pub(super) fn judge(&self, new: &Self) -> Verdict {
        match (new.seq.cmp(&self.seq), new.digest.cmp(&self.digest)) {
            (Ordering::Greater, _) => Verdict::Newer,
            (Ordering::Less, _) => Verdict::Older,
            (Ordering::Equal, Ordering::Equal) => Verdict::Same,
            (Ordering::Equal, order) => Verdict::Equivocation { stands: order == Ordering::Less },
        }
    }
}

impl Entry {
    pub(super) fn new(name: Name, opened: &OpenedAgent) -> Self {
        Self {
            id: opened.agent(),
            name,
            descriptor: Arc::new(opened.descriptor.body.clone()),
            stamp: Stamp::of(&opened.descriptor),
            issued_at_ms: opened.descriptor.term.issued_at_ms,
            evidence: None,
            hosts: BTreeMap::new(),
        }
    }

    /// The hosts whose records are in force.
    pub(super) fn live(&self, now_ms: u64) -> impl Iterator<Item = (&NodeKey, &Host)> {
        self.hosts.iter().filter(move |(_, host)| now_ms < host.until_ms)
    }
}

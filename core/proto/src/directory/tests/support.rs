//! Agents as they are shown, and a directory to show them to.

use crate::directory::{Directory, Found, Source};
use crate::identity::{AgentId, MeshId, NodeKey, SecretKey};
use crate::query::{Health, Query};
use crate::wire::record::{self, Term};
use crate::wire::v1;

/// Unix time of the tests: late enough for numbers that are times.
pub(super) const NOW: u64 = 1_700_000_000_000;
pub(super) const HOUR: u64 = 3_600_000;

pub(super) fn mesh() -> MeshId {
    MeshId::from_bytes([9; 32])
}

pub(super) fn node(n: u8) -> NodeKey {
    NodeKey::from_bytes([n; 32])
}

pub(super) fn directory() -> Directory {
    Directory::new(mesh(), node(0))
}

/// An agent as it is shown.
#[derive(Clone)]
pub(super) struct Show {
    pub(super) seed: u64,
    pub(super) node: NodeKey,
    pub(super) descriptor: v1::Descriptor,
    pub(super) seq: u64,
    pub(super) issued_at_ms: u64,
    pub(super) expires_at_ms: u64,
    pub(super) priority: u32,
    pub(super) health: Health,
}

pub(super) fn key(seed: u64) -> SecretKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SecretKey::from_seed(bytes)
}

pub(super) fn id(seed: u64) -> AgentId {
    key(seed).agent_id()
}

pub(super) fn show(seed: u64, at: u8) -> Show {
    let descriptor = v1::Descriptor { name: format!("agent-{seed}"), ..v1::Descriptor::default() };
    Show {
        seed,
        node: node(at),
        descriptor,
        seq: NOW,
        issued_at_ms: NOW,
        expires_at_ms: NOW + HOUR,
        priority: 0,
        health: Health::Up,
    }
}

impl Show {
    pub(super) fn sign(&self) -> v1::AgentAnnouncement {
        let term = Term {
            seq: self.seq,
            issued_at_ms: self.issued_at_ms,
            expires_at_ms: self.expires_at_ms,
        };
        let key = key(self.seed);
        let descriptor = record::sign(&key, term, &self.descriptor).unwrap();
        let digest = record::digest(&descriptor.signed);
        let hosting = v1::Hosting {
            node_key: self.node.to_wire(),
            descriptor_digest: bytes::Bytes::copy_from_slice(&digest),
            priority: self.priority,
            health: self.health.stated().to_owned(),
        };
        let hosting = record::sign(&key, term, &hosting).unwrap();
        v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
    }

    pub(super) fn to(&self, directory: &mut Directory, source: Source, now_ms: u64) -> String {
        let announced = directory.announce(source, self.node, &[self.sign()], now_ms);
        match announced.refused.into_iter().next() {
            None => "ok".to_owned(),
            Some(refused) => format!("{}/{}", refused.error.kind, refused.error.code),
        }
    }
}

pub(super) fn ids(found: &[Found]) -> Vec<AgentId> {
    found.iter().map(|found| found.id).collect()
}

pub(super) fn query(value: serde_json::Value) -> Query {
    Query::read(value).unwrap()
}

pub(super) fn find(directory: &mut Directory, value: serde_json::Value) -> Vec<AgentId> {
    ids(&directory.find(&query(value), NOW))
}

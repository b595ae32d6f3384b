//! What this node says of itself and of its agents, and what of it is new.

use crate::mesh::local::{Agents, Local, agent_id, hosting_seq};
use hubless_proto::error::Result;
use hubless_proto::identity::{AgentId, SecretKey};
use hubless_proto::limits::{self, ms};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What was published last.
#[derive(Debug, Default)]
pub(super) struct Own {
    place: Option<Place>,
    agents: Agents,
    shown: BTreeMap<AgentId, Shown>,
}

/// Where this node said to be, and when it says so again.
#[derive(Debug)]
struct Place {
    addresses: Vec<SocketAddr>,
    renew_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    seq: u64,
    until_ms: u64,
    digest: record::Digest,
}

/// An agent of this node that was published and is no more.
#[derive(Debug)]
pub(super) struct Gone {
    agent: AgentId,
    seq: u64,
    until_ms: u64,
}

/// What is to be published.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) node: Option<v1::SignedRecord>,
    pub(super) agents: Vec<v1::AgentAnnouncement>,
    pub(super) gone: Vec<Gone>,
}

impl Fresh {
    pub(super) fn len(&self) -> usize {
        usize::from(self.node.is_some()) + self.agents.len() + self.gone.len()
    }
}

impl Own {
    /// What is new since the last time.
    pub(super) fn changes(&mut self, local: &Local, now_ms: u64) -> Fresh {
        let agents = local.agents();
        let mut fresh = Fresh { node: self.place(local, now_ms), ..Fresh::default() };
        if !Arc::ptr_eq(&agents, &self.agents) {
            self.differ(&agents, &mut fresh);
            self.agents = agents;
        }
        fresh
    }

    /// Others take this node for lost: the next record says that it lives.
    pub(super) fn refute(&mut self, local: &Local, now_ms: u64) -> Option<v1::SignedRecord> {
        let signed = warned(local.renewed(now_ms))?;
        self.placed(local, now_ms);
        Some(signed)
    }

    /// The record of this node where it says something else of where it is, or is to be renewed.
    fn place(&mut self, local: &Local, now_ms: u64) -> Option<v1::SignedRecord> {
        let holds = |place: &Place| now_ms < place.renew_ms && place.addresses == local.addresses();
        if self.place.as_ref().is_some_and(holds) {
            return None;
        }
        let signed = warned(local.record(now_ms))?;
        self.placed(local, now_ms);
        Some(signed)
    }

    fn placed(&mut self, local: &Local, now_ms: u64) {
        let renew_ms = now_ms.saturating_add(ms(limits::RECORD_LIFE) / 3);
        self.place = Some(Place { addresses: local.addresses(), renew_ms });
    }

    fn differ(&mut self, agents: &Agents, fresh: &mut Fresh) {
        let mut now = BTreeMap::new();
        for agent in agents.iter() {
            let Some((id, shown)) = shown(agent) else { continue };
            if self.shown.get(&id) != Some(&shown) {
                fresh.agents.push(agent.clone());
            }
            now.insert(id, shown);
        }
        for (id, shown) in std::mem::replace(&mut self.shown, now) {
            // A record without a number is never taken back: it ends before long.
            if shown.seq > 0 && !self.shown.contains_key(&id) {
                let Shown { seq, until_ms, .. } = shown;
                fresh.gone.push(Gone { agent: id, seq, until_ms });
            }
        }
    }

    /// The last word of this node: it is no more.
    pub(super) fn ended(&self, local: &Local, now_ms: u64) -> Option<v1::SignedRecord> {
        let of_node = warned(local.record(now_ms)).and_then(|signed| record::peek(&signed).ok());
        let seqs = self.shown.values().map(|shown| shown.seq);
        let seqs = seqs.chain(of_node.map(|record| record.seq.saturating_add(1)));
        let seq = seqs.fold(now_ms, u64::max);
        let until_ms = now_ms.saturating_add(ms(limits::RECORD_LIFE));
        let body = v1::Tombstone { reason: "closed".to_owned(), agent: bytes::Bytes::new() };
        warned(record::sign(local.key(), last(seq, now_ms, until_ms), &body))
    }
}

impl Gone {
    /// The word of this node that the agent is no more here.
    pub(super) fn sign(&self, key: &SecretKey, now_ms: u64) -> Option<v1::SignedRecord> {
        let body = v1::Tombstone { reason: "removed".to_owned(), agent: self.agent.to_wire() };
        warned(record::sign(key, last(self.seq, now_ms, self.until_ms), &body))
    }
}

/// The term of a word that outlives what it takes back by every clock.
fn last(seq: u64, now_ms: u64, until_ms: u64) -> Term {
    let expires_at_ms = until_ms.max(now_ms).saturating_add(ms(limits::CLOCK_SKEW));
    Term { seq, issued_at_ms: now_ms, expires_at_ms }
}

fn shown(agent: &v1::AgentAnnouncement) -> Option<(AgentId, Shown)> {
    let hosting = agent.hosting.as_ref()?;
    let until_ms = record::peek(hosting).ok()?.expires_at_ms;
    let digest = record::digest(&hosting.signed);
    Some((agent_id(agent)?, Shown { seq: hosting_seq(agent), until_ms, digest }))
}

fn warned(signed: Result<v1::SignedRecord>) -> Option<v1::SignedRecord> {
    signed.inspect_err(|error| tracing::warn!(%error, "cannot sign a record of this node")).ok()
}

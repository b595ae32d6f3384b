//! Answers to queries, best first.

use super::Directory;
use super::entry::Entry;
use super::index::Scope;
use crate::identity::{Address, AgentId, NodeKey};
use crate::query::{Candidate, Health, Query, Rank, Signal, Trust, cost};
use crate::wire::record::Digest;
use crate::wire::v1;
use std::cmp::Ordering;
use std::sync::Arc;

/// One agent that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its id.
    pub id: AgentId,
    /// Its address in the own mesh.
    pub address: Address,
    /// What it publishes.
    pub descriptor: Arc<v1::Descriptor>,
    /// The best node that hosts it.
    pub node: NodeKey,
    /// True when that node is of the own mesh.
    pub is_member: bool,
    /// Smoothed round trip to it, in microseconds; 0 on the own node.
    pub latency_us: Option<u64>,
    /// Its place in the order, 0 to 1; 0 where nothing was ranked.
    pub score: f64,
    /// Why it has that place, the heaviest reason first; empty where nothing was ranked.
    pub signals: Vec<Signal>,
}

struct Ranked {
    id: AgentId,
    score: f64,
    signals: Vec<Signal>,
}

impl Directory {
    /// The agents that match, best first, at most `query.limit`.
    ///
    /// Signatures that were only read so far are checked for those that are answered.
    pub fn find(&mut self, query: &Query, now_ms: u64) -> Vec<Found> {
        let mut found = Vec::new();
        for ranked in self.ranked(query, now_ms) {
            if found.len() >= query.limit {
                break;
            }
            let Some(node) = self.best_host(&ranked.id, now_ms) else { continue };
            let Some(mut one) = self.found(&ranked.id, node) else { continue };
            one.score = ranked.score;
            one.signals = ranked.signals;
            found.push(one);
        }
        found
    }

    /// Every agent that matches, best first, whatever `query.limit` is. No signature is looked at.
    pub(super) fn matching(&self, query: &Query, now_ms: u64) -> Vec<AgentId> {
        self.ranked(query, now_ms).into_iter().map(|ranked| ranked.id).collect()
    }

    /// Skill documents that a query with `accepts` would have to know, each with a node that hosts
    /// it, so that they can be fetched and given to `add_document`: those of the best agents first,
    /// of one agent those at its best node. One that several agents or nodes have comes as often.
    pub fn missing_documents(
        &self,
        query: &Query,
        now_ms: u64,
    ) -> impl Iterator<Item = (NodeKey, Digest)> {
        let ranked = match query.accepts {
            Some(_) => self.ranked(&Query { accepts: None, ..query.clone() }, now_ms),
            None => Vec::new(),
        };
        ranked.into_iter().flat_map(move |ranked| self.missing_of(&ranked.id, now_ms))
    }

    /// The documents of one agent that are not known, at each of its nodes.
    fn missing_of(&self, id: &AgentId, now_ms: u64) -> Vec<(NodeKey, Digest)> {
        let Some(entry) = self.entries.get(id) else { return Vec::new() };
        let digests: Vec<Digest> = self.documents.missing(&entry.descriptor).collect();
        if digests.is_empty() {
            return Vec::new();
        }
        let at = |node| digests.iter().map(move |digest| (node, *digest));
        self.hosts(id, now_ms).into_iter().flat_map(at).collect()
    }

    pub(super) fn found(&self, id: &AgentId, node: NodeKey) -> Option<Found> {
        let entry = self.entries.get(id)?;
        let host = entry.hosts.get(&node)?;
        Some(Found {
            id: *id,
            address: Address::new(&self.mesh, id),
            descriptor: Arc::clone(&entry.descriptor),
            node,
            is_member: host.sources.is_member(),
            latency_us: self.latency_us(&node),
            score: 0.0,
            signals: Vec::new(),
        })
    }

    /// True when the agent is live and as asked.
    pub(super) fn matches(&self, entry: &Entry, query: &Query, now_ms: u64) -> bool {
        let Some(node) = self.hosts(&entry.id, now_ms).into_iter().next() else { return false };
        let member = entry.hosts.get(&node).is_some_and(|host| host.sources.is_member());
        let lookup = |digest: &[u8]| self.documents.schema(digest);
        let candidate = Candidate {
            id: entry.id,
            descriptor: &entry.descriptor,
            mesh: member.then_some(self.mesh),
            issued_at_ms: entry.issued_at_ms,
            latency_us: self.latency_us(&node),
            input_schema: &lookup,
        };
        query.matches(&candidate, now_ms)
    }

    /// True when the agent is live and as asked, its text included.
    pub(super) fn is_asked(&self, entry: &Entry, query: &Query, now_ms: u64) -> bool {
        self.index.meets(&entry.id, query) && self.matches(entry, query, now_ms)
    }

    fn latency_us(&self, node: &NodeKey) -> Option<u64> {
        if *node == self.own { Some(0) } else { self.signals.latency_us(node) }
    }

    fn ranked(&self, query: &Query, now_ms: u64) -> Vec<Ranked> {
        match self.index.scope(query) {
            Scope::Scored(scores) => {
                let best = scores.values().copied().fold(f64::MIN_POSITIVE, f64::max);
                let shares = scores.into_iter().map(|(id, score)| (id, Some(score / best)));
                self.rank_all(shares, query, now_ms)
            }
            Scope::Some(ids) => self.rank_all(ids.into_iter().map(|id| (id, None)), query, now_ms),
            Scope::All => self.rank_all(self.entries.keys().map(|id| (*id, None)), query, now_ms),
        }
    }

    fn rank_all(
        &self,
        ids: impl Iterator<Item = (AgentId, Option<f64>)>,
        query: &Query,
        now_ms: u64,
    ) -> Vec<Ranked> {
        let mut all: Vec<Ranked> = ids
            .filter_map(|(id, text)| {
                let entry = self.entries.get(&id)?;
                self.matches(entry, query, now_ms).then(|| self.rank(entry, text, query, now_ms))
            })
            .collect();
        // Equal ones stand in the order of their ids, the same on every node and at every time.
        all.sort_unstable_by(|a, b| match b.score.total_cmp(&a.score) {
            Ordering::Equal => a.id.cmp(&b.id),
            order @ (Ordering::Less | Ordering::Greater) => order,
        });
        all
    }

    fn rank(&self, entry: &Entry, text: Option<f64>, query: &Query, now_ms: u64) -> Ranked {
        let node = self.hosts(&entry.id, now_ms).into_iter().next();
        let host = node.and_then(|node| entry.hosts.get(&node));
        let trust = match host {
            _ if self.signals.is_pinned(&entry.id) => Trust::Pinned,
            Some(host) if host.sources.is_member() => Trust::Member,
            Some(_) | None => Trust::None,
        };
        let seen = self.signals.health(&entry.id, now_ms);
        let rank = Rank {
            text,
            latency_us: node.and_then(|node| self.latency_us(&node)),
            calls: self.signals.calls(&entry.id),
            success: self.signals.success(&entry.id, &query.skill, now_ms),
            health: host.map_or(Health::Up, |host| host.health).max(seen),
            cost: cost(&entry.descriptor.cost_hint_json),
            trust,
        };
        Ranked { id: entry.id, score: rank.score(), signals: rank.explain() }
    }
}

//! What this node says of itself and of its agents, and what of it is new.

use crate::mesh::local::{Agents, Local, agent_id, hosting_seq};
use hubless_proto::directory::replica::{Claim, RowKey};
use hubless_proto::error::Result;
use hubless_proto::identity::{AgentId, SecretKey};
use hubless_proto::limits::{self, ms};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Agents that are published together.
const TOGETHER: usize = 256;
/// Pause for each of them: members take 1,000 new ones a second of one node.
const PACE: Duration = Duration::from_micros(1_250);

/// What was published last.
#[derive(Debug, Default)]
pub(super) struct Own {
    place: Option<Place>,
    agents: Agents,
    shown: BTreeMap<AgentId, Shown>,
    /// Agents that are published later: more were new than are published together.
    later: VecDeque<v1::AgentAnnouncement>,
    next: Option<Instant>,
    /// Others hold something of this node under this number, which this process did not say.
    above: Option<u64>,
    /// This node does not rise above such a number before.
    rise: Option<Instant>,
}

/// How much is published at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As much as members take that it is passed on to.
    Passed,
    /// All: nobody is told yet.
    Whole,
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
    /// What is new since the last time, or the next part of it.
    pub(super) fn changes(&mut self, local: &Local, pace: Pace, now_ms: u64) -> Fresh {
        let agents = local.agents();
        let mut fresh = Fresh { node: self.place(local, now_ms), ..Fresh::default() };
        if !Arc::ptr_eq(&agents, &self.agents) {
            self.differ(&agents, &mut fresh);
            self.agents = agents;
        }
        fresh.agents = self.part(pace);
        fresh
    }

    /// When more is to be published; none: nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let more = self.next.filter(|_| !self.later.is_empty());
        let rise = self.above.map(|_| self.rise.unwrap_or_else(Instant::now));
        [more, rise].into_iter().flatten().min()
    }

    /// The agents that are published by now.
    fn part(&mut self, pace: Pace) -> Vec<v1::AgentAnnouncement> {
        let now = Instant::now();
        if pace == Pace::Passed && self.next.is_some_and(|next| now < next) {
            return Vec::new();
        }
        let most = if pace == Pace::Passed { TOGETHER } else { self.later.len() };
        let part: Vec<_> = self.later.drain(..most.min(self.later.len())).collect();
        let part: Vec<_> = part.into_iter().filter(|agent| self.stands(agent)).collect();
        if !part.is_empty() {
            self.next = Some(now + PACE * u32::try_from(part.len()).unwrap_or(u32::MAX));
        }
        part
    }

    /// True for an agent that has not changed, and was not taken back, since it was put off.
    fn stands(&self, agent: &v1::AgentAnnouncement) -> bool {
        shown(agent).is_some_and(|(id, shown)| self.shown.get(&id) == Some(&shown))
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
                self.later.push_back(agent.clone());
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

    /// What others say of this node that it has not said: an earlier process under its key may have,
    /// and only the node can take that back. Gives the word that takes an agent back.
    pub(super) fn heard(&mut self, local: &Local, claim: &Claim) -> Option<Gone> {
        let node = local.node();
        match claim.key {
            RowKey::Agent(agent, host) if host == node => {
                // One without a number ends before long.
                let is_known = self.shown.contains_key(&agent) || local.agent(agent).is_some();
                let (seq, until_ms) = (claim.seq, claim.expires_at_ms);
                (seq > 0 && !is_known).then_some(Gone { agent, seq, until_ms })
            }
            // What this process said comes back by its folder, at most with its own number.
            RowKey::Node(of) if of == node && claim.seq > local.number() => {
                self.above = self.above.max(Some(claim.seq));
                None
            }
            RowKey::Ended(of) if of == *node.as_bytes() && claim.seq >= local.number() => {
                self.above = self.above.max(Some(claim.seq));
                None
            }
            RowKey::Node(_) | RowKey::Agent(..) | RowKey::Left(..) | RowKey::Ended(_) => None,
        }
    }

    /// The number above which this node has to say what it says, if it is time for that.
    pub(super) fn rises(&mut self) -> Option<u64> {
        let now = Instant::now();
        if self.rise.is_some_and(|rise| now < rise) {
            return None;
        }
        let above = self.above.take()?;
        // Another process with the key would do the same, in turns.
        self.rise = Some(now + limits::REFUTE);
        Some(above)
    }

    /// The record of this node with a number above this one.
    pub(super) fn raised(&mut self, seq: u64, local: &Local, now_ms: u64) -> Fresh {
        let node = warned(local.renewed_above(seq, now_ms));
        self.placed(local, now_ms);
        Fresh { node, ..Fresh::default() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::now_ms;
    use crate::home::Home;
    use crate::keys;
    use crate::membership::Membership;
    use crate::mesh::MeshChoice;
    use crate::mesh::tests::support::{agent, transient};

    fn local() -> Local {
        let membership = Membership::open(&Home::memory(), MeshChoice::Own).unwrap();
        Local::new(keys::fresh().unwrap(), membership).unwrap()
    }

    fn seqs(fresh: &Fresh) -> Vec<u64> {
        fresh.gone.iter().map(|gone| gone.seq).collect()
    }

    #[test]
    fn what_is_new_or_gone_is_published_once_and_a_transient_agent_never_taken_back() {
        let (local, now) = (local(), now_ms());
        let mut own = Own::default();
        let mut changes = |pace, at| own.changes(&local, pace, at);
        let first = changes(Pace::Passed, now);
        assert!(first.node.is_some() && first.agents.is_empty());
        assert_eq!(changes(Pace::Passed, now).len(), 0, "nothing is new");
        let lasting = agent(1, local.node()).1;
        let number = hosting_seq(&lasting);
        local.set_agents(Arc::new(vec![lasting.clone(), transient(2, local.node()).1]));
        let shown = changes(Pace::Passed, now);
        assert_eq!((shown.agents.len(), shown.node), (2, None), "it is where it was");
        local.set_agents(Arc::default());
        let gone = changes(Pace::Whole, now);
        assert_eq!((gone.agents.len(), seqs(&gone)), (0, vec![number]));
        let third = ms(limits::RECORD_LIFE) / 3;
        assert!(changes(Pace::Whole, now + third - 1).node.is_none());
        assert!(changes(Pace::Whole, now + third).node.is_some(), "it is renewed");
        local.set_addresses(vec!["127.0.0.1:1".parse().unwrap()]);
        assert!(changes(Pace::Whole, now + third).node.is_some(), "it moved");
    }

    #[test]
    fn many_are_published_part_by_part_and_those_that_go_meanwhile_are_not() {
        let local = local();
        let all = |many: u8| -> Agents {
            let one = |n: u8| agent(n, local.node()).1;
            Arc::new((0..many).map(one).collect())
        };
        let (mut own, began) = (Own::default(), Instant::now());
        local.set_agents(all(200));
        assert_eq!(own.changes(&local, Pace::Passed, now_ms()).agents.len(), 200);
        let waits = own.next.unwrap();
        assert!(own.due().is_none() && waits >= began + PACE * 200, "nothing waits");
        // However long it takes here to sign the next ones.
        own.next = Some(Instant::now() + limits::RECORD_LIFE);
        local.set_agents(all(100));
        let fresh = own.changes(&local, Pace::Passed, now_ms());
        assert_eq!(fresh.agents.len(), 0, "it is too early for more");
        assert!(own.due().is_some() && fresh.gone.len() == 100);
        local.set_agents(all(50));
        own.next = None;
        assert_eq!(own.changes(&local, Pace::Passed, now_ms()).agents.len(), 50);
        assert!(own.later.len() < TOGETHER);
    }

    #[test]
    fn the_last_word_comes_after_all_that_was_said() {
        let (local, now) = (local(), now_ms());
        let mut own = Own::default();
        local.set_agents(Arc::new(vec![agent(1, local.node()).1]));
        own.changes(&local, Pace::Whole, now);
        let last = |at| record::peek(&own.ended(&local, at).unwrap()).unwrap();
        let record = record::peek(&local.record(now).unwrap()).unwrap();
        assert!(last(now - 60_000).seq > record.seq, "by whatever clock");
        assert!(last(now).expires_at_ms > record.expires_at_ms);
    }
}

//! What others say of their agents, and what of it is taken.

use super::Directory;
use super::entry::{Entry, Host, Sources, Stamp, Verdict};
use crate::error::{Error, Kind, Result};
use crate::identity::{AgentId, Name, NodeKey};
use crate::limits;
use crate::query::Health;
use crate::wire::announcement::{self, OpenedAgent};
use crate::wire::{record, v1};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where an announcement came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// This node itself.
    Own,
    /// A record file of this user on this machine. Signatures are checked when an agent is first
    /// used: who can write there is this user.
    Folder,
    /// The connection to a member of the mesh.
    Member,
    /// The records that members pass on; signatures and pace were checked where it was taken.
    Spread,
    /// The connection to a node without a token.
    External,
}

/// What became of an announcement.
#[derive(Debug, Default)]
pub struct Announced {
    /// Agents that are known now, whether new, renewed or the same.
    pub taken: usize,
    /// Why each other is not.
    pub refused: Vec<Refused>,
}

/// Why an agent was not taken.
#[derive(Debug)]
pub struct Refused {
    /// The agent, if its record could be read.
    pub agent: Option<AgentId>,
    /// The reason.
    pub error: Error,
}

impl Directory {
    /// A node shows agents that it hosts, beside those that it showed before.
    pub fn announce(
        &mut self,
        source: Source,
        node: NodeKey,
        agents: &[v1::AgentAnnouncement],
        now_ms: u64,
    ) -> Announced {
        let mut announced = Announced::default();
        for agent in agents {
            match self.take(source, node, agent, now_ms) {
                Ok(()) => announced.taken += 1,
                Err(error) => announced.refused.push(Refused { agent: author(agent), error }),
            }
        }
        announced
    }

    /// A node shows all agents that it hosts: what this source showed before and is not among them
    /// is gone, unless another source shows it. What members pass on is no such source beside the
    /// folder, from which it is taken.
    pub fn replace(
        &mut self,
        source: Source,
        node: NodeKey,
        agents: &[v1::AgentAnnouncement],
        now_ms: u64,
    ) -> Announced {
        let before = self.nodes.get(&node).map(|row| row.agents.clone()).unwrap_or_default();
        let shown: BTreeSet<AgentId> = agents.iter().filter_map(author).collect();
        for id in before.difference(&shown) {
            let host = self.entries.get_mut(id).and_then(|entry| entry.hosts.get_mut(&node));
            let gone = host.is_some_and(|host| {
                host.sources.clear(source);
                if source == Source::Folder {
                    host.sources.clear(Source::Spread);
                }
                host.sources.is_none()
            });
            if gone {
                self.remove_host(id, &node, now_ms);
            }
        }
        // After those that left: a node at its bound shows one agent in the place of another.
        self.announce(source, node, agents, now_ms)
    }

    /// An agent says that it is no more: gone at once, and no earlier record brings it back. A node
    /// says of an agent that it hosts it no more: gone there.
    ///
    /// # Errors
    /// What the record is refused for; `conflict`, code `superseded`, for one below the number
    /// that stands.
    pub fn bury(&mut self, tombstone: &v1::SignedRecord, now_ms: u64) -> Result<AgentId> {
        let opened = record::open::<v1::Tombstone>(tombstone, None, now_ms)?;
        let (id, seq) = (opened.author, opened.term.seq);
        if !opened.body.agent.is_empty() {
            let agent = AgentId::from_slice(&opened.body.agent)?;
            self.hide(&NodeKey::from_bytes(*id.as_bytes()), &[(agent, seq)], now_ms);
            return Ok(agent);
        }
        if self.entries.get(&id).is_some_and(|entry| seq < entry.stamp.seq) {
            return Err(superseded(&id));
        }
        let entry = self.entries.get(&id);
        let is_transient = entry.is_some_and(|entry| entry.descriptor.transient);
        let hosts = entry.map(|entry| entry.hosts.keys().copied().collect());
        let hosts: Vec<NodeKey> = hosts.unwrap_or_default();
        for node in hosts {
            self.remove_host(&id, &node, now_ms);
        }
        if !is_transient {
            self.past.remember(id, seq, true, opened.serve_until_ms);
        }
        Ok(id)
    }

    /// The digests of two descriptors that an agent signed under one number.
    pub fn evidence(&self, id: &AgentId) -> Option<[record::Digest; 2]> {
        self.entries.get(id)?.evidence
    }

    fn take(
        &mut self,
        source: Source,
        node: NodeKey,
        agent: &v1::AgentAnnouncement,
        now_ms: u64,
    ) -> Result<()> {
        let lazy = match source {
            Source::Own | Source::Folder | Source::Spread => true,
            Source::Member | Source::External => false,
        };
        let opened = if lazy {
            announcement::read_agent_unverified(agent, &node, now_ms)?
        } else {
            announcement::open_agent(agent, &node, now_ms)?
        };
        self.check_zones(source, &opened)?;
        let id = opened.agent();
        let name: Name = opened.descriptor.body.name.parse()?;
        if self.past.holds(&id, opened.descriptor.term.seq) {
            return Err(superseded(&id));
        }
        let rivals = self.rivals(&id, &node, &name, opened.hosting.term.seq)?;
        let host = self.judge_host(&id, &node, &opened);
        let flagged = [host, self.judge_descriptor(&id, &opened)]
            .into_iter()
            .any(|verdict| matches!(verdict, Some(Verdict::Equivocation { .. })));
        if flagged && lazy {
            // Nobody is accused by a signature that was not looked at.
            announcement::open_agent(agent, &node, now_ms)?;
        }
        let stands = match host {
            Some(Verdict::Older) => return Err(superseded(&id)),
            Some(Verdict::Equivocation { stands }) => stands,
            Some(Verdict::Newer | Verdict::Same) => true,
            None => self.admit(source, id, node, now_ms).map(|()| true)?,
        };
        let mut health_changed = false;
        if stands {
            let pending = (source == Source::Folder).then(|| Box::new(agent.clone()));
            health_changed = self.put_host(source, &opened, name.clone(), pending);
        }
        let told = self.put_descriptor(&opened, name, now_ms);
        if health_changed && !told {
            self.changes += 1;
            self.tell(&id, now_ms);
        }
        if host.is_none() && !told {
            self.note_source(&id);
        }
        for rival in rivals {
            self.remove_host(&rival, &node, now_ms);
        }
        if flagged { Err(equivocation(&id)) } else { Ok(()) }
    }

    /// Other agents that the node showed under the name: a node has one agent of a name, so the
    /// later one stands, whatever of the earlier one is still on its way.
    fn rivals(&self, id: &AgentId, node: &NodeKey, name: &Name, seq: u64) -> Result<Vec<AgentId>> {
        let mut rivals = Vec::new();
        for other in self.index.by_name(name).filter(|other| *other != id) {
            let host = self.entries.get(other).and_then(|entry| entry.hosts.get(node));
            match host {
                Some(host) if host.stamp.seq > seq => return Err(superseded(id)),
                Some(_) => rivals.push(*other),
                None => {}
            }
        }
        Ok(rivals)
    }

    fn judge_host(&self, id: &AgentId, node: &NodeKey, opened: &OpenedAgent) -> Option<Verdict> {
        let host = self.entries.get(id)?.hosts.get(node)?;
        Some(host.stamp.judge(&Stamp::of(&opened.hosting)))
    }

    fn judge_descriptor(&self, id: &AgentId, opened: &OpenedAgent) -> Option<Verdict> {
        Some(self.entries.get(id)?.stamp.judge(&Stamp::of(&opened.descriptor)))
    }

    /// Makes room for one more host, or refuses it.
    fn admit(&mut self, source: Source, id: AgentId, node: NodeKey, now_ms: u64) -> Result<()> {
        let full = |name: &str, bound: usize| {
            Err(Error::new(Kind::TooLarge, "the directory is full").with_limit(name, bound as u64))
        };
        if self.entries.len() >= limits::DIRECTORY_AGENTS && !self.entries.contains_key(&id) {
            return full("DIRECTORY_AGENTS", limits::DIRECTORY_AGENTS);
        }
        if self.nodes.len() >= limits::DIRECTORY_NODES && !self.nodes.contains_key(&node) {
            return full("DIRECTORY_NODES", limits::DIRECTORY_NODES);
        }
        let row = self.nodes.entry(node).or_default();
        row.admit(source, now_ms)?;
        row.agents.insert(id);
        Ok(())
    }

    /// Notes the host; true: it was known, and the agent says something else of its health there.
    fn put_host(
        &mut self,
        source: Source,
        opened: &OpenedAgent,
        name: Name,
        pending: Option<Box<v1::AgentAnnouncement>>,
    ) -> bool {
        let (id, node, until_ms) = (opened.agent(), opened.node, opened.serve_until_ms());
        let entry = self.entries.entry(id).or_insert_with(|| Entry::new(name, opened));
        let stamp = Stamp::of(&opened.hosting);
        let old = entry.hosts.remove(&node);
        let mut sources = Sources::default();
        // What was opened once stays opened, while it is the same record.
        let mut pending = pending;
        let health = Health::read(&opened.hosting.body.health);
        let changed = old.as_ref().is_some_and(|old| old.health != health);
        if let Some(old) = old {
            self.ends.remove(&(old.until_ms, id, node));
            sources = old.sources;
            if old.stamp == stamp && old.pending.is_none() {
                pending = None;
            }
        }
        sources.set(source);
        let priority = opened.hosting.body.priority;
        entry.hosts.insert(node, Host { stamp, until_ms, priority, health, sources, pending });
        self.ends.insert((until_ms, id, node));
        changed
    }

    /// One more node hosts a known agent: it may give a document that the others do not.
    fn note_source(&mut self, id: &AgentId) {
        let Some(entry) = self.entries.get(id) else { return };
        if self.documents.missing(&entry.descriptor).next().is_some() {
            self.undocumented += 1;
            self.changes += 1;
        }
    }

    /// Lets the descriptor stand if it wins, and tells the watchers; true: they were told.
    fn put_descriptor(&mut self, opened: &OpenedAgent, name: Name, now_ms: u64) -> bool {
        let id = opened.agent();
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let new = Stamp::of(&opened.descriptor);
        let wins = match entry.stamp.judge(&new) {
            Verdict::Newer => true,
            Verdict::Same | Verdict::Older => false,
            Verdict::Equivocation { stands } => {
                entry.evidence = Some([entry.stamp.digest, new.digest]);
                stands
            }
        };
        let is_known = self.index.knows(&id);
        let changes = wins && *entry.descriptor != opened.descriptor.body;
        if is_known && changes {
            self.index.remove(entry);
        }
        if wins {
            entry.stamp = new;
            entry.issued_at_ms = opened.descriptor.term.issued_at_ms;
        }
        if changes {
            entry.name = name;
            entry.descriptor = Arc::new(opened.descriptor.body.clone());
        }
        let tells = changes || !is_known;
        if tells {
            self.index.insert(entry);
            let missing = self.documents.missing(&entry.descriptor).next().is_some();
            self.undocumented += u64::from(missing);
            self.changes += 1;
            self.tell(&id, now_ms);
        }
        tells
    }
}

fn author(agent: &v1::AgentAnnouncement) -> Option<AgentId> {
    let record = record::peek(agent.hosting.as_ref()?).ok()?;
    AgentId::from_slice(&record.key).ok()
}

fn superseded(id: &AgentId) -> Error {
    let message = "a later record of this agent is known";
    Error::new(Kind::Conflict, message).with_code("superseded").with_agent(id)
}

fn equivocation(id: &AgentId) -> Error {
    let message = "the agent signed two records under one number";
    Error::new(Kind::Conflict, message).with_code("equivocation").with_agent(id)
}

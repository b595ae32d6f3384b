//! What is known of agents of the mesh, as this node sees it.

use super::found::{Found, SignalPart};
use super::host::News;
use super::lifecycle::Inner;
use super::request::Path;
use crate::chance::now_ms;
use crate::engine::{Hosted, lock};
use crate::mesh;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::directory::{self, Announced, Directory, Refused, Source, WatchEvent, WatchId};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Address, AgentId, MeshId, Name, NodeKey, Target};
use hubless_proto::query::Query;
use hubless_proto::registry::ClientAgent;
use hubless_proto::wire::record;
use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
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
        Self { agent: hosted.id(), node: Some(node), descriptor: hosted.descriptor() }
    }

    pub(super) fn listed(listed: &ClientAgent) -> Self {
        let descriptor = Arc::clone(&listed.descriptor);
        Self { agent: listed.id, node: listed.node, descriptor }
    }

    pub(super) fn found(found: directory::Found) -> Self {
        Self { agent: found.id, node: Some(found.node), descriptor: found.descriptor }
    }
}

/// The directory of the mesh, and who waits for its changes.
pub(super) struct World {
    directory: Mutex<Directory>,
    changes: watch::Sender<u64>,
    own: NodeKey,
}

impl World {
    pub(super) fn new(own: NodeKey, mesh: MeshId) -> Self {
        let directory = Mutex::new(Directory::new(mesh, own));
        Self { directory, changes: watch::Sender::new(0), own }
    }

    /// Fires whenever something is known that was not.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Wakes who waits: something is known from elsewhere.
    pub(super) fn touch(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    /// Works on the directory, and wakes who waits when it changed.
    fn with<T>(&self, work: impl FnOnce(&mut Directory, u64) -> T) -> T {
        let (result, changed) = {
            let mut directory = lock(&self.directory);
            let before = directory.changes();
            let result = work(&mut directory, now_ms());
            (result, directory.changes() != before)
        };
        if changed {
            self.touch();
        }
        result
    }

    /// An agent of this node is there, or published something else.
    pub(super) fn show(&self, hosted: &Hosted) {
        let records = lock(&hosted.announced).records.clone();
        let announced =
            self.with(|directory, now| directory.announce(Source::Own, self.own, &[records], now));
        log(self.own, announced);
    }

    /// An agent of this node is no more.
    pub(super) fn hide(&self, agent: AgentId) {
        self.with(|directory, now| directory.hide(&self.own, &[(agent, u64::MAX)], now));
    }

    /// Other nodes, with the number of their agents.
    pub(super) fn nodes(&self) -> BTreeMap<NodeKey, usize> {
        let directory = lock(&self.directory);
        let others = directory.nodes().filter(|(node, _)| **node != self.own);
        others.map(|(node, agents)| (*node, agents)).collect()
    }

    pub(super) fn by_id(&self, id: &AgentId) -> Option<Known> {
        self.with(|directory, now| directory.by_id(id, now)).map(Known::found)
    }

    /// Nodes that host this agent, the best first.
    pub(super) fn hosts(&self, id: &AgentId) -> Vec<NodeKey> {
        self.with(|directory, now| directory.hosts(id, now))
    }

    pub(super) fn by_name(&self, name: &Name) -> Vec<Known> {
        self.with(|directory, now| {
            let ids = directory.by_name(name);
            ids.iter().filter_map(|id| directory.by_id(id, now)).map(Known::found).collect()
        })
    }

    pub(super) fn by_address(&self, address: Address) -> Result<Option<Known>> {
        let found = self.with(|directory, now| directory.resolve(&Target::Address(address), now));
        match found {
            Ok(found) => Ok(Some(Known::found(found))),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The agent of this key at this node.
    pub(super) fn at(&self, agent: AgentId, node: NodeKey) -> Option<Known> {
        let target = Target::At { agent, node };
        self.with(|directory, now| directory.resolve(&target, now)).ok().map(Known::found)
    }

    pub(super) fn find(&self, query: &Query) -> Vec<directory::Found> {
        self.with(|directory, now| directory.find(query, now))
    }

    /// Works on the skill documents that a query would have to know, each with a node that has it;
    /// the directory is held meanwhile.
    pub(super) fn missing_documents<T>(
        &self,
        query: &Query,
        work: impl FnOnce(&mut dyn Iterator<Item = (NodeKey, record::Digest)>) -> T,
    ) -> T {
        let directory = lock(&self.directory);
        let mut missing = directory.missing_documents(query, now_ms());
        work(&mut missing)
    }

    /// Grows when an agent came whose documents are not known, or a node that has them.
    pub(super) fn undocumented(&self) -> u64 {
        lock(&self.directory).undocumented()
    }

    /// Adds what queries have to know of a skill; who waits is woken by [`Self::touch`] afterwards.
    pub(super) fn add_document(&self, digest: record::Digest, document: &v1::SkillDocument) {
        lock(&self.directory).add_document(digest, document, now_ms());
    }

    pub(super) fn watch(&self, query: Query) -> Result<WatchId> {
        self.with(|directory, _| directory.watch(query))
    }

    pub(super) fn poll_watch(&self, id: WatchId) -> Option<WatchEvent> {
        self.with(|directory, now| directory.poll_watch(id, now))
    }

    pub(super) fn unwatch(&self, id: WatchId) {
        self.with(|directory, _| directory.unwatch(id));
    }

    /// Notes how many calls the agents of a node have; a node speaks for its own.
    fn loads(&self, node: NodeKey, loads: &[(AgentId, u32)]) {
        self.with(|directory, now| {
            for (agent, calls) in loads {
                if directory.is_hosted(agent, &node, now) {
                    directory.signals_mut().load(*agent, *calls);
                }
            }
        });
    }

    /// Notes how a call ended, for the order of later finds.
    pub(super) fn learn(&self, lesson: &Lesson<'_>) {
        self.with(|directory, now| {
            let is_listed = directory.descriptor(&lesson.agent).is_some();
            let signals = directory.signals_mut();
            if let Some(rtt) = lesson.rtt {
                signals.round_trip(lesson.node, u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX));
            }
            if !is_listed {
                // Nobody ranks it, and nothing would tell when to forget it.
                return;
            }
            if let Some(load) = lesson.load {
                signals.load(lesson.agent, load);
            }
            match lesson.end {
                Lived::Well => signals.outcome(lesson.agent, lesson.skill, true, now),
                Lived::Badly => signals.outcome(lesson.agent, lesson.skill, false, now),
                Lived::Unreached => {
                    signals.outcome(lesson.agent, lesson.skill, false, now);
                    signals.failure(lesson.agent, now);
                }
            }
        });
    }

    /// A pinned agent counts more.
    pub(super) fn pin(&self, agent: AgentId) {
        self.with(|directory, _| directory.signals_mut().pin(agent));
    }

    /// Notes which zones the token of a node states.
    pub(super) fn zoned(&self, node: NodeKey, zones: Vec<String>) {
        lock(&self.directory).zoned(node, zones);
    }

    /// Agents that are known, and 1 while something of the past is.
    #[cfg(test)]
    pub(super) fn sizes_for_tests(&self) -> [usize; 2] {
        self.with(|directory, _| {
            let known = directory.len();
            [known, usize::from(known == 0 && directory.poll_timeout().is_some())]
        })
    }

    /// Forgets what is over.
    pub(super) fn tick(&self) {
        self.with(|directory, now| directory.handle_timeout(now));
    }
}

/// What one call taught.
pub(super) struct Lesson<'a> {
    pub(super) agent: AgentId,
    pub(super) node: NodeKey,
    pub(super) skill: &'a str,
    pub(super) end: Lived,
    pub(super) load: Option<u32>,
    pub(super) rtt: Option<Duration>,
}

/// How a call ended, for ranking.
#[derive(Clone, Copy)]
pub(super) enum Lived {
    /// With an answer.
    Well,
    /// With a fault of the callee.
    Badly,
    /// Its node could not be reached.
    Unreached,
}

impl Inner {
    /// What the mesh says of others.
    pub(super) fn news(&self, news: News) {
        match news {
            News::Announced(source, announcement) => self.announced(source, &announcement),
            // Whoever waits for a node itself is not told by its agents.
            News::Told => self.world.touch(),
            News::Hidden(node, agents) => {
                self.world.with(|directory, now| directory.hide(&node, &agents, now));
            }
            News::Loaded(node, loads) => self.world.loads(node, &loads),
            News::Clock(node, reading) => self.engine.treasury().clock(node, reading),
            News::Ledger(node, message) => self.engine.treasury().receive(node, *message),
            News::Gone(node) => {
                self.engine.treasury().gone(node);
                tracing::debug!(%node, "node is gone");
                self.world.with(|directory, now| directory.gone(&node, now));
            }
            News::Unreached(node) => self.world.with(|directory, now| directory.doubt(&node, now)),
            // It may be asked for what it holds of budgets: only its agents are found no more.
            News::Faded(node) => self.world.with(|directory, now| directory.gone(&node, now)),
            News::Outnumbered(seq) => self.publish_above(seq),
        }
    }

    fn announced(&self, source: mesh::Source, announcement: &v1::NodeAnnouncement) {
        let agents = &announcement.agents;
        let (node, announced) = match source {
            mesh::Source::Connection(node) | mesh::Source::Spread(node) => {
                let spread = matches!(source, mesh::Source::Spread(_));
                let source = if spread { Source::Spread } else { Source::Member };
                let take = |here: &Self| {
                    here.world.with(|directory, now| directory.announce(source, node, agents, now))
                };
                (node, self.taken_up(node, take))
            }
            mesh::Source::RuntimeFolder => {
                let record = announcement.node.as_ref().map(record::peek);
                let Some(Ok(record)) = record else { return };
                let Ok(node) = NodeKey::from_slice(&record.key) else { return };
                if node == self.world.own {
                    return;
                }
                let take = |here: &Self| {
                    // Who waits is woken once for all that was seen together.
                    let mut directory = lock(&here.world.directory);
                    directory.replace(Source::Folder, node, agents, now_ms())
                };
                (node, self.taken_up(node, take))
            }
        };
        if matches!(source, mesh::Source::Spread(_)) {
            self.note_refused(node, &announced);
        }
        log(node, announced);
    }

    /// Writes down what of the records that members passed on is not shown here.
    fn note_refused(&self, node: NodeKey, announced: &Announced) {
        // An older record came late, which says nothing of who brought it.
        let refused = announced.refused.iter().filter(|one| one.error.code != "superseded");
        for Refused { agent, error } in refused {
            let row = Entry::of(Event::RecordRefused).node(node).refused(error);
            self.engine.audit().fold(match agent {
                Some(agent) => row.agent(*agent),
                None => row,
            });
        }
    }

    /// How an agent would be reached.
    pub(super) fn path(&self, node: Option<NodeKey>) -> Path {
        match node {
            Some(node) if node == self.mesh.node_key() => Path::InProcess,
            Some(node) if self.mesh.path(node).is_some_and(|path| path.relayed) => Path::Relay,
            Some(_) | None => Path::Direct,
        }
    }

    pub(super) fn found(&self, found: directory::Found, explain: bool) -> Found {
        let explained = |signal: &hubless_proto::query::Signal| SignalPart {
            signal: signal.name.name().to_owned(),
            value: signal.value,
            weight: signal.weight,
        };
        let explain = explain.then(|| found.signals.iter().map(explained).collect());
        let known = Known {
            agent: found.id,
            node: Some(found.node),
            descriptor: Arc::clone(&found.descriptor),
        };
        Found { score: found.score, latency_us: found.latency_us, explain, ..self.view(&known) }
    }

    /// An agent as searching shows it, without rank.
    pub(super) fn view(&self, known: &Known) -> Found {
        let of = known.descriptor.as_ref();
        Found {
            agent_id: known.agent,
            address: Address::new(&self.mesh_id(), &known.agent).to_string(),
            name: of.name.clone(),
            title: of.title.clone(),
            description: of.description.clone(),
            version: of.version.clone(),
            node_key: known.node,
            tags: of.tags.clone(),
            skills: of.skills.clone(),
            requires_auth: of.requires_auth,
            stored: of.stored,
            transient: of.transient,
            needs: of.needs.clone(),
            score: 0.0,
            path: self.path(known.node),
            latency_us: None,
            explain: None,
        }
    }

    /// Answers a peer's question about the agents of this node.
    pub(super) fn answer(&self, ask: v1::Ask) -> Result<v1::answer::Answer> {
        let none = || Error::refusal(Kind::NotFound, "", "nothing of this kind lives here");
        match ask.question {
            Some(v1::ask::Question::SkillDocument(digest)) => {
                let document = self.own_document(&digest).ok_or_else(none)?;
                Ok(v1::answer::Answer::SkillDocument(document))
            }
            Some(v1::ask::Question::Descriptor(agent)) => {
                let id = AgentId::from_slice(&agent)?;
                let registry = lock(&self.engine.registry);
                let hosted = registry.by_id(&id).ok_or_else(none)?;
                let records = lock(&hosted.value.announced).records.clone();
                Ok(v1::answer::Answer::Agent(records))
            }
            Some(v1::ask::Question::Returns(asked)) => {
                self.takes_returns(&asked).map(v1::answer::Answer::Returns)
            }
            Some(v1::ask::Question::Trace(id)) => self.told(&id),
            // They come by ways of their own, which say who asks.
            Some(
                v1::ask::Question::OperatorStop(_)
                | v1::ask::Question::Redeem(_)
                | v1::ask::Question::RenewToken(_)
                | v1::ask::Question::Revoked(_),
            ) => Err(none()),
            None => Err(Error::refusal(Kind::Unsupported, "question", "an unknown question")),
        }
    }

    /// The bytes of a skill document of an agent that lives here.
    pub(super) fn own_document(&self, digest: &[u8]) -> Option<bytes::Bytes> {
        let hosted = self.hosted();
        let mut documents = hosted.iter().flat_map(|hosted| &hosted.documents);
        let found = documents.find(|sealed| sealed.digest == digest);
        found.map(|sealed| sealed.bytes.clone())
    }
}

fn log(node: NodeKey, announced: Announced) {
    for refused in announced.refused {
        tracing::debug!(%node, error = %refused.error, "a record was refused");
    }
}

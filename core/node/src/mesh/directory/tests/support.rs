//! Nodes whose engine keeps what it is told of others.

use crate::call::body::Bodies;
use crate::call::pipe::{CalleeEnd, Down, pipe};
use crate::home::Home;
use crate::mesh::local::agent_id;
use crate::mesh::shared::Patience;
use crate::mesh::tests::support::{LONG, final_text, text_request};
use crate::mesh::{Mesh, MeshHost, MeshOptions, Source};
use hubless_proto::audit::{Entry, Event};
use hubless_proto::directory::{Directory, Source as Shown};
use hubless_proto::identity::{AgentId, MeshId, NodeKey};
use hubless_proto::policy::Caller;
use hubless_proto::query::Query;
use hubless_proto::wire::v1::{self, event};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::time::timeout;

/// What an engine was told.
pub(in crate::mesh) struct Known {
    index: Directory,
    pub(super) noted: Vec<Entry>,
    /// Agents that members passed on, in their order.
    spread: Vec<AgentId>,
    outnumbered: Option<u64>,
}

/// An engine that answers with what it is asked, and keeps what it is told.
pub(in crate::mesh) struct Keeps {
    known: Mutex<Known>,
    changed: watch::Sender<()>,
}

impl Keeps {
    fn with(&self, act: impl FnOnce(&mut Known)) {
        act(&mut self.known.lock().unwrap());
        self.changed.send_replace(());
    }
}

impl MeshHost for Keeps {
    fn inbound(&self, _: Caller, request: v1::Request, bodies: Bodies, end: CalleeEnd) {
        tokio::spawn(async move {
            let last = v1::Final { content: request.content, ..Default::default() };
            let event = v1::Event { kind: Some(event::Kind::Final(last)) };
            let _ = end.events.send(Down { event, bodies }).await;
            end.events.closed().await;
        });
    }

    fn announced(&self, source: Source, announcement: v1::NodeAnnouncement) {
        let now = crate::chance::now_ms();
        self.with(|known| {
            let agents = &announcement.agents;
            match source {
                Source::Spread(node) => {
                    known.spread.extend(agents.iter().filter_map(agent_id));
                    known.index.announce(Shown::Spread, node, agents, now);
                }
                Source::Connection(node) => {
                    known.index.announce(Shown::Member, node, agents, now);
                }
                Source::RuntimeFolder => {
                    let record = announcement.node.as_ref().unwrap();
                    let record = hubless_proto::wire::record::peek(record).unwrap();
                    let node = NodeKey::from_slice(&record.key).unwrap();
                    known.index.replace(Shown::Folder, node, agents, now);
                }
            }
        });
    }

    fn hidden(&self, node: NodeKey, agents: Vec<(AgentId, u64)>) {
        self.with(|known| known.index.hide(&node, &agents, crate::chance::now_ms()));
    }

    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}

    fn noted(&self, entry: Entry) {
        self.with(|known| known.noted.push(entry));
    }

    fn gone(&self, node: NodeKey) {
        self.with(|known| known.index.gone(&node, crate::chance::now_ms()));
    }

    fn faded(&self, node: NodeKey) {
        self.with(|known| known.index.gone(&node, crate::chance::now_ms()));
    }

    fn outnumbered(&self, seq: u64) {
        self.with(|known| known.outnumbered = Some(seq));
    }

    fn answer(&self, _: v1::Ask) -> v1::Answer {
        v1::Answer::default()
    }
}

/// A node, and what it was told.
pub(in crate::mesh) struct One {
    pub(in crate::mesh) mesh: Mesh,
    pub(super) host: Arc<Keeps>,
}

impl One {
    pub(super) async fn of(home: &Home) -> Self {
        let mesh_id = MeshId::from_bytes([1; 32]);
        let index = Directory::new(mesh_id, NodeKey::from_bytes([0; 32]));
        let known = Known { index, noted: Vec::new(), spread: Vec::new(), outnumbered: None };
        let known = Mutex::new(known);
        let host = Arc::new(Keeps { known, changed: watch::Sender::new(()) });
        let options = MeshOptions::new(home.clone());
        let engine = Arc::<Keeps>::clone(&host);
        let mesh = Mesh::start_with(options, engine, Patience::default()).await.unwrap();
        Self { mesh, host }
    }

    /// One of the mesh that all nodes without folders share, which knows of nobody.
    pub(in crate::mesh) async fn alone() -> Self {
        Self::of(&Home::memory()).await
    }

    pub(super) fn key(&self) -> NodeKey {
        self.mesh.node_key()
    }

    /// Connects it to another one.
    pub(super) async fn joins(&self, other: &Self) {
        self.mesh.contact(other.key(), &other.mesh.addresses());
        let shared = self.mesh.shared_for_tests();
        shared.connection(other.key()).await.unwrap().introduced().await.unwrap();
    }

    pub(super) async fn until(&self, what: &str, is: impl Fn(&mut Known) -> bool) {
        let mut changed = self.host.changed.subscribe();
        let came = async {
            while !is(&mut self.host.known.lock().unwrap()) {
                changed.changed().await.unwrap();
            }
        };
        let came = timeout(LONG, came).await;
        came.unwrap_or_else(|_| panic!("{}: in time: {what}", self.key()));
    }

    /// Waits until others hold something of it under a number that it did not say.
    pub(super) async fn outnumbered(&self) -> u64 {
        self.until("it is outnumbered", |known| known.outnumbered.is_some()).await;
        self.host.known.lock().unwrap().outnumbered.unwrap()
    }

    /// Waits until it finds just these agents.
    pub(super) async fn finds(&self, agents: &[AgentId]) {
        let mut agents = agents.to_vec();
        agents.sort_unstable();
        self.until("it finds them", |known| known.agents() == agents).await;
    }

    pub(super) fn agents(&self) -> Vec<AgentId> {
        self.host.known.lock().unwrap().agents()
    }

    /// Rows of a kind that were written down.
    pub(super) fn rows(&self, kind: Event) -> usize {
        let known = self.host.known.lock().unwrap();
        known.noted.iter().filter(|row| row.kind == kind).count()
    }

    /// Why records were refused, by who brought them.
    pub(super) fn refusals(&self, by: &Self) -> Vec<String> {
        let by = format!("mesh:{}", by.key());
        let known = self.host.known.lock().unwrap();
        let refused = known.noted.iter().filter(|row| row.kind == Event::RecordRefused);
        refused.filter(|row| row.by == by).map(|row| row.reason.clone()).collect()
    }

    /// The version that an agent says of itself.
    pub(super) fn version(&self, agent: AgentId) -> Option<String> {
        let known = self.host.known.lock().unwrap();
        known.index.descriptor(&agent).map(|descriptor| descriptor.version.clone())
    }

    /// Waits until it knows of a node.
    pub(super) async fn knows(&self, node: NodeKey) {
        let known = async {
            while !self.mesh.known().contains(&node) {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, known).await.expect("in time");
    }

    /// Waits until it holds records of so many nodes.
    pub(super) async fn holds(&self, nodes: usize) {
        let held = async {
            while self.mesh.records().nodes != nodes {
                tokio::task::yield_now().await;
            }
        };
        let held = timeout(LONG, held).await;
        held.unwrap_or_else(|_| panic!("{}: {:?}", self.key(), self.mesh.records()));
    }

    /// Calls another node, and is answered.
    pub(super) async fn asks(&self, node: NodeKey) {
        let (mut caller, end) = pipe();
        let request = text_request("", "there?");
        self.mesh.call(node, request, Bodies::none(), end).await.unwrap();
        assert_eq!(final_text(&mut caller).await.as_deref(), Some("there?"));
    }
}

impl Known {
    /// Agents that members passed on at any time.
    pub(super) fn seen(&self) -> &[AgentId] {
        &self.spread
    }

    fn agents(&mut self) -> Vec<AgentId> {
        let all = Query { limit: usize::MAX, ..Query::default() };
        let found = self.index.find(&all, crate::chance::now_ms());
        let mut found: Vec<_> = found.into_iter().map(|found| found.id).collect();
        found.sort_unstable();
        found
    }
}

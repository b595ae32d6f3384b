//! What searching gives.

use super::request::Path;
use crate::mesh::RelayUrl;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::query::attribute_to_json;
use hubless_proto::wire::v1;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::Value;
use std::time::Duration;

/// An agent that was found.
///
/// ```
/// use hubless::node::{Description, Loaded, NodeStatus, PeerView, Scope, SignalPart};
/// use hubless::{AgentOptions, FindOptions, Found, Node, NodeOptions, handler};
/// use hubless_proto::query::Query;
/// use serde_json::json;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let options = AgentOptions::read(json!({"name": "charts", "description": "draws charts",
///     "skills": [{"id": "draw", "description": "as SVG"}]}))?;
/// node.register(options, handler(|_, content| async move { Ok(content) })).await?;
/// let explained = FindOptions { explain: true, ..FindOptions::default() };
/// let best: Found = node.peer(Query::read(json!("draw a chart"))?, explained).await?;
/// let reasons: Vec<SignalPart> = best.explain.expect("was asked for");
/// assert_eq!((best.name.as_str(), reasons[0].signal.as_str()), ("charts", "text"));
/// let described: Description = node.describe("charts").await?;
/// assert_eq!(described.skills[0].description, "as SVG");
/// let loaded: Loaded = node.load_agents(vec![json!({"nonsense": true})])?;
/// assert_eq!((loaded.loaded, loaded.refused.len()), (0, 1));
/// assert_eq!(node.list_agents(Scope::Local)?.len(), 1);
/// let status: NodeStatus = node.status();
/// let peers: Vec<PeerView> = status.peers;
/// assert_eq!((status.agents, peers.len()), (1, 0));
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Its id.
    pub agent_id: AgentId,
    /// Its short address.
    pub address: String,
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it is good for.
    pub description: String,
    /// Its version.
    pub version: String,
    /// Node that runs it; none: known from a catalogue only.
    pub node_key: Option<NodeKey>,
    /// Words to be found by.
    pub tags: Vec<String>,
    /// What it can do, in short form.
    #[serde(serialize_with = "short_skills")]
    pub skills: Vec<v1::Skill>,
    /// True: it wants a credential.
    pub requires_auth: bool,
    /// True: its key is kept.
    pub stored: bool,
    /// True: it lives only moments.
    pub transient: bool,
    /// What its callers must bring.
    pub needs: Option<v1::Needs>,
    /// From 0 to 1, for order within one answer only.
    pub score: f64,
    /// How it would be reached.
    pub path: Path,
    /// Measured round trip, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Why it stands where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Vec<SignalPart>>,
}

/// One signal's part of a score.
#[derive(Debug, Clone, Serialize)]
pub struct SignalPart {
    /// Name of the signal.
    pub signal: String,
    /// What it said, from 0 to 1.
    pub value: f64,
    /// How much it counts.
    pub weight: f64,
}

/// How `find` waits and answers.
#[derive(Debug, Clone, Copy)]
pub struct FindOptions {
    /// How long to wait for a first match.
    pub wait: Duration,
    /// True: each answer says why it stands where it stands.
    pub explain: bool,
}

impl Default for FindOptions {
    fn default() -> Self {
        Self { wait: hubless_proto::limits::FIND_WAIT, explain: false }
    }
}

/// What a watcher is told.
///
/// ```
/// use hubless::node::{Change, Discovery, Watch};
/// use hubless::{AgentOptions, FindOptions, Node, NodeOptions, handler};
/// use hubless_proto::query::Query;
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let mut watch: Watch = node.watch(Query::default())?;
/// let mut discovery: Discovery = node.discover(Query::default(), FindOptions::default())?;
/// assert!(matches!(watch.next().await, Some(Change::Snapshot(all)) if all.is_empty()));
/// let echo = handler(|_, content| async move { Ok(content) });
/// let options = AgentOptions { name: "echo".into(), ..AgentOptions::default() };
/// let agent = node.register(options, echo).await?;
/// assert!(matches!(watch.next().await, Some(Change::Arrived(found)) if found.name == "echo"));
/// assert_eq!(discovery.next().await.expect("open").name, "echo");
/// agent.unregister(Duration::ZERO).await?;
/// assert!(matches!(watch.next().await, Some(Change::Departed { name, .. }) if name == "echo"));
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// All that match, at the beginning and after `lagged`.
    Snapshot(Vec<Found>),
    /// One more matches.
    Arrived(Box<Found>),
    /// One that matches is different.
    Changed(Box<Found>),
    /// One is gone, or matches no longer.
    Departed {
        /// Its id.
        #[serde(rename = "agentId")]
        agent_id: AgentId,
        /// Its name.
        name: String,
    },
    /// So many changes were left out; a snapshot follows.
    Lagged(u64),
}

/// Everything that is public of an agent.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// What it publishes.
    pub descriptor: v1::Descriptor,
    /// Its skills in their long form.
    pub skills: Vec<v1::SkillDocument>,
}

/// Which agents a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Those that accept external connections.
    Global,
    /// Those that live here.
    Local,
    /// Those known from elsewhere.
    Client,
    /// All of them.
    All,
}

/// What became of a catalogue.
#[derive(Debug)]
pub struct Loaded {
    /// Entries that were taken.
    pub loaded: usize,
    /// Why each of the others was not.
    pub refused: Vec<hubless_proto::Error>,
}

/// How a node is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its key.
    pub node_key: NodeKey,
    /// Its mesh.
    pub mesh_id: hubless_proto::identity::MeshId,
    /// Socket addresses that it is bound to.
    pub addresses: Vec<String>,
    /// Relays by which it can be reached, the likeliest first.
    pub relays: Vec<RelayUrl>,
    /// Agents that live here.
    pub agents: usize,
    /// Nodes that it knows.
    pub peers: Vec<PeerView>,
    /// Calls that run here.
    pub calls: usize,
    /// Version of the library.
    pub version: &'static str,
}

/// How another node is reached.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Its key.
    pub node_key: NodeKey,
    /// How it is reached; none: no open connection.
    pub path: Option<Path>,
    /// Measured round trip, in microseconds.
    pub rtt_us: Option<u64>,
    /// Its agents that are known.
    pub agents: usize,
    /// Open connections: 0 or 1, for moments 2.
    pub connections: usize,
}

/// Skills with their attributes as people write them.
fn short_skills<S: Serializer>(skills: &[v1::Skill], serializer: S) -> Result<S::Ok, S::Error> {
    let shown = skills.iter().map(|skill| {
        let mut value = serde_json::to_value(skill).map_err(S::Error::custom)?;
        if let Some(object) = value.as_object_mut() {
            let attributes = skill.attributes.iter();
            let plain = attributes.map(|(name, fact)| (name.clone(), attribute_to_json(fact)));
            object.insert("attributes".to_owned(), plain.collect());
        }
        Ok(value)
    });
    serializer.collect_seq(shown.collect::<Result<Vec<Value>, S::Error>>()?)
}

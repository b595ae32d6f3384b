//! A node from its start to its end.

use super::agents::body_digest;
use super::announce::Own;
use super::announcer::{Announcer, announcing};
use super::documents::Documents;
use super::found::{NodeStatus, PeerView};
use super::host::{Face, Host};
use super::meshed::ServedRelay;
use super::options::NodeOptions;
use super::request::Path;
use super::returns::Postman;
use super::stores::{Credentials, Pins};
use super::templates::Templates;
use super::world::World;
use super::{announce, keep, loads, meshed, trace};
use crate::audit::Audit;
use crate::budget::{Gateway, Orphans, Refunds};
use crate::call::handle::Parent;
use crate::chance::now_ms;
use crate::engine::{Engine, Hosted, lock};
use crate::executor::{self, blocking};
use crate::foreign::Authenticator;
use crate::home::Home;
use crate::mesh::Mesh;
use crate::telemetry;
use crate::usage::Tally;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::policy::AuthRule;
use hubless_proto::registry::Scope;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often records that are to be renewed are looked for.
const RENEWAL_ROUND: Duration = Duration::from_secs(5);

/// Longest wait at the end for issuers to write last words down, and before it for the gateway.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One process's presence in a mesh; cheap to clone. Dropping the last clone ends it at once,
/// [`Node::close`] ends it in good order.
///
/// ```
/// use hubless::{AgentOptions, Content, Node, NodeOptions, Reply, RequestOptions, handler};
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let shout = handler(|_call, content: Content| async move {
///     Ok(Content::text(content.joined_text().to_uppercase()))
/// });
/// let options = AgentOptions { name: "shout".into(), ..AgentOptions::default() };
/// let agent = node.register(options, shout).await?;
/// let asked = RequestOptions::new("shout", Content::text("hello"));
/// let reply: Reply = node.request(asked).await?;
/// assert_eq!(reply.content.joined_text(), "HELLO");
/// assert_eq!(reply.agent.agent_id, agent.id());
/// agent.unregister(Duration::ZERO).await?;
/// node.close(Duration::from_secs(1)).await;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Node {
    inner: Arc<Handle>,
}

/// Ends the node with its last clone.
struct Handle(Arc<Inner>);

/// A node that is not kept open by this.
#[derive(Clone)]
pub(crate) struct WeakNode(Weak<Handle>);

impl WeakNode {
    /// The node.
    ///
    /// # Errors
    /// `closed` once its last clone is gone.
    pub(crate) fn node(&self) -> Result<Node> {
        self.0.upgrade().map(|inner| Node { inner }).ok_or_else(closed)
    }
}

pub(crate) struct Inner {
    pub(super) home: Home,
    pub(super) mesh: Mesh,
    pub(super) relay: ServedRelay,
    pub(super) engine: Arc<Engine>,
    pub(super) world: World,
    /// What `world` is told of the agents here.
    pub(super) own: Own,
    pub(super) documents: Documents,
    pub(super) templates: Templates,
    pub(super) credentials: Credentials,
    pub(super) pins: Pins,
    /// True in the user's own mesh, where every process is within the boundary.
    pub(super) own_mesh: bool,
    /// What happens to requests that seem to have lost their budget.
    pub(super) orphans: Orphans,
    closing: AtomicBool,
    pub(super) announcer: Announcer,
    /// Fires when the node is to be closed without grace.
    hurry: CancellationToken,
    /// Fires at the end of everything.
    pub(super) stop: CancellationToken,
    /// Fires once nothing of it is left to do, its last spans included.
    pub(super) ended: CancellationToken,
}

impl Node {
    /// Starts a node and joins this user's mesh on this machine, or the one that is named.
    ///
    /// # Errors
    /// `configuration` for folders, keys or ports that cannot be used; `invalid_argument` naming
    /// the option; `auth`, field `gatewayKey`, for what is no spending key; `closed` (`forked`) in
    /// a forked child.
    ///
    /// # Cancellation
    /// Nothing is left behind but keys.
    pub async fn start(options: NodeOptions) -> Result<Self> {
        telemetry::init();
        let start = executor::spawn(start(options))?;
        let started = tokio_util::task::AbortOnDropHandle::new(start).await;
        let started = started.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "start failed")));
        started.map_err(|error| error.with_operation("start"))
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner.0
    }

    /// For what the node itself holds, such as a handler of one of its agents.
    pub(crate) fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.inner))
    }

    /// Resolves once the node is closed.
    pub(super) async fn closed(&self) {
        self.inner.0.stop.cancelled().await;
    }

    /// The node, unless it is closed.
    pub(super) fn open(&self) -> Result<&Arc<Inner>> {
        executor::handle()?;
        if self.inner.0.closing.load(Ordering::Acquire) {
            return Err(closed());
        }
        Ok(&self.inner.0)
    }

    /// The node for a call; what running handlers ask goes on while the node is closing.
    pub(super) fn open_for(&self, parent: Option<&Parent>) -> Result<&Arc<Inner>> {
        match parent {
            Some(parent) if !parent.is_over() && !self.inner.0.stop.is_cancelled() => {
                executor::handle()?;
                Ok(&self.inner.0)
            }
            Some(_) | None => self.open(),
        }
    }

    /// Its key.
    pub fn key(&self) -> NodeKey {
        self.inner.0.mesh.node_key()
    }

    /// Its mesh.
    pub fn mesh_id(&self) -> MeshId {
        self.inner.0.mesh.mesh_id()
    }

    /// Folder of its keys; none: in memory only.
    pub fn home(&self) -> Option<PathBuf> {
        self.inner.0.home.folders().map(|folders| folders.data().to_owned())
    }

    /// Its templates.
    pub fn templates(&self) -> &Templates {
        &self.inner.0.templates
    }

    /// Its credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.inner.0.credentials
    }

    /// Its pins.
    pub fn pins(&self) -> &Pins {
        &self.inner.0.pins
    }

    /// Sets how callers prove themselves to agents that have no mechanism of their own; those that
    /// are registered already say so from now on. Taking it away opens no agent that was registered
    /// under it.
    ///
    /// # Errors
    /// `configuration` for the rule `host` without a function; `closed`.
    ///
    /// # Cancellation
    /// What was begun goes on: the rule stands, and agents say so.
    pub async fn set_auth(
        &self,
        rule: AuthRule,
        host: Option<Arc<dyn Authenticator>>,
    ) -> Result<()> {
        if matches!(rule, AuthRule::Host) && host.is_none() {
            return Err(Error::new(Kind::Configuration, "the rule needs a function of the host")
                .with_code("no_function")
                .with_field("auth"));
        }
        let inner = self.open()?;
        inner.engine.set_auth((rule.clone(), host));
        // Another process may hold the lock of an identity for as long as it is stopped.
        let inner = Arc::clone(inner);
        blocking(move || inner.publish_auth(&rule)).await
    }

    /// How it is.
    pub fn status(&self) -> NodeStatus {
        let inner = &self.inner.0;
        let agents = lock(&inner.engine.registry).len();
        NodeStatus {
            node_key: self.key(),
            mesh_id: self.mesh_id(),
            addresses: inner.mesh.addresses().iter().map(ToString::to_string).collect(),
            relays: inner.mesh.relays(),
            agents,
            peers: inner.peers(),
            calls: inner.engine.calls(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Refuses new calls, lets running ones end within `grace`, says good-bye to every peer.
    /// Idempotent; closing again without grace ends the grace of the first.
    ///
    /// Nothing new is taken from the call of this function on.
    ///
    /// # Cancellation
    /// The node closes all the same.
    pub fn close(&self, grace: Duration) -> impl Future<Output = ()> + Send + use<> {
        let closing = close(Arc::clone(&self.inner.0), grace);
        async move {
            if let Ok(closing) = closing {
                // A close that panicked has closed as far as it can.
                let _ = closing.await;
            }
        }
    }
}

/// Begins at once, and ends as a task of its own; no task in a forked child.
fn close(inner: Arc<Inner>, grace: Duration) -> Result<JoinHandle<()>> {
    executor::handle()?;
    let order = inner.begin_closing(grace);
    executor::spawn(async move { inner.close(grace, order).await })
}

/// Whether a close is the first one.
enum Order {
    First,
    Later,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // In a forked child nothing of this is running.
        let _ = close(Arc::clone(&self.0), Duration::ZERO);
    }
}

impl Inner {
    pub(super) fn mesh_id(&self) -> MeshId {
        self.mesh.mesh_id()
    }

    /// Every agent that lives here.
    pub(super) fn hosted(&self) -> Vec<Arc<Hosted>> {
        let registry = lock(&self.engine.registry);
        registry.list(Scope::Local).map(|agent| Arc::clone(&agent.value)).collect()
    }

    fn peers(&self) -> Vec<PeerView> {
        let open = self.mesh.peers();
        let known = self.world.nodes();
        let mut peers: Vec<PeerView> = open
            .iter()
            .map(|peer| PeerView {
                node_key: peer.node,
                path: Some(if peer.path.relayed { Path::Relay } else { Path::Direct }),
                rtt_us: u64::try_from(peer.path.rtt.as_micros()).ok(),
                agents: known.get(&peer.node).copied().unwrap_or_default(),
                connections: peer.connections,
            })
            .collect();
        let connected: Vec<NodeKey> = peers.iter().map(|peer| peer.node_key).collect();
        let others = known.into_iter().filter(|(node, _)| !connected.contains(node));
        peers.extend(others.map(|(node_key, agents)| PeerView {
            node_key,
            path: None,
            rtt_us: None,
            agents,
            connections: 0,
        }));
        peers
    }

    /// Says of each agent here how its callers prove themselves. Blocks for a file of each.
    fn publish_auth(&self, rule: &AuthRule) -> Result<()> {
        for hosted in self.hosted() {
            if !self.is_told_for_good(&hosted) && hosted.publish_auth(rule) {
                if let Some(body) = &hosted.body
                    && let Err(error) = body.change(&body_digest(&hosted.descriptor()))
                {
                    tracing::warn!(%error, "replicas may be held to what was published before");
                }
                self.publish_anew(&hosted)?;
            }
        }
        Ok(())
    }

    /// True once the node is leaving: its agents are announced no more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn begin_closing(&self, grace: Duration) -> Order {
        if grace.is_zero() {
            self.hurry.cancel();
        }
        if self.closing.swap(true, Ordering::AcqRel) {
            return Order::Later;
        }
        self.engine.close();
        Order::First
    }

    async fn close(&self, grace: Duration, order: Order) {
        if matches!(order, Order::Later) {
            self.ended.cancelled().await;
            return;
        }
        let began = tokio::time::Instant::now();
        self.announce_none();
        let idle = tokio::time::timeout(grace, self.engine.idle());
        if self.hurry.run_until_cancelled(idle).await.and_then(std::result::Result::ok).is_none() {
            tracing::info!(calls = self.engine.calls(), "calls were cut off at the end of grace");
        }
        let grace = if self.hurry.is_cancelled() { Duration::ZERO } else { grace };
        for hosted in self.hosted() {
            hosted.stop.cancel();
        }
        let left = grace.saturating_sub(began.elapsed());
        if self.engine.treasury().has_gateway() {
            // Keys of calls that were cut off end there, which nobody tells later.
            let told = async {
                self.engine.idle().await;
                self.engine.treasury().told().await;
            };
            let _ = tokio::time::timeout(LAST_WORDS, told).await;
        }
        // Grants that ended here are settled, so that nothing of them stays charged.
        let said = self.engine.treasury().said();
        let _ = tokio::time::timeout(left.min(LAST_WORDS), said).await;
        // Whoever has the key next finds the store closed.
        let use_lock = self.mesh.take_use_lock();
        self.mesh.close(grace.saturating_sub(began.elapsed())).await;
        self.relay.close().await;
        self.engine.treasury().flush().await;
        self.engine.audit().end();
        self.engine.tally().keep();
        self.engine.treasury().shut().await;
        drop(use_lock);
        self.stop.cancel();
        self.engine.spans().end().await;
        self.ended.cancel();
        tracing::info!("node closed");
    }
}

/// What everything ends with that is asked of a closed node.
pub(super) fn closed() -> Error {
    Error::new(Kind::Closed, "the node is closed")
}

async fn start(options: NodeOptions) -> Result<Node> {
    let gateway = Gateway::named(&options)?;
    let refund = Refunds::named(&options, gateway.as_ref())?;
    let home = open_home(&options).await?;
    let (audit, tally) = (Arc::<Audit>::default(), Arc::<Tally>::default());
    let host = Arc::new(Host::new(Arc::clone(&audit)));
    let of_mesh = meshed::options(&options, home.clone())?;
    let mesh = Mesh::start(of_mesh, Arc::new(Face(Arc::clone(&host)))).await?;
    let spans = trace::recorder(&mesh, &options).await?;
    let opened = async {
        let relay = ServedRelay::start(options.relay.as_ref(), &mesh).await?;
        let treasury = keep::treasury(&options, (&home, &mesh), (&audit, &tally)).await?;
        Ok((relay, treasury))
    };
    let (relay, treasury) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            mesh.close(Duration::ZERO).await;
            return Err(error);
        }
    };
    if let Some(gateway) = gateway {
        treasury.pay_by(gateway);
    }
    treasury.refund_by(refund);
    let engine =
        Engine::new(treasury, (spans, audit, tally), mesh.mesh_id(), options.max_concurrency);
    let inner = Arc::new(Inner {
        world: World::new(mesh.node_key(), mesh.mesh_id()),
        own: Own::default(),
        documents: Documents::new(mesh.node_key()),
        credentials: Credentials::open(home.clone()),
        pins: Pins::of(home.clone()),
        templates: Templates::default(),
        own_mesh: mesh.is_own(),
        orphans: options.orphans,
        home,
        mesh,
        relay,
        engine: Arc::new(engine),
        closing: AtomicBool::new(false),
        announcer: Announcer::default(),
        hurry: CancellationToken::new(),
        stop: CancellationToken::new(),
        ended: CancellationToken::new(),
    });
    let pins = Arc::clone(&inner);
    // A file that cannot be read is reported where a name is looked up.
    let pinned = blocking(move || pins.pins.list()).await.unwrap_or_default();
    pinned.iter().for_each(|pin| inner.world.pin(pin.agent_id));
    inner.engine.set_returns(Arc::new(Postman::of(&inner)));
    host.ready(&inner);
    tokio::spawn(announcing(Arc::clone(&inner)));
    tokio::spawn(renewing(Arc::clone(&inner)));
    tokio::spawn(keep::leases(Arc::clone(&inner)));
    tokio::spawn(keep::counts(Arc::clone(&inner)));
    tokio::spawn(keep::sums(Arc::clone(&inner)));
    tokio::spawn(loads::telling(Arc::clone(&inner)));
    Ok(Node { inner: Arc::new(Handle(inner)) })
}

async fn open_home(options: &NodeOptions) -> Result<Home> {
    if options.memory_only {
        return Ok(Home::memory());
    }
    let root = options.home.clone();
    blocking(move || Home::open_or_memory(root.as_deref())).await
}

async fn renewing(inner: Arc<Inner>) {
    let mut round = tokio::time::interval(RENEWAL_ROUND);
    loop {
        tokio::select! {
            _ = round.tick() => {
                let renewed = announce::renew(&inner.hosted(), inner.mesh.node_key(), now_ms());
                for hosted in &renewed {
                    inner.show(hosted.id());
                }
                if !renewed.is_empty() {
                    inner.announcer.changed();
                }
                inner.world.tick();
            }
            () = inner.stop.cancelled() => return,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("key", &self.key()).finish_non_exhaustive()
    }
}

//! A node's part in its mesh.

use super::dials::Wait;
use super::frames::PARTING;
use super::lane::Lane;
use super::sending::{Again, Sending};
use super::shared::{Patience, Shared};
use super::{CallPath, MeshHost, MeshOptions, PeerStatus, RecordsHeld, Traffic, hello, start};
use crate::call::body::Bodies;
use crate::call::pipe::CalleeEnd;
use crate::home::Home;
use crate::link::{CloseReason, RelayUrl};
use crate::runtime::Presence;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::v1::{self, answer, ask};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{SemaphorePermit, oneshot};
use tokio::time::timeout;

/// Agents of one LOAD: an id is a text of less than 64 bytes.
const LOADS_AT_ONCE: usize = limits::CONTROL_FRAME_BYTES / 128;

/// A peer answered something else than it was asked.
pub(crate) fn another_answer() -> Error {
    let message = "the node answered something else than was asked";
    Error::new(Kind::Transport, message).with_code("no_answer")
}

/// A node's part in its mesh; cheap to clone. Ends with [`Mesh::close`].
///
/// ```
/// use hubless::Bodies;
/// use hubless::call::pipe::CalleeEnd;
/// use hubless::home::Home;
/// use hubless::mesh::{CallPath, Listen, Mesh, MeshChoice, MeshHost, MeshOptions};
/// use hubless::mesh::{PeerStatus, RecordsHeld, Source};
/// use hubless_proto::identity::{AgentId, NodeKey};
/// use hubless_proto::policy::Caller;
/// use hubless_proto::wire::v1::{Answer, Ask, NodeAnnouncement, Request};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// /// An engine that takes no calls.
/// struct Quiet;
///
/// impl MeshHost for Quiet {
///     fn inbound(&self, _: Caller, _: Request, _: Bodies, _: CalleeEnd) {}
///     fn announced(&self, _: Source, _: NodeAnnouncement) {}
///     fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
///     fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
///     fn gone(&self, _: NodeKey) {}
///     fn answer(&self, _: Ask) -> Answer {
///         Answer::default()
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let options = MeshOptions { mesh: MeshChoice::Own, ..MeshOptions::new(Home::memory()) };
/// assert_eq!(options.listen, Listen::Loopback);
/// let mesh = Mesh::start(options, Arc::new(Quiet)).await?;
/// let peers: Vec<PeerStatus> = mesh.peers();
/// let path: Option<CallPath> = mesh.path(NodeKey::from_bytes([1; 32]));
/// assert!(peers.is_empty() && path.is_none());
/// assert_eq!(mesh.records(), RecordsHeld::default(), "it knows of nobody elsewhere");
/// mesh.close(Duration::ZERO).await;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Mesh {
    pub(super) shared: Arc<Shared>,
}

impl Mesh {
    /// Opens the keys, binds the endpoint and begins to look for other nodes.
    ///
    /// Must be called within the runtime that is to carry it.
    ///
    /// # Errors
    /// `configuration` for folders, keys or addresses; `conflict` when another process uses the
    /// named node key; `not_found` for a mesh that was not joined.
    pub async fn start(options: MeshOptions, host: Arc<dyn MeshHost>) -> Result<Self> {
        Ok(Self { shared: start::start(options, host, Patience::default()).await? })
    }

    /// The key of this node.
    pub fn node_key(&self) -> NodeKey {
        self.shared.local.node()
    }

    /// The mesh that it is in.
    pub fn mesh_id(&self) -> MeshId {
        self.shared.local.mesh()
    }

    /// True in the user's own mesh.
    pub fn is_own(&self) -> bool {
        self.shared.local.membership().root().is_some()
    }

    /// The root key of its mesh, in the user's own.
    pub(crate) fn root(&self) -> Option<&SecretKey> {
        self.shared.local.membership().root()
    }

    /// The zones that its agents are in.
    pub fn zones(&self) -> &[String] {
        self.shared.local.membership().zones()
    }

    /// The zones that the token of a node states, as far as a record of it is known.
    pub(crate) fn zones_of(&self, node: NodeKey) -> Vec<String> {
        self.shared.book.zones(node, &self.shared.local, crate::chance::now_ms())
    }

    /// Addresses by which it can be reached.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.shared.local.addresses()
    }

    /// Relays by which it can be reached, the likeliest first.
    pub fn relays(&self) -> Vec<RelayUrl> {
        self.shared.local.relays()
    }

    /// Its folders.
    pub fn home(&self) -> &Home {
        &self.shared.home
    }

    /// Says where a node can be dialled, for one that nothing else tells of.
    pub fn contact(&self, node: NodeKey, addresses: &[SocketAddr]) {
        self.shared.book.contact(node, addresses, &[]);
        self.shared.peers.touch(node);
    }

    /// Announces `agents`, all that this node hosts. Returns at once; many calls in a short time
    /// cost little more than one, and the last stands.
    pub fn announce(&self, agents: Vec<v1::AgentAnnouncement>) {
        self.shared.local.set_agents(Arc::new(agents));
        self.shared.announced.send_modify(|version| *version += 1);
    }

    /// Tells the members that this node is connected to how many calls its agents have. A peer that
    /// does not read is left out.
    pub fn tell_loads(&self, loads: &[(AgentId, u32)]) {
        let connections = self.shared.peers.all();
        let members = connections.iter().filter(|peer| peer.greeting().is_some_and(is_member));
        for connection in members {
            for some in loads.chunks(LOADS_AT_ONCE) {
                let queued = some.iter().map(|(agent, calls)| (agent.to_string(), *calls));
                let load = v1::Load { queued: queued.collect() };
                let _ = connection.control.try_send(super::connection::Say::Load(load));
            }
        }
    }

    /// Sends `request` to `node` and moves everything else of the call between the peer and the
    /// other side of `end`.
    ///
    /// A peer that ceases to exist ends the call by dropping `end` without a last event; a stream
    /// that the peer reset, or that broke a rule, ends it with a `Rejection`. Dropping or
    /// cancelling the other side resets the stream.
    ///
    /// # Errors
    /// `transport` when the node cannot be reached, `busy` when too many calls wait for a stream,
    /// `closed` after [`Mesh::close`], `too_large` for a request above 1 MiB. With an error
    /// nothing was sent.
    ///
    /// # Cancellation
    /// Dropping the future before it is ready gives the call up.
    pub async fn call(
        &self,
        node: NodeKey,
        request: v1::Request,
        bodies: Bodies,
        end: CalleeEnd,
    ) -> Result<CallPath> {
        let stream = self.ready(node, Wait::Tries).await?;
        let sending = Sending { request, bodies, again: Again::Never };
        self.send_on(stream, sending, |_| {}, end).await
    }

    /// Asks `node` a question about its agents.
    ///
    /// # Errors
    /// `transport` when the node cannot be reached, does not answer within 5 s or answers what it
    /// was not asked; what the node refuses it with.
    pub async fn ask(&self, node: NodeKey, question: ask::Question) -> Result<answer::Answer> {
        self.ask_in(node, question, Wait::Tries).await
    }

    /// As [`Mesh::ask`], of a node that is waited for so long.
    pub(crate) async fn ask_in(
        &self,
        node: NodeKey,
        question: ask::Question,
        wait: Wait,
    ) -> Result<answer::Answer> {
        let mut lane = self.ready(node, wait).await?;
        if let ask::Question::Returns(asked) = &question {
            lane.show(&self.shared, &asked.callee).await?;
        }
        let Lane { connection, mut writer, mut reader, calling, .. } = lane;
        let ask = v1::Ask { question: Some(question) };
        let answer = async {
            writer.message(FrameType::Ask, &ask).await?;
            writer.finish();
            reader.next().await
        };
        let frame = timeout(limits::HELLO, answer).await.map_err(|_| {
            Error::new(Kind::Transport, "the node gave no answer").with_code("no_answer")
        })?;
        let frame = match frame {
            Ok(frame) => frame,
            Err(end) => return Err(connection.why(end).await),
        };
        drop(calling);
        if frame.kind != FrameType::Answer {
            return Err(super::frames::unexpected(frame.kind));
        }
        let answer: v1::Answer = decode(frame.kind, frame.body)?;
        match answer.answer {
            Some(answer::Answer::Rejection(rejection)) => Err(Error::from(rejection)),
            Some(answer) => Ok(answer),
            None => Err(another_answer()),
        }
    }

    /// Nodes of the mesh that are known: from this machine, or by a connection.
    pub(crate) fn known(&self) -> Vec<NodeKey> {
        self.shared.book.known()
    }

    /// Nodes that this one is connected to.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let mut peers: BTreeMap<NodeKey, PeerStatus> = BTreeMap::new();
        for connection in self.shared.peers.all() {
            let (rtt, relayed) = connection.tunnel.path();
            let node = connection.peer();
            let status = PeerStatus { node, path: CallPath { relayed, rtt }, connections: 0 };
            peers.entry(node).or_insert(status).connections += 1;
        }
        peers.into_values().collect()
    }

    /// How many records of the mesh are held, of how many nodes.
    pub fn records(&self) -> RecordsHeld {
        self.shared.directory.held()
    }

    /// What the connections carried since the start, those that are closed included.
    pub fn traffic(&self) -> Traffic {
        self.shared.peers.traffic()
    }

    /// True once its connections are being closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.is_closing()
    }

    /// Requests that were sent again since nothing was heard of them.
    pub(crate) fn repeats(&self) -> u64 {
        self.shared.repeats.load(Ordering::Relaxed)
    }

    /// Connections that were given up for another one to the same process.
    pub(crate) fn merged(&self) -> u64 {
        self.shared.peers.merged()
    }

    /// The path to `node`, while a connection to it is open.
    pub fn path(&self, node: NodeKey) -> Option<CallPath> {
        let connections = self.shared.peers.of(node);
        let (rtt, relayed) = connections.last()?.tunnel.path();
        Some(CallPath { relayed, rtt })
    }

    /// Takes the node out of the mesh: found no more at once, good-bye to every peer, running
    /// calls end or are cut off after `grace`.
    ///
    /// # Cancellation
    /// Dropping the future leaves the node open but refusing calls; call it again.
    pub async fn close(&self, grace: Duration) {
        self.shared.close(grace).await;
    }

    /// The lock that keeps a stored node key to this process, which closing would let go.
    pub(crate) fn take_use_lock(&self) -> Option<crate::home::Lock> {
        self.shared.use_lock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Starts with other bounds of time than those of `limits`.
    #[cfg(test)]
    pub(super) async fn start_with(
        options: MeshOptions,
        host: Arc<dyn MeshHost>,
        patience: Patience,
    ) -> Result<Self> {
        Ok(Self { shared: start::start(options, host, patience).await? })
    }

    #[cfg(test)]
    pub(super) fn shared_for_tests(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The agents that were announced last: every file and frame of them follows that.
    #[cfg(test)]
    pub(crate) fn announced_for_tests(&self) -> Arc<Vec<v1::AgentAnnouncement>> {
        self.shared.local.agents()
    }

    /// Waits until so many agents are announced.
    #[cfg(test)]
    pub(crate) async fn until_announced_for_tests(&self, many: usize) {
        let mut changes = self.shared.announced.subscribe();
        changes.wait_for(|_| self.announced_for_tests().len() == many).await.unwrap();
    }

    /// Ends every task and lets the locks go, without a word to anyone.
    #[cfg(test)]
    pub(super) fn vanish_for_tests(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.stop.cancel();
        if let Some(presence) = &self.shared.presence {
            presence.end();
        }
        self.shared.use_lock.lock().unwrap().take();
    }
}

fn is_member(greeting: &hello::Greeting) -> bool {
    greeting.is_member()
}

impl Shared {
    /// A place among the calls that wait for a connection or a stream.
    pub(super) fn place(&self) -> Result<SemaphorePermit<'_>> {
        self.waiting.try_acquire().map_err(|_| {
            Error::new(Kind::Busy, "too many calls of this node wait for a stream")
                .with_code("outbound_queue")
                .with_limit("OUTBOUND_QUEUE", limits::OUTBOUND_QUEUE as u64)
        })
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// False once this node takes itself out of the mesh.
    pub(super) fn shows_itself(&self) -> bool {
        self.presence.as_ref().is_some_and(Presence::is_shown)
    }

    /// Waits until no call runs to or from another node.
    async fn quiet(&self) {
        for connection in self.peers.all() {
            connection.quiet().await;
        }
    }

    /// Waits until the members that hear of records have all that was said to them.
    async fn heard_out(&self) {
        let connections = self.peers.all().into_iter().filter(|one| one.spreads());
        let last = connections.filter_map(|connection| {
            let (said, had) = oneshot::channel();
            connection.control.try_send(super::connection::Say::Last(said)).ok().map(|()| had)
        });
        for had in last.collect::<Vec<_>>() {
            // One whose connection ends is waited for no more.
            let _ = had.await;
        }
    }

    async fn close(&self, grace: Duration) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(presence) = &self.presence {
            presence.hide();
        }
        self.directory.leave().await;
        let deadline_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        for connection in self.peers.all() {
            let goodbye = super::connection::Say::Goodbye { deadline_ms };
            // A full queue is a peer that does not read: it learns it from the close.
            let _ = connection.control.try_send(goodbye);
        }
        if timeout(grace, self.quiet()).await.is_err() {
            tracing::debug!("calls were still running at the end of the grace");
            self.cut.cancel();
            // Each of them waits for its peer's word, and not for long.
            let _ = timeout(PARTING, self.quiet()).await;
        }
        if self.directory.is_awake() {
            // Closing a connection would overtake what was said last, whatever calls are given.
            let _ = timeout(PARTING, self.heard_out()).await;
        }
        for connection in self.peers.all() {
            connection.close(CloseReason::Goodbye);
        }
        self.stop.cancel();
        self.tasks.close();
        self.link.close().await;
        if let Some(presence) = &self.presence {
            presence.end();
        }
        drop(self.use_lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{Echo, text_request};
    use super::*;

    #[tokio::test]
    async fn so_many_calls_wait_for_a_stream_and_the_next_is_refused() {
        let (host, _sees) = Echo::new();
        let mesh = Mesh::start(MeshOptions::new(Home::memory()), host).await.unwrap();
        let enter = || mesh.shared.place().unwrap();
        let mut waiting: Vec<_> = (0..limits::OUTBOUND_QUEUE).map(|_| enter()).collect();
        let call = async || {
            let (_caller, end) = crate::call::pipe::pipe();
            let nobody = NodeKey::from_bytes([9; 32]);
            mesh.call(nobody, text_request("", ""), Bodies::none(), end).await.unwrap_err()
        };
        let refused = call().await;
        assert_eq!((refused.kind, refused.code.as_str()), (Kind::Busy, "outbound_queue"));
        assert_eq!(refused.limit.unwrap().name, "OUTBOUND_QUEUE");
        waiting.pop();
        assert_eq!(call().await.code, "unknown_node", "it had a place, and nowhere to go");
    }
}

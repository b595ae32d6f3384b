//! What the tests of the node share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it")]

use hubless::call::handle::Call;
use hubless::{Agent, AgentOptions, Content, FindOptions, Node, NodeOptions, RequestOptions};
use hubless::{Result, handler};
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longest wait for what comes within moments.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// As [`PATIENCE`], for an agent that another node may still have to tell of; in milliseconds.
pub(crate) const WAIT_MS: u64 = 20_000;

/// A node without folders.
pub(crate) async fn memory_node() -> Node {
    let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    Node::start(options).await.unwrap()
}

/// Options of an agent in their JSON form.
pub(crate) fn agent(options: Value) -> AgentOptions {
    AgentOptions::read(options).unwrap()
}

/// Registers an agent that answers by an async function.
pub(crate) async fn register<F, A>(node: &Node, options: Value, function: F) -> Agent
where
    F: Fn(Call, Content) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Content>> + Send + 'static,
{
    node.register(agent(options), handler(function)).await.unwrap()
}

/// An agent whose calls wait at a gate: each permit lets one answer with what it got, and once the
/// gate is closed all do.
pub(crate) struct Gated {
    pub(crate) agent: Agent,
    pub(crate) gate: Arc<Semaphore>,
    /// Calls that came as far as the gate.
    pub(crate) starts: Arc<AtomicUsize>,
}

impl Gated {
    /// Waits until so many calls have come as far as the gate. A node counts a call from its
    /// arrival on, before it is known whether it may run.
    pub(crate) async fn started(&self, calls: usize) {
        while self.starts.load(Ordering::SeqCst) < calls {
            tokio::task::yield_now().await;
        }
    }
}

/// Registers such an agent.
pub(crate) async fn gated(node: &Node, options: Value) -> Gated {
    let (gate, starts) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, counted) = (Arc::clone(&gate), Arc::clone(&starts));
    let agent = register(node, options, move |_, content| {
        counted.fetch_add(1, Ordering::SeqCst);
        let open = Arc::clone(&open);
        async move {
            if let Ok(permit) = open.acquire().await {
                permit.forget();
            }
            Ok(content)
        }
    })
    .await;
    Gated { agent, gate, starts }
}

/// A request with a value, to an agent that must be there.
pub(crate) fn ask(to: &str, value: Value) -> RequestOptions {
    RequestOptions { wait_ms: Some(WAIT_MS), ..RequestOptions::new(to, Content::value(value)) }
}

/// How to look for agents that must be there.
pub(crate) fn patient() -> FindOptions {
    FindOptions { wait: PATIENCE, explain: false }
}

/// Waits for what comes within moments.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(PATIENCE, coming).await;
    came.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Two nodes of one home.
pub(crate) struct Pair {
    pub(crate) one: Node,
    pub(crate) two: Node,
    pub(crate) _home: tempfile::TempDir,
}

/// Starts two nodes in an empty home.
pub(crate) async fn pair() -> Pair {
    let home = tempfile::tempdir().unwrap();
    let one = node_in(&home).await;
    let two = node_in(&home).await;
    Pair { one, two, _home: home }
}

/// Starts a node in a home.
pub(crate) async fn node_in(home: &tempfile::TempDir) -> Node {
    let options = NodeOptions { home: Some(home.path().to_owned()), ..NodeOptions::default() };
    Node::start(options).await.unwrap()
}

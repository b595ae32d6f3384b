//! What the tests of the node share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it")]

use hubless::call::handle::Call;
use hubless::{Agent, AgentOptions, Content, Node, NodeOptions, RequestOptions, Result, handler};
use serde_json::Value;
use std::future::Future;

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

/// A request with a value.
pub(crate) fn ask(to: &str, value: Value) -> RequestOptions {
    RequestOptions::new(to, Content::value(value))
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

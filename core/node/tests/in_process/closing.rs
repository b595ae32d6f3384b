//! What is asked of a node that closes, and of one that is closed.

use super::support::{Gated, agent, ask, gated, memory_node, register};
use hubless::node::{FindOptions, Scope};
use hubless::{Content, Error, Kind, Node, RequestOptions, handler};
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A node on its way out: one of its calls still runs, until the gate is opened.
struct Closing {
    node: Node,
    gate: Arc<Semaphore>,
    running: tokio::task::JoinHandle<hubless::Result<hubless::Reply>>,
    closed: tokio::task::JoinHandle<()>,
    starts: Arc<AtomicUsize>,
}

async fn closing() -> Closing {
    let node = memory_node().await;
    let Gated { gate, starts, .. } = gated(&node, json!({"name": "slow"})).await;
    let asking = node.clone();
    let running = tokio::spawn(async move { asking.request(ask("slow", json!("ran"))).await });
    while starts.load(Ordering::Acquire) == 0 {
        tokio::task::yield_now().await;
    }
    let leaving = node.clone();
    let closed = tokio::spawn(async move { leaving.close(Duration::from_secs(20)).await });
    // Nothing tells that it began but its answers.
    while node.list_agents(Scope::All).is_ok() {
        tokio::task::yield_now().await;
    }
    Closing { node, gate, running, closed, starts }
}

/// Everything that a node can be asked.
async fn refusals(node: &Node) -> Vec<(&'static str, Option<Error>)> {
    let echo = || handler(|_, content: Content| async move { Ok(content) });
    let quick = FindOptions { wait: Duration::from_millis(1), explain: false };
    let (query, request) = (Query::default, || ask("slow", json!("late")));
    let id = hubless_proto::identity::AgentId::from_bytes([1; 32]);
    vec![
        ("request", node.request(request()).await.err()),
        ("send", node.send(request()).await.err()),
        ("stream", node.stream(request()).err()),
        ("register", node.register(agent(json!({"name": "late"})), echo()).await.err()),
        ("check", node.check(id, request()).await.err()),
        ("find", node.find(query(), quick).await.err()),
        ("peer", node.peer(query(), quick).await.err()),
        ("discover", node.discover(query(), quick).err()),
        ("watch", node.watch(query()).err()),
        ("describe", node.describe("slow").await.err()),
        ("list_agents", node.list_agents(Scope::Local).err()),
        ("load_agents", node.load_agents(Vec::new()).err()),
    ]
}

fn assert_closed(refused: Vec<(&'static str, Option<Error>)>) {
    for (what, error) in refused {
        let error = error.unwrap_or_else(|| panic!("{what} was not refused"));
        assert!(!error.rejection, "{what}: {error}");
        assert_eq!(error.kind, Kind::Closed, "{what}: {error}");
    }
}

#[tokio::test]
async fn everything_is_closed_while_a_node_closes_and_afterwards() {
    let Closing { node, gate, running, closed, starts } = closing().await;
    assert_closed(refusals(&node).await);
    gate.add_permits(1);
    let reply = running.await.unwrap().unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("ran")), "what ran before may end");
    closed.await.unwrap();
    assert_closed(refusals(&node).await);
    assert_eq!(starts.load(Ordering::Acquire), 1);
}

#[tokio::test]
async fn an_attempt_that_meets_the_closing_of_its_own_node_is_closed() {
    let node = memory_node().await;
    let leaving = node.clone();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "last"}), move |_, _| {
        let leaving = leaving.clone();
        counted.fetch_add(1, Ordering::Release);
        async move {
            let node = leaving.clone();
            tokio::spawn(async move { node.close(Duration::from_secs(20)).await });
            while leaving.list_agents(Scope::All).is_ok() {
                tokio::task::yield_now().await;
            }
            Err(Error::new(Kind::HandlerFailed, "try again"))
        }
    })
    .await;
    let mut request = RequestOptions::read(json!({"to": "last", "effect": "PURE",
        "retry": {"attempts": 3, "on": ["handler_failed"]}}))
    .unwrap();
    request.content = Content::value(Value::Null);
    let error = node.request(request).await.unwrap_err();
    assert_eq!((error.kind, error.rejection), (Kind::Closed, false), "{error}");
    assert_eq!(runs.load(Ordering::Acquire), 1);
}

#[tokio::test]
async fn who_waits_is_told_at_once_that_the_node_is_closed() {
    let node = memory_node().await;
    let long = FindOptions { wait: Duration::from_secs(60), explain: false };
    let (finds, asks, names) = (node.clone(), node.clone(), node.clone());
    let find = tokio::spawn(async move { finds.find(Query::default(), long).await.err() });
    let mut later = ask("never", json!(1));
    later.wait_ms = Some(60_000);
    let asked = tokio::spawn(async move { asks.request(later).await.err() });
    let mut watch = names.watch(Query::default()).unwrap();
    assert!(watch.next().await.is_some(), "the snapshot");
    tokio::task::yield_now().await;
    node.close(Duration::from_secs(1)).await;
    for waiting in [find, asked] {
        let told = tokio::time::timeout(Duration::from_secs(5), waiting).await;
        assert_eq!(told.unwrap().unwrap().map(|error| error.kind), Some(Kind::Closed));
    }
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_closed_node_refuses_and_says_so() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    node.close(Duration::from_secs(1)).await;
    node.close(Duration::from_secs(1)).await;
    assert_eq!(node.request(ask("echo", json!("x"))).await.unwrap_err().kind, Kind::Closed);
}

//! Agents that are searched by what they accept, which their skill documents say.

use super::support::{Pair, WAIT_MS, node_in, pair, patient, register, soon};
use hubless::node::Change;
use hubless::{Agent, Content, FindOptions, Node, RequestOptions};
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::Duration;

fn taking(kind: &str) -> Value {
    json!({"type": "object", "properties": {"a": {"type": kind}}, "required": ["a"]})
}

/// Registers an agent that takes `a` of this type.
async fn takes(node: &Node, name: &str, kind: &str) -> Agent {
    let skill = json!({"id": "take", "description": "takes it", "inputSchema": taking(kind)});
    register(node, json!({"name": name, "skills": [skill]}), |_, c| async move { Ok(c) }).await
}

fn accepting(kind: &str) -> Query {
    Query::read(json!({"accepts": taking(kind)})).unwrap()
}

#[tokio::test]
async fn a_request_to_whoever_accepts_it_reaches_an_agent_that_nobody_described() {
    let Pair { one, two, _home } = pair().await;
    takes(&one, "words", "string").await;
    let sum = takes(&one, "sum", "integer").await;
    let to = json!({"query": {"accepts": taking("integer")}});
    let mut request = RequestOptions::read(json!({"to": to, "wait": WAIT_MS})).unwrap();
    request.content = Content::value(json!({"a": 1}));
    assert_eq!(two.request(request).await.unwrap().agent.agent_id, sum.id());
    // The control: nobody takes this.
    let to = json!({"query": {"accepts": taking("boolean")}});
    let mut request = RequestOptions::read(json!({"to": to, "wait": 50})).unwrap();
    request.content = Content::value(json!({"a": true}));
    assert_eq!(two.request(request).await.unwrap_err().kind, hubless::Kind::NotFound);
}

#[tokio::test]
async fn what_an_agent_of_the_own_node_accepts_is_known_at_once() {
    let Pair { one, two, _home } = pair().await;
    takes(&one, "sum", "integer").await;
    let now = FindOptions { wait: Duration::ZERO, explain: false };
    let found = one.find(accepting("integer"), now).await.unwrap();
    assert_eq!(found.len(), 1);
    let mut watch = one.watch(accepting("integer")).unwrap();
    let first = soon("the snapshot", watch.next()).await;
    assert!(matches!(first, Some(Change::Snapshot(all)) if all.len() == 1));
    assert_eq!(two.find(accepting("integer"), patient()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_watcher_hears_of_a_match_once_its_document_has_come() {
    let Pair { one, two, _home } = pair().await;
    let mut watch = two.watch(accepting("integer")).unwrap();
    let first = soon("the snapshot", watch.next()).await;
    assert!(matches!(first, Some(Change::Snapshot(all)) if all.is_empty()));
    takes(&one, "words", "string").await;
    let sum = takes(&one, "sum", "integer").await;
    let next = soon("the match", watch.next()).await;
    assert!(matches!(next, Some(Change::Arrived(found)) if found.agent_id == sum.id()));
    sum.unregister(Duration::ZERO).await.unwrap();
    let gone = soon("its end", watch.next()).await;
    assert!(matches!(gone, Some(Change::Departed { name, .. }) if name == "sum"));
}

#[tokio::test]
async fn a_discovery_fetches_what_it_has_to_know() {
    let Pair { one, two, _home } = pair().await;
    takes(&one, "words", "string").await;
    let sum = takes(&one, "sum", "integer").await;
    let mut finds = two.discover(accepting("integer"), FindOptions::default()).unwrap();
    let found = soon("the match", finds.next()).await.unwrap();
    assert_eq!(found.agent_id, sum.id());
    // Of an agent that was there before the node as well.
    let third = node_in(&_home).await;
    let mut finds = third.discover(accepting("string"), FindOptions::default()).unwrap();
    assert_eq!(soon("the match", finds.next()).await.unwrap().name, "words");
}

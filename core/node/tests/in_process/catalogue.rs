//! Agents that a program knows by hand.

use super::support::{ask, memory_node, register};
use hubless::node::{Change, FindOptions, Scope};
use hubless::{Content, Kind, Node};
use hubless_proto::identity::AgentId;
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::Duration;

const QUICK: FindOptions = FindOptions { wait: Duration::ZERO, explain: true };

fn entry(n: u8, name: &str, description: &str) -> Value {
    let id = AgentId::from_bytes([n; 32]).to_string();
    json!({"agentId": id, "name": name, "description": description, "tags": ["listed"],
        "skills": [{"id": "draw"}]})
}

fn query(value: Value) -> Query {
    Query::read(value).unwrap()
}

async fn names(node: &Node, asked: Value) -> Vec<String> {
    let found = node.find(query(asked), QUICK).await.unwrap();
    found.into_iter().map(|found| found.name).collect()
}

#[tokio::test]
async fn imported_agents_are_found_after_those_that_live() {
    let node = memory_node().await;
    let charts = json!({"name": "alive", "description": "draws charts", "tags": ["listed"]});
    register(&node, charts, |_, content: Content| async move { Ok(content) }).await;
    let entries = vec![entry(1, "paper", "draws charts"), entry(2, "music", "sings")];
    let loaded = node.load_agents(entries).unwrap();
    assert_eq!((loaded.loaded, loaded.refused.len()), (2, 0));
    assert_eq!(names(&node, json!("charts")).await, ["alive", "paper"]);
    assert_eq!(names(&node, json!({"skill": "draw"})).await, ["music", "paper"]);
    assert_eq!(names(&node, json!({"tags": ["listed"], "limit": 2})).await, ["alive", "music"]);
    assert_eq!(node.peer(query(json!({"text": "sings"})), QUICK).await.unwrap().name, "music");
    let paper = node.find(
        query(json!({"filter":
        {"field": "name", "op": "=", "value": "paper"}})),
        QUICK,
    );
    let paper = paper.await.unwrap().remove(0);
    assert_eq!((paper.node_key, paper.score), (None, 0.0), "no node is known to host it");
    let listed = node.list_agents(Scope::Client).unwrap();
    let listed: Vec<&str> = listed.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(listed, ["music", "paper"]);
}

#[tokio::test]
async fn an_imported_agent_without_a_host_cannot_be_called() {
    let node = memory_node().await;
    node.load_agents(vec![entry(1, "paper", "")]).unwrap();
    let id = AgentId::from_bytes([1; 32]).to_string();
    for to in ["paper", id.as_str()] {
        let mut request = ask(to, json!(1));
        request.wait_ms = Some(0);
        let error = node.request(request).await.unwrap_err();
        assert_eq!(error.kind, Kind::NotFound, "{error}");
        assert!(error.message.contains("no node that hosts this agent"), "{error}");
        assert_eq!(error.agent.as_deref(), Some(id.as_str()));
    }
}

#[tokio::test]
async fn a_local_name_wins_over_an_imported_one() {
    let node = memory_node().await;
    let echo = |_, content: Content| async move { Ok(content) };
    register(&node, json!({"name": "mine"}), echo).await;
    let twice = vec![entry(1, "mine", ""), entry(2, "paper", ""), entry(3, "paper", "")];
    let loaded = node.load_agents(twice).unwrap();
    assert_eq!(loaded.loaded, 1);
    for (refused, field) in loaded.refused.iter().zip(["descriptors.0", "descriptors.2"]) {
        let told = (refused.kind, refused.code.as_str(), refused.field.as_deref());
        assert_eq!(told, (Kind::Conflict, "name_taken", Some(field)));
    }
    assert_eq!(loaded.refused.len(), 2);
    assert_eq!(names(&node, json!({"tags": ["listed"]})).await, ["paper"]);
    let paper = register(&node, json!({"name": "paper"}), echo).await;
    let reply = node.request(ask("paper", json!("x"))).await.unwrap();
    assert_eq!(reply.agent.agent_id, paper.id());
    assert_eq!(names(&node, json!({"tags": ["listed"]})).await, [""; 0], "hidden");
    paper.unregister(Duration::ZERO).await.unwrap();
    assert_eq!(names(&node, json!({"tags": ["listed"]})).await, ["paper"], "and back again");
}

#[tokio::test]
async fn watchers_and_discoverers_are_told_of_imported_agents() {
    let node = memory_node().await;
    node.load_agents(vec![entry(1, "first", "")]).unwrap();
    let asked = || query(json!({"tags": ["listed"]}));
    let mut watch = node.watch(asked()).unwrap();
    let mut discovery = node.discover(asked(), QUICK).unwrap();
    assert!(matches!(watch.next().await, Some(Change::Snapshot(all)) if all.len() == 1));
    assert_eq!(discovery.next().await.unwrap().name, "first");
    node.load_agents(vec![entry(2, "second", "")]).unwrap();
    assert!(matches!(watch.next().await, Some(Change::Arrived(found)) if found.name == "second"));
    assert_eq!(discovery.next().await.unwrap().name, "second");
    let echo = |_, content: Content| async move { Ok(content) };
    register(&node, json!({"name": "second"}), echo).await;
    let gone = watch.next().await;
    assert!(matches!(gone, Some(Change::Departed { name, .. }) if name == "second"));
}

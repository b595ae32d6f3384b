//! Agents that come and go.

use super::support::{Gated, agent, ask, gated, memory_node, register, soon};
use hubless::{Call, Handler, Inbound, Kind, handler};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

#[tokio::test]
async fn unregistering_lets_a_running_call_finish() {
    let node = memory_node().await;
    let slow = gated(&node, json!({"name": "slow"})).await;
    let asking = node.clone();
    let running = tokio::spawn(async move { asking.request(ask("slow", json!("x"))).await });
    slow.started(1).await;
    let Gated { agent: slow, gate, .. } = slow;
    let leaving = tokio::spawn(async move { slow.unregister(Duration::from_secs(5)).await });
    while node.status().agents > 0 {
        tokio::task::yield_now().await;
    }
    let mut gone = ask("slow", json!("x"));
    gone.wait_ms = Some(0);
    assert_eq!(node.request(gone).await.unwrap_err().kind, Kind::NotFound);
    gate.add_permits(1);
    assert!(running.await.unwrap().is_ok());
    leaving.await.unwrap().unwrap();
}

/// Keeps its calls, answered or not.
struct Keeps(mpsc::UnboundedSender<Call>);

impl Handler for Keeps {
    fn handle(&self, inbound: Inbound) {
        self.0.send(inbound.call).unwrap();
    }
}

#[tokio::test]
async fn unregistering_ends_with_the_last_handler_though_its_call_was_over_before() {
    let node = memory_node().await;
    let (sender, mut kept) = mpsc::unbounded_channel();
    let keeps = node.register(agent(json!({"name": "keeps"})), Arc::new(Keeps(sender)));
    let keeps = keeps.await.unwrap();
    let mut total_ms = 20;
    let mut calls = Vec::new();
    while calls.is_empty() {
        let mut request = ask("keeps", json!("x"));
        request.total_ms = Some(total_ms);
        assert_eq!(node.request(request).await.unwrap_err().kind, Kind::Deadline);
        // A busy machine had not come to the handler when the time was over.
        calls.extend(kept.try_recv().ok());
        total_ms *= 2;
        assert!(total_ms < 60_000, "the handler did not begin");
    }
    let over = async {
        while node.status().calls > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the call", over).await;
    // One may have come to the handler after its caller was told.
    calls.extend(std::iter::from_fn(|| kept.try_recv().ok()));
    let leaving = tokio::spawn(async move { keeps.unregister(Duration::from_secs(60)).await });
    while node.status().agents > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!leaving.is_finished(), "the handler still has its call");
    drop(calls);
    soon("the last handler", leaving).await.unwrap().unwrap();
}

#[tokio::test]
async fn names_are_taken_once() {
    let node = memory_node().await;
    let says =
        |word: &'static str| handler(move |_, _| async move { Ok(hubless::Content::text(word)) });
    let first = node.register(agent(json!({"name": "a"})), says("first")).await.unwrap();
    for _ in 0..2 {
        let again = node.register(agent(json!({"name": "A"})), says("second")).await;
        let error = again.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "name_taken"));
        assert_eq!(node.status().agents, 1);
        for to in ["a", "A", &first.id().to_string(), &first.address().to_string()] {
            let reply = node.request(ask(to, json!("x"))).await.unwrap();
            assert_eq!(reply.content.joined_text(), "first", "{to}");
            assert_eq!(reply.agent.agent_id, first.id(), "{to}");
        }
    }
    // The one that was refused left nothing behind: the name is free with the first.
    first.unregister(Duration::ZERO).await.unwrap();
    let second = node.register(agent(json!({"name": "A"})), says("second")).await.unwrap();
    let reply = node.request(ask("a", json!("x"))).await.unwrap();
    assert_eq!(
        (reply.content.joined_text().as_str(), reply.agent.agent_id),
        ("second", second.id())
    );
}

#[tokio::test]
async fn a_grant_that_is_required_must_be_brought() {
    let node = memory_node().await;
    let options = json!({"name": "g", "needs": {"grant": "required"}});
    register(&node, options, |_, c| async move { Ok(c) }).await;
    let error = node.request(ask("g", json!(1))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::BudgetExhausted, "grant_required"));
    let options = agent(json!({"name": "x", "needs": {"grant": "perhaps"}}));
    let error = node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("needs.grant")));
}

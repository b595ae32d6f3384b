//! Agents that come and go.

use super::support::{agent, ask, memory_node, register};
use hubless::{Kind, handler};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn unregistering_lets_a_running_call_finish() {
    let node = memory_node().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = Arc::clone(&gate);
    let slow = register(&node, json!({"name": "slow"}), move |_, content| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            Ok(content)
        }
    })
    .await;
    let asking = node.clone();
    let running = tokio::spawn(async move { asking.request(ask("slow", json!("x"))).await });
    while node.status().calls == 0 {
        tokio::task::yield_now().await;
    }
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

#[tokio::test]
async fn names_are_taken_once() {
    let node = memory_node().await;
    register(&node, json!({"name": "a"}), |_, c| async move { Ok(c) }).await;
    let again = node.register(agent(json!({"name": "A"})), handler(|_, c| async move { Ok(c) }));
    let error = again.await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "name_taken"));
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

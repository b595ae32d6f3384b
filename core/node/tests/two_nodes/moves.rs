//! Agents that go and come back while others call them by name.

use super::support::{Pair, ask, pair, register};
use hubless::Kind;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_name_that_is_registered_again_is_reached_whatever_the_caller_still_knows() {
    let Pair { one, two, _home } = pair().await;
    for round in 0..50 {
        let agent = register(&one, json!({"name": "again"}), |_, c| async move { Ok(c) }).await;
        let reply = two.request(ask("again", json!(round))).await.unwrap();
        assert_eq!(reply.agent.agent_id, agent.id());
        agent.unregister(Duration::ZERO).await.unwrap();
        let next = register(&one, json!({"name": "again"}), |_, c| async move { Ok(c) }).await;
        // The caller may still hold the first one's records.
        let reply = two.request(ask("again", json!(round))).await;
        let reply = reply.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!((reply.agent.agent_id, reply.attempts), (next.id(), 1));
        next.unregister(Duration::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_does_not_come_back_is_not_found_when_the_wait_is_over() {
    let Pair { one, two, _home } = pair().await;
    let agent = register(&one, json!({"name": "gone"}), |_, c| async move { Ok(c) }).await;
    two.request(ask("gone", json!(1))).await.unwrap();
    agent.unregister(Duration::ZERO).await.unwrap();
    let asked = hubless::RequestOptions { wait_ms: Some(50), ..ask("gone", json!(2)) };
    assert_eq!(two.request(asked).await.unwrap_err().kind, Kind::NotFound);
}

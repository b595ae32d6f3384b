//! Calls inside calls: their depth, trace and callers, and agents that live for one call.

use super::support::{agent, ask, memory_node, register};
use hubless::{AgentOptions, Content, Kind, handler};
use serde_json::{Value, json};

#[tokio::test]
async fn a_child_call_carries_depth_trace_and_caller_and_ends_with_its_parent() {
    let node = memory_node().await;
    register(&node, json!({"name": "leaf"}), |call, _| async move {
        Ok(Content::value(json!({
            "depth": call.request().depth,
            "trace": call.trace().traceparent,
            "from": call.caller().agent,
            "left": call.remaining().as_millis() as u64,
        })))
    })
    .await;
    let inner = node.clone();
    let nested = register(&node, json!({"name": "nested"}), move |call, _| {
        let inner = inner.clone();
        async move {
            let mut request = ask("leaf", Value::Null);
            request.parent = Some(call.parent());
            Ok(inner.request(request).await?.content)
        }
    })
    .await;
    let mut request = ask("nested", Value::Null);
    request.timeout_ms = Some(2_000);
    request.trace = Some(hubless_proto::wire::v1::Trace {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ..Default::default()
    });
    let leaf = node.request(request).await.unwrap().content.decoded().unwrap();
    assert_eq!(leaf["depth"], 1);
    assert_eq!(leaf["from"], json!(nested.id()));
    assert!(leaf["left"].as_u64().unwrap() <= 2_000);
    assert!(leaf["trace"].as_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
}

#[tokio::test]
async fn nesting_ends_at_sixteen() {
    let node = memory_node().await;
    let again = node.clone();
    register(&node, json!({"name": "again"}), move |call, content| {
        let again = again.clone();
        async move {
            let mut request = ask("again", content.decoded().unwrap());
            request.parent = Some(call.parent());
            Ok(again.request(request).await?.content)
        }
    })
    .await;
    let error = node.request(ask("again", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HopLimit, "depth"));
}

#[tokio::test]
async fn an_agent_that_is_not_reentrant_refuses_its_own_calls() {
    let node = memory_node().await;
    let again = node.clone();
    let options = json!({"name": "once", "requirements": {"reentrant": false}});
    register(&node, options, move |call, _| {
        let again = again.clone();
        async move {
            let mut request = ask("once", json!("x"));
            request.parent = Some(call.parent());
            Ok(again.request(request).await?.content)
        }
    })
    .await;
    let error = node.request(ask("once", json!("x"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Cycle);
}

#[tokio::test]
async fn child_agents_are_gone_when_the_caller_has_its_answer() {
    let node = memory_node().await;
    let inner = node.clone();
    let options = json!({"name": "mother", "concurrency": "isolated"});
    register(&node, options, move |call, _| {
        let inner = inner.clone();
        async move {
            let child =
                AgentOptions { parent: Some(call.parent()), ..agent(json!({"name": "child"})) };
            inner.register(child, handler(|_, c| async move { Ok(c) })).await?;
            assert_eq!(inner.status().agents, 2);
            Ok(inner.request(ask("child", json!("from the child"))).await?.content)
        }
    })
    .await;
    let reply = node.request(ask("mother", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("from the child")));
    assert_eq!(node.status().agents, 1);
}

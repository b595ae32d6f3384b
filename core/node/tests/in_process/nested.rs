//! Calls inside calls: their depth, trace and callers, and agents that live for one call.

use super::support::{agent, ask, memory_node, register, soon};
use hubless::{AgentOptions, Content, Error, FindOptions, Handler, Inbound, Kind, Node, handler};
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

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
            assert!(finds(&inner, "child").await);
            Ok(inner.request(ask("child", json!("from the child"))).await?.content)
        }
    })
    .await;
    let reply = node.request(ask("mother", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("from the child")));
    assert_eq!(node.status().agents, 1);
    assert!(finds(&node, "mother").await && !finds(&node, "child").await);
}

#[tokio::test]
async fn no_child_is_registered_under_a_call_that_is_over() {
    let node = memory_node().await;
    let (gives, mut given) = mpsc::unbounded_channel();
    register(&node, json!({"name": "mother", "concurrency": "isolated"}), move |call, content| {
        gives.send(call.parent()).unwrap();
        async move { Ok(content) }
    })
    .await;
    node.request(ask("mother", json!("x"))).await.unwrap();
    let parent = given.recv().await.unwrap();
    soon("the call ends", async {
        while !parent.is_over() {
            tokio::task::yield_now().await
        }
    })
    .await;
    let child = |parent| AgentOptions { parent, ..agent(json!({"name": "child"})) };
    let echo = handler(|_, c| async move { Ok(c) });
    let error = node.register(child(Some(parent)), Arc::clone(&echo)).await.unwrap_err();
    assert_eq!((error.kind, error.operation.as_str()), (Kind::Cancelled, "register"));
    assert_eq!(node.status().agents, 1);
    assert!(!finds(&node, "child").await);
    node.register(child(None), echo).await.unwrap();
    assert!(finds(&node, "child").await, "the name is free");
}

/// Registers a child of its call, tells what it was asked and how many agents there are, and ends
/// as it is asked to.
struct Mother {
    node: Node,
    told: mpsc::UnboundedSender<(String, usize)>,
}

impl Handler for Mother {
    fn handle(&self, inbound: Inbound) {
        let (node, told) = (self.node.clone(), self.told.clone());
        tokio::spawn(async move {
            let Inbound { call, content, .. } = inbound;
            let how = content.joined_text();
            let child =
                AgentOptions { parent: Some(call.parent()), ..agent(json!({"name": "child"})) };
            let echo = handler(|_, c| async move { Ok(c) });
            if node.register(child, echo).await.is_err() {
                // The call was over before.
                return;
            }
            // One that is late for its caller may outlive its test.
            let _ = told.send((how.clone(), node.status().agents));
            match how.as_str() {
                "answer" => call.finish(content).await.unwrap(),
                "fail" => call.fail(Error::new(Kind::HandlerFailed, "so")).await.unwrap(),
                "panic" => panic!("on purpose"),
                "leave" => drop(call),
                _ => drop(call.cancelled().await),
            }
        });
    }
}

/// Waits until the child is gone, and its call.
async fn alone(node: &Node, how: &str) {
    let two = async {
        while node.status().agents > 2
            || node.status().calls > 0
            || finds(node, "child").await
            || !finds(node, "bystander").await
        {
            tokio::task::yield_now().await;
        }
    };
    soon(how, two).await;
}

/// True when the node finds an agent of this name.
async fn finds(node: &Node, name: &str) -> bool {
    let query = json!({"filter": {"field": "name", "op": "=", "value": name}});
    let at_once = FindOptions { wait: Duration::ZERO, explain: false };
    !node.find(Query::read(query).unwrap(), at_once).await.unwrap().is_empty()
}

#[tokio::test]
async fn child_agents_are_gone_however_their_call_ended() {
    let node = memory_node().await;
    register(&node, json!({"name": "bystander"}), |_, c| async move { Ok(c) }).await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let mother = Mother { node: node.clone(), told };
    let options = json!({"name": "mother", "concurrency": "isolated"});
    node.register(agent(options), Arc::new(mother)).await.unwrap();
    let ended = [
        ("answer", None),
        ("fail", Some(Kind::HandlerFailed)),
        ("panic", Some(Kind::HandlerFailed)),
        ("leave", Some(Kind::HandlerFailed)),
        ("late", Some(Kind::Deadline)),
    ];
    for (how, kind) in ended {
        let mut total_ms = 200;
        loop {
            let mut request = ask("mother", json!(how));
            request.total_ms = (how == "late").then_some(total_ms);
            let reply = node.request(request).await;
            assert_eq!(reply.err().map(|error| error.kind), kind, "{how}");
            let registered = heard.try_recv();
            // A call that is given up ends at its caller before it ends at its callee.
            alone(&node, how).await;
            if registered == Ok((how.to_owned(), 3)) {
                break;
            }
            // A busy machine had not come so far when the time was over.
            assert_eq!(how, "late", "{registered:?}");
            total_ms *= 2;
            assert!(total_ms < 60_000, "the child was not registered in time");
        }
    }
    let asked = node.clone();
    let given_up = tokio::spawn(async move { asked.request(ask("mother", json!("wait"))).await });
    let waits = Some(("wait".to_owned(), 3));
    while soon("the child", heard.recv()).await != waits {}
    assert_eq!(node.status().agents, 3, "while it runs the child is there");
    given_up.abort();
    alone(&node, "given up").await;
    assert!(node.request(ask("bystander", json!(1))).await.is_ok(), "and nothing else is gone");
}

#[tokio::test]
async fn a_child_is_held_to_the_total_time_of_its_parent() {
    let node = memory_node().await;
    register(&node, json!({"name": "leaf"}), |call, _| async move {
        Ok(Content::value(json!(call.request().total_ms)))
    })
    .await;
    let inner = node.clone();
    register(&node, json!({"name": "nested"}), move |call, content| {
        let inner = inner.clone();
        async move {
            let mut request = ask("leaf", Value::Null);
            request.parent = Some(call.parent());
            request.total_ms = content.decoded().and_then(|own| own.as_u64());
            Ok(inner.request(request).await?.content)
        }
    })
    .await;
    for (parent, own, least, most) in [
        (Some(5_000), None, 1, 5_000),
        (Some(5_000), Some(60_000), 1, 5_000),
        (Some(5_000), Some(1_000), 1, 1_000),
        (None, Some(60_000), 5_001, 60_000),
    ] {
        let mut request = ask("nested", json!(own));
        request.total_ms = parent;
        let left = node.request(request).await.unwrap().content.decoded().unwrap();
        let left = left.as_u64().unwrap();
        assert!((least..=most).contains(&left), "{left} of {parent:?} and {own:?}");
    }
    let free = node.request(ask("nested", Value::Null)).await.unwrap();
    assert_eq!(free.content.decoded(), Some(Value::Null), "a total only where one is set");
}

#[tokio::test]
async fn a_child_is_told_what_its_parent_has_left_when_it_leaves() {
    let node = memory_node().await;
    let inner = node.clone();
    register(&node, json!({"name": "nested"}), move |call, _| {
        let inner = inner.clone();
        async move {
            let mut request = ask("late", Value::Null);
            request.parent = Some(call.parent());
            let begun = call.remaining();
            // The request is prepared before, and waits for this name.
            let appears = async {
                while call.remaining() + Duration::from_millis(50) > begun {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let left = call.remaining();
                register(&inner, json!({"name": "late"}), |call, _| async move {
                    Ok(Content::value(json!(call.request().deadline_ms)))
                })
                .await;
                left
            };
            let (reply, left) = tokio::join!(inner.request(request), appears);
            let told = reply?.content.decoded();
            Ok(Content::value(json!({"told": told, "left": left.as_millis() as u64})))
        }
    })
    .await;
    let mut request = ask("nested", Value::Null);
    request.timeout_ms = Some(30_000);
    let times = node.request(request).await.unwrap().content.decoded().unwrap();
    let (told, left) = (times["told"].as_u64().unwrap(), times["left"].as_u64().unwrap());
    assert!((1..=left).contains(&told), "told {told} of {left}");
}

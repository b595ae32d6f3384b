//! Who is asked, what comes back and in which order, and what ends a call early.

use super::support::{agent, ask, memory_node, register};
use hubless::{Content, Error, Inbound, Kind, RequestOptions, StreamItem};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn an_answer_comes_back_with_who_gave_it() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, content| async move { Ok(content) }).await;
    let reply = node.request(ask("echo", json!({"x": [1, 2.5]}))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"x": [1, 2.5]})));
    assert_eq!((reply.agent.name.as_str(), reply.attempts), ("echo", 1));
    assert_eq!(reply.agent.node_key, node.key());
    assert_eq!(reply.path, hubless::node::Path::InProcess);
}

#[tokio::test]
async fn by_id_and_by_address_it_is_the_same_agent() {
    let node = memory_node().await;
    let echo = register(&node, json!({"name": "Echo"}), |_, c| async move { Ok(c) }).await;
    for to in [echo.id().to_string(), echo.address().to_string(), "ECHO".to_owned()] {
        let reply = node.request(ask(&to, json!("x"))).await.unwrap();
        assert_eq!(reply.agent.agent_id, echo.id());
    }
    let own = format!("0:{}", echo.address().to_string().split(':').nth(1).unwrap());
    assert_eq!(node.request(ask(&own, json!("x"))).await.unwrap().agent.agent_id, echo.id());
}

#[tokio::test]
async fn a_name_may_still_appear_and_else_is_not_found() {
    let node = memory_node().await;
    let mut none = ask("nobody", json!("x"));
    none.wait_ms = Some(20);
    assert_eq!(node.request(none).await.unwrap_err().kind, Kind::NotFound);
    let asking = node.clone();
    let late = tokio::spawn(async move { asking.request(ask("late", json!("x"))).await });
    tokio::task::yield_now().await;
    register(&node, json!({"name": "late"}), |_, c| async move { Ok(c) }).await;
    assert!(late.await.unwrap().is_ok());
    let error = node.request(ask("bad name!", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("to")));
}

#[tokio::test]
async fn events_come_in_order_and_chunks_are_gathered() {
    let node = memory_node().await;
    register(&node, json!({"name": "count", "streaming": true}), |call, _| async move {
        for n in 1..=40 {
            call.chunk(Content::text(n.to_string()), false).await?;
        }
        call.progress("half", Some(0.5)).await?;
        Ok(Content::value(json!({"n": 40})))
    })
    .await;
    let mut stream = node.stream(ask("count", Value::Null)).unwrap();
    let (mut chunks, mut notes, mut last) = (Vec::new(), Vec::new(), None);
    while let Some(item) = stream.next().await {
        match item.unwrap() {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, .. } => notes.push(note),
            StreamItem::Chunk { content, .. } => chunks.push(content.joined_text()),
            StreamItem::Final(reply) => last = reply.content.decoded(),
        }
    }
    let wanted: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    assert_eq!(chunks, wanted);
    assert_eq!((notes, last), (vec!["half".to_owned()], Some(json!({"n": 40}))));
}

#[tokio::test]
async fn chunks_are_the_answer_when_the_last_event_is_empty() {
    let node = memory_node().await;
    register(&node, json!({"name": "words"}), |call, _| async move {
        call.chunk(Content::text("a "), false).await?;
        call.chunk(Content::text("b"), true).await?;
        Ok(Content::default())
    })
    .await;
    let reply = node.request(ask("words", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("a b")));
}

#[tokio::test]
async fn what_a_handler_raises_reaches_the_caller() {
    let node = memory_node().await;
    register(&node, json!({"name": "fail"}), |_, _| async move {
        Err(Error::refusal(Kind::Denied, "not_today", "refused on purpose"))
    })
    .await;
    let error = node.request(ask("fail", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_today"));
    assert!(error.rejection && error.trace_id.is_some());
    assert_eq!(error.origin, Some(node.key().to_string()));
    let sent = node.send(ask("fail", json!("x"))).await.unwrap();
    assert!(sent.output.is_none() && sent.rejection.is_some());
}

#[tokio::test]
async fn a_handler_that_panics_or_goes_away_fails_one_call_only() {
    struct Panics(AtomicUsize);
    impl hubless::Handler for Panics {
        fn handle(&self, inbound: Inbound) {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("on purpose"),
                1 => drop(inbound),
                _ => {
                    tokio::spawn(async move { inbound.call.finish(Content::text("ok")).await });
                }
            }
        }
    }
    let node = memory_node().await;
    let panics = Arc::new(Panics(AtomicUsize::new(0)));
    node.register(agent(json!({"name": "panics"})), panics).await.unwrap();
    for code in ["panic", "no_answer"] {
        let error = node.request(ask("panics", json!("x"))).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, code));
    }
    assert!(node.request(ask("panics", json!("x"))).await.is_ok());
}

#[tokio::test]
async fn deadlines_and_cancels_stop_the_handler() {
    let node = memory_node().await;
    let stopped = Arc::new(tokio::sync::Mutex::new(tokio::sync::mpsc::channel(4)));
    let sender = stopped.lock().await.0.clone();
    struct Slow(tokio::sync::mpsc::Sender<Kind>);
    impl hubless::Handler for Slow {
        fn handle(&self, inbound: Inbound) {
            let sender = self.0.clone();
            tokio::spawn(async move {
                let why = inbound.call.cancelled().await;
                sender.send(why.kind).await.unwrap();
            });
        }
    }
    node.register(agent(json!({"name": "slow"})), Arc::new(Slow(sender))).await.unwrap();
    type Set = fn(&mut RequestOptions);
    let sets: [Set; 2] = [|r| r.timeout_ms = Some(30), |r| r.total_ms = Some(30)];
    for set in sets {
        let mut request = ask("slow", json!("x"));
        set(&mut request);
        assert_eq!(node.request(request).await.unwrap_err().kind, Kind::Deadline);
        assert_eq!(stopped.lock().await.1.recv().await, Some(Kind::Deadline));
    }
    let asked = node.request(ask("slow", json!("x")));
    assert!(tokio::time::timeout(Duration::from_millis(30), asked).await.is_err());
    assert_eq!(stopped.lock().await.1.recv().await, Some(Kind::Cancelled));
    assert_eq!(node.status().calls, 0);
}

//! The same again: idempotency keys, retries, turns of a conversation.

use super::support::{ask, memory_node, register};
use hubless::{Content, Error, Kind, RequestOptions};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn one_key_runs_once_and_another_body_is_a_conflict() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "once"}), move |_, _| {
        let run = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok(Content::value(json!({"run": run}))) }
    })
    .await;
    let with = |key: &str, content: Value| {
        let mut request = ask("once", content);
        request.idempotency_key = key.to_owned();
        request
    };
    for _ in 0..3 {
        let reply = node.request(with("a", json!("x"))).await.unwrap();
        assert_eq!(reply.content.decoded(), Some(json!({"run": 1})));
    }
    let error = node.request(with("a", json!("y"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(node.request(with("b", json!("y"))).await.is_ok());
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn retries_follow_the_effect() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "fail"}), move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err(Error::refusal(Kind::HandlerFailed, "", "broken on purpose")) }
    })
    .await;
    for (effect, wanted) in [(None, 1), (Some("PURE"), 3)] {
        runs.store(0, Ordering::Relaxed);
        let mut request = RequestOptions::read(json!({
            "to": "fail", "effect": effect, "retry": {"attempts": 3, "on": ["handler_failed"]}
        }))
        .unwrap();
        request.content = Content::text("x");
        assert_eq!(node.request(request).await.unwrap_err().kind, Kind::HandlerFailed);
        assert_eq!(runs.load(Ordering::Relaxed), wanted);
    }
}

#[tokio::test]
async fn a_request_has_so_many_attempts_at_most() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "fail"}), move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err(Error::refusal(Kind::HandlerFailed, "", "broken on purpose")) }
    })
    .await;
    let with = |attempts: u32| {
        let retry = json!({"attempts": attempts, "on": ["handler_failed"]});
        RequestOptions::read(json!({"to": "fail", "effect": "PURE", "retry": retry})).unwrap()
    };
    let error = node.request(with(limits::RETRY_ATTEMPTS + 1)).await.unwrap_err();
    assert_eq!(error.kind, Kind::InvalidArgument);
    assert_eq!(error.field.as_deref(), Some("retry.attempts"));
    assert_eq!(error.limit.unwrap().name, "RETRY_ATTEMPTS");
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    // The pauses double; what is left of the time ends them early.
    let most = RequestOptions { total_ms: Some(100), ..with(limits::RETRY_ATTEMPTS) };
    assert_eq!(node.request(most).await.unwrap_err().kind, Kind::HandlerFailed);
    assert!(runs.load(Ordering::Relaxed) > 1);
}

#[tokio::test]
async fn turns_of_a_conversation_are_kept() {
    let node = memory_node().await;
    let options = json!({"name": "talk", "flags": {"recordsInteractionContext": true}});
    register(&node, options, |call, _| async move {
        Ok(Content::value(json!({"turns": call.history().len()})))
    })
    .await;
    for turns in [0, 2, 4] {
        let mut request = ask("talk", json!("again"));
        request.conversation_id = "c".to_owned();
        let reply = node.request(request).await.unwrap();
        assert_eq!(reply.content.decoded(), Some(json!({"turns": turns})));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_next_request_finds_the_turn_of_the_answer_before() {
    let node = memory_node().await;
    let options = json!({"name": "talk", "flags": {"recordsInteractionContext": true}});
    register(&node, options, |call, _| async move {
        Ok(Content::value(json!({"turns": call.history().len()})))
    })
    .await;
    for conversation in 0..200 {
        for turns in [0, 2, 4] {
            let mut request = ask("talk", json!("again"));
            request.conversation_id = conversation.to_string();
            let reply = node.request(request).await.unwrap();
            assert_eq!(reply.content.decoded(), Some(json!({"turns": turns})), "{conversation}");
        }
    }
}

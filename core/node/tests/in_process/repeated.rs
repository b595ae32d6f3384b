//! The same again: idempotency keys, retries, turns of a conversation.

use super::support::{ask, memory_node, register, soon};
use hubless::{Content, Error, Kind, Node, RequestOptions, StreamItem};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An agent `fail` that fails each time, and how often it ran.
async fn failing(node: &Node) -> Arc<AtomicUsize> {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(node, json!({"name": "fail"}), move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err(Error::refusal(Kind::HandlerFailed, "", "broken on purpose")) }
    })
    .await;
    runs
}

/// An agent `talk` that says how many turns it remembers.
async fn talking(node: &Node) {
    let options = json!({"name": "talk", "flags": {"recordsInteractionContext": true}});
    register(node, options, |call, _| async move {
        Ok(Content::value(json!({"turns": call.history().len()})))
    })
    .await;
}

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
    let runs = failing(&node).await;
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
async fn only_what_is_named_is_tried_again_and_the_attempts_are_told() {
    let node = memory_node().await;
    let numbers = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&numbers);
    register(&node, json!({"name": "second"}), move |call, _| {
        let attempt = call.request().attempt;
        seen.lock().unwrap().push(attempt);
        async move {
            match attempt {
                1 => Err(Error::refusal(Kind::HandlerFailed, "", "at first")),
                _ => Ok(Content::value(json!(attempt))),
            }
        }
    })
    .await;
    for (effect, on, wanted) in [
        ("IDEMPOTENT", json!(["handler_failed"]), vec![1, 2]),
        ("PURE", json!(["busy", "handler_failed"]), vec![1, 2]),
        ("PURE", json!(["busy", "deadline"]), vec![1]),
        ("PURE", json!([]), vec![1]),
        ("AT_MOST_ONCE", json!(["handler_failed"]), vec![1]),
    ] {
        let retry = json!({"attempts": 3, "on": on});
        let request = json!({"to": "second", "effect": effect, "retry": retry});
        let answer = node.request(RequestOptions::read(request).unwrap()).await;
        assert_eq!(std::mem::take(&mut *numbers.lock().unwrap()), wanted, "{effect} {on}");
        match answer {
            Ok(reply) => assert_eq!((reply.attempts, wanted.len()), (2, 2)),
            Err(error) => assert_eq!((error.kind, wanted.len()), (Kind::HandlerFailed, 1)),
        }
    }
    // Without a policy there is one attempt, whatever the effect.
    let once = RequestOptions::read(json!({"to": "second", "effect": "PURE"})).unwrap();
    assert!(node.request(once).await.is_err());
    assert_eq!(*numbers.lock().unwrap(), [1]);
}

#[tokio::test]
async fn a_stream_of_which_some_was_read_is_not_begun_anew() {
    let node = memory_node().await;
    register(&node, json!({"name": "breaks"}), |call, content| async move {
        let begins = content.decoded() == Some(json!("begins"));
        if begins {
            call.chunk(Content::text("some"), true).await?;
        }
        if call.request().attempt == 1 {
            return Err(Error::refusal(Kind::HandlerFailed, "", "at first"));
        }
        Ok(Content::text("whole"))
    })
    .await;
    for (content, wanted) in [("begins", vec!["some", "handler_failed"]), ("waits", vec!["whole"])]
    {
        let retry = json!({"attempts": 3, "on": ["handler_failed"]});
        let request = json!({"to": "breaks", "effect": "PURE", "retry": retry});
        let mut request = RequestOptions::read(request).unwrap();
        request.content = Content::value(json!(content));
        let mut stream = node.stream(request).unwrap();
        let mut got = Vec::new();
        while let Some(item) = stream.next().await {
            match item {
                Ok(StreamItem::Chunk { content, .. }) => got.push(content.joined_text()),
                Ok(StreamItem::Final(reply)) => got.push(reply.content.joined_text()),
                Ok(_) => {}
                Err(error) => got.push(error.kind.to_string()),
            }
        }
        assert_eq!(got, wanted);
    }
}

#[tokio::test]
async fn a_request_has_so_many_attempts_at_most() {
    let node = memory_node().await;
    let runs = failing(&node).await;
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
    let mut total_ms = 500;
    let (error, ran) = loop {
        let most = RequestOptions { total_ms: Some(total_ms), ..with(limits::RETRY_ATTEMPTS) };
        let before = runs.load(Ordering::Relaxed);
        let began = Instant::now();
        let error = node.request(most).await.unwrap_err();
        if began.elapsed() < Duration::from_millis(total_ms) {
            break (error, runs.load(Ordering::Relaxed) - before);
        }
        // On a busy machine the time was over in the middle of an attempt, or of a pause.
        total_ms *= 2;
        assert!(total_ms < 60_000, "{error}");
    };
    assert_eq!(error.kind, Kind::HandlerFailed);
    assert!(ran > 1, "{ran}");
}

#[tokio::test]
async fn turns_of_a_conversation_are_kept() {
    let node = memory_node().await;
    talking(&node).await;
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
    talking(&node).await;
    for conversation in 0..200 {
        for turns in [0, 2, 4] {
            let mut request = ask("talk", json!("again"));
            request.conversation_id = conversation.to_string();
            let reply = node.request(request).await.unwrap();
            assert_eq!(reply.content.decoded(), Some(json!({"turns": turns})), "{conversation}");
        }
    }
}

#[tokio::test]
async fn a_conversation_belongs_to_one_caller_and_one_callee_and_is_kept_by_who_says_so() {
    let node = memory_node().await;
    talking(&node).await;
    let turns = |call: hubless::call::handle::Call, _| async move {
        Ok(Content::value(json!({"turns": call.history().len()})))
    };
    let flags = json!({"recordsInteractionContext": true});
    register(&node, json!({"name": "other", "flags": flags}), turns).await;
    register(&node, json!({"name": "forgets"}), turns).await;
    let asker = register(&node, json!({"name": "asker"}), |_, c| async move { Ok(c) }).await;
    let steps = [
        ("talk", None, "c", 0),
        ("talk", None, "c", 2),
        ("talk", Some(asker.id()), "c", 0),
        ("talk", Some(asker.id()), "c", 2),
        ("talk", None, "d", 0),
        ("talk", None, "", 0),
        ("talk", None, "", 0),
        ("other", None, "c", 0),
        ("forgets", None, "c", 0),
        ("forgets", None, "c", 0),
        ("talk", None, "c", 4),
    ];
    for (step, (to, from, id, turns)) in steps.into_iter().enumerate() {
        let mut request = ask(to, json!("again"));
        request.from = from;
        request.conversation_id = id.to_owned();
        let reply = node.request(request).await.unwrap();
        assert_eq!(reply.content.decoded(), Some(json!({"turns": turns})), "step {step}");
    }
}

#[tokio::test]
async fn turns_say_who_said_them_and_what() {
    let node = memory_node().await;
    let options = json!({"name": "talk", "flags": {"recordsInteractionContext": true}});
    register(&node, options, |call, content| async move {
        let turn = |part: &hubless_proto::wire::v1::Part| {
            let content = hubless_proto::wire::v1::Content {
                parts: vec![part.clone()],
                ..Default::default()
            };
            json!([part.role, Content::from(content).decoded()])
        };
        if content.joined_text() == "what was said?" {
            return Ok(Content::value(call.history().iter().map(turn).collect()));
        }
        Ok(Content::value(json!({"heard": content.decoded()})))
    })
    .await;
    let ask_in = |text: &str| {
        let mut request = ask("talk", json!(text));
        request.conversation_id = "c".to_owned();
        request
    };
    node.request(ask_in("hello")).await.unwrap();
    let said = node.request(ask_in("what was said?")).await.unwrap().content.decoded();
    let wanted = json!([["user", "hello"], ["assistant", {"heard": "hello"}]]);
    assert_eq!(said, Some(wanted));
}

/// A refusal may name any time.
#[tokio::test]
async fn a_retry_that_would_wait_longer_than_the_call_has_gives_up_with_the_refusal() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "busy"}), move |_, content| {
        let ms = content.decoded().and_then(|ms| ms.as_u64()).unwrap();
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let busy = Error::refusal(Kind::Busy, "", "not now");
            Err(busy.with_retry(hubless_proto::error::Retry::AfterMs(ms)))
        }
    })
    .await;
    for (ms, wanted) in [(1, 3), (61_000, 1), (1_000_000_000_000_000, 1), (u64::MAX, 1)] {
        runs.store(0, Ordering::Relaxed);
        let mut request = ask("busy", json!(ms));
        request.effect = Some("PURE".to_owned());
        let retry = json!({"attempts": 3, "on": ["busy"]});
        request.retry = serde_json::from_value(retry).unwrap();
        let error = soon("the refusal", node.request(request)).await.unwrap_err();
        assert_eq!((error.kind, runs.load(Ordering::Relaxed)), (Kind::Busy, wanted), "{ms}");
    }
}

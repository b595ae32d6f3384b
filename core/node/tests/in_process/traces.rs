//! What a node remembers of calls, and writes to its trace file.

use super::support::{ask, gated, memory_node, register};
use hubless::node::{Path, RetryKind, RetryPolicy};
use hubless::spans::TraceId;
use hubless::{Content, Error, Kind, Node, NodeOptions, RequestOptions};
use hubless_proto::wire::v1;
use serde_json::{Value, json};

/// A node that writes to a trace file.
async fn writing(folder: &tempfile::TempDir) -> (Node, std::path::PathBuf) {
    let file = folder.path().join("trace.jsonl");
    let options =
        NodeOptions { memory_only: true, trace: Some(file.clone()), ..NodeOptions::default() };
    (Node::start(options).await.unwrap(), file)
}

/// The spans of a trace file.
fn spans(text: &str) -> Vec<Value> {
    let read = |line| serde_json::from_str::<Value>(line).unwrap();
    let span = |all: Value| all["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone();
    text.lines().map(read).map(span).collect()
}

fn continued() -> (v1::Trace, TraceId) {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let id = traceparent.parse().unwrap();
    (v1::Trace { traceparent, ..v1::Trace::default() }, id)
}

#[tokio::test]
async fn both_sides_of_a_call_are_one_entry_with_usage_sizes_and_path() {
    let node = memory_node().await;
    register(&node, json!({"name": "worker"}), |call, _| async move {
        call.add_usage(&v1::Usage { input_tokens: 7, output_tokens: 3, ..Default::default() })?;
        call.chunk(Content::text("12"), true).await?;
        Ok(Content::text("345"))
    })
    .await;
    let reply = node.request(ask("worker", json!("four"))).await.unwrap();
    let trace = node.trace(reply.trace_id).await.unwrap();
    let [call] = trace.calls.as_slice() else { panic!("{trace:?}") };
    assert_eq!((call.name.as_str(), call.attempt, call.path), ("worker", 1, Some(Path::InProcess)));
    assert!(call.made.is_some() && call.handled.is_some() && call.parent_id.is_none());
    assert_eq!((call.usage.input_tokens, call.usage.output_tokens), (7, 3));
    assert_eq!((call.request_bytes, call.answer_bytes), (Some(4), Some(5)));
    assert_eq!((call.kind.as_str(), call.language.as_str()), ("", "rust"));
    assert!(call.duration_us >= call.queue_us.unwrap());
    assert!(trace.missing.is_empty() && !trace.more);
    let unknown = node.trace(TraceId::from_bytes([9; 16])).await.unwrap_err();
    assert_eq!((unknown.kind, unknown.field.as_deref()), (Kind::NotFound, Some("trace")));
}

#[tokio::test]
async fn each_attempt_is_a_call_of_its_own_below_what_the_program_continues() {
    let node = memory_node().await;
    let options = json!({"name": "full", "skills": [{"id": "s", "effect": "PURE"}],
        "requirements": {"maxConcurrency": 1, "queue": 0}});
    let full = gated(&node, options).await;
    let other = node.clone();
    let holds = tokio::spawn(async move { other.request(ask("full", json!(1))).await });
    while full.starts.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let (context, id) = continued();
    let mut request = ask("full", json!(2));
    request.retry = RetryPolicy { attempts: 2, on: vec![RetryKind(Kind::Busy)] };
    request.trace = Some(context);
    assert_eq!(node.request(request).await.unwrap_err().kind, Kind::Busy);
    full.gate.close();
    holds.await.unwrap().unwrap();
    let trace = node.trace(id).await.unwrap();
    let seen: Vec<_> = trace.calls.iter().map(|call| (call.attempt, call.kind.as_str())).collect();
    assert_eq!(seen, [(1, "busy"), (2, "busy")]);
    for call in &trace.calls {
        assert_eq!(call.parent_id.map(|id| id.to_string()).as_deref(), Some("b7ad6b7169203331"));
        assert!(call.handled.is_some());
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_remembered_as_cancelled_by_both_sides() {
    let node = memory_node().await;
    let slow = gated(&node, json!({"name": "slow"})).await;
    let (context, id) = continued();
    let mut request = ask("slow", json!(1));
    request.trace = Some(context);
    {
        let call = node.request(request);
        tokio::pin!(call);
        while slow.starts.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::select! {
                biased;
                reply = &mut call => panic!("{reply:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    // Its handler is told, and the call counts until its last event.
    while node.status().calls > 0 {
        tokio::task::yield_now().await;
    }
    let trace = node.trace(id).await.unwrap();
    let [call] = trace.calls.as_slice() else { panic!("{trace:?}") };
    assert_eq!(call.kind, "cancelled");
    assert!(call.made.is_some() && call.handled.is_some());
}

#[tokio::test]
async fn no_content_and_no_credential_is_remembered_or_written() {
    const MARK: &str = "canary-81c2";
    let folder = tempfile::tempdir().unwrap();
    let (node, file) = writing(&folder).await;
    let options = json!({"name": "vault", "requirements": {"auth": {"sharedSecret": MARK}}});
    register(&node, options, |_, _| async move {
        Err::<Content, _>(Error::new(Kind::Denied, MARK).with_code("not_today"))
    })
    .await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let marked = |to: &str| RequestOptions {
        skill: String::new(),
        conversation_id: MARK.to_owned(),
        idempotency_key: MARK.to_owned(),
        auth: Some(v1::Auth { scheme: "shared_secret".to_owned(), secret: MARK.to_owned() }),
        metadata: [("k".to_owned(), json!(MARK))].into_iter().collect(),
        context: Some(v1::Context { explanation: MARK.to_owned(), ..Default::default() }),
        trace: Some(continued().0),
        ..ask(to, json!({"text": MARK}))
    };
    assert_eq!(node.request(marked("vault")).await.unwrap_err().code, "not_today");
    let echoed = node.request(marked("echo")).await.unwrap();
    assert!(echoed.content.joined_text().is_empty() && echoed.content.decoded().is_some());
    let trace = node.trace(continued().1).await.unwrap();
    node.close(std::time::Duration::from_secs(1)).await;
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(spans(&written).len(), 4);
    let told = format!("{trace:?} {}", serde_json::to_string(&trace).unwrap());
    for seen in [&written, &told] {
        assert!(seen.contains("vault") && seen.contains("not_today"));
        assert!(!seen.contains(MARK), "{seen}");
    }
}

#[tokio::test]
async fn a_trace_that_begins_here_is_sampled_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (node, file) = writing(&folder).await;
    let plain = memory_node().await;
    for (node, flags) in [(&node, "-01"), (&plain, "-00")] {
        register(node, json!({"name": "flags"}), |call, _| async move {
            Ok(Content::text(call.trace().traceparent.clone()))
        })
        .await;
        let said = node.request(ask("flags", json!(1))).await.unwrap().content.joined_text();
        assert!(said.ends_with(flags), "{said}");
    }
    node.close(std::time::Duration::from_secs(1)).await;
    let spans = spans(&std::fs::read_to_string(file).unwrap());
    let [handled, made] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((&made["kind"], &handled["kind"]), (&json!(3), &json!(2)));
    assert_eq!(handled["parentSpanId"], made["spanId"]);
    assert_eq!((&handled["traceId"], made.get("parentSpanId")), (&made["traceId"], None));
    let file = Some(folder.path().to_owned());
    let options = NodeOptions { memory_only: true, trace: file, ..NodeOptions::default() };
    let error = Node::start(options).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::Configuration, Some("trace")));
}

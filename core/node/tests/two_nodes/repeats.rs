//! Requests that are made again under one key: the handler runs once, whatever it answered.

use super::support::{Pair, ask, gated, pair, register, soon};
use hubless::{Content, Kind, Node, RequestOptions, StreamItem, body};
use hubless_proto::wire::v1::StreamPart;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn keyed(to: &str) -> RequestOptions {
    RequestOptions { idempotency_key: "k".to_owned(), ..ask(to, json!(1)) }
}

/// Agents that answer in pieces, with a large part, and with bytes that are made as they are read.
async fn agents(node: &Node) -> Arc<AtomicUsize> {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let pieces = json!({"name": "pieces", "streaming": true});
    register(node, pieces, move |call, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            for number in 0..100 {
                call.chunk(Content::text(format!("{number},")), number > 0).await?;
            }
            call.progress("done", Some(1.0)).await?;
            Ok(Content::default())
        }
    })
    .await;
    let counted = Arc::clone(&runs);
    register(node, json!({"name": "appended", "streaming": true}), move |call, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            for number in 0..3 {
                call.chunk(Content::text("x".repeat(200_000)), number > 0).await?;
            }
            Ok(Content::default())
        }
    })
    .await;
    let counted = Arc::clone(&runs);
    register(node, json!({"name": "large"}), move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(Content::text("x".repeat(600_000))) }
    })
    .await;
    let counted = Arc::clone(&runs);
    register(node, json!({"name": "made"}), move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            let (writer, reader) = body();
            tokio::spawn(async move {
                writer.write(bytes::Bytes::from(vec![1; 100_000])).await.unwrap();
                writer.end();
            });
            Ok(Content::stream("application/octet-stream", None, reader))
        }
    })
    .await;
    runs
}

#[tokio::test]
async fn a_repeat_gets_the_whole_answer_again_and_the_handler_runs_once() {
    let Pair { one, two, _home } = pair().await;
    let runs = agents(&one).await;
    let whole: String = (0..100).map(|number| format!("{number},")).collect();
    // From another node, and from the agent's own.
    for (number, node) in [&two, &one].into_iter().enumerate() {
        for _ in 0..3 {
            let reply = node.request(keyed("pieces")).await.unwrap();
            assert_eq!(reply.content.joined_text(), whole);
            for large in ["large", "appended"] {
                let reply = node.request(keyed(large)).await.unwrap();
                assert_eq!(reply.content.joined_text().len(), 600_000, "{large}");
            }
        }
        assert_eq!(runs.load(Ordering::SeqCst), 3 * (number + 1));
    }
    let mut stream = two.stream(keyed("pieces")).unwrap();
    let (mut text, mut notes) = (String::new(), 0);
    while let Some(item) = stream.next().await {
        match item.unwrap() {
            StreamItem::Chunk { content, .. } => text.push_str(&content.joined_text()),
            StreamItem::Progress { .. } => notes += 1,
            StreamItem::Accepted | StreamItem::Final(_) => {}
        }
    }
    assert_eq!((text, notes, runs.load(Ordering::SeqCst)), (whole, 1, 6));
}

#[tokio::test]
async fn an_answer_that_can_be_read_once_is_refused_to_a_repeat_and_not_made_again() {
    let Pair { one, two, _home } = pair().await;
    let runs = agents(&one).await;
    for (number, node) in [&two, &one].into_iter().enumerate() {
        let mut reply = node.request(keyed("made")).await.unwrap();
        assert_eq!(reply.content.bytes(100_000).await.unwrap().len(), 100_000);
        let error = node.request(keyed("made")).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "answered"));
        assert_eq!(runs.load(Ordering::SeqCst), number + 1);
    }
}

/// A keyed request with these bytes as a streamed part, under their digest or none.
fn streamed(bytes: &'static [u8], named: bool) -> RequestOptions {
    let (writer, reader) = body();
    tokio::spawn(async move {
        // A repeat is not read.
        let _ = writer.write(bytes::Bytes::from_static(bytes)).await;
        writer.end();
    });
    let digest = if named { Sha256::digest(bytes).to_vec() } else { Vec::new() };
    let part = StreamPart { kind: "blob".into(), sha256: digest.into(), ..Default::default() };
    let mut request = keyed("reads");
    request.content = Content::default();
    request.content.push_stream(part, reader);
    request
}

#[tokio::test]
async fn a_repeat_with_other_bytes_never_gets_the_answer_to_the_first() {
    for named in [true, false] {
        let Pair { one, two, _home } = pair().await;
        register(&one, json!({"name": "reads"}), |_, mut content| async move {
            let bytes = content.bytes(100).await?;
            Ok(Content::text(String::from_utf8_lossy(&bytes)))
        })
        .await;
        for node in [&two, &one] {
            let first = node.request(streamed(b"first", named)).await.unwrap();
            assert_eq!(first.content.joined_text(), "first");
            let other = node.request(streamed(b"other", named)).await.unwrap_err();
            assert_eq!((other.kind, other.code.as_str()), (Kind::Conflict, "other_body"));
            assert_eq!(other.field.as_deref(), Some("idempotencyKey"));
            // Without a digest nobody knows that these are the same.
            let same = node.request(streamed(b"first", named)).await;
            assert_eq!(same.is_ok(), named, "{same:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_frees_its_key_where_it_may_run_again() {
    for (effect, runs_again) in [("PURE", true), ("IDEMPOTENT", true), ("AT_MOST_ONCE", false)] {
        let Pair { one, two, _home } = pair().await;
        let options = json!({"name": "gated", "skills": [{"id": "gated", "effect": effect}]});
        let gated = gated(&one, options).await;
        let asking = two.clone();
        let call = tokio::spawn(async move { asking.request(keyed("gated")).await });
        soon("the start", gated.started(1)).await;
        call.abort();
        let over = async {
            while one.status().calls > 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("the end", over).await;
        gated.gate.add_permits(1);
        let again = soon("the answer", two.request(keyed("gated"))).await;
        let told = again.as_ref().map(drop).map_err(|error| error.kind);
        assert_eq!(told, if runs_again { Ok(()) } else { Err(Kind::Cancelled) }, "{effect}");
        assert_eq!(gated.starts.load(Ordering::SeqCst), 1 + usize::from(runs_again), "{effect}");
    }
}

//! Requests that are made again under one key: the handler runs once, whatever it answered.

use super::support::{Pair, ask, pair, register};
use hubless::{Content, Kind, Node, RequestOptions, StreamItem, body};
use serde_json::json;
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
            let reply = node.request(keyed("large")).await.unwrap();
            assert_eq!(reply.content.joined_text().len(), 600_000);
        }
        assert_eq!(runs.load(Ordering::SeqCst), 2 * (number + 1));
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
    assert_eq!((text, notes, runs.load(Ordering::SeqCst)), (whole, 1, 4));
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

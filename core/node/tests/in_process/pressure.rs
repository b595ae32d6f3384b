//! A reader of a stream that is behind holds its handler back, and nobody longer than the call has.

use super::support::{ask, memory_node, register, soon};
use hubless::{Content, Kind, StreamItem};
use hubless_proto::limits;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CHUNKS: usize = 1_000;

/// A node whose agent sends chunks as fast as they are taken, and how many were.
async fn talker() -> (hubless::Node, Arc<AtomicUsize>) {
    let node = memory_node().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    register(&node, json!({"name": "talker"}), move |call, _| {
        let counted = Arc::clone(&counted);
        async move {
            for n in 0..CHUNKS {
                call.chunk(Content::text(n.to_string()), false).await?;
                counted.fetch_add(1, Ordering::Release);
            }
            Ok(Content::text("end"))
        }
    })
    .await;
    (node, taken)
}

/// Waits until the handler has begun and gets no further.
async fn rests(taken: &AtomicUsize) -> usize {
    let mut before = 0;
    while before == 0 || before != taken.load(Ordering::Acquire) {
        before = taken.load(Ordering::Acquire);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    before
}

#[tokio::test]
async fn a_slow_reader_holds_its_handler_back_and_loses_nothing() {
    let (node, taken) = talker().await;
    let mut stream = node.stream(ask("talker", json!("go"))).unwrap();
    let held = soon("the end of the room", rests(&taken)).await;
    // Those between handler and caller, those between caller and reader, and one in each hand.
    let most = 2 * limits::CALL_EVENTS + 2;
    assert!((1..=most).contains(&held), "{held} chunks left before one was read");
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        if let StreamItem::Chunk { content, .. } = item.unwrap() {
            seen.push(content.joined_text());
        }
    }
    let wanted: Vec<String> = (0..CHUNKS).map(|n| n.to_string()).collect();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_reader_that_does_not_read_does_not_stretch_the_call() {
    let (node, taken) = talker().await;
    let mut total_ms = 500;
    let mut stream = loop {
        taken.store(0, Ordering::Release);
        let mut request = ask("talker", json!("go"));
        request.total_ms = Some(total_ms);
        let stream = node.stream(request).unwrap();
        let held = tokio::time::timeout(Duration::from_millis(total_ms), rests(&taken)).await;
        let over = async {
            while node.status().calls > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon("the handler to be let go", over).await;
        if held.is_ok() {
            break stream;
        }
        // A busy machine had not come so far when the time was over.
        total_ms *= 2;
        assert!(total_ms < 20_000, "the handler did not rest");
    };
    let mut last = None;
    while let Some(item) = stream.next().await {
        last = Some(item);
    }
    assert_eq!(last.unwrap().unwrap_err().kind, Kind::Deadline);
}

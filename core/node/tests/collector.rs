//! The spans of a node at a collector, or at none.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/collector.rs"]
mod fake;
mod support;

use fake::{Does, FakeCollector};
use hubless::telemetry::{LogLine, set_sink};
use hubless::{Kind, Node, NodeOptions};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{ask, register};
use tracing::level_filters::LevelFilter;

/// Calls of one node; each has two sides, and each side a span.
const CALLS: usize = 20;

/// A node that posts there makes calls, all of which are answered, and closes.
async fn calls(url: &str) {
    let options =
        NodeOptions { memory_only: true, trace: Some(url.into()), ..NodeOptions::default() };
    let node = Node::start(options).await.unwrap();
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    for call in 0..CALLS {
        let answered = node.request(ask("echo", json!(call))).await.unwrap();
        assert_eq!(answered.content.decoded(), Some(json!(call)));
    }
    node.close(Duration::from_secs(1)).await;
}

/// What the log says of spans that are lost.
fn told(lines: &Mutex<Vec<LogLine>>) -> Vec<LogLine> {
    let mut lines = lines.lock().unwrap();
    let lost = |line: &LogLine| line.message.contains("collector");
    std::mem::take(&mut *lines).into_iter().filter(lost).collect()
}

#[tokio::test]
async fn spans_arrive_once_by_the_end_of_the_node_or_their_loss_is_told() {
    let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
    let kept = Arc::clone(&lines);
    let sink = move |line: &LogLine| kept.lock().unwrap().push(line.clone());
    set_sink(LevelFilter::WARN, Some(Arc::new(sink)));

    let unavailable = Does::Refuse(503, String::new());
    for next in [vec![], vec![unavailable]] {
        let good = FakeCollector::start(&next);
        calls(&good.url).await;
        let mut spans = good.spans();
        assert_eq!(spans.len(), 2 * CALLS);
        spans.dedup();
        assert_eq!(spans.len(), 2 * CALLS, "each once");
        assert!(good.posts() > next.len());
        assert!(told(&lines).is_empty());
    }

    let hangs = FakeCollector::start(&vec![Does::Hang; 8]);
    let began = std::time::Instant::now();
    let (_held, nowhere) = FakeCollector::nowhere();
    for url in [&hangs.url, &nowhere] {
        calls(url).await;
        let told = told(&lines);
        let count = ("spans".to_owned(), (2 * CALLS).to_string());
        assert!(told.iter().any(|line| line.fields.contains(&count)), "{url}: {told:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(60), "neither is waited for");
    assert!(hangs.posts() > 0 && hangs.spans().is_empty());
}

#[tokio::test]
async fn a_url_that_is_no_collectors_is_refused() {
    for url in ["http://a.example/v1/traces?k=canary", "https://u:canary@a.example/v1/traces"] {
        let options =
            NodeOptions { memory_only: true, trace: Some(url.into()), ..NodeOptions::default() };
        let error = Node::start(options).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("trace")));
        assert!(!error.to_string().contains("canary"));
    }
}

//! The whole of a call in one process: from the caller's future to the handler and back.

use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
use serde_json::json;
use std::time::Duration;

/// Characters of the body, as in the measured calls.
const BODY: usize = 1_024;

/// Starts a node with an agent, and asks it so many times.
pub(super) fn run(times: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        let echo = handler(|_, content| async move { Ok(content) });
        let bench = AgentOptions { name: "bench".to_owned(), ..AgentOptions::default() };
        node.register(bench, echo).await.unwrap();
        let content = Content::value(json!({ "body": "x".repeat(BODY) }));
        for _ in 0..times {
            let asked = Content::from(content.message.clone());
            node.request(RequestOptions::new("bench", asked)).await.unwrap();
        }
        node.close(Duration::ZERO).await;
    });
}

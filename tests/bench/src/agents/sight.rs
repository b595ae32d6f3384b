//! When an agent is registered, and when another process sees it, both by the machine's clock.

use hubless::{AgentOptions, FindOptions, Node, handler};
use hubless_bench::speak;
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long an agent is waited for, thousands of others before it.
const WAIT: Duration = Duration::from_secs(120);

/// Registers an agent with its name as a tag; says when that began, and when it returned.
pub(super) async fn register(node: &Node, name: &str) -> Value {
    let idle = handler(|_, content| async move { Ok(content) });
    let tags = vec![name.to_owned()];
    let options = AgentOptions { name: name.to_owned(), tags, ..AgentOptions::default() };
    let began = now_us();
    node.register(options, idle).await.unwrap();
    json!({ "began_us": began, "ended_us": now_us() })
}

/// Says that it waits, and then when the agent was there.
pub(super) async fn wait(node: &Node, name: &str) -> Value {
    let query = Query::read(json!({ "tags": [name], "limit": 1 })).unwrap();
    speak::say(&json!({ "waits": true }));
    let found = node.peer(query, FindOptions { wait: WAIT, explain: false }).await;
    let seen = now_us();
    json!({ "seen_us": seen, "name": found.unwrap().name })
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

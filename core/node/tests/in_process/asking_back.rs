//! What a handler asks its caller: tools and questions.

use super::support::{ask, memory_node, register};
use hubless::foreign::{Answer, InputHost, ToolHost};
use hubless::{Content, Kind, RequestOptions};
use hubless_proto::limits;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Add;
impl ToolHost for Add {
    fn call_tool(&self, name: String, arguments: Value) -> Answer<Content> {
        Box::pin(async move {
            assert_eq!(name, "add");
            let sum = arguments["a"].as_i64().unwrap() + arguments["b"].as_i64().unwrap();
            Ok(Content::value(json!(sum)))
        })
    }
}

fn with_tool(to: &str, content: Value) -> RequestOptions {
    let mut request = RequestOptions::read(json!({
        "to": to,
        "tools": [{"name": "add", "description": "", "inputSchema":
            {"type": "object", "required": ["a", "b"]}}]
    }))
    .unwrap();
    request.content = Content::value(content);
    request.tool_host = Some(Arc::new(Add));
    request
}

#[tokio::test]
async fn tools_of_the_caller_are_called_back() {
    let node = memory_node().await;
    register(&node, json!({"name": "tool"}), |call, content| async move {
        let sum = call.call_tool("add", &content.decoded().unwrap()).await?;
        Ok(Content::value(json!({"fromTool": sum.decoded()})))
    })
    .await;
    let reply = node.request(with_tool("tool", json!({"a": 3, "b": 4}))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"fromTool": 7})));
    let error = node.request(with_tool("tool", json!({"a": 3}))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Json);
    let error = node.request(ask("tool", json!({"a": 3, "b": 4}))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "undeclared_tool"));
}

/// Answers when all calls that may run at once have come, and counts them.
#[derive(Clone)]
struct Together(Arc<Counts>);

struct Counts {
    running: AtomicUsize,
    most: AtomicUsize,
    all: tokio::sync::Semaphore,
}

impl ToolHost for Together {
    fn call_tool(&self, _: String, _: Value) -> Answer<Content> {
        let together = Arc::clone(&self.0);
        Box::pin(async move {
            let running = together.running.fetch_add(1, Ordering::SeqCst) + 1;
            together.most.fetch_max(running, Ordering::SeqCst);
            if running == limits::TOOL_CALLS_AT_ONCE {
                together.all.close();
            }
            // Closed for good once as many as may have run at once.
            let _ = together.all.acquire().await;
            together.running.fetch_sub(1, Ordering::SeqCst);
            Ok(Content::value(json!(0)))
        })
    }
}

#[tokio::test]
async fn tool_calls_are_bounded_at_once_and_in_all() {
    let node = memory_node().await;
    register(&node, json!({"name": "many"}), |call, _| async move {
        let arguments = json!({"a": 1, "b": 1});
        let calls = (0..limits::TOOL_CALLS).map(|_| {
            let (call, arguments) = (call.clone(), arguments.clone());
            tokio::spawn(async move { call.call_tool("add", &arguments).await.map(|_| ()) })
        });
        for one in calls.collect::<Vec<_>>() {
            one.await.unwrap()?;
        }
        let error = call.call_tool("add", &arguments).await.unwrap_err();
        Ok(Content::text(format!("{} {}", error.kind.name(), error.limit.unwrap().name)))
    })
    .await;
    let together = Together(Arc::new(Counts {
        running: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        all: tokio::sync::Semaphore::new(0),
    }));
    let mut request = with_tool("many", Value::Null);
    request.tool_host = Some(Arc::new(together.clone()));
    let reply = node.request(request).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("too_large TOOL_CALLS")));
    assert_eq!(together.0.most.load(Ordering::SeqCst), limits::TOOL_CALLS_AT_ONCE);
}

#[tokio::test]
async fn a_callee_may_ask_back_and_its_waiting_does_not_count() {
    struct Answers;
    impl InputHost for Answers {
        fn input(&self, prompt: Content, _: Option<Value>) -> Answer<Content> {
            Box::pin(async move {
                assert_eq!(prompt.joined_text(), "which?");
                tokio::time::sleep(Duration::from_millis(120)).await;
                Ok(Content::text("this one"))
            })
        }
    }
    let node = memory_node().await;
    register(&node, json!({"name": "ask"}), |call, _| async move {
        let answer = call.input(Content::text("which?"), None).await?;
        Ok(Content::value(json!({"got": answer.decoded()})))
    })
    .await;
    let mut request = ask("ask", json!("x"));
    request.timeout_ms = Some(60);
    request.input_host = Some(Arc::new(Answers));
    let reply = node.request(request).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"got": "this one"})));
    let error = node.request(ask("ask", json!("x"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}

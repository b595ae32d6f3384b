//! What a handler asks its caller: tools and questions.

use super::support::{agent, ask, memory_node, register};
use hubless::foreign::{Answer, InputHost, ToolHost};
use hubless::{Bodies, Content, Error, Kind, RequestOptions};
use hubless_proto::limits;
use hubless_proto::wire::v1;
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

#[tokio::test]
async fn a_tool_answers_as_its_schema_says() {
    let node = memory_node().await;
    register(&node, json!({"name": "tool"}), |call, content| async move {
        call.call_tool("add", &content.decoded().unwrap()).await
    })
    .await;
    for (kind, fits) in [("integer", true), ("string", false)] {
        let mut request = with_tool("tool", json!({"a": 3, "b": 4}));
        request.tools[0].output_schema_json = json!({"type": kind}).to_string();
        match node.request(request).await {
            Ok(reply) => assert_eq!((reply.content.decoded(), fits), (Some(json!(7)), true)),
            Err(error) => {
                let told = (error.kind, error.code.as_str(), error.field.as_deref(), fits);
                assert_eq!(told, (Kind::Json, "schema", Some("output"), false));
            }
        }
    }
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

/// Counts how often it runs.
struct Counter(Arc<AtomicUsize>);

impl ToolHost for Counter {
    fn call_tool(&self, _: String, _: Value) -> Answer<Content> {
        let run = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { Ok(Content::value(json!(run))) })
    }
}

/// Keeps its call beyond the end of it.
struct Keeps(tokio::sync::mpsc::UnboundedSender<hubless::call::handle::Call>);

impl hubless::Handler for Keeps {
    fn handle(&self, inbound: hubless::Inbound) {
        let kept = self.0.clone();
        tokio::spawn(async move {
            let call = inbound.call;
            let before = call.call_tool("add", &json!({"a": 1, "b": 1})).await;
            let ended = match before {
                Ok(answer) if answer.decoded() == Some(json!(1)) => call.finish(answer).await,
                Ok(_) => call.fail(Error::new(Kind::HandlerFailed, "on purpose")).await,
                Err(error) => call.fail(error).await,
            };
            ended.unwrap();
            kept.send(call).unwrap();
        });
    }
}

#[tokio::test]
async fn nothing_is_asked_or_said_after_the_end_of_a_call() {
    let node = memory_node().await;
    let (sender, mut kept) = tokio::sync::mpsc::unbounded_channel();
    let keeps = node.register(agent(json!({"name": "keeps"})), Arc::new(Keeps(sender)));
    keeps.await.unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    // The first call ends with an answer, the second with a failure.
    for ended_well in [true, false] {
        let mut request = with_tool("keeps", Value::Null);
        request.tool_host = Some(Arc::new(Counter(Arc::clone(&runs))));
        let before = runs.load(Ordering::SeqCst);
        assert_eq!(node.request(request).await.is_ok(), ended_well);
        let call = kept.recv().await.unwrap();
        let refused = [
            call.call_tool("add", &json!({"a": 1, "b": 1})).await.err(),
            call.input(Content::text("which?"), None).await.err(),
            call.progress("late", None).await.err(),
            call.chunk(Content::text("late"), false).await.err(),
            call.finish(Content::text("late")).await.err(),
            call.fail(Error::new(Kind::Internal, "late")).await.err(),
        ];
        let kinds = refused.map(|error| error.map(|error| error.kind));
        assert_eq!(kinds, [Some(Kind::Closed); 6]);
        assert_eq!(runs.load(Ordering::SeqCst), before + 1, "it ran before the end alone");
    }
}

#[tokio::test]
async fn a_callee_may_ask_back_and_its_waiting_does_not_count() {
    struct Answers;
    impl InputHost for Answers {
        fn input(&self, prompt: Content, _: Option<Value>) -> Answer<Content> {
            Box::pin(async move {
                assert_eq!(prompt.joined_text(), "which?");
                tokio::time::sleep(Duration::from_millis(1_500)).await;
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
    request.timeout_ms = Some(1_000);
    request.input_host = Some(Arc::new(Answers));
    let reply = node.request(request).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"got": "this one"})));
    let error = node.request(ask("ask", json!("x"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}

#[tokio::test]
async fn an_answer_to_a_question_holds_the_schema_whatever_its_form() {
    struct Says(v1::Content);
    impl InputHost for Says {
        fn input(&self, _: Content, _: Option<Value>) -> Answer<Content> {
            let answer = Content { message: self.0.clone(), bodies: Bodies::none() };
            Box::pin(async move { Ok(answer) })
        }
    }
    let node = memory_node().await;
    register(&node, json!({"name": "ask"}), |call, _| async move {
        let schema = json!({"type": "object", "required": ["city"]});
        call.input(Content::text("where?"), Some(&schema)).await
    })
    .await;
    let value = |value| Content::value(value).message;
    let (fits, text) = (value(json!({"city": "Bern"})), Content::text("Bern").message);
    let two =
        v1::Content { parts: [fits.parts.clone(), text.parts.clone()].concat(), ..fits.clone() };
    let answers = [
        (fits, None),
        (value(json!({"town": "Bern"})), Some("json")),
        (text, Some("json")),
        (v1::Content::default(), Some("json")),
        (two, Some("json")),
    ];
    for (answer, refused) in answers {
        let shown = format!("{answer:?}");
        let mut request = ask("ask", json!("x"));
        request.input_host = Some(Arc::new(Says(answer)));
        let kind = node.request(request).await.err().map(|error| error.kind.name());
        assert_eq!(kind, refused, "{shown}");
    }
}

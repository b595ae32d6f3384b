//! Calls between agents of one node: the whole path but the connection.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

#[path = "in_process/catalogue.rs"]
mod catalogue;
#[path = "in_process/checks.rs"]
mod checks;
#[path = "in_process/closing.rs"]
mod closing;
#[path = "in_process/pressure.rs"]
mod pressure;
mod support;

use hubless::foreign::{
    Answer, AuthCheck, AuthVerdict, Authenticator, InputHost, TokenCounter, ToolHost,
};
use hubless::{
    AgentOptions, Content, Error, Inbound, Kind, Node, RequestOptions, StreamItem, handler,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{agent, ask, memory_node, register};

#[tokio::test]
async fn an_answer_comes_back_with_who_gave_it() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, content| async move { Ok(content) }).await;
    let reply = node.request(ask("echo", json!({"x": [1, 2.5]}))).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!({"x": [1, 2.5]})));
    assert_eq!((reply.agent.name.as_str(), reply.attempts), ("echo", 1));
    assert_eq!(reply.agent.node_key, node.key());
    assert_eq!(reply.path, hubless::node::Path::InProcess);
}

#[tokio::test]
async fn by_id_and_by_address_it_is_the_same_agent() {
    let node = memory_node().await;
    let echo = register(&node, json!({"name": "Echo"}), |_, c| async move { Ok(c) }).await;
    for to in [echo.id().to_string(), echo.address().to_string(), "ECHO".to_owned()] {
        let reply = node.request(ask(&to, json!("x"))).await.unwrap();
        assert_eq!(reply.agent.agent_id, echo.id());
    }
    let own = format!("0:{}", echo.address().to_string().split(':').nth(1).unwrap());
    assert_eq!(node.request(ask(&own, json!("x"))).await.unwrap().agent.agent_id, echo.id());
}

#[tokio::test]
async fn a_name_may_still_appear_and_else_is_not_found() {
    let node = memory_node().await;
    let mut none = ask("nobody", json!("x"));
    none.wait_ms = Some(20);
    assert_eq!(node.request(none).await.unwrap_err().kind, Kind::NotFound);
    let asking = node.clone();
    let late = tokio::spawn(async move { asking.request(ask("late", json!("x"))).await });
    tokio::task::yield_now().await;
    register(&node, json!({"name": "late"}), |_, c| async move { Ok(c) }).await;
    assert!(late.await.unwrap().is_ok());
    let error = node.request(ask("bad name!", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some("to")));
}

#[tokio::test]
async fn events_come_in_order_and_chunks_are_gathered() {
    let node = memory_node().await;
    register(&node, json!({"name": "count", "streaming": true}), |call, _| async move {
        for n in 1..=40 {
            call.chunk(Content::text(n.to_string()), false).await?;
        }
        call.progress("half", Some(0.5)).await?;
        Ok(Content::value(json!({"n": 40})))
    })
    .await;
    let mut stream = node.stream(ask("count", Value::Null)).unwrap();
    let (mut chunks, mut notes, mut last) = (Vec::new(), Vec::new(), None);
    while let Some(item) = stream.next().await {
        match item.unwrap() {
            StreamItem::Accepted => {}
            StreamItem::Progress { note, .. } => notes.push(note),
            StreamItem::Chunk { content, .. } => chunks.push(content.joined_text()),
            StreamItem::Final(reply) => last = reply.content.decoded(),
        }
    }
    let wanted: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    assert_eq!(chunks, wanted);
    assert_eq!((notes, last), (vec!["half".to_owned()], Some(json!({"n": 40}))));
}

#[tokio::test]
async fn chunks_are_the_answer_when_the_last_event_is_empty() {
    let node = memory_node().await;
    register(&node, json!({"name": "words"}), |call, _| async move {
        call.chunk(Content::text("a "), false).await?;
        call.chunk(Content::text("b"), true).await?;
        Ok(Content::default())
    })
    .await;
    let reply = node.request(ask("words", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("a b")));
}

#[tokio::test]
async fn what_a_handler_raises_reaches_the_caller() {
    let node = memory_node().await;
    register(&node, json!({"name": "fail"}), |_, _| async move {
        Err(Error::refusal(Kind::Denied, "not_today", "refused on purpose"))
    })
    .await;
    let error = node.request(ask("fail", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_today"));
    assert!(error.rejection && error.trace_id.is_some());
    assert_eq!(error.origin, Some(node.key().to_string()));
    let sent = node.send(ask("fail", json!("x"))).await.unwrap();
    assert!(sent.output.is_none() && sent.rejection.is_some());
}

#[tokio::test]
async fn a_handler_that_panics_or_goes_away_fails_one_call_only() {
    struct Panics(AtomicUsize);
    impl hubless::Handler for Panics {
        fn handle(&self, inbound: Inbound) {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("on purpose"),
                1 => drop(inbound),
                _ => {
                    tokio::spawn(async move { inbound.call.finish(Content::text("ok")).await });
                }
            }
        }
    }
    let node = memory_node().await;
    let panics = Arc::new(Panics(AtomicUsize::new(0)));
    node.register(agent(json!({"name": "panics"})), panics).await.unwrap();
    for code in ["panic", "no_answer"] {
        let error = node.request(ask("panics", json!("x"))).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::HandlerFailed, code));
    }
    assert!(node.request(ask("panics", json!("x"))).await.is_ok());
}

#[tokio::test]
async fn deadlines_and_cancels_stop_the_handler() {
    let node = memory_node().await;
    let stopped = Arc::new(tokio::sync::Mutex::new(tokio::sync::mpsc::channel(4)));
    let sender = stopped.lock().await.0.clone();
    struct Slow(tokio::sync::mpsc::Sender<Kind>);
    impl hubless::Handler for Slow {
        fn handle(&self, inbound: Inbound) {
            let sender = self.0.clone();
            tokio::spawn(async move {
                let why = inbound.call.cancelled().await;
                sender.send(why.kind).await.unwrap();
            });
        }
    }
    node.register(agent(json!({"name": "slow"})), Arc::new(Slow(sender))).await.unwrap();
    type Set = fn(&mut RequestOptions);
    let sets: [Set; 2] = [|r| r.timeout_ms = Some(30), |r| r.total_ms = Some(30)];
    for set in sets {
        let mut request = ask("slow", json!("x"));
        set(&mut request);
        assert_eq!(node.request(request).await.unwrap_err().kind, Kind::Deadline);
        assert_eq!(stopped.lock().await.1.recv().await, Some(Kind::Deadline));
    }
    let asked = node.request(ask("slow", json!("x")));
    assert!(tokio::time::timeout(Duration::from_millis(30), asked).await.is_err());
    assert_eq!(stopped.lock().await.1.recv().await, Some(Kind::Cancelled));
    assert_eq!(node.status().calls, 0);
}

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
async fn tool_calls_are_bounded_at_once_and_in_all() {
    let node = memory_node().await;
    register(&node, json!({"name": "many"}), |call, _| async move {
        let arguments = json!({"a": 1, "b": 1});
        let calls = (0..64).map(|_| {
            let (call, arguments) = (call.clone(), arguments.clone());
            tokio::spawn(async move { call.call_tool("add", &arguments).await.map(|_| ()) })
        });
        for one in calls.collect::<Vec<_>>() {
            one.await.unwrap()?;
        }
        let error = call.call_tool("add", &arguments).await.unwrap_err();
        Ok(Content::text(error.kind.name()))
    })
    .await;
    let reply = node.request(with_tool("many", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("too_large")));
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

#[tokio::test]
async fn schemas_hold_before_and_after_the_handler() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let options = json!({"name": "sum", "skills": [{"id": "sum",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "outputSchema": {"type": "object", "required": ["sum"]}}]});
    register(&node, options, move |_, content| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(content) }
    })
    .await;
    let error = node.request(ask("sum", json!({"a": "one"}))).await.unwrap_err();
    assert!(error.kind == Kind::Json && error.rejection, "{error}");
    assert_eq!(error.pointer.as_deref(), Some("/a"));
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    let error = node.request(ask("sum", json!({"a": 1}))).await.unwrap_err();
    assert!(error.kind == Kind::Json && error.message.contains("answer"), "{error}");
    assert!(node.request(ask("sum", json!({"a": 1, "sum": 2}))).await.is_ok());
    let mut unknown = ask("sum", json!({"a": 1}));
    unknown.skill = "subtract".to_owned();
    assert_eq!(node.request(unknown).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn an_auth_function_decides_and_its_answer_is_kept() {
    struct Lets(AtomicUsize);
    impl Authenticator for Lets {
        fn verify(&self, check: AuthCheck) -> Answer<AuthVerdict> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                Ok(AuthVerdict { allow: check.credential == "letmein", cache_ms: 60_000 })
            })
        }
    }
    let node = memory_node().await;
    let lets = Arc::new(Lets(AtomicUsize::new(0)));
    let mut options = agent(json!({"name": "guarded", "requirements": {"auth": {"host": true}}}));
    let missing = node.register(options.clone(), handler(|_, c| async move { Ok(c) })).await;
    assert_eq!(missing.unwrap_err().kind, Kind::Configuration);
    options.authenticator = Some(Arc::clone(&lets) as Arc<dyn Authenticator>);
    node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap();
    let with = |secret: &str| {
        let mut request = ask("guarded", json!("x"));
        request.auth = Some(hubless_proto::wire::v1::Auth {
            scheme: "custom".to_owned(),
            secret: secret.to_owned(),
        });
        request
    };
    assert_eq!(node.request(with("nope")).await.unwrap_err().kind, Kind::Auth);
    assert!(node.request(with("letmein")).await.is_ok());
    assert!(node.request(with("letmein")).await.is_ok());
    assert_eq!(lets.0.load(Ordering::Relaxed), 2);
    assert_eq!(node.request(ask("guarded", json!("x"))).await.unwrap_err().kind, Kind::Auth);
    let id = node.request(with("letmein")).await.unwrap().agent.agent_id.to_string();
    let secret =
        hubless_proto::wire::v1::Auth { scheme: "custom".into(), secret: "letmein".into() };
    node.credentials().set(&id, hubless::node::Secret::Plain(secret)).unwrap();
    assert!(node.request(ask("guarded", json!("x"))).await.is_ok());
}

#[tokio::test]
async fn tokens_are_counted_by_us_or_by_the_user() {
    struct Words;
    impl TokenCounter for Words {
        fn count(&self, texts: Vec<String>) -> Answer<u64> {
            let words = texts.iter().map(|text| text.split(' ').count() as u64).sum();
            Box::pin(async move { Ok(words) })
        }
    }
    let node = memory_node().await;
    let options = json!({"name": "frugal", "requirements": {"maxTokens": 4}});
    register(&node, options, |_, c| async move { Ok(c) }).await;
    assert!(node.request(ask("frugal", json!("hello world"))).await.is_ok());
    let long = ask("frugal", json!("one two three four five six seven"));
    assert_eq!(node.request(long).await.unwrap_err().kind, Kind::Prompt);
    let mut options =
        agent(json!({"name": "counted", "requirements": {"maxTokens": 3, "tokenCounter": "host"}}));
    options.counter = Some(Arc::new(Words));
    node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap();
    assert!(node.request(ask("counted", json!("a b c"))).await.is_ok());
    assert_eq!(
        node.request(ask("counted", json!("a b c d"))).await.unwrap_err().kind,
        Kind::Prompt
    );
}

#[tokio::test]
async fn a_full_agent_is_busy_and_its_place_is_given_back() {
    let node = memory_node().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = Arc::clone(&gate);
    let options = json!({"name": "single", "requirements": {"maxConcurrency": 1, "queue": 0}});
    register(&node, options, move |_, content| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            Ok(content)
        }
    })
    .await;
    let (one, two) = (node.clone(), node.clone());
    let first = tokio::spawn(async move { one.request(ask("single", json!("x"))).await });
    while node.status().calls == 0 {
        tokio::task::yield_now().await;
    }
    let error = two.request(ask("single", json!("y"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    gate.add_permits(2);
    assert!(first.await.unwrap().is_ok());
    assert!(node.request(ask("single", json!("z"))).await.is_ok());
}

#[tokio::test]
async fn a_child_call_carries_depth_trace_and_caller_and_ends_with_its_parent() {
    let node = memory_node().await;
    register(&node, json!({"name": "leaf"}), |call, _| async move {
        Ok(Content::value(json!({
            "depth": call.request().depth,
            "trace": call.trace().traceparent,
            "from": call.caller().agent,
            "left": call.remaining().as_millis() as u64,
        })))
    })
    .await;
    let inner = node.clone();
    let nested = register(&node, json!({"name": "nested"}), move |call, _| {
        let inner = inner.clone();
        async move {
            let mut request = ask("leaf", Value::Null);
            request.parent = Some(call.parent());
            Ok(inner.request(request).await?.content)
        }
    })
    .await;
    let mut request = ask("nested", Value::Null);
    request.timeout_ms = Some(2_000);
    request.trace = Some(hubless_proto::wire::v1::Trace {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ..Default::default()
    });
    let leaf = node.request(request).await.unwrap().content.decoded().unwrap();
    assert_eq!(leaf["depth"], 1);
    assert_eq!(leaf["from"], json!(nested.id()));
    assert!(leaf["left"].as_u64().unwrap() <= 2_000);
    assert!(leaf["trace"].as_str().unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
}

#[tokio::test]
async fn nesting_ends_at_sixteen() {
    let node = memory_node().await;
    let again = node.clone();
    register(&node, json!({"name": "again"}), move |call, content| {
        let again = again.clone();
        async move {
            let mut request = ask("again", content.decoded().unwrap());
            request.parent = Some(call.parent());
            Ok(again.request(request).await?.content)
        }
    })
    .await;
    let error = node.request(ask("again", json!("x"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HopLimit, "depth"));
}

#[tokio::test]
async fn an_agent_that_is_not_reentrant_refuses_its_own_calls() {
    let node = memory_node().await;
    let again = node.clone();
    let options = json!({"name": "once", "requirements": {"reentrant": false}});
    register(&node, options, move |call, _| {
        let again = again.clone();
        async move {
            let mut request = ask("once", json!("x"));
            request.parent = Some(call.parent());
            Ok(again.request(request).await?.content)
        }
    })
    .await;
    let error = node.request(ask("once", json!("x"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Cycle);
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
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "fail"}), move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err(Error::refusal(Kind::HandlerFailed, "", "broken on purpose")) }
    })
    .await;
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
async fn turns_of_a_conversation_are_kept() {
    let node = memory_node().await;
    let options = json!({"name": "talk", "flags": {"recordsInteractionContext": true}});
    register(&node, options, |call, _| async move {
        Ok(Content::value(json!({"turns": call.history().len()})))
    })
    .await;
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
    let options = json!({"name": "talk", "flags": {"recordsInteractionContext": true}});
    register(&node, options, |call, _| async move {
        Ok(Content::value(json!({"turns": call.history().len()})))
    })
    .await;
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
async fn unregistering_lets_a_running_call_finish() {
    let node = memory_node().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = Arc::clone(&gate);
    let slow = register(&node, json!({"name": "slow"}), move |_, content| {
        let open = Arc::clone(&open);
        async move {
            open.acquire().await.unwrap().forget();
            Ok(content)
        }
    })
    .await;
    let asking = node.clone();
    let running = tokio::spawn(async move { asking.request(ask("slow", json!("x"))).await });
    while node.status().calls == 0 {
        tokio::task::yield_now().await;
    }
    let leaving = tokio::spawn(async move { slow.unregister(Duration::from_secs(5)).await });
    while node.status().agents > 0 {
        tokio::task::yield_now().await;
    }
    let mut gone = ask("slow", json!("x"));
    gone.wait_ms = Some(0);
    assert_eq!(node.request(gone).await.unwrap_err().kind, Kind::NotFound);
    gate.add_permits(1);
    assert!(running.await.unwrap().is_ok());
    leaving.await.unwrap().unwrap();
}

#[tokio::test]
async fn child_agents_are_gone_when_the_caller_has_its_answer() {
    let node = memory_node().await;
    let inner = node.clone();
    let options = json!({"name": "mother", "concurrency": "isolated"});
    register(&node, options, move |call, _| {
        let inner = inner.clone();
        async move {
            let child =
                AgentOptions { parent: Some(call.parent()), ..agent(json!({"name": "child"})) };
            inner.register(child, handler(|_, c| async move { Ok(c) })).await?;
            assert_eq!(inner.status().agents, 2);
            Ok(inner.request(ask("child", json!("from the child"))).await?.content)
        }
    })
    .await;
    let reply = node.request(ask("mother", Value::Null)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("from the child")));
    assert_eq!(node.status().agents, 1);
}

#[tokio::test]
async fn names_are_taken_once() {
    let node = memory_node().await;
    register(&node, json!({"name": "a"}), |_, c| async move { Ok(c) }).await;
    let again = node.register(agent(json!({"name": "A"})), handler(|_, c| async move { Ok(c) }));
    let error = again.await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "name_taken"));
}

#[tokio::test]
async fn templates_fill_what_a_request_leaves_open() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    let template = json!({"content": {"parts": [{"text": "from the template"}]}});
    node.templates().set("t", template).unwrap();
    let asked = |content: Content| {
        let mut request = RequestOptions::new("echo", content);
        request.template = Some("t".to_owned());
        request
    };
    let reply = node.request(asked(Content::default())).await.unwrap();
    assert_eq!(reply.content.joined_text(), "from the template");
    let reply = node.request(asked(Content::text("own"))).await.unwrap();
    assert_eq!(reply.content.joined_text(), "own");
    let error = node.templates().set("t", json!({"deadlineMs": 1})).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("template.deadlineMs"));
}

#[tokio::test]
async fn the_callers_fields_come_before_the_callees_template_and_that_before_a_named_one() {
    let node = memory_node().await;
    let own = json!({"context": {"explanation": "of the callee"}});
    let registration = json!({"name": "echo", "requestTemplate": own});
    register(&node, registration, |call, _| async move {
        let context = call.request().context.clone().unwrap_or_default();
        let keys: Vec<_> = context.entries.iter().map(|entry| entry.key.clone()).collect();
        Ok(Content::text(format!("{} {keys:?}", context.explanation)))
    })
    .await;
    let entries = json!([{"key": "kept", "text": "one"}]);
    let kept = json!({"context": {"entries": entries, "explanation": "of the registry"}});
    node.templates().set("t", kept).unwrap();
    for (given, expected) in
        [("", "of the callee [\"kept\"]"), ("of the caller", "of the caller [\"kept\"]")]
    {
        let mut request = RequestOptions::new("echo", Content::text("?"));
        request.template = Some("t".to_owned());
        let context = json!({"explanation": given});
        request.context = Some(serde_json::from_value(context).unwrap());
        assert_eq!(node.request(request).await.unwrap().content.joined_text(), expected);
    }
}

#[tokio::test]
async fn check_runs_the_checks_and_not_the_handler() {
    let node = memory_node().await;
    let options = json!({"name": "s", "requirements": {"auth": {"sharedSecret": "open-sesame"}}});
    let agent = register(&node, options, |_, _| async move { panic!("must not run") }).await;
    let refused = node.check(agent.id(), ask("s", json!("x"))).await.unwrap();
    assert_eq!(refused.unwrap().kind, Kind::Auth);
    let mut request = ask("s", json!("x"));
    request.auth = Some(hubless_proto::wire::v1::Auth {
        scheme: "shared_secret".into(),
        secret: "open-sesame".into(),
    });
    assert!(node.check(agent.id(), request).await.unwrap().is_none());
}

#[tokio::test]
async fn a_closed_node_refuses_and_says_so() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    node.close(Duration::from_secs(1)).await;
    node.close(Duration::from_secs(1)).await;
    assert_eq!(node.request(ask("echo", json!("x"))).await.unwrap_err().kind, Kind::Closed);
}

#[tokio::test]
async fn arguments_are_refused_with_their_field() {
    let node = memory_node().await;
    register(&node, json!({"name": "echo"}), |_, c| async move { Ok(c) }).await;
    type Change = fn(&mut RequestOptions);
    let rows: [(&str, Change); 5] = [
        ("timeoutMs", |r| r.timeout_ms = Some(0)),
        ("conversationId", |r| r.conversation_id = "x".repeat(65)),
        ("effect", |r| r.effect = Some("SOMETIMES".into())),
        ("inputSchema", |r| r.input_schema = Some(json!({"type": 7}))),
        ("trace", |r| r.trace = Some(Default::default())),
    ];
    for (field, change) in rows {
        let mut request = ask("echo", json!("x"));
        change(&mut request);
        let error = node.request(request).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::InvalidArgument, Some(field)));
    }
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    let error = node.request(ask("echo", deep)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Json, "too_deep"));
}

#[tokio::test]
async fn grants_cannot_be_required_yet() {
    let node = memory_node().await;
    let options = agent(json!({"name": "g", "needs": {"grant": "required"}}));
    let error = node.register(options, handler(|_, c| async move { Ok(c) })).await.unwrap_err();
    assert_eq!(error.kind, Kind::Configuration);
}

#[test]
fn a_node_can_be_shared_by_threads() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<Node>();
}

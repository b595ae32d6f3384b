//! Answers that go to another agent than the caller.

use super::support::{Pair, ask, node_in, pair, register};
use hubless::{Agent, Content, Error, Kind, Node, RequestOptions};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// An answer as the agent that it went to saw it.
#[derive(Debug, PartialEq)]
struct Came {
    value: Option<Value>,
    from: Option<String>,
    of: Value,
    key: String,
}

/// An agent that keeps what comes.
async fn desk(node: &Node, options: Value) -> (Agent, mpsc::UnboundedReceiver<Came>) {
    let (sender, came) = mpsc::unbounded_channel();
    let desk = register(node, options, move |call, content| {
        let sender = sender.clone();
        async move {
            let request = call.request();
            let of = request.metadata_json.get("hubless.returnOf").cloned().unwrap_or_default();
            let _ = sender.send(Came {
                value: content.decoded(),
                from: call.caller().agent.map(|agent| agent.to_string()),
                of: serde_json::from_str(&of).unwrap_or_default(),
                key: request.idempotency_key.clone(),
            });
            Ok(Content::text("thanks"))
        }
    });
    (desk.await, came)
}

/// An agent that doubles a number, by chunks or at once, and counts its runs.
async fn double(node: &Node) -> (Agent, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let double = register(node, json!({"name": "double"}), move |call, content| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let text = content.joined_text();
            if text.is_empty() {
                return Ok(content);
            }
            call.chunk(Content::text(text.clone()), false).await?;
            call.chunk(Content::text(text), true).await?;
            Ok(Content::default())
        }
    });
    (double.await, runs)
}

fn to(desk: &Agent, value: Value) -> RequestOptions {
    RequestOptions { return_to: desk.id().to_string(), ..ask("double", value) }
}

async fn refused(node: &Node, options: RequestOptions) -> Error {
    node.request(options).await.unwrap_err()
}

#[tokio::test]
async fn an_agent_of_the_callers_node_gets_the_answer() {
    let Pair { one, two, _home } = pair().await;
    let (callee, runs) = double(&one).await;
    let (own, mut came) = desk(&two, json!({"name": "desk"})).await;
    for (value, answer) in [(json!("ab"), json!("abab")), (json!({"n": 1}), json!({"n": 1}))] {
        let reply = two.request(to(&own, value)).await.unwrap();
        assert!(reply.content.message.parts.is_empty(), "{:?}", reply.content);
        let there = &reply.content.message.metadata_json["hubless.returnedTo"];
        assert_eq!(*there, json!(own.id().to_string()).to_string());
        let got = came.recv().await.unwrap();
        assert_eq!((got.value, got.from), (Some(answer), Some(callee.id().to_string())));
        assert_eq!(got.of["agent"], json!(callee.id().to_string()));
        assert_eq!((got.of["requestId"].as_str(), got.key.len()), (Some(got.key.as_str()), 32));
    }
    // By name, within one node, and to the calling agent itself: that is the connection.
    let named = RequestOptions { return_to: "desk".to_owned(), ..ask("double", json!("x")) };
    two.request(named).await.unwrap();
    assert_eq!(came.recv().await.unwrap().value, Some(json!("xx")));
    let (near, mut here) = desk(&one, json!({"name": "near"})).await;
    one.request(to(&near, json!("y"))).await.unwrap();
    assert_eq!(here.recv().await.unwrap().value, Some(json!("yy")));
    let own_call = RequestOptions { from: Some(own.id()), ..to(&own, json!("z")) };
    assert_eq!(two.request(own_call).await.unwrap().content.joined_text(), "zz");
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    assert!(came.try_recv().is_err(), "nothing else came");
}

#[tokio::test]
async fn another_nodes_agent_gets_it_only_where_its_rules_name_the_callee() {
    let Pair { one, two, _home } = pair().await;
    let three = node_in(&_home).await;
    let (callee, runs) = double(&one).await;
    let accepts = json!({"acceptReturnsFrom": [callee.id().to_string()]});
    for (place, node) in [("there", &three), ("beside", &one)] {
        let options = json!({"name": place, "requirements": accepts});
        let (open, mut came) = desk(node, options).await;
        let (shut, mut none) = desk(node, json!({"name": format!("{place}-shut")})).await;
        two.request(ask(place, json!("hello"))).await.unwrap();
        assert_eq!(came.recv().await.unwrap().of, Value::Null, "asked itself: seen by the desk");
        let before = runs.load(Ordering::SeqCst);
        let error = refused(&two, to(&shut, json!("ab"))).await;
        assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "return_to"), "{place}");
        assert_eq!(error.field.as_deref(), Some("returnTo"));
        assert_eq!(runs.load(Ordering::SeqCst), before, "the handler did not run");
        assert!(none.try_recv().is_err());
        two.request(to(&open, json!("ab"))).await.unwrap();
        assert_eq!(came.recv().await.unwrap().value, Some(json!("abab")));
        assert_eq!(runs.load(Ordering::SeqCst), before + 1);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_given_is_told_to_the_caller() {
    let Pair { one, two, _home } = pair().await;
    let (_callee, runs) = double(&one).await;
    let strict = json!({"name": "desk", "requirements": {"maxTokens": 0}});
    let (own, mut came) = desk(&two, strict).await;
    let error = refused(&two, to(&own, json!("ab"))).await;
    assert_eq!((error.kind, error.code.as_str()), (Kind::Prompt, "return_failed"));
    assert_eq!(error.retry, hubless_proto::error::Retry::Never);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "it ran");
    assert!(came.try_recv().is_err());
    for (address, kind) in [("nobody", Kind::NotFound), ("N.B!", Kind::InvalidArgument)] {
        let asked = RequestOptions { return_to: address.to_owned(), ..ask("double", json!("x")) };
        let error = refused(&two, asked).await;
        assert_eq!((error.kind, error.field.as_deref()), (kind, Some("returnTo")), "{address}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1, "nothing was asked");
}

#[tokio::test]
async fn a_repeated_request_is_delivered_once() {
    let Pair { one, two, _home } = pair().await;
    let (_callee, runs) = double(&one).await;
    let (own, mut came) = desk(&two, json!({"name": "desk"})).await;
    let keyed = || RequestOptions { idempotency_key: "k".to_owned(), ..to(&own, json!("ab")) };
    two.request(keyed()).await.unwrap();
    assert_eq!(came.recv().await.unwrap().value, Some(json!("abab")));
    two.request(keyed()).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the callee remembers the key");
    // Another call, so another delivery, of the same answer.
    assert_eq!(came.recv().await.unwrap().value, Some(json!("abab")));
}

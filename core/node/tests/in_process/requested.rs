//! What a request says, by itself and by templates.

use super::support::{ask, memory_node, register};
use hubless::{Content, Kind, RequestOptions};
use serde_json::json;

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

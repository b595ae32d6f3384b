//! What a request says, by itself and by templates.

use super::support::{ask, memory_node, register};
use hubless::node::AgentRequest;
use hubless::{Content, Kind, RequestOptions};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

#[tokio::test]
async fn the_short_form_says_prompt_content_schema_and_tools() {
    let node = memory_node().await;
    let skills = json!([{"id": "a"}, {"id": "b"}]);
    register(&node, json!({"name": "echo", "skills": skills}), |call, content| async move {
        let request = call.request();
        let tools: Vec<_> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let parts = content.message.parts.len();
        let said = json!({"text": content.joined_text(), "parts": parts, "tools": tools,
            "skill": request.skill, "schema": request.input_schema_json});
        Ok(Content::value(said))
    })
    .await;
    let schema = json!({"type": "object", "required": ["n"]});
    let short = |more: Option<Content>| {
        let read = json!({"agent": "echo", "prompt": "first", "promptSchema": schema, "skill": "b",
            "tools": [{"name": "add"}]});
        let mut short = AgentRequest::read(read).unwrap();
        short.content = more;
        short
    };
    let sent = node.send_short(short(Some(Content::data(&json!({"n": 5}))))).await.unwrap();
    assert!(sent.rejection.is_none(), "{:?}", sent.rejection);
    let sent = sent.output.unwrap();
    let wanted = json!({"text": "first", "parts": 2, "tools": ["add"], "skill": "b",
        "schema": schema.to_string()});
    assert_eq!(sent.content.decoded(), Some(wanted));
    let refused = node.send_short(short(None)).await.unwrap().rejection.unwrap();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Json, "schema"));
}

#[tokio::test]
async fn a_request_without_a_skill_means_the_only_one_or_the_one_called_handle() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let whole = json!([{"id": "a"}, {"id": "handle", "inputSchema": {"type": "string"}}]);
    for (name, skills, value, expected) in [
        ("none", json!([]), json!("x"), Ok("")),
        ("only", json!([{"id": "a"}]), json!("x"), Ok("a")),
        ("two", json!([{"id": "a"}, {"id": "b"}]), json!("x"), Err((Kind::NotFound, "skill"))),
        ("whole", whole.clone(), json!("x"), Ok("handle")),
        ("strict", whole, json!(1), Err((Kind::Json, "schema"))),
    ] {
        let counted = Arc::clone(&runs);
        let hosted = register(&node, json!({"name": name, "skills": skills}), move |call, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Content::text(call.request().skill.clone())) }
        })
        .await;
        let before = runs.load(Ordering::SeqCst);
        let checked = node.check(hosted.id(), ask(name, value.clone())).await.unwrap();
        let said = node.request(ask(name, value)).await;
        let ran = runs.load(Ordering::SeqCst) - before;
        match expected {
            Ok(skill) => {
                assert_eq!(said.unwrap().content.joined_text(), skill, "{name}");
                assert_eq!((checked, ran), (None, 1), "{name}");
            }
            Err(expected) => {
                for error in [said.unwrap_err(), checked.unwrap()] {
                    assert_eq!((error.kind, error.code.as_str()), expected, "{name}: {error:?}");
                    let named = error.message.contains(r#"["a", "b"]"#);
                    assert_eq!(named, error.kind == Kind::NotFound, "{error:?}");
                }
                assert_eq!(ran, 0, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_schema_of_the_call_holds_before_the_handler_and_after_it() {
    let node = memory_node().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&node, json!({"name": "echo"}), move |_, content| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(content) }
    })
    .await;
    let needs = |field: &str| Some(json!({"type": "object", "required": [field]}));
    for (input, output, field, ran) in [
        (needs("y"), None, Some("content"), 0),
        (None, needs("y"), Some("output"), 1),
        (needs("y"), needs("y"), Some("content"), 0),
        (needs("x"), needs("x"), None, 1),
    ] {
        runs.store(0, Ordering::SeqCst);
        let mut request = ask("echo", json!({"x": 1}));
        (request.input_schema, request.output_schema) = (input, output);
        let error = node.request(request).await.err();
        let told = error.as_ref().map(|error| (error.kind, error.code.as_str()));
        assert_eq!(told, field.map(|_| (Kind::Json, "schema")));
        assert_eq!(error.as_ref().and_then(|error| error.field.as_deref()), field);
        assert_eq!(runs.load(Ordering::SeqCst), ran, "{field:?}");
    }
}

#[tokio::test]
async fn a_template_of_a_callee_is_for_that_callee_alone_and_stays_as_it_is() {
    let node = memory_node().await;
    let told = |call: hubless::call::handle::Call, _| async move {
        let request = call.request();
        let explanation = request.context.clone().unwrap_or_default().explanation;
        Ok(Content::value(json!([explanation, request.metadata_json])))
    };
    let own = json!({"context": {"explanation": "of the callee"}});
    register(&node, json!({"name": "with", "requestTemplate": own}), told).await;
    register(&node, json!({"name": "without"}), told).await;
    let template = json!({"metadata": {"team": "fx"}});
    node.templates().set("t", template).unwrap();
    let marked = "[\"context.explanation\"]";
    for _ in 0..2 {
        for (to, explanation) in [("with", "of the callee"), ("without", "")] {
            let mut request = ask(to, json!("?"));
            request.template = Some("t".to_owned());
            let said = node.request(request).await.unwrap().content.decoded().unwrap();
            assert_eq!(said[0], explanation, "{to}");
            assert_eq!(said[1]["team"], "\"fx\"", "{to}");
            let marks = said[1].as_object().unwrap().values().filter(|value| *value == marked);
            assert_eq!(marks.count(), usize::from(to == "with"), "{to}: {said}");
        }
        // The caller's own words, for one call only.
        let mut request = ask("with", json!("?"));
        request.template = Some("t".to_owned());
        request.metadata.insert("team".to_owned(), json!("own"));
        let said = node.request(request).await.unwrap().content.decoded().unwrap();
        assert_eq!(said[1]["team"], "\"own\"");
    }
}

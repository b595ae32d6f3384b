//! What cannot travel is refused to who sends it, and the call goes on, whoever is asked.

use super::support::{Pair, ask, pair, register};
use hubless::foreign::{Answer, InputHost, ToolHost};
use hubless::{Content, Error, Kind, RequestOptions};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kind, field and bound of an error.
fn named(error: &Error) -> Value {
    let limit = error.limit.as_ref().map(|limit| limit.name.as_str());
    json!([error.kind.name(), error.field, limit])
}

/// A content with more metadata than a message may have.
fn unsendable() -> Content {
    let mut content = Content::text("x");
    let many = (0..=limits::METADATA_ENTRIES).map(|n| (format!("k{n}"), "1".to_owned()));
    content.message.metadata_json = many.collect();
    content
}

fn usage(model: &str) -> v1::Usage {
    let by_model = BTreeMap::from([(model.to_owned(), v1::ModelUsage::default())]);
    v1::Usage { by_model, ..v1::Usage::default() }
}

struct Odd;

impl ToolHost for Odd {
    fn call_tool(&self, _: String, _: Value) -> Answer<Content> {
        Box::pin(async { Ok(unsendable()) })
    }
}

impl InputHost for Odd {
    fn input(&self, _: Content, _: Option<Value>) -> Answer<Content> {
        Box::pin(async { Ok(unsendable()) })
    }
}

fn asking() -> RequestOptions {
    let mut request = ask("odd", Value::Null);
    request.tools = vec![v1::Tool { name: "odd".to_owned(), ..v1::Tool::default() }];
    request.tool_host = Some(Arc::new(Odd));
    request.input_host = Some(Arc::new(Odd));
    request
}

#[tokio::test]
async fn a_handler_learns_what_cannot_travel_and_its_answer_arrives() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "odd"}), |call, _| async move {
        let mut told = Vec::new();
        let long = "x".repeat(limits::LONG_TEXT_BYTES + 1);
        told.push(named(&call.progress(&long, None).await.unwrap_err()));
        call.progress(&long[1..], None).await?;
        for model in ["", "a\u{7}", &"m".repeat(limits::ID_BYTES + 1)] {
            told.push(named(&call.add_usage(&usage(model)).unwrap_err()));
        }
        call.add_usage(&usage("right"))?;
        told.push(named(&call.call_tool("odd", &json!({})).await.unwrap_err()));
        told.push(named(&call.input(Content::text("?"), None).await.unwrap_err()));
        let deep = (0..limits::JSON_DEPTH).fold(json!([]), |inner, _| json!([inner]));
        told.push(named(&call.call_tool("odd", &deep).await.unwrap_err()));
        Ok(Content::value(json!(told)))
    })
    .await;
    let model = json!(["invalid_argument", "byModel", "ID_BYTES"]);
    let metadata = json!(["too_large", "content.metadata", "METADATA_ENTRIES"]);
    let wanted = json!([
        ["too_large", "note", "LONG_TEXT_BYTES"],
        model,
        model,
        model,
        metadata,
        metadata,
        ["json", "arguments", "JSON_DEPTH"],
    ]);
    // From another node, and from the agent's own.
    for node in [&two, &one] {
        let reply = node.request(asking()).await.unwrap();
        assert_eq!(reply.content.decoded(), Some(wanted.clone()));
        assert_eq!(reply.usage.by_model.keys().collect::<Vec<_>>(), ["right"]);
    }
}

#[tokio::test]
async fn so_many_tool_calls_are_made_and_the_next_is_refused_by_name() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "odd"}), |call, _| async move {
        let mut calls = 0;
        loop {
            match call.call_tool("odd", &json!({})).await {
                Err(error) if error.kind == Kind::TooLarge && calls >= limits::TOOL_CALLS => {
                    return Ok(Content::value(json!([calls, named(&error)])));
                }
                Ok(_) | Err(_) => calls += 1,
            }
        }
    })
    .await;
    let wanted = json!([limits::TOOL_CALLS, ["too_large", "tools", "TOOL_CALLS"]]);
    let reply = two.request(asking()).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(wanted));
}

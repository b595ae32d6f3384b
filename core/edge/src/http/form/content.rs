//! Content in, and the schema of content.

use hubless::{Content, Error, Result};
use hubless_proto::fields::Fields;
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, part};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Parts, or the shorthand `value`: a string is one text part, anything else one data part.
#[derive(ToSchema)]
#[schema(as = Content)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct ContentForm {
    #[schema(max_items = 1024)]
    parts: Option<Vec<PartForm>>,
    /// In an answer: of one text part its string, of one data part its JSON value, else null.
    value: Option<Value>,
    /// In an answer: all text parts, joined.
    text: Option<String>,
    metadata: Option<BTreeMap<String, Value>>,
}

/// One of text, data, blob and uri.
#[derive(ToSchema)]
#[schema(as = Part)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct PartForm {
    text: Option<String>,
    /// Any JSON.
    data: Option<Value>,
    blob: Option<BlobForm>,
    uri: Option<UriForm>,
    /// user, assistant, system, developer or tool.
    role: Option<String>,
    metadata: Option<BTreeMap<String, Value>>,
}

/// Bytes as base64.
#[derive(ToSchema)]
#[schema(as = Blob, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct BlobForm {
    media_type: Option<String>,
    filename: Option<String>,
    #[schema(content_encoding = "base64")]
    bytes: String,
}

/// What is elsewhere.
#[derive(ToSchema)]
#[schema(as = Uri, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct UriForm {
    uri: String,
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<u64>,
}

/// Reads content.
///
/// # Errors
/// `invalid_argument` with the field.
pub(super) fn read(value: Value) -> Result<Content> {
    let mut fields = Fields::of("content", value)?;
    let parts = fields.value("parts");
    let metadata = fields.value("metadata");
    // What an answer has besides: it may be handed on as it is.
    let _: Option<String> = fields.take("text")?;
    let short = fields.value("value");
    fields.end()?;
    let wrong = |field: &str| Error::invalid(field, "expected another form");
    let of = |field: &'static str, value: Value| {
        let message = Value::Object(Map::from_iter([(field.to_owned(), value)]));
        let read: std::result::Result<v1::Content, _> = serde_json::from_value(message);
        read.map_err(|_| wrong(&format!("content.{field}")))
    };
    let mut content = match parts {
        Some(parts) => of("parts", parts)?,
        None => v1::Content::default(),
    };
    if content.parts.len() > limits::CONTENT_PARTS {
        return Err(
            wrong("content.parts").with_limit("CONTENT_PARTS", limits::CONTENT_PARTS as u64)
        );
    }
    if let Some(metadata) = metadata {
        content.metadata_json = of("metadata", metadata)?.metadata_json;
    }
    if content.parts.is_empty() {
        let short = short.map(Content::value);
        content.parts = short.map(|content| content.message.parts).unwrap_or_default();
    }
    let whole = |part: &v1::Part| {
        matches!(
            part.kind,
            Some(
                part::Kind::Text(_)
                    | part::Kind::DataJson(_)
                    | part::Kind::Blob(_)
                    | part::Kind::Uri(_)
            )
        )
    };
    if !content.parts.iter().all(whole) {
        let message = "expected one of text, data, blob or uri in each part";
        return Err(Error::invalid("content.parts", message));
    }
    Ok(Content::from(content))
}

/// Content as an answer shows it: its streamed parts are inside by now.
///
/// # Errors
/// `internal` when it cannot be written.
pub(super) fn show(content: &v1::Content, value: &Value, text: &str) -> Result<Value> {
    let parts: Result<Vec<Value>> = content.parts.iter().map(part_value).collect();
    let mut shown = json!({ "parts": parts?, "value": value, "text": text });
    if !content.metadata_json.is_empty() {
        let rest = v1::Content { parts: Vec::new(), ..content.clone() };
        if let Some(metadata) = encode(&rest)?.get("metadata") {
            shown["metadata"] = metadata.clone();
        }
    }
    Ok(shown)
}

/// A part as JSON.
///
/// # Errors
/// As `show`.
pub(super) fn part_value(part: &v1::Part) -> Result<Value> {
    encode(part)
}

fn encode(message: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(message)
        .map_err(|_| Error::new(hubless::Kind::Internal, "the answer cannot be written as JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_the_shorthand_are_read() {
        let text = read(json!({ "value": "hi" })).unwrap();
        assert_eq!(text.joined_text(), "hi");
        let data = read(json!({ "value": { "a": 1 } })).unwrap();
        assert_eq!(data.decoded(), Some(json!({ "a": 1 })));
        let parts = json!({ "parts": [
            { "text": "a", "role": "user" }, { "data": null },
            { "blob": { "mediaType": "x/y", "bytes": "AAEC" } }, { "uri": { "uri": "urn:x" } },
        ], "metadata": { "k": 1 }, "value": null, "text": "a" });
        let read_back = read(parts.clone()).unwrap().message;
        assert_eq!(read_back.parts.len(), 4);
        let shown = show(&read_back, &Value::Null, "a").unwrap();
        assert_eq!(shown, parts, "what comes in goes out in the same form");
    }

    #[test]
    fn other_forms_are_refused_with_the_field() {
        for (value, field) in [
            (json!("hi"), "content"),
            (json!({ "parts": 3 }), "content.parts"),
            (json!({ "parts": [{}] }), "content.parts"),
            (json!({ "parts": [{ "stream": { "index": 0 } }] }), "content.parts"),
            (json!({ "parts": [{ "blob": { "bytes": "?" } }] }), "content.parts"),
            (json!({ "metadata": 3 }), "content.metadata"),
            (json!({ "valve": "hi" }), "content.valve"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{value}");
        }
    }
}

//! What a request may say.

use super::content::{self, ContentForm};
use hubless::{Error, RequestOptions, Result};
use hubless_proto::wire::json_text::check_json_depth;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A request, as the language contract has it, without what only a program of the mesh can say.
#[derive(ToSchema)]
#[schema(as = Request, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct RequestForm {
    #[schema(inline = false)]
    content: Option<ContentForm>,
    /// Skill that is meant; none: the agent's only one, or none in particular.
    skill: Option<String>,
    /// Milliseconds to the first event, then between events; none: 60,000.
    #[schema(minimum = 1, maximum = 604_800_000)]
    timeout_ms: Option<u64>,
    /// Milliseconds for the whole call.
    #[schema(minimum = 1, maximum = 604_800_000)]
    total_ms: Option<u64>,
    /// What the caller can take.
    accept: Option<AcceptForm>,
    /// Credential for the agent; that of the listener is a header.
    auth: Option<AuthForm>,
    /// What the agent should know.
    #[schema(value_type = Option<Object>)]
    context: Option<Value>,
    #[schema(max_length = 64)]
    conversation_id: Option<String>,
    /// JSON Schema 2020-12 that the content must hold.
    input_schema: Option<Value>,
    /// JSON Schema 2020-12 that the answer must hold.
    output_schema: Option<Value>,
    /// PURE, IDEMPOTENT or AT_MOST_ONCE.
    effect: Option<String>,
    /// The agent answers the same key with the same outcome for 10 minutes.
    #[schema(max_length = 256)]
    idempotency_key: Option<String>,
    /// Where the data may go.
    #[schema(value_type = Option<Object>)]
    data_policy: Option<Value>,
    metadata: Option<BTreeMap<String, Value>>,
    extensions: Option<BTreeMap<String, Value>>,
}

/// What the caller can take.
#[derive(ToSchema)]
#[schema(as = Accept, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct AcceptForm {
    media_types: Option<Vec<String>>,
    streaming: Option<bool>,
    context_protocols: Option<Vec<String>>,
    models: Option<Vec<String>>,
}

/// A credential.
#[derive(ToSchema)]
#[schema(as = Auth)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct AuthForm {
    scheme: String,
    #[schema(format = Password)]
    secret: String,
}

/// Fields of a request, as the document says.
const FIELDS: [&str; 15] = [
    "content",
    "skill",
    "timeoutMs",
    "totalMs",
    "accept",
    "auth",
    "context",
    "conversationId",
    "inputSchema",
    "outputSchema",
    "effect",
    "idempotencyKey",
    "dataPolicy",
    "metadata",
    "extensions",
];
/// Metadata that means something to nodes, and is not for strangers to say.
const OURS: &str = "hubless.";

/// Reads a request for this agent, of this principal.
///
/// # Errors
/// `invalid_argument` with the field; `json` for nesting that is too deep.
pub(in crate::http) fn request(to: &str, principal: &str, body: &[u8]) -> Result<RequestOptions> {
    let wrong = |message: &str| Error::invalid("body", message).with_code("not_json");
    let text = std::str::from_utf8(body).map_err(|_| wrong("expected JSON in UTF-8"))?;
    check_json_depth("body", text)?;
    let value = serde_json::from_str(text).map_err(|_| wrong("expected JSON"))?;
    let Value::Object(mut fields) = value else { return Err(wrong("expected a JSON object")) };
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let message = format!("expected no field but {}", FIELDS.join(", "));
        return Err(Error::invalid(unknown, message));
    }
    let metadata = fields.get("metadata").and_then(Value::as_object);
    if metadata.is_some_and(|metadata| metadata.keys().any(|name| name.starts_with(OURS))) {
        let message = format!("expected no name that begins with {OURS}");
        return Err(Error::invalid("metadata", message));
    }
    let content = fields.shift_remove("content").filter(|content| !content.is_null());
    // As in the contract, null is as good as absent.
    fields.retain(|_, value| !value.is_null());
    let content = content.map(content::read).transpose()?.unwrap_or_default();
    let mut options = RequestOptions::read(with_target(fields, to))?;
    options.content = content;
    options.edge = Some(principal.to_owned());
    // Who is not known is not waited for: an answer takes as long for one that is hidden.
    options.wait_ms = Some(0);
    Ok(options)
}

fn with_target(mut fields: Map<String, Value>, to: &str) -> Value {
    fields.insert("to".to_owned(), Value::from(to));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubless::node::Target;
    use serde_json::json;

    fn read(body: &Value) -> Result<RequestOptions> {
        request("echo", "edge:http:anonymous", body.to_string().as_bytes())
    }

    #[test]
    fn a_request_is_read_as_the_contract_says() {
        let body =
            json!({ "content": { "value": "hi" }, "skill": "s", "totalMs": 5, "effect": null });
        let options = read(&body).unwrap();
        assert!(matches!(&options.to, Target::Text(to) if to == "echo"));
        assert_eq!((options.skill.as_str(), options.total_ms), ("s", Some(5)));
        assert_eq!(options.edge.as_deref(), Some("edge:http:anonymous"));
        assert_eq!(options.content.joined_text(), "hi");
    }

    #[test]
    fn what_only_the_mesh_may_say_is_refused() {
        for field in [
            "to",
            "from",
            "edge",
            "parent",
            "returnTo",
            "transportAuth",
            "template",
            "trace",
            "tools",
            "retry",
            "wait",
            "onInput",
            "grant",
        ] {
            let error = read(&json!({ (field): "x" })).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field));
        }
        let ours = read(&json!({ "metadata": { "hubless.returnOf": {} } })).unwrap_err();
        assert_eq!(ours.field.as_deref(), Some("metadata"));
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in [&b"hi"[..], b"", b"[]", b"{", b"\xff", b"{\"skill\": 3}"] {
            let error = request("a", "edge:http:anonymous", body).unwrap_err();
            assert_eq!(error.kind, hubless::Kind::InvalidArgument, "{body:?}");
        }
        let deep = format!("{{\"metadata\":{}", "[".repeat(100_000));
        let error = request("a", "edge:http:anonymous", deep.as_bytes()).unwrap_err();
        assert_eq!(error.code, "too_deep");
    }

    #[test]
    fn the_document_knows_every_field() {
        let schema = <RequestForm as utoipa::PartialSchema>::schema();
        let schema = serde_json::to_value(schema).unwrap();
        let mut known: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        let mut fields = FIELDS.to_vec();
        known.sort_unstable();
        fields.sort_unstable();
        assert_eq!(known, fields);
    }
}

//! The JSON form of an inbound call (contract, section 5).

use crate::json::context::ContextOut;
use crate::json::shown::{ContentOut, Outlet, raw};
use hubless::call::body::Bodies;
use hubless::call::handle::Call;
use hubless_proto::error::Result;
use hubless_proto::wire::v1;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolOut {
    name: String,
    description: String,
    input_schema: Box<RawValue>,
    effect: String,
}

/// What a `call` event says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InboundOut {
    agent: u64,
    fresh: bool,
    skill: String,
    content: ContentOut,
    caller: Value,
    auth_scheme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept: Option<v1::Accept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<ContextOut>,
    #[serde(skip_serializing_if = "String::is_empty")]
    conversation_id: String,
    tools: Vec<ToolOut>,
    deadline_ms: u64,
    depth: u32,
    trace: v1::Trace,
    #[serde(skip_serializing_if = "String::is_empty")]
    idempotency_key: String,
    metadata: BTreeMap<String, Box<RawValue>>,
    request_id: String,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<Box<RawValue>>,
}

impl InboundOut {
    /// Shows a call to the host; `outlet` takes the blobs of its context.
    ///
    /// # Errors
    /// `json` for a field that holds none.
    pub(crate) fn new(
        call: &Call,
        content: ContentOut,
        outlet: &mut Outlet<'_>,
        (agent, fresh): (u64, bool),
    ) -> Result<Self> {
        let request = call.request();
        let context = request.context.clone();
        let context = context.map(|context| ContextOut::new(context, outlet)).transpose()?;
        Ok(Self {
            agent,
            fresh,
            skill: request.skill.clone(),
            content,
            caller: crate::json::caller(call.caller()),
            auth_scheme: request.auth.as_ref().map(|a| a.scheme.clone()).unwrap_or_default(),
            accept: request.accept.clone(),
            context,
            conversation_id: request.conversation_id.clone(),
            tools: request.tools.iter().map(tool).collect::<Result<_>>()?,
            deadline_ms: u64::try_from(call.remaining().as_millis()).unwrap_or(u64::MAX),
            depth: request.depth,
            trace: call.trace().clone(),
            idempotency_key: request.idempotency_key.clone(),
            metadata: outlet.values("metadata", request.metadata_json.clone())?,
            request_id: data_encoding::HEXLOWER.encode(&request.id),
            attempt: request.attempt,
            granted: call.granted().map(|granted| granted.to_json()),
            input_schema: schema(&request.input_schema_json)?,
            output_schema: schema(&request.output_schema_json)?,
        })
    }
}

fn tool(tool: &v1::Tool) -> Result<ToolOut> {
    Ok(ToolOut {
        name: tool.name.clone(),
        description: tool.description.clone(),
        input_schema: raw(tool.input_schema_json.clone())?,
        effect: tool.effect.clone(),
    })
}

fn schema(text: &str) -> Result<Option<Box<RawValue>>> {
    (!text.is_empty()).then(|| raw(text.to_owned())).transpose()
}

/// Turns of a conversation as the host sees them.
pub(crate) fn turns(outlet: &mut Outlet<'_>, turns: Vec<v1::Part>) -> Result<Value> {
    let parts = turns
        .into_iter()
        .map(|part| outlet.part(part, &mut Bodies::none()))
        .collect::<Result<Vec<_>>>()?;
    Ok(serde_json::json!({ "turns": parts }))
}

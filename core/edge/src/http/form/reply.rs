//! Answers, and the items of a streamed one.

use super::content::{self, ContentForm};
use hubless::call::content::{part_text, part_value};
use hubless::node::{Answerer, Path, TimingForm, UsageForm};
use hubless::{Content, Error, Kind, Reply, Result, StreamItem};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reply)]
pub(in crate::http) struct ReplyForm {
    /// Of one text part its string, of one data part its JSON value, else null.
    #[schema(required)]
    value: Value,
    /// All text parts, joined.
    text: String,
    #[schema(value_type = ContentForm)]
    content: Value,
    #[schema(value_type = UsageSchema)]
    usage: UsageForm,
    #[schema(value_type = TimingSchema)]
    timing: TimingForm,
    #[schema(value_type = AnswererForm)]
    agent: Answerer,
    /// in_process, direct or relay.
    #[schema(value_type = String)]
    path: Path,
    attempts: u32,
}

/// Who answered.
#[derive(ToSchema)]
#[schema(as = Answerer, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct AnswererForm {
    agent_id: String,
    name: String,
    node_key: String,
}

/// What it cost.
#[derive(ToSchema)]
#[schema(as = Usage, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct UsageSchema {
    input_tokens: u64,
    output_tokens: u64,
    cost_micros: u64,
    calls: u64,
    by_model: BTreeMap<String, ModelSchema>,
    /// True: nothing was reported, so all that was granted is charged.
    charged_in_full: bool,
}

/// What it cost, of one model.
#[derive(ToSchema)]
#[schema(as = ModelUsage, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct ModelSchema {
    input_tokens: u64,
    output_tokens: u64,
    cost_micros: u64,
    calls: u64,
}

/// How long it took, in microseconds.
#[derive(ToSchema)]
#[schema(as = Timing, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct TimingSchema {
    queue_us: u64,
    handler_us: u64,
    network_us: u64,
}

/// One item of a streamed answer: exactly one of the fields. A failure is an event `error` whose
/// data is an Error.
#[derive(ToSchema)]
#[schema(as = StreamItem)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct ItemForm {
    accepted: Option<bool>,
    progress: Option<ProgressForm>,
    chunk: Option<ChunkForm>,
    #[schema(rename = "final")]
    last: Option<ReplyForm>,
}

/// How far the agent is.
#[derive(ToSchema)]
#[schema(as = Progress)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct ProgressForm {
    note: String,
    /// From 0 to 1.
    fraction: Option<f64>,
}

/// A part of the answer, sent ahead.
#[derive(ToSchema)]
#[schema(as = Chunk)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct ChunkForm {
    /// A Part with `value` and `text`.
    #[schema(value_type = Object)]
    part: Value,
    /// True: it continues the part before it.
    append: bool,
}

/// What refused the request or went wrong.
#[derive(ToSchema)]
#[schema(as = Error, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct ErrorForm {
    /// One of a closed set, which gives the status.
    kind: String,
    /// What of the kind it is.
    code: Option<String>,
    operation: String,
    message: String,
    field: Option<String>,
    limit: Option<LimitForm>,
    /// "never", "later" or {"afterMs": n}.
    retry: Value,
    agent: Option<String>,
    trace_id: Option<String>,
    candidates: Option<Vec<String>>,
    /// True: the agent, or the listener for it, refused.
    rejection: bool,
    pointer: Option<String>,
}

/// A bound that was reached.
#[derive(ToSchema)]
#[schema(as = Limit)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
struct LimitForm {
    name: String,
    value: u64,
}

/// Shows an answer, with the bytes of its streamed parts inside.
///
/// # Errors
/// `too_large` (`answer`); as the bytes of streamed parts.
///
/// # Cancellation
/// What was read is lost.
pub(in crate::http) async fn reply(reply: Reply) -> Result<ReplyForm> {
    let (value, text) = (reply.content.decoded().unwrap_or_default(), reply.content.joined_text());
    let message = inline(reply.content).await?;
    Ok(ReplyForm {
        content: content::show(&message, &value, &text)?,
        value,
        text,
        usage: reply.usage.into(),
        timing: reply.timing.into(),
        agent: reply.agent,
        path: reply.path,
        attempts: reply.attempts,
    })
}

/// Shows an item: its name, and its JSON.
///
/// # Errors
/// As `reply`.
///
/// # Cancellation
/// What was read is lost.
pub(in crate::http) async fn item(item: StreamItem) -> Result<(&'static str, Value)> {
    let (name, shown) = match item {
        StreamItem::Accepted => ("accepted", Value::from(true)),
        StreamItem::Progress { note, fraction: None } => ("progress", json!({ "note": note })),
        StreamItem::Progress { note, fraction } => {
            ("progress", json!({ "note": note, "fraction": fraction }))
        }
        StreamItem::Chunk { content, append } => {
            let message = inline(content).await?;
            let part = message.parts.first().ok_or_else(unwritable)?;
            let mut shown = content::part_value(part)?;
            shown["value"] = part_value(part).unwrap_or_default();
            shown["text"] = Value::from(part_text(part).unwrap_or_default());
            ("chunk", json!({ "part": shown, "append": append }))
        }
        StreamItem::Final(last) => {
            let last = serde_json::to_value(reply(*last).await?);
            ("final", last.map_err(|_| unwritable())?)
        }
    };
    Ok((name, json!({ (name): shown })))
}

async fn inline(content: Content) -> Result<v1::Content> {
    let bound = limits::HTTP_ANSWER_BYTES as u64;
    content.inline(bound).await.map_err(|error| {
        if error.kind != Kind::TooLarge {
            return error;
        }
        Error::refusal(Kind::TooLarge, "answer", "the answer is too large")
            .with_limit("HTTP_ANSWER_BYTES", bound)
    })
}

fn unwritable() -> Error {
    Error::new(Kind::Internal, "the answer cannot be written as JSON")
}

//! An answer, printed.

use super::run::Context;
use crate::output;
use hubless::call::content::part_value;
use hubless::{Reply, Result};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, part};
use serde_json::{Value, json};

/// Prints an answer: text as it is, JSON indented, a lone blob as its bytes unless a person would
/// have to read them.
///
/// # Errors
/// As the bytes of streamed parts; `internal` when stdout cannot be written.
pub(super) async fn print(context: &Context, reply: Reply) -> Result<()> {
    let (value, text) = (reply.content.decoded(), reply.content.joined_text());
    let content = reply.content.inline(limits::REQUEST_BYTES).await?;
    if context.json {
        let body = json!({
            "value": value, "text": text, "content": content, "usage": reply.usage,
            "timing": reply.timing, "agent": reply.agent, "path": reply.path,
            "attempts": reply.attempts, "traceId": reply.trace_id,
        });
        return output::object("reply", &body);
    }
    match content.parts.as_slice() {
        [v1::Part { kind: Some(part::Kind::Blob(blob)), .. }] if !output::is_terminal() => {
            output::raw(&blob.bytes)
        }
        parts => parts.iter().try_for_each(|part| output::line(&shown(part))),
    }
}

/// One part for a person.
pub(super) fn shown(part: &v1::Part) -> String {
    match &part.kind {
        Some(part::Kind::Text(text)) => text.clone(),
        Some(part::Kind::DataJson(text)) => match part_value(part) {
            Some(Value::String(text)) => text,
            Some(value) => format!("{value:#}"),
            None => text.clone(),
        },
        Some(part::Kind::Uri(uri)) => uri.uri.clone(),
        Some(part::Kind::Blob(blob)) => {
            let (size, kind) = (blob.bytes.len(), &blob.media_type);
            format!("[{kind}, {size} bytes; --json or a pipe shows them]")
        }
        Some(part::Kind::Stream(stream)) => format!("[{}, streamed]", stream.media_type),
        None => String::new(),
    }
}

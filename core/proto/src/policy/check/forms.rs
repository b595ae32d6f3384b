//! The value of a content: what a schema speaks about.

use crate::error::{Error, Kind, Result};
use crate::wire::v1::{Content, part};
use serde_json::Value;

/// The only data part if there is exactly one; else, without any data part, the only text part as
/// a string; else null.
///
/// # Errors
/// `json` when the data part is not JSON.
pub(super) fn value(content: Option<&Content>) -> Result<Value> {
    let (mut data, mut texts) = (Vec::new(), Vec::new());
    for part in content.iter().flat_map(|content| &content.parts) {
        match &part.kind {
            Some(part::Kind::DataJson(json)) => data.push(json),
            Some(part::Kind::Text(text)) => texts.push(text),
            Some(part::Kind::Blob(_) | part::Kind::Uri(_) | part::Kind::Stream(_)) | None => (),
        }
    }
    match (data.as_slice(), texts.as_slice()) {
        ([json], _) => serde_json::from_str(json).map_err(|_| {
            Error::refusal(Kind::Json, "not_json", "expected JSON in the data part")
                .with_field("content")
        }),
        ([], [text]) => Ok(Value::String((*text).clone())),
        _ => Ok(Value::Null),
    }
}

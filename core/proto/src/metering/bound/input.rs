//! The count of what a model reads.

use crate::error::Result;
use crate::metering::prices::{Counting, Model};
use serde_json::Value;

/// Tokens of a request at most: its whole text, tools and schemas included, and what the model's
/// table adds for each of `pieces` (messages and tools) and for the request.
///
/// A tokeniser may join a text with the quotes around it, and then counts less than for the text
/// alone: so each text is counted by itself as well, and the larger sum stands.
pub(super) fn tokens(model: &Model, body: &str, value: &Value, pieces: u64) -> Result<u64> {
    let whole = model.count(body)?;
    let apart = match model.tokens {
        Counting::O200k => texts(model, value)?,
        // The bytes of the texts are among those of the whole.
        Counting::Bytes => 0,
    };
    let added = model.message_tokens.saturating_mul(pieces);
    Ok(whole.max(apart).saturating_add(added).saturating_add(model.request_tokens))
}

/// Sum of all texts, names of fields included; numbers and words count one each.
fn texts(model: &Model, value: &Value) -> Result<u64> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(1),
        Value::String(text) => model.count(text),
        Value::Array(all) => all.iter().try_fold(0, |sum: u64, one| {
            let one = texts(model, one)?;
            Ok(sum.saturating_add(one))
        }),
        Value::Object(fields) => fields.iter().try_fold(0, |sum: u64, (name, one)| {
            let one = model.count(name)?.saturating_add(texts(model, one)?);
            Ok(sum.saturating_add(one))
        }),
    }
}

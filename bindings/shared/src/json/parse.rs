//! From the text of a body to typed values, with errors that name the field.
//!
//! Owns: how a malformed body is refused. Must not know any operation. Tested beside the code.

use hubless_proto::error::Result;
use hubless_proto::{Error, Kind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Reads a body.
///
/// # Errors
/// `invalid_argument` with the field; `json`, `too_deep` when it nests deeper than JSON may.
pub(crate) fn body<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T> {
    let text = if text.is_empty() { b"{}" } else { text };
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(Error::invalid("body", "expected a JSON object"));
    }
    serde_json::from_slice(text).map_err(|error| {
        let refusal = refused(&error);
        match place(text, &error) {
            Some(name) if refusal.field.as_deref() == Some("body") => refusal.with_field(&name),
            Some(_) | None => refusal,
        }
    })
}

/// Reads the value of one field.
///
/// # Errors
/// As `body`; an error that names no inner field names `field`.
pub(crate) fn field<T: DeserializeOwned>(name: &str, value: &RawValue) -> Result<T> {
    serde_json::from_str(value.get()).map_err(|error| {
        let error = refused(&error);
        if error.field.as_deref() == Some("body") { error.with_field(name) } else { error }
    })
}

/// Keeps a field that is there with the value null apart from one that is not there.
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Unwraps a field that must be there.
///
/// # Errors
/// `invalid_argument` that names it.
pub(crate) fn required<T>(name: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::invalid(name, format!("expected the field {name}")))
}

/// The field in whose value the reading of a body ended.
fn place(text: &[u8], error: &serde_json::Error) -> Option<String> {
    // Errors of syntax are those of the whole; some of values have no place.
    if !error.is_data() || error.line() == 0 {
        return None;
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let read = lines.take(error.line() - 1).map(<[u8]>::len).sum::<usize>() + error.column();
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(text).ok()?;
    let begins = |value: &RawValue| value.get().as_ptr().addr() - text.as_ptr().addr();
    let begun = fields.into_iter().filter(|(_, value)| begins(value) <= read);
    begun.max_by_key(|(_, value)| begins(value)).map(|(name, _)| name)
}

fn refused(error: &serde_json::Error) -> Error {
    let message = error.to_string();
    if message.starts_with("recursion limit exceeded") {
        let limit = hubless_proto::limits::JSON_DEPTH as u64;
        return Error::new(Kind::Json, "expected JSON of a smaller depth")
            .with_code("too_deep")
            .with_limit("JSON_DEPTH", limit);
    }
    let field = message.split('`').nth(1).filter(|_| message.contains(" field `"));
    // The position stays in the message; the payload never is.
    Error::invalid(field.unwrap_or("body"), message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        count: Option<u8>,
    }

    #[test]
    fn a_refusal_names_the_field() {
        let rows: [(&str, &str); 9] = [
            (r#"[1]"#, "body"),
            (r#"{"#, "body"),
            (r#"{"count": 1}"#, "name"),
            (r#"{"name": "x", "other": 1}"#, "other"),
            ("", "name"),
            (r#"{"name": 1}"#, "name"),
            (r#"{"count": -1, "name": "x"}"#, "count"),
            (r#"{"name": "x", "count": 256}"#, "count"),
            ("{\n\"name\": \"x\",\n \"count\": [1]\n}", "count"),
        ];
        for (text, wanted) in rows {
            let refused = body::<Sample>(text.as_bytes()).map_err(|e| (e.kind, e.field));
            let wanted = (Kind::InvalidArgument, Some(wanted.to_owned()));
            assert_eq!(refused.err(), Some(wanted), "{text}");
        }
    }
}

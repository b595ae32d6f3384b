//! Fields that are taken, and how each is checked.

use crate::error::{Error, Kind, Result};
use crate::wire::json_text::check_json_depth;
use crate::wire::text::excerpt;
use serde_json::{Map, Value};

/// Checks the value of a field of this name.
pub(super) type Check = fn(&str, &Value) -> Result<()>;

/// Reads a body as one JSON object.
///
/// # Errors
/// `json`: too deep; `invalid_argument`, code `bad_json`.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>> {
    let wrong = || Error::invalid("body", "expected a JSON object in UTF-8").with_code("bad_json");
    let text = std::str::from_utf8(body).map_err(|_| wrong())?;
    check_json_depth("body", text)?;
    serde_json::from_str(text).map_err(|_| wrong())
}

/// Checks each field by the table; null says nothing, whatever its name.
///
/// # Errors
/// `unsupported`, naming the field, for one that is not in the table; what its check says.
pub(super) fn check(
    path: &str,
    fields: &Map<String, Value>,
    table: &[(&str, Check)],
) -> Result<()> {
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let field = format!("{path}{}", excerpt(name));
        match table.iter().find(|(known, _)| known == name) {
            Some((_, check)) => check(&field, value)?,
            None => return Err(unpriced(&field)),
        }
    }
    Ok(())
}

/// A field whose price the table does not bound.
pub(super) fn unpriced(field: &str) -> Error {
    let message = "expected only fields whose price is bounded";
    Error::refusal(Kind::Unsupported, "unpriced", message).with_field(field)
}

/// Any value: it costs what its text does.
#[allow(clippy::unnecessary_wraps, reason = "one of several checks")]
pub(super) fn any(_: &str, _: &Value) -> Result<()> {
    Ok(())
}

/// True or false.
pub(super) fn flag(field: &str, value: &Value) -> Result<()> {
    let wrong = || Error::invalid(field, "expected true or false");
    value.as_bool().map(drop).ok_or_else(wrong)
}

/// A text.
pub(super) fn text(field: &str, value: &Value) -> Result<()> {
    let wrong = || Error::invalid(field, "expected a text");
    value.as_str().map(drop).ok_or_else(wrong)
}

/// The number one: more answers would each be paid.
pub(super) fn one(field: &str, value: &Value) -> Result<()> {
    if value.as_u64() == Some(1) { Ok(()) } else { Err(unpriced(field)) }
}

/// The tier that the table has prices of.
pub(super) fn default_tier(field: &str, value: &Value) -> Result<()> {
    if value.as_str() == Some("default") { Ok(()) } else { Err(unpriced(field)) }
}

/// Text is the only output.
pub(super) fn only_text(field: &str, value: &Value) -> Result<()> {
    let all = value.as_array();
    let text = all.is_some_and(|all| all.iter().all(|one| one.as_str() == Some("text")));
    if text { Ok(()) } else { Err(unpriced(field)) }
}

/// An empty list, as clients send back what they got.
pub(super) fn nothing(field: &str, value: &Value) -> Result<()> {
    if value.as_array().is_some_and(Vec::is_empty) { Ok(()) } else { Err(unpriced(field)) }
}

/// A list of objects whose `type` is one of these, with no other fields than those of the table.
pub(super) fn typed(
    field: &str,
    value: &Value,
    types: &[&str],
    table: &[(&str, Check)],
) -> Result<()> {
    let wrong = || Error::invalid(field, "expected a list of objects with a type");
    for (index, one) in value.as_array().ok_or_else(wrong)?.iter().enumerate() {
        let kind = one.get("type").and_then(Value::as_str).ok_or_else(wrong)?;
        if !types.contains(&kind) {
            return Err(unpriced(&format!("{field}[{index}].type")));
        }
        check(&format!("{field}[{index}]."), one.as_object().ok_or_else(wrong)?, table)?;
    }
    Ok(())
}

//! Reading of JSON for programs that have no library for it.

use crate::arena::Arena;
use crate::entry::{entry, give, look, need, text};
use crate::fault::{Fault, hubless_error};
use crate::handles::handle;
use crate::state::{CALLS, REPLIES, TEXTS};
use crate::types::{hubless_call, hubless_reply, hubless_status, hubless_str, hubless_text};
use serde_json::Value;

/// The value at a pointer: a string as its text, anything else as JSON.
fn at(json: &str, pointer: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => Some(other.to_string()),
    }
}

fn shown(arena: &mut Arena, json: Option<&str>, pointer: &str) -> hubless_str {
    json.and_then(|json| at(json, pointer)).map_or(hubless_str::NONE, |found| arena.text(found))
}

/// Gives the value at a JSON pointer (RFC 6901) of a JSON text: a string as its text, anything
/// else as JSON. `HUBLESS_NOT_FOUND` when there is none.
///
/// # Safety
/// The texts are readable; `value` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_json_get(
    json: hubless_str,
    pointer: hubless_str,
    value: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("value", value, std::ptr::null_mut())?;
            let json = need("json", json)?;
            let pointer = text("pointer", pointer)?.unwrap_or_default();
            let found = at(&json, &pointer).ok_or_else(|| {
                let error = hubless_proto::Error::new(
                    hubless_proto::Kind::NotFound,
                    "expected a JSON text with a value at this pointer",
                );
                Fault::from(error.with_field("pointer"))
            })?;
            give("value", value, handle(TEXTS.insert(found).0))
        })
    }
}

/// The value at a JSON pointer of what a call asks, such as `/name`; lives as long as the call.
/// No text when there is none.
///
/// # Safety
/// The text is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_value(
    call: *const hubless_call,
    pointer: hubless_str,
) -> hubless_str {
    // SAFETY: the caller vouches for the text.
    let read = || unsafe { text("pointer", pointer) };
    look(hubless_str::NONE, || match (CALLS.get(call), read()) {
        (Ok(call), Ok(pointer)) => call
            .with_value(|arena, json| shown(arena, json, pointer.as_deref().unwrap_or_default())),
        _ => hubless_str::NONE,
    })
}

/// The value at a JSON pointer of an answer; lives as long as the reply. No text when there is
/// none.
///
/// # Safety
/// The text is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_reply_value(
    reply: *const hubless_reply,
    pointer: hubless_str,
) -> hubless_str {
    // SAFETY: the caller vouches for the text.
    let read = || unsafe { text("pointer", pointer) };
    look(hubless_str::NONE, || match (REPLIES.get(reply), read()) {
        (Ok(reply), Ok(pointer)) => reply
            .with_value(|arena, json| shown(arena, json, pointer.as_deref().unwrap_or_default())),
        _ => hubless_str::NONE,
    })
}

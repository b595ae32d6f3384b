//! Failures of the program's own: how a handler, a tool or an answer ends without a result.
//!
//! Owns: their C form. Must not know who is told. Tested by `include/tests/failures.c`.

use crate::call;
use crate::content;
use crate::entry::{Options, any_text, entry, options, text};
use crate::fault::{
    Fault, HUBLESS_RETRY_AFTER, HUBLESS_RETRY_LATER, HUBLESS_RETRY_NEVER, Result, hubless_error,
};
use crate::state::CALLS;
use crate::types::{hubless_call, hubless_status, hubless_str};
use hubless_proto::Kind;
use serde_json::{Value, json};

/// Why a call has no answer, as its caller sees it. Zero means the default everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_failure {
    /// `sizeof(hubless_failure)`.
    pub size: usize,
    /// Kind of the error, `HUBLESS_AUTH` to `HUBLESS_INTERNAL`; 0: `HUBLESS_HANDLER_FAILED`.
    pub kind: i32,
    /// 1: `retry` says when to ask again; 0: the kind does.
    pub has_retry: i32,
    /// Detail in snake_case.
    pub code: hubless_str,
    /// What was expected and what came, for people; no secrets.
    pub message: hubless_str,
    /// Field of the request that is at fault.
    pub field: hubless_str,
    /// One of `HUBLESS_RETRY_*`.
    pub retry: i32,
    /// Milliseconds, with `HUBLESS_RETRY_AFTER`.
    pub retry_after_ms: u64,
}

// SAFETY: `repr(C)`, the size comes first, and zeroes are a value.
unsafe impl Options for hubless_failure {}

/// Ends a call with a failure and frees it. Never blocks. `kind`: `HUBLESS_HANDLER_FAILED`, or
/// what the program means; `code` and `message` are for people and tests. When to ask again is
/// said by the kind; `hubless_call_fail_with` says it otherwise, and which field is at fault.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_fail(
    call: *mut hubless_call,
    kind: i32,
    code: hubless_str,
    message: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || fail(call, || failure(kind, code, message))) }
}

/// As `hubless_call_fail`, with all that a failure can say. One that is refused ends nothing.
///
/// # Safety
/// `failure` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_fail_with(
    call: *mut hubless_call,
    failure: *const hubless_failure,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || fail(call, || whole(failure))) }
}

fn fail(call: *const hubless_call, why: impl FnOnce() -> Result<Value>) -> Result<()> {
    let open = CALLS.get(call)?;
    let mut body = why()?;
    content::set(&mut body, "call", json!(open.id));
    call::end(call, &open, "call.fail", (body, Vec::new()))
}

/// Reads a failure that says its kind, a code and a message.
///
/// # Safety
/// The texts are readable.
pub(crate) unsafe fn failure(kind: i32, code: hubless_str, message: hubless_str) -> Result<Value> {
    let known = Kind::ALL.into_iter().find(|known| known.row().c == kind);
    let kind = known.ok_or_else(|| Fault::invalid("kind", "expected a kind of error"))?;
    // SAFETY: as the caller says.
    let (code, message) = unsafe { (text("code", code)?, any_text("message", message)?) };
    Ok(json!({"kind": kind.name(), "code": code, "message": message.unwrap_or_default()}))
}

/// Reads a failure that may say all.
///
/// # Safety
/// `given` is NULL or valid.
unsafe fn whole(given: *const hubless_failure) -> Result<Value> {
    if given.is_null() {
        return Err(Fault::invalid("failure", "expected a failure, got NULL"));
    }
    // SAFETY: as the caller says.
    unsafe {
        let given = options(given)?;
        let kind = match given.kind {
            0 => Kind::HandlerFailed.row().c,
            kind => kind,
        };
        let mut body = failure(kind, given.code, given.message)?;
        // Of an error that is passed on the texts are there, and empty.
        if let Some(field) = text("field", given.field)?.filter(|field| !field.is_empty()) {
            content::set(&mut body, "field", json!(field));
        }
        if let Some(retry) = retry(&given)? {
            content::set(&mut body, "retry", retry);
        }
        Ok(body)
    }
}

/// When to ask again; none: what the kind says.
fn retry(given: &hubless_failure) -> Result<Option<Value>> {
    let hubless_failure { has_retry, retry, retry_after_ms, .. } = *given;
    match (has_retry, retry, retry_after_ms) {
        (0, HUBLESS_RETRY_NEVER, 0) => Ok(None),
        (1, HUBLESS_RETRY_NEVER, 0) => Ok(Some(json!("never"))),
        (1, HUBLESS_RETRY_LATER, 0) => Ok(Some(json!("later"))),
        (1, HUBLESS_RETRY_AFTER, ms) => Ok(Some(json!({ "afterMs": ms }))),
        (0 | 1, HUBLESS_RETRY_NEVER | HUBLESS_RETRY_LATER, 1..) => {
            let message = "expected 0 without HUBLESS_RETRY_AFTER";
            Err(Fault::invalid("retry_after_ms", message))
        }
        (0, HUBLESS_RETRY_LATER | HUBLESS_RETRY_AFTER, _) => {
            Err(Fault::invalid("has_retry", "expected 1 with what retry says"))
        }
        (0 | 1, ..) => Err(Fault::invalid("retry", "expected one of HUBLESS_RETRY_*")),
        _ => Err(Fault::invalid("has_retry", "expected 0 or 1")),
    }
}

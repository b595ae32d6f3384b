//! The stop that a handler says: of its own call, and of what is below it.
//!
//! Owns nothing. Must not know what is stopped. Tested by `include/tests/halts.c`.

use crate::entry::entry;
use crate::fault::{Result, hubless_error};
use crate::operation::{Operation, nothing};
use crate::state::{CALLS, User};
use crate::tell::{self, hubless_on_done};
use crate::types::{hubless_call, hubless_status};
use serde_json::json;
use std::os::raw::c_void;
use std::sync::Arc;

/// Stops a call and everything below it, for good: all that its grant pays for. Its handler and
/// those that it asked are told by `on_cancel`, on any node, and nothing more is spent. The caller
/// gets `HUBLESS_KILLED`, code `operator`; its budget, and what else that pays for, go on with what
/// was not used. The call is still to be ended by `hubless_call_final` or `hubless_call_fail`,
/// which frees it. A call without a budget holds nothing that could be stopped:
/// `HUBLESS_NOT_FOUND`, code `grant`. Blocks shortly.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_trip(
    call: *const hubless_call,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || trip(call)?.wait()) }
}

/// As `hubless_call_trip`, without blocking.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_trip_async(
    call: *const hubless_call,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || trip(call)?.begin(tell::done(on_done, User(user))?)) }
}

fn trip(call: *const hubless_call) -> Result<Operation<()>> {
    let open = CALLS.get(call)?;
    let body = json!({ "call": open.id });
    Ok(Operation::new(Arc::clone(&open.node), "call.trip", body, nothing))
}

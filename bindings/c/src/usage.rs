//! What a handler says that it used.
//!
//! Owns: the C form of it. Must not know budgets: spendings count by themselves. Tested by
//! `include/tests/calls.c`.

use crate::entry::{Options, entry, options, text};
use crate::fault::{Result, hubless_error};
use crate::state::CALLS;
use crate::types::{hubless_call, hubless_status, hubless_str};
use serde_json::json;

/// What a handler used. Zero what it did not.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_usage_report {
    /// `sizeof(hubless_usage_report)`.
    pub size: usize,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Cost in 1e-6 of the currency unit.
    pub cost_micros: u64,
    /// Calls that were made.
    pub calls: u64,
    /// Model that it was used for; none: no certain one.
    pub model: hubless_str,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_usage_report {}

/// Adds tokens to the usage that the answer reports. Never blocks.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_usage(
    call: *const hubless_call,
    input_tokens: u64,
    output_tokens: u64,
    model: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let size = size_of::<hubless_usage_report>();
            let (cost_micros, calls) = (0, 0);
            let report = hubless_usage_report {
                size,
                input_tokens,
                output_tokens,
                cost_micros,
                calls,
                model,
            };
            add(call, &raw const report)
        })
    }
}

/// As `hubless_call_usage`, with cost and calls.
///
/// # Safety
/// `report` is NULL (nothing was used) or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_usage_with(
    call: *const hubless_call,
    report: *const hubless_usage_report,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || add(call, report)) }
}

/// Adds what was used.
///
/// # Safety
/// As `hubless_call_usage_with`.
unsafe fn add(call: *const hubless_call, report: *const hubless_usage_report) -> Result<()> {
    let open = CALLS.get(call)?;
    // SAFETY: the callers vouch for the pointers.
    let (used, model) = unsafe {
        let used = options(report)?;
        (used, text("model", used.model)?)
    };
    let body = json!({
        "call": open.id,
        "inputTokens": used.input_tokens,
        "outputTokens": used.output_tokens,
        "costMicros": used.cost_micros,
        "calls": used.calls,
        "model": model,
    });
    open.node.tell("call.usage", (body, Vec::new()))
}

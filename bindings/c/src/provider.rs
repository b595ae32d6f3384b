//! Base URL and key of the node's metering gateway, for a client in a handler.
//!
//! Owns: handles of what was given. Must not know what a key may pay. Tested by
//! `include/tests/provider.c`.

use crate::amount::hubless_allowance;
use crate::entry::{entry, fill, give_handle};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::Handle;
use crate::operation::Operation;
use crate::pending::Done;
use crate::state::{CALLS, Node, PROVIDERS, User};
use crate::tell;
use crate::types::{hubless_call, hubless_provider, hubless_status, hubless_str};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::os::raw::c_void;
use std::sync::Arc;

/// Is told how asking for a key ended; owns `provider`, which is NULL unless the status is
/// `HUBLESS_OK`. `err` lives until it returns.
pub type hubless_on_provider = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        provider: *mut hubless_provider,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// What a client of OpenAI's API is to be given. Its texts live until the provider is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_provider_info {
    /// `sizeof(hubless_provider_info)`.
    pub size: usize,
    /// Base URL, as in `OPENAI_BASE_URL`.
    pub base_url: hubless_str,
    /// Key, as in `OPENAI_API_KEY`; a secret.
    pub api_key: hubless_str,
    /// Unix time in milliseconds from which on the key begins nothing more.
    pub until_ms: u64,
}

/// What was given.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Provider {
    base_url: String,
    api_key: String,
    until_ms: u64,
}

/// As `hubless_call_provider_for`, with a most of the cost alone: `max_cost`, in 1e-6 of the
/// currency unit; NULL: none. Blocks shortly.
///
/// # Safety
/// `max_cost` is NULL or readable; `provider` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_provider(
    call: *const hubless_call,
    max_cost: *const u64,
    provider: *mut *mut hubless_provider,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || give_handle("provider", provider, || asking(call, &cost(max_cost))?.wait()))
    }
}

/// As `hubless_call_provider`, without blocking.
///
/// # Safety
/// `max_cost` is NULL or readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_provider_async(
    call: *const hubless_call,
    max_cost: *const u64,
    on_provider: hubless_on_provider,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::handle(("on_provider", on_provider), User(user))?;
            asking(call, &cost(max_cost))?.begin(tell)
        })
    }
}

/// Gives a base URL and a short-lived key of the node's metering gateway. What the key may take of
/// input tokens, output tokens and cost is set aside in the grant of the call first: of each the
/// most that is given, or a quarter of what is free; NULL: none is given. What the budget does not
/// limit, and no most is given of, is limited by the node's own key alone, and counts in the usage
/// of the answer only. Each time it is another key. All of them end with the call, with the stop of
/// its budget, or with its total deadline, and after ten minutes at the latest; what the gateway
/// says they took is charged at the end of the call, and all that was set aside where it says
/// nothing. `HUBLESS_CONFIGURATION`: code `no_budget`, `no_gateway`, or `token_limit` where tokens
/// are to be limited and the node's own key is of version 2, which limits cost alone;
/// `HUBLESS_BUDGET_EXHAUSTED`: it does not fit; `HUBLESS_INVALID_ARGUMENT` for a most of calls,
/// which a gateway does not count. Blocks shortly.
///
/// # Safety
/// `most` is NULL or readable; `provider` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_provider_for(
    call: *const hubless_call,
    most: *const hubless_allowance,
    provider: *mut *mut hubless_provider,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || give_handle("provider", provider, || asking(call, &given(most))?.wait()))
    }
}

/// As `hubless_call_provider_for`, without blocking.
///
/// # Safety
/// `most` is NULL or readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_provider_for_async(
    call: *const hubless_call,
    most: *const hubless_allowance,
    on_provider: hubless_on_provider,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::handle(("on_provider", on_provider), User(user))?;
            asking(call, &given(most))?.begin(tell)
        })
    }
}

/// A most of the cost, or none.
unsafe fn cost(max_cost: *const u64) -> hubless_allowance {
    // SAFETY: the callers vouch for the amount.
    let cost = unsafe { max_cost.as_ref() }.copied();
    hubless_allowance { cost_micros: cost.into(), ..hubless_allowance::UNLIMITED }
}

/// The most that is given, or none.
unsafe fn given(most: *const hubless_allowance) -> hubless_allowance {
    // SAFETY: the callers vouch for the limits.
    unsafe { most.as_ref() }.copied().unwrap_or(hubless_allowance::UNLIMITED)
}

fn asking(
    call: *const hubless_call,
    most: &hubless_allowance,
) -> Result<Operation<Handle<hubless_provider>>> {
    let open = CALLS.get(call)?;
    let mut body = Map::new();
    body.insert("call".to_owned(), json!(open.id));
    if most.calls.limited != 0 {
        return Err(Fault::invalid("calls", "expected none: a gateway counts no calls"));
    }
    most.input_tokens.put("maxInput", &mut body)?;
    most.output_tokens.put("maxOutput", &mut body)?;
    most.cost_micros.put("maxCost", &mut body)?;
    let node = Arc::clone(&open.node);
    Ok(Operation::new(node, "call.provider", Value::Object(body), keep))
}

fn keep(_: &Arc<Node>, done: &Done) -> Result<Handle<hubless_provider>> {
    Ok(Handle::of(PROVIDERS.insert(done.read()?).0))
}

/// Tells what a client is to be given.
///
/// # Safety
/// `info` is NULL or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_provider_get(
    provider: *const hubless_provider,
    info: *mut hubless_provider_info,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            // The table keeps the texts alive after this returns.
            let kept = PROVIDERS.get(provider)?;
            let shown = hubless_provider_info {
                size: size_of::<hubless_provider_info>(),
                base_url: hubless_str::of(&kept.base_url),
                api_key: hubless_str::of(&kept.api_key),
                until_ms: kept.until_ms,
            };
            fill("info", info, &shown)
        })
    }
}

/// Frees what was given; the key itself ends with its call.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_provider_free(provider: *mut hubless_provider) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe { entry(std::ptr::null_mut(), || PROVIDERS.remove(provider).map(drop)) }
}

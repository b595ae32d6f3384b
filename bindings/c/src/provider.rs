//! Base URL and key of the node's metering gateway, for a client in a handler.
//!
//! Owns: handles of what was given. Must not know what a key may pay. Tested by
//! `include/tests/provider.c`.

use crate::entry::{entry, fill, give_handle};
use crate::fault::{Result, hubless_error};
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

/// Gives a base URL and a short-lived key of the node's metering gateway. What the key may pay is
/// set aside in the grant of the call first: `max_cost`, in 1e-6 of the currency unit, or, for
/// NULL, a quarter of what is free. Each time it is another key. All of them end with the call,
/// with the stop of its budget, or with its total deadline, and after ten minutes at the latest;
/// what the gateway says they cost is charged at the end of the call, and all that was set aside
/// where it says nothing. `HUBLESS_CONFIGURATION`: code `no_budget`, `no_gateway`, or `token_limit`
/// under a budget that limits tokens, which a gateway does not count; `HUBLESS_BUDGET_EXHAUSTED`:
/// it does not fit. Blocks shortly.
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
    unsafe { entry(err, || give_handle("provider", provider, || asking(call, max_cost)?.wait())) }
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
            asking(call, max_cost)?.begin(tell)
        })
    }
}

unsafe fn asking(
    call: *const hubless_call,
    max_cost: *const u64,
) -> Result<Operation<Handle<hubless_provider>>> {
    let open = CALLS.get(call)?;
    let mut body = Map::new();
    body.insert("call".to_owned(), json!(open.id));
    // SAFETY: the callers vouch for the amount.
    if let Some(most) = unsafe { max_cost.as_ref() } {
        body.insert("maxCost".to_owned(), json!(most));
    }
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

//! What a handler asks its caller: tools, input, history.

use crate::content::{self, ContentIn, Received, hubless_content};
use crate::entry::{entry, give_handle, json, need};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::operation::Operation;
use crate::pending::Done;
use crate::reply::{self, Reply};
use crate::state::{CALLS, Node, User};
use crate::tell;
use crate::texts::{self, hubless_on_text};
use crate::types::{hubless_call, hubless_reply, hubless_status, hubless_str, hubless_text};
use serde_json::json;
use std::os::raw::c_void;
use std::sync::Arc;

/// Is told how something ended; owns `reply`, which is NULL unless the status is `HUBLESS_OK`.
/// `err` lives until it returns.
pub type hubless_on_reply = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        reply: *mut hubless_reply,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// Calls a tool that the caller offered; its answer is read like a reply. Blocks.
///
/// # Safety
/// The texts are readable; `answer` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_tool(
    call: *const hubless_call,
    name: hubless_str,
    arguments_json: hubless_str,
    answer: *mut *mut hubless_reply,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || give_handle("answer", answer, || tool(call, name, arguments_json)?.wait()))
    }
}

/// As `hubless_call_tool`, without blocking.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_tool_async(
    call: *const hubless_call,
    name: hubless_str,
    arguments_json: hubless_str,
    on_answer: hubless_on_reply,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            tool(call, name, arguments_json)?
                .begin(tell::handle(("on_answer", on_answer), User(user))?)
        })
    }
}

unsafe fn tool(
    call: *const hubless_call,
    name: hubless_str,
    arguments: hubless_str,
) -> Result<Operation<Handle<hubless_reply>>> {
    let open = CALLS.get(call)?;
    // SAFETY: the callers vouch for the texts.
    let (name, arguments) = unsafe { (need("name", name)?, json("arguments_json", arguments)?) };
    let body = json!({"call": open.id, "name": name, "arguments": arguments});
    Ok(Operation::new(Arc::clone(&open.node), "call.tool", body, keep))
}

/// Asks the caller back; its answer is read like a reply. Blocks; the time does not count.
///
/// # Safety
/// `prompt` is valid; `answer` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_input(
    call: *const hubless_call,
    prompt: *const hubless_content,
    answer: *mut *mut hubless_reply,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("answer", answer, || input(call, prompt)?.wait())) }
}

/// As `hubless_call_input`, without blocking.
///
/// # Safety
/// `prompt` is valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_input_async(
    call: *const hubless_call,
    prompt: *const hubless_content,
    on_answer: hubless_on_reply,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            input(call, prompt)?.begin(tell::handle(("on_answer", on_answer), User(user))?)
        })
    }
}

unsafe fn input(
    call: *const hubless_call,
    prompt: *const hubless_content,
) -> Result<Operation<Handle<hubless_reply>>> {
    let open = CALLS.get(call)?;
    // SAFETY: the callers vouch for the prompt.
    let (prompt, attachments) = unsafe { content::read(prompt)? };
    let body = json!({"call": open.id, "prompt": prompt});
    Ok(Operation::new(Arc::clone(&open.node), "call.input", body, keep).attach(attachments))
}

/// Gives the turns of this conversation before this one, as a JSON text `{"turns": […]}`. Blocks
/// shortly.
///
/// # Safety
/// `turns` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_history(
    call: *const hubless_call,
    turns: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("turns", turns, || history(call)?.wait())) }
}

/// As `hubless_call_history`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_history_async(
    call: *const hubless_call,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || history(call)?.begin(tell::handle(("on_text", on_text), User(user))?)) }
}

fn history(call: *const hubless_call) -> Result<Operation<Handle<hubless_text>>> {
    let open = CALLS.get(call)?;
    let body = json!({ "call": open.id });
    Ok(Operation::new(Arc::clone(&open.node), "call.history", body, texts::keep))
}

/// Keeps content that came back for a call.
fn keep(node: &Arc<Node>, done: &Done) -> Result<Handle<hubless_reply>> {
    let content: ContentIn = done.read()?;
    Ok(reply::kept(Reply::of_content(Received::new(content, &done.attachments, node))))
}

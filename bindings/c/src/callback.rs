//! What a handler asks its caller: tools, input, history.

use crate::call::Call;
use crate::content::{self, ContentIn, Received, hubless_content};
use crate::entry::{entry, give, json};
use crate::fault::{Result, hubless_error};
use crate::handles::handle;
use crate::pending::{Done, Told};
use crate::reply::Reply;
use crate::state::{CALLS, Node, REPLIES, User};
use crate::types::{hubless_call, hubless_reply, hubless_status, hubless_str};
use serde_json::{Value, json};
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
        entry(err, || {
            give("answer", answer, std::ptr::null_mut())?;
            let open = CALLS.get(call)?;
            let done = open.node.run("call.tool", tool_body(&open, name, arguments_json)?)?;
            give("answer", answer, keep(&open.node, &done)?)
        })
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
            let open = CALLS.get(call)?;
            let work = tool_body(&open, name, arguments_json)?;
            let told = told_content(&open.node, on_answer, User(user))?;
            open.node.begin("call.tool", work, told).map(drop)
        })
    }
}

unsafe fn tool_body(
    open: &Call,
    name: hubless_str,
    arguments: hubless_str,
) -> Result<(Value, Vec<bytes::Bytes>)> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        let name = crate::entry::need("name", name)?;
        let arguments = json("arguments_json", arguments)?;
        Ok((json!({"call": open.id, "name": name, "arguments": arguments}), Vec::new()))
    }
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
    unsafe {
        entry(err, || {
            give("answer", answer, std::ptr::null_mut())?;
            let open = CALLS.get(call)?;
            let (prompt, attachments) = content::read(prompt)?;
            let body = json!({"call": open.id, "prompt": prompt});
            let done = open.node.run("call.input", (body, attachments))?;
            give("answer", answer, keep(&open.node, &done)?)
        })
    }
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
            let open = CALLS.get(call)?;
            let (prompt, attachments) = content::read(prompt)?;
            let body = json!({"call": open.id, "prompt": prompt});
            let told = told_content(&open.node, on_answer, User(user))?;
            open.node.begin("call.input", (body, attachments), told).map(drop)
        })
    }
}

/// Gives the turns of this conversation before this one, as a JSON text `{"turns": […]}`. Blocks
/// shortly.
///
/// # Safety
/// `turns` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_history(
    call: *const hubless_call,
    turns: *mut *mut crate::types::hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("turns", turns, std::ptr::null_mut())?;
            let open = CALLS.get(call)?;
            let done = open.node.run("call.history", (json!({"call": open.id}), Vec::new()))?;
            let text = String::from_utf8_lossy(&done.body).into_owned();
            give("turns", turns, handle(crate::state::TEXTS.insert(text).0))
        })
    }
}

/// Keeps content that came back for a call.
fn keep(node: &Arc<Node>, done: &Done) -> Result<*mut hubless_reply> {
    let content: ContentIn = done.read()?;
    let received = Received::new(content, &done.attachments, node);
    Ok(handle(REPLIES.insert(Reply::of_content(received)).0))
}

fn told_content(node: &Arc<Node>, on_answer: hubless_on_reply, user: User) -> Result<Told> {
    let node = Arc::clone(node);
    crate::reply::told(on_answer, user, move |ended| ended.and_then(|done| keep(&node, &done)))
}

//! Requests in the short form that people and models write.

use crate::amount::hubless_allowance;
use crate::content::{self, hubless_content};
use crate::entry::{Options, any_text, entry, json, need, options, text};
use crate::fault::{Result, hubless_error};
use crate::operation::Operation;
use crate::question::Lent;
use crate::request::{Paying, Prepared, hubless_tool, lend_tools};
use crate::send::{self, Response, hubless_on_response};
use crate::state::{NODES, User};
use crate::types::{
    hubless_call, hubless_node, hubless_reply, hubless_status, hubless_str, hubless_switch,
};
use serde_json::{Map, Value, json};
use std::os::raw::c_void;

/// A request in its short form. Zero means the default everywhere but in `agent`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_agent_request {
    /// `sizeof(hubless_agent_request)`.
    pub size: usize,
    /// Id, address or name of the agent; must be there.
    pub agent: hubless_str,
    /// What is asked, in words; comes before `content`.
    pub prompt: hubless_str,
    /// JSON Schema 2020-12 that the content must hold.
    pub prompt_schema_json: hubless_str,
    /// What is asked, in parts; NULL: nothing besides the prompt.
    pub content: *const hubless_content,
    /// Skill that is meant.
    pub skill: hubless_str,
    /// Name of a template of this node.
    pub template_name: hubless_str,
    /// Functions that the callee may call back.
    pub tools: *const hubless_tool,
    /// Number of them.
    pub tool_count: usize,
    /// The call that is being handled: deadline, depth and trace go on, its end cancels this.
    pub parent: *const hubless_call,
    /// Pays for the call, and stops it; NULL: the budget of `parent`, if it has one.
    pub kill_switch: *const hubless_switch,
    /// The most that the call may be granted of its budget; nothing limited: a quarter of what is
    /// free.
    pub max: hubless_allowance,
    /// Where to write the ticket for `hubless_cancel`, before anything is sent; may be NULL.
    pub ticket: *mut u64,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_agent_request {}

/// As `hubless_send`, of a request in its short form: `.agent = HUBLESS_STR("greet"), .prompt =
/// HUBLESS_STR("Ada")` is a whole one. Blocks.
///
/// # Safety
/// All pointers are valid; `refused` is writable and initialised, and is cleared like any error;
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_send_short(
    node: *const hubless_node,
    request: *const hubless_agent_request,
    reply: *mut *mut hubless_reply,
    refused: *mut hubless_error,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || send::answer(reply, refused, || sending(node, request)?.wait())) }
}

/// As `hubless_send_short`, without blocking: `on_response` comes exactly once, unless this
/// function itself fails.
///
/// # Safety
/// As `hubless_send_short`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_send_short_async(
    node: *const hubless_node,
    request: *const hubless_agent_request,
    on_response: hubless_on_response,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || sending(node, request)?.begin(send::told(on_response, User(user))?)) }
}

unsafe fn sending(
    node: *const hubless_node,
    request: *const hubless_agent_request,
) -> Result<Operation<Response>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the pointers.
    Ok(unsafe { prepare(request)? }.operation(node, "send", send::keep))
}

unsafe fn prepare(request: *const hubless_agent_request) -> Result<Prepared> {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        let given = options(request)?;
        let mut body = Map::new();
        body.insert("agent".to_owned(), Value::String(need("agent", given.agent)?));
        if let Some(prompt) = any_text("prompt", given.prompt)? {
            body.insert("prompt".to_owned(), Value::String(prompt));
        }
        for (name, value) in [("skill", given.skill), ("template", given.template_name)] {
            if let Some(value) = text(name, value)? {
                body.insert(name.to_owned(), Value::String(value));
            }
        }
        if let Some(schema) = json("promptSchema", given.prompt_schema_json)? {
            body.insert("promptSchema".to_owned(), json!(schema));
        }
        let mut attachments = Vec::new();
        if !given.content.is_null() {
            let (content, sent) = content::read(given.content)?;
            body.insert("content".to_owned(), content);
            attachments = sent;
        }
        let (parent, kill_switch, max) = (given.parent, given.kill_switch, given.max);
        Paying { parent, kill_switch, max }.put(&mut body)?;
        let tools = lend_tools((given.tools, given.tool_count), &mut body)?;
        let lent = Lent { tools, on_input: None };
        Ok(Prepared::new((Value::Object(body), attachments), lent, given.ticket))
    }
}

//! What a node knows of agents, and what the library knows by itself.

use crate::ask::ask;
use crate::content::hubless_content;
use crate::entry::{entry, give_handle, json, need, text};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::operation::Operation;
use crate::request::{hubless_request_options, prepare};
use crate::state::{AGENTS, NODES, User};
use crate::tell;
use crate::texts::{self, hubless_on_text};
use crate::types::{hubless_agent, hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::{Value, json};
use std::os::raw::c_void;
use std::sync::Arc;

/// Gives everything that is public of an agent, by id, address or name, as a JSON text
/// `{descriptor, skills}`. Blocks.
///
/// # Safety
/// The text is readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_describe(
    node: *const hubless_node,
    agent: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("out", out, || describing(node, agent)?.wait())) }
}

/// As `hubless_describe`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_describe_async(
    node: *const hubless_node,
    agent: hubless_str,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            describing(node, agent)?.begin(tell::handle(("on_text", on_text), User(user))?)
        })
    }
}

unsafe fn describing(
    node: *const hubless_node,
    agent: hubless_str,
) -> Result<Operation<Handle<hubless_text>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let agent = unsafe { need("agent", agent)? };
    Ok(Operation::new(node, "describe", json!({ "agent": agent }), texts::keep))
}

/// Imports a static catalogue: a JSON array of descriptors; gives `{loaded, refused}`. Blocks
/// shortly.
///
/// # Safety
/// The text is readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_load_agents(
    node: *const hubless_node,
    descriptors_json: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("out", out, || loading(node, descriptors_json)?.wait())) }
}

/// As `hubless_load_agents`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_load_agents_async(
    node: *const hubless_node,
    descriptors_json: hubless_str,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            loading(node, descriptors_json)?.begin(tell::handle(("on_text", on_text), User(user))?)
        })
    }
}

unsafe fn loading(
    node: *const hubless_node,
    descriptors: hubless_str,
) -> Result<Operation<Handle<hubless_text>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let descriptors = unsafe { json("descriptors_json", descriptors)? };
    Ok(Operation::new(node, "loadAgents", json!({ "descriptors": descriptors }), texts::keep))
}

/// Runs the checks of a hosted agent on a request without calling it; gives `{}` or
/// `{rejection: …}`. Nothing is counted, so neither its rate nor its queue is asked.
/// Blocks shortly.
///
/// # Safety
/// All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_check(
    agent: *const hubless_agent,
    content: *const hubless_content,
    given: *const hubless_request_options,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("out", out, || checking(agent, content, given)?.wait())) }
}

/// As `hubless_check`, without blocking: `on_text` comes exactly once, unless this function itself
/// fails.
///
/// # Safety
/// All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_check_async(
    agent: *const hubless_agent,
    content: *const hubless_content,
    given: *const hubless_request_options,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            checking(agent, content, given)?.begin(tell::handle(("on_text", on_text), User(user))?)
        })
    }
}

unsafe fn checking(
    agent: *const hubless_agent,
    content: *const hubless_content,
    given: *const hubless_request_options,
) -> Result<Operation<Handle<hubless_text>>> {
    let agent = AGENTS.get(agent)?;
    let to = hubless_str::of(&agent.agent_id);
    // SAFETY: the callers vouch for the pointers.
    let prepared = unsafe { prepare(to, content, given)? };
    let ((request, attachments), _, _) = prepared.into_parts();
    let body = json!({"agent": agent.id, "request": request});
    let node = Arc::clone(&agent.node);
    Ok(Operation::new(node, "check", body, texts::keep).attach(attachments))
}

/// Reads an id, key, address or name and gives `{text, key?, address?}`: its canonical form, and
/// the key and address (within `mesh`, which may be none) of an agent id. `kind`: `agentId`,
/// `nodeKey`, `meshId`, `address`, `name`, or none for whatever a request may be for.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_inspect(
    kind: hubless_str,
    value: hubless_str,
    mesh: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give_handle("out", out, || {
                let body = json!({
                    "kind": text("kind", kind)?,
                    "text": need("value", value)?,
                    "mesh": text("mesh", mesh)?,
                });
                Ok(texts::kept(&ask("id.inspect", &body)?.body))
            })
        })
    }
}

/// Gives every bound of the library as a JSON object `{NAME: value}`, by the names that errors say
/// in `limit_name`: times in milliseconds, sizes in bytes. Needs no node.
///
/// # Safety
/// `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_limits(
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give_handle("out", out, || {
                let told: Value = ask("limits", &json!({}))?.read()?;
                Ok(texts::kept(told["limits"].to_string().as_bytes()))
            })
        })
    }
}

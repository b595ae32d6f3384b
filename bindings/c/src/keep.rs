//! What a node keeps: templates of requests, and names that are pinned to keys.

use crate::agent::object;
use crate::entry::{entry, give_handle, need};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::operation::{Operation, nothing};
use crate::state::{NODES, User};
use crate::tell::{self, hubless_on_done};
use crate::texts::{self, hubless_on_text};
use crate::types::{hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::json;
use std::os::raw::c_void;

/// Keeps a template of requests: content, context, auth, schemas, tools, metadata as a JSON
/// object. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_set(
    node: *const hubless_node,
    name: hubless_str,
    template_json: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || setting(node, name, template_json)?.wait()) }
}

/// As `hubless_template_set`, without blocking: `on_done` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_set_async(
    node: *const hubless_node,
    name: hubless_str,
    template_json: hubless_str,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || setting(node, name, template_json)?.begin(tell::done(on_done, User(user))?))
    }
}

unsafe fn setting(
    node: *const hubless_node,
    name: hubless_str,
    template: hubless_str,
) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the texts.
    let (name, template) = unsafe { (need("name", name)?, object("template_json", template)?) };
    let body = json!({"name": name, "template": template});
    Ok(Operation::new(node, "template.set", body, nothing))
}

/// Forgets a template. Blocks shortly.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_remove(
    node: *const hubless_node,
    name: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || removing(node, "template.remove", name)?.wait()) }
}

/// As `hubless_template_remove`, without blocking: `on_done` comes exactly once, unless this
/// function itself fails.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_remove_async(
    node: *const hubless_node,
    name: hubless_str,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            removing(node, "template.remove", name)?.begin(tell::done(on_done, User(user))?)
        })
    }
}

unsafe fn removing(
    node: *const hubless_node,
    op: &'static str,
    name: hubless_str,
) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let name = unsafe { need("name", name)? };
    Ok(Operation::new(node, op, json!({ "name": name }), nothing))
}

/// Gives the names of templates as `{templates: […]}`. Blocks shortly.
///
/// # Safety
/// `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_list(
    node: *const hubless_node,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("out", out, || listing(node, "template.list")?.wait())) }
}

/// As `hubless_template_list`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_list_async(
    node: *const hubless_node,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            listing(node, "template.list")?.begin(tell::handle(("on_text", on_text), User(user))?)
        })
    }
}

fn listing(node: *const hubless_node, op: &'static str) -> Result<Operation<Handle<hubless_text>>> {
    Ok(Operation::new(NODES.get(node)?, op, json!({}), texts::keep))
}

/// Pins a name to an agent id: no other key may answer to it. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_set(
    node: *const hubless_node,
    name: hubless_str,
    agent_id: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || pinning(node, name, agent_id)?.wait()) }
}

/// As `hubless_pin_set`, without blocking: `on_done` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_set_async(
    node: *const hubless_node,
    name: hubless_str,
    agent_id: hubless_str,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || pinning(node, name, agent_id)?.begin(tell::done(on_done, User(user))?)) }
}

unsafe fn pinning(
    node: *const hubless_node,
    name: hubless_str,
    agent_id: hubless_str,
) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the texts.
    let (name, agent_id) = unsafe { (need("name", name)?, need("agent_id", agent_id)?) };
    let body = json!({"name": name, "agentId": agent_id});
    Ok(Operation::new(node, "pin.set", body, nothing))
}

/// Forgets a pin. Blocks shortly.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_remove(
    node: *const hubless_node,
    name: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || removing(node, "pin.remove", name)?.wait()) }
}

/// As `hubless_pin_remove`, without blocking: `on_done` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_remove_async(
    node: *const hubless_node,
    name: hubless_str,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || removing(node, "pin.remove", name)?.begin(tell::done(on_done, User(user))?))
    }
}

/// Gives the pins as `{pins: [{name, agentId}]}`. Blocks shortly.
///
/// # Safety
/// `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_list(
    node: *const hubless_node,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("out", out, || listing(node, "pin.list")?.wait())) }
}

/// As `hubless_pin_list`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_list_async(
    node: *const hubless_node,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            listing(node, "pin.list")?.begin(tell::handle(("on_text", on_text), User(user))?)
        })
    }
}

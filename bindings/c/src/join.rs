//! The ways into a mesh: tickets that are made, and taken.

use crate::agent::object;
use crate::close::leave;
use crate::entry::{entry, give_handle, may_block, need, text};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::node::bare;
use crate::operation::{OnDrop, Operation};
use crate::pending::Done;
use crate::state::{NODES, Node, User};
use crate::tell;
use crate::texts::{self, hubless_on_text};
use crate::types::{hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::{Value, json};
use std::os::raw::c_void;
use std::sync::Arc;

/// Makes a ticket for others to join this mesh; options as a JSON object, or none; gives
/// `{ticket}`. Blocks.
///
/// # Safety
/// The text is readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_invite(
    node: *const hubless_node,
    options_json: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("out", out, || inviting(node, options_json)?.wait())) }
}

/// As `hubless_invite`, without blocking: `on_text` comes exactly once, unless this function itself
/// fails.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_invite_async(
    node: *const hubless_node,
    options_json: hubless_str,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::handle(("on_text", on_text), User(user))?;
            inviting(node, options_json)?.begin(tell)
        })
    }
}

unsafe fn inviting(
    node: *const hubless_node,
    given: hubless_str,
) -> Result<Operation<Handle<hubless_text>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let given = unsafe { object("options_json", given)? };
    Ok(Operation::new(node, "invite", Value::Object(given), texts::keep))
}

/// Joins the mesh of a ticket, for all nodes of this data folder that are started later. `home`
/// may be none. Gives `{meshId}`. Blocks.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_join(
    home: hubless_str,
    ticket: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give_handle("out", out, || {
                may_block()?;
                joining(home, ticket)?.wait()
            })
        })
    }
}

/// As `hubless_join`, without blocking: `on_text` comes exactly once, from a thread of its own,
/// unless this function itself fails.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_join_async(
    home: hubless_str,
    ticket: hubless_str,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::handle(("on_text", on_text), User(user))?;
            joining(home, ticket)?.begin(tell)
        })
    }
}

unsafe fn joining(
    home: hubless_str,
    ticket: hubless_str,
) -> Result<Operation<Handle<hubless_text>>> {
    // SAFETY: the callers vouch for the texts.
    let (ticket, home) = unsafe { (need("ticket", ticket)?, text("home", home)?) };
    // There is no node yet: a session of its own, which ends with the operation.
    let session = bare()?;
    let of = Arc::clone(&session);
    let over = OnDrop::new(move || leave(&of));
    let keep = move |node: &Arc<Node>, done: &Done| {
        drop(over);
        texts::keep(node, done)
    };
    Ok(Operation::new(session, "join", json!({"ticket": ticket, "home": home}), keep))
}

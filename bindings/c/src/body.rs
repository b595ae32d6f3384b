//! Streamed parts: read and written in pieces.

use crate::entry::{any_text, bytes, entry, function, give, give_handle};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{Handle, handle};
use crate::operation::{Operation, nothing};
use crate::pending::Done;
use crate::state::{BODIES, NODES, Node, User};
use crate::tell::{self, hubless_on_done};
use crate::types::{hubless_body, hubless_bytes, hubless_node, hubless_status, hubless_str};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use std::os::raw::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A streamed part.
pub(crate) struct Body {
    pub(crate) node: Arc<Node>,
    /// Its number in the session.
    pub(crate) id: u64,
    /// True: it outlives the call or reply that it came with.
    kept: AtomicBool,
}

impl Body {
    /// A part under its number in the session.
    pub(crate) const fn new(node: Arc<Node>, id: u64) -> Self {
        Self { node, id, kept: AtomicBool::new(false) }
    }

    fn kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }
}

#[derive(Deserialize)]
struct Opened {
    body: u64,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    end: bool,
}

/// Is told how the opening of a streamed part ended; owns `body`, which is NULL unless the status
/// is `HUBLESS_OK`. `err` lives until it returns.
pub type hubless_on_body = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        body: *mut hubless_body,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// Takes bytes that were read; `bytes` is empty at the end, and lives until the callback returns.
pub type hubless_on_bytes = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        bytes: hubless_bytes,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// Lets a streamed part go with what it came with, unless the program keeps it.
pub(crate) fn let_go(id: usize) {
    let kept = BODIES.get(handle::<hubless_body>(id)).is_ok_and(|body| body.kept());
    if !kept && let Some(body) = BODIES.take(id) {
        // A closed node has let go of it by itself.
        let _ = body.node.tell("body.drop", (json!({"body": body.id}), Vec::new()));
    }
}

/// Opens a streamed part for writing. Use it in a `HUBLESS_PART_STREAM` part, then write to it.
/// Blocks shortly.
///
/// # Safety
/// `body` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_open(
    node: *const hubless_node,
    body: *mut *mut hubless_body,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("body", body, || opening(node)?.wait())) }
}

/// As `hubless_body_open`, without blocking: `on_body` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_open_async(
    node: *const hubless_node,
    on_body: hubless_on_body,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || opening(node)?.begin(tell::handle(("on_body", on_body), User(user))?)) }
}

fn opening(node: *const hubless_node) -> Result<Operation<Handle<hubless_body>>> {
    let keep = |node: &Arc<Node>, done: &Done| {
        let opened: Opened = done.read()?;
        Ok(Handle::of(node.hold(&BODIES, Body::new(Arc::clone(node), opened.body))?))
    };
    Ok(Operation::new(NODES.get(node)?, "body.open", json!({}), keep))
}

/// Writes bytes of any number; waits while the reader is behind. Blocks.
///
/// # Safety
/// The bytes are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_write(
    body: *const hubless_body,
    piece: hubless_bytes,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || writing(body, piece)?.wait()) }
}

/// As `hubless_body_write`, without blocking: `on_done` comes when there is room for more.
///
/// # Safety
/// As `hubless_body_write`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_write_async(
    body: *const hubless_body,
    piece: hubless_bytes,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || writing(body, piece)?.begin(tell::done(on_done, User(user))?)) }
}

unsafe fn writing(body: *const hubless_body, piece: hubless_bytes) -> Result<Operation<()>> {
    let open = BODIES.get(body)?;
    // SAFETY: the callers vouch for the bytes.
    let piece = unsafe { bytes("piece", piece)? }.unwrap_or_default();
    let asked = json!({"body": open.id, "attachment": 0});
    Ok(Operation::new(Arc::clone(&open.node), "body.write", asked, nothing).attach(vec![piece]))
}

/// Says that a written part is complete, and frees it. Never blocks.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_end(
    body: *mut hubless_body,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            let open = BODIES.remove(body)?;
            open.node.tell("body.end", (json!({"body": open.id}), Vec::new()))
        })
    }
}

/// Says why a written part will not be completed, and frees it. Never blocks.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_fail(
    body: *mut hubless_body,
    message: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let message = any_text("message", message)?.unwrap_or_default();
            let open = BODIES.remove(body)?;
            let body = json!({"body": open.id, "message": message});
            open.node.tell("body.fail", (body, Vec::new()))
        })
    }
}

/// Reads at most `room` bytes into `into`; waits for some. Blocks. `count` is 0 at the end, when
/// the size and digest that were announced have been checked.
///
/// # Safety
/// `into` points to `room` writable bytes; `count` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_read(
    body: *const hubless_body,
    into: *mut u8,
    room: usize,
    count: *mut usize,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("count", count, 0)?;
            if into.is_null() || room == 0 {
                return Err(Fault::invalid("into", "expected room for at least one byte"));
            }
            let piece = reading(body, room)?.wait()?;
            let piece = piece.get(..room).unwrap_or(&piece);
            into.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
            give("count", count, piece.len())
        })
    }
}

/// As `hubless_body_read`, without blocking: at most `max` bytes come to `on_bytes`.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_read_async(
    body: *const hubless_body,
    max: usize,
    on_bytes: hubless_on_bytes,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let on_bytes = function("on_bytes", on_bytes)?;
            let user = User(user);
            reading(body, max.max(1))?.begin(move |ended| {
                let user = user;
                tell::told(ended, |status, read, err| {
                    let read = read.unwrap_or_default();
                    let view = hubless_bytes { data: read.as_ptr(), len: read.len() };
                    on_bytes(status, view, err, user.0);
                });
            })
        })
    }
}

/// The bytes of a read; none at the end.
fn reading(body: *const hubless_body, max: usize) -> Result<Operation<Bytes>> {
    let open = BODIES.get(body)?;
    let keep = |_: &Arc<Node>, done: &Done| {
        let Read { end } = done.read()?;
        let piece = done.attachments.first().filter(|_| !end);
        Ok(piece.cloned().unwrap_or_default())
    };
    let asked = json!({"body": open.id, "max": max});
    Ok(Operation::new(Arc::clone(&open.node), "body.read", asked, keep))
}

/// Keeps a received part that would be freed with its call or reply: it is the program's own to
/// free from now on. For handlers that answer first and read on.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_body_keep(
    body: *const hubless_body,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            BODIES.get(body)?.kept.store(true, Ordering::Release);
            Ok(())
        })
    }
}

/// Frees a streamed part: one that is read is given up, one that is written fails.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_body_free(body: *mut hubless_body) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            let open = BODIES.remove(body)?;
            open.node.tell("body.drop", (json!({"body": open.id}), Vec::new()))
        })
    }
}

//! Functions that exercise the boundary itself; only in builds for its tests, and in no header.
//! `include/tests/bridge.h` says the same.

use crate::ask::ask;
use crate::entry::{
    Options, bytes, entry, function, give, give_handle, in_callback, json, need, options,
};
use crate::fault::{Fault, Result, hubless_error};
use crate::pending::{Done, Told};
use crate::state::{NODES, User};
use crate::tell::told;
use crate::texts::kept;
use crate::types::{hubless_bytes, hubless_node, hubless_status, hubless_str, hubless_text};
use bytes::Bytes;
use serde_json::{Value, json};
use std::os::raw::c_void;

/// Most byte strings that are taken at once.
const BYTES_MAX: usize = 64;

/// An operation `bridge.*` of the library below, or what it gave.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_bridge {
    /// `sizeof(hubless_bridge)`.
    pub size: usize,
    /// Its name.
    pub operation: hubless_str,
    /// Its body: a JSON object.
    pub body: hubless_str,
    /// Byte strings that go with it.
    pub bytes: *const hubless_bytes,
    /// Number of `bytes`.
    pub byte_count: usize,
    /// Where its ticket goes; NULL: nowhere.
    pub ticket: *mut u64,
}

// SAFETY: `repr(C)`, the size comes first, and zeroes are a value.
unsafe impl Options for hubless_bridge {}

/// Is told how an operation ended; `said` is NULL unless the status is `HUBLESS_OK`. All lives
/// until it returns.
pub type hubless_on_bridge = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        said: *const hubless_bridge,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// Panics inside the guard.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_panic_now(err: *mut hubless_error) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || panic!("asked for by a test")) }
}

/// Runs an operation; `on_bridge` is called before this returns, on this thread, unless this
/// fails. Blocks.
///
/// # Safety
/// `given` is valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_bridge_run(
    node: *const hubless_node,
    given: *const hubless_bridge,
    on_bridge: hubless_on_bridge,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let on_bridge = function("on_bridge", on_bridge)?;
            let (op, work) = work(&options(given)?)?;
            let done = NODES.get(node)?.run(&op, work)?;
            let none = hubless_error::none();
            show(&done, |said| {
                in_callback(|| on_bridge(hubless_status::HUBLESS_OK, said, &raw const none, user));
            });
            Ok(())
        })
    }
}

/// As `hubless_bridge_run`, without blocking: `on_bridge` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `given` is valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_bridge_run_async(
    node: *const hubless_node,
    given: *const hubless_bridge,
    on_bridge: hubless_on_bridge,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let on_bridge = function("on_bridge", on_bridge)?;
            let given = options(given)?;
            let (op, work) = work(&given)?;
            let user = User(user);
            let end = Told::new(move |ended| {
                let user = user;
                told(ended, |status, done, err| match done {
                    Some(done) => show(&done, |said| on_bridge(status, said, err, user.0)),
                    None => on_bridge(status, std::ptr::null(), err, user.0),
                });
            });
            let ticket = NODES.get(node)?.begin(&op, work, end)?;
            if given.ticket.is_null() { Ok(()) } else { give("ticket", given.ticket, ticket) }
        })
    }
}

/// Asks for an operation that is answered at once, without a node.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_bridge_ask(
    operation: hubless_str,
    body: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give_handle("out", out, || {
                let body = json!(json("body", body)?);
                Ok(kept(&ask(&need("operation", operation)?, &body)?.body))
            })
        })
    }
}

/// Reads an operation: its name, and its body with the byte strings.
///
/// # Safety
/// `given` is valid.
unsafe fn work(given: &hubless_bridge) -> Result<(String, (Value, Vec<Bytes>))> {
    let count = given.byte_count;
    if count > BYTES_MAX || (given.bytes.is_null() && count > 0) {
        return Err(Fault::invalid("bytes", "expected at most 64 byte strings"));
    }
    // SAFETY: the caller vouches for the pointers, and for `count` byte strings.
    unsafe {
        let piece = |index| Ok(bytes("bytes", given.bytes.add(index).read())?.unwrap_or_default());
        let pieces = (0..count).map(piece).collect::<Result<_>>()?;
        let body = json!(json("body", given.body)?);
        Ok((need("operation", given.operation)?, (body, pieces)))
    }
}

/// Shows a result to C.
fn show(done: &Done, call: impl FnOnce(*const hubless_bridge)) {
    let piece = |piece: &Bytes| hubless_bytes { data: piece.as_ptr(), len: piece.len() };
    let pieces: Vec<_> = done.attachments.iter().map(piece).collect();
    let said = hubless_bridge {
        size: size_of::<hubless_bridge>(),
        operation: hubless_str::NONE,
        body: hubless_str { data: done.body.as_ptr().cast(), len: done.body.len() },
        bytes: pieces.as_ptr(),
        byte_count: pieces.len(),
        ticket: std::ptr::null_mut(),
    };
    call(&raw const said);
}

//! Serving until the program is told to end.

use crate::entry::{Options, entry, may_block, options};
use crate::fault::{Result, hubless_error};
use crate::operation::Operation;
use crate::state::{NODES, Node, User};
use crate::tell::{self, hubless_on_done};
use crate::types::{hubless_node, hubless_status};
use serde_json::{Map, Value, json};
use std::os::raw::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Options of `hubless_node_serve`. Zero means the default everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_serve_options {
    /// `sizeof(hubless_serve_options)`.
    pub size: usize,
    /// 1: the end of standard input ends it too; the library reads it and throws it away.
    pub until_stdin_ends: i32,
    /// How long running calls may take to end, in milliseconds; 0: 10,000, negative: not at all.
    pub grace_ms: i64,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_serve_options {}

/// Serves until SIGTERM or SIGINT, the end of standard input if asked for, or the close of the
/// node by another function, whose end it waits for; then refuses new calls, lets running ones end,
/// says good-bye and closes the node as `hubless_node_close` does. A second signal ends the grace.
/// Blocks. No callback of the node comes after it returns.
///
/// From here on these signals do not end the process by themselves; handlers that were set before
/// are called as well.
///
/// # Safety
/// `given` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_serve(
    node: *mut hubless_node,
    given: *const hubless_serve_options,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            may_block()?;
            let (open, serving) = serving(node, given)?;
            let served = serving.wait();
            if matches!(served, Ok(true)) {
                open.pending.set_over();
            } else if open.ending.load(Ordering::Acquire) {
                // Callbacks may still come until then.
                open.wait_over();
            }
            outcome(&open, served)
        })
    }
}

/// As `hubless_node_serve`, without blocking: `on_done` comes exactly once, unless this function
/// itself fails, and is the last callback of the node unless that is closed by another function. A
/// `polled` node is polled until then.
///
/// # Safety
/// `given` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_serve_async(
    node: *mut hubless_node,
    given: *const hubless_serve_options,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::done(on_done, User(user))?;
            let (open, serving) = serving(node, given)?;
            serving.begin(move |served| {
                let closed = matches!(served, Ok(true));
                tell(outcome(&open, served));
                if closed {
                    open.pending.set_over();
                }
            })
        })
    }
}

/// What serves a node; true: it has closed the node, and no other function has.
///
/// # Safety
/// The options are valid.
unsafe fn serving(
    node: *const hubless_node,
    given: *const hubless_serve_options,
) -> Result<(Arc<Node>, Operation<bool>)> {
    let open = NODES.get(node)?;
    // SAFETY: the callers vouch for the options.
    let body = body(&unsafe { options(given)? });
    let id = node.addr();
    let keep = move |open: &Arc<Node>, _: &_| {
        let first = !open.ending.swap(true, Ordering::AcqRel);
        if first {
            crate::close::forget(id, open);
        }
        Ok(first)
    };
    Ok((Arc::clone(&open), Operation::new(open, "node.serve", body, keep)))
}

/// Another function may have closed it meanwhile: that is an end like the others.
fn outcome(open: &Node, served: Result<bool>) -> Result<()> {
    if open.ending.load(Ordering::Acquire) { Ok(()) } else { served.map(drop) }
}

fn body(given: &hubless_serve_options) -> Value {
    let mut body = Map::new();
    body.insert("untilStdinEnds".to_owned(), json!(given.until_stdin_ends != 0));
    if given.grace_ms != 0 {
        body.insert("graceMs".to_owned(), json!(given.grace_ms.max(0)));
    }
    Value::Object(body)
}

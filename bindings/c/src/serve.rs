//! Serving until the program is told to end.

use crate::entry::{Options, entry, may_block, options};
use crate::fault::hubless_error;
use crate::state::NODES;
use crate::types::{hubless_node, hubless_status};
use serde_json::{Map, Value, json};
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
/// node by another thread; then refuses new calls, lets running ones end, says good-bye and closes
/// the node as `hubless_node_close` does. A second signal ends the grace. Blocks.
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
            let open = NODES.get(node)?;
            let given = options(given)?;
            may_block()?;
            let served = open.run("node.serve", (body(&given), Vec::new()));
            // Another thread may have closed it meanwhile: that is an end like the others.
            if open.ending.load(Ordering::Acquire) {
                return Ok(());
            }
            served?;
            if !open.ending.swap(true, Ordering::AcqRel) {
                crate::node::forget(node, &open);
            }
            Ok(())
        })
    }
}

fn body(given: &hubless_serve_options) -> Value {
    let mut body = Map::new();
    body.insert("untilStdinEnds".to_owned(), json!(given.until_stdin_ends != 0));
    if given.grace_ms != 0 {
        body.insert("graceMs".to_owned(), json!(given.grace_ms.max(0)));
    }
    Value::Object(body)
}

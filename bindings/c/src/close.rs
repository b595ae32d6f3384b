//! The end of a node, of its session and of its handles.
//!
//! Owns: what goes in which order. The thread that delivers events may end its own node. Tested by
//! `include/tests/nodes.c`.

use crate::entry::{entry, may_block};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::lock;
use crate::operation::{OnDrop, Operation};
use crate::state::{self, NODES, Node, User};
use crate::tell::{self, hubless_on_done};
use crate::types::{hubless_node, hubless_status};
use serde_json::json;
use std::os::raw::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Closes a node: refuses new calls, lets running ones end within `grace_ms`, says good-bye to
/// every peer. Blocks. Afterwards every handle of the node is gone, and no callback comes.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_node_close(node: *mut hubless_node, grace_ms: u64) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            may_block()?;
            let (over, closing) = closing(node, grace_ms)?;
            let closed = closing.wait();
            drop(over);
            closed
        })
    }
}

/// As `hubless_node_close`, without blocking: `on_done` comes exactly once, unless this function
/// itself fails. It is the last callback of the node, and comes when every handle of it is gone; a
/// `polled` node is polled until then.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_close_async(
    node: *mut hubless_node,
    grace_ms: u64,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            let tell = tell::done(on_done, User(user))?;
            let (over, closing) = closing(node, grace_ms)?;
            closing.begin(move |closed| {
                tell(closed);
                drop(over);
            })
        })
    }
}

/// What closes a node, and what says that its close was told once it goes: who serves the node may
/// wait for that.
fn closing(node: *const hubless_node, grace_ms: u64) -> Result<(OnDrop, Operation<()>)> {
    let open = NODES.get(node)?;
    if open.ending.swap(true, Ordering::AcqRel) {
        return Err(Fault::invalid("node", "expected a node that nobody is closing"));
    }
    let told = Arc::clone(&open);
    let over = OnDrop::new(move || told.pending.set_over());
    // Its handle is good until then: running calls may still ask others.
    let (id, of) = (node.addr(), Arc::clone(&open));
    let gone = OnDrop::new(move || forget(id, &of));
    let keep = move |_: &Arc<Node>, _: &_| {
        drop(gone);
        Ok(())
    };
    Ok((over, Operation::new(open, "node.close", json!({ "graceMs": grace_ms }), keep)))
}

/// Ends a node whose `ending` the caller has set.
pub(crate) fn forget(id: usize, open: &Arc<Node>) {
    drop(NODES.take(id));
    shut(open);
}

/// Ends a bare session from any thread, also its own: that one tells what is open, and ends.
pub(crate) fn leave(node: &Node) {
    hubless_shared::close(node.session);
    drop(lock(&node.thread).take());
}

/// Ends the session, its thread, and every handle of the node.
pub(crate) fn shut(node: &Arc<Node>) {
    hubless_shared::set_doorbell(node.session, None);
    hubless_shared::close(node.session);
    let thread = lock(&node.thread).take();
    if let Some(thread) = thread
        // That one ends by itself, once it returns from here.
        && thread.thread().id() != std::thread::current().id()
    {
        // A panic there was caught already.
        let _ = thread.join();
    }
    node.pending.close();
    let of_node = |other: &Arc<Node>| Arc::ptr_eq(other, node);
    // Outside the locks: the end of an agent is told to the program.
    let (agents, lent) =
        (std::mem::take(&mut *lock(&node.agents)), std::mem::take(&mut *lock(&node.lent)));
    drop((agents, lent));
    drop(state::CALLS.take_all(|call| of_node(&call.node)));
    drop(state::AGENTS.take_all(|agent| of_node(&agent.node)));
    drop(state::BODIES.take_all(|body| of_node(&body.node)));
    drop(state::QUESTIONS.take_all(|question| of_node(&question.node)));
    drop(state::WATCHES.take_all(|watch| of_node(&watch.node)));
    drop(lock(&node.bell).take());
}

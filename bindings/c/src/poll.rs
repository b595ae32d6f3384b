//! Nodes without a thread of their own: a file descriptor and `hubless_poll`.

use crate::entry::{entry, give};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::lock;
use crate::state::{NODES, Node};
use crate::types::{hubless_node, hubless_status};
use std::sync::Arc;

/// The doorbell of a polled node.
#[cfg(target_os = "linux")]
pub(crate) struct Bell(Arc<std::os::fd::OwnedFd>);

/// The doorbell of a polled node; this system has none.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Bell(());

#[cfg(target_os = "linux")]
impl Bell {
    /// Makes a descriptor that becomes readable when there are events.
    pub(crate) fn install(session: u64) -> Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};

        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let fd = eventfd(0, flags).map_err(|error| {
            let message = format!("no event descriptor: {error}");
            Fault::from(hubless_proto::Error::new(hubless_proto::Kind::Internal, message))
        })?;
        let fd = Arc::new(fd);
        let rung = Arc::clone(&fd);
        hubless_shared::set_doorbell(
            session,
            Some(Arc::new(move || {
                // A full counter means that it was rung already.
                let _ = rustix::io::write(&rung, &1_u64.to_ne_bytes());
            })),
        );
        Ok(Self(fd))
    }

    fn number(&self) -> i32 {
        use std::os::fd::AsRawFd;
        self.0.as_raw_fd()
    }

    /// Makes it unreadable until the next event.
    fn silence(&self) {
        // Nothing to read means that it was silent already.
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

#[cfg(not(target_os = "linux"))]
impl Bell {
    pub(crate) fn install(_session: u64) -> Result<Self> {
        Ok(Self(()))
    }

    fn number(&self) -> i32 {
        -1
    }

    fn silence(&self) {}
}

/// Gives a descriptor that is readable while the node has events; watch it, never read or close
/// it. Only for nodes started with `polled`; -1 where the system has none.
///
/// # Safety
/// `fd` is NULL or writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_fd(
    node: *const hubless_node,
    fd: *mut i32,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let node = polled(node)?;
            let number = lock(&node.bell).as_ref().map_or(-1, Bell::number);
            give("fd", fd, number)
        })
    }
}

/// Delivers events of a polled node: runs their callbacks on this thread, and returns without
/// waiting. `max`: most events, 0: 64. `delivered`: how many, may be NULL. Inside a callback it is
/// `HUBLESS_WOULD_DEADLOCK`: whoever called that back delivers the rest.
///
/// # Safety
/// `delivered` is NULL or writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_poll(
    node: *const hubless_node,
    max: usize,
    delivered: *mut usize,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let node = polled(node)?;
            crate::entry::may_block()?;
            let mut count = 0;
            // Another thread that waits in this node delivers meanwhile.
            if node.pending.start_pumping() {
                if let Some(bell) = &*lock(&node.bell) {
                    bell.silence();
                }
                count = crate::dispatch::take(&node, if max == 0 { 64 } else { max });
                node.pending.stop_pumping();
            }
            if delivered.is_null() { Ok(()) } else { give("delivered", delivered, count) }
        })
    }
}

fn polled(node: *const hubless_node) -> Result<Arc<Node>> {
    let node = NODES.get(node)?;
    if node.polled {
        return Ok(node);
    }
    Err(Fault::invalid("node", "expected a node that was started with polled"))
}

//! The doorbell as a file descriptor that an event loop can watch.
//!
//! Owns the eventfd; must not know events. The core drops the old doorbell inside
//! `set_doorbell`, so a late worker can never write into a recycled descriptor.

#[cfg(target_os = "linux")]
pub(crate) fn install(session: u64) -> std::io::Result<i32> {
    use rustix::event::{EventfdFlags, eventfd};
    use std::os::fd::AsRawFd;
    use std::sync::Arc;

    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let number = bell.as_raw_fd();
    hubless_shared::set_doorbell(
        session,
        Some(Arc::new(move || {
            // A full counter means that the loop has been rung already.
            let _ = rustix::io::write(&bell, &1_u64.to_ne_bytes());
        })),
    );
    Ok(number)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn install(_session: u64) -> std::io::Result<i32> {
    Ok(-1)
}

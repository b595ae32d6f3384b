//! Forks of the host's process.
//!
//! Owns: what happens to the library when its host forks: the child lets go of the locks that
//! prove the parent alive, and may not use the library any more, whose threads it does not have.
//! Must not know sessions. Tested with processes by the suites of C and Python.
#![allow(unsafe_code, reason = "handlers of a fork can be set in no safe way")]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// Process that used the library first; 0: none did.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// In a child: the number of no process.
const NONE: u32 = u32::MAX;

/// Remembers this process and watches its forks, from first use on.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        PROCESS.store(std::process::id(), Ordering::Release);
        // SAFETY: the functions live as long as the library, which takes its handlers along when
        // it is unloaded, and they do not unwind.
        let failed = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        if failed != 0 {
            let error = std::io::Error::from_raw_os_error(failed);
            tracing::warn!(%error, "forks are not seen; a child can keep this process's locks");
        }
    });
}

/// True in a child that was forked after first use, where nothing of the library runs.
pub fn forked() -> bool {
    let process = PROCESS.load(Ordering::Acquire);
    process != 0 && process != std::process::id()
}

extern "C" fn before() {
    hubless::home::forking();
}

extern "C" fn in_parent() {
    hubless::home::fork_over();
}

extern "C" fn in_child() {
    PROCESS.store(NONE, Ordering::Release);
    hubless::home::forked();
}

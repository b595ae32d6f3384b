//! The one runtime of this process.
//!
//! Built on first use, never dropped: a host language may end at any time. After a fork it is
//! unusable in the child, and says so instead of hanging.

use hubless_proto::{Error, Kind, error::Result};
use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Threads of the runtime.
const WORKERS: usize = 2;

struct Shared {
    runtime: Runtime,
    process: u32,
}

static SHARED: OnceLock<std::result::Result<Shared, String>> = OnceLock::new();

/// The runtime of this process.
///
/// # Errors
/// `closed` (`forked`) in a child that was forked after first use; `internal` when no thread can
/// be made.
pub fn handle() -> Result<&'static Handle> {
    let shared = SHARED.get_or_init(build).as_ref();
    let shared = shared.map_err(|reason| Error::new(Kind::Internal, reason.clone()))?;
    if shared.process != std::process::id() {
        return Err(Error::new(
            Kind::Closed,
            "this process was forked after hubless was used; start the node in the child",
        )
        .with_code("forked"));
    }
    Ok(shared.runtime.handle())
}

/// Starts a task on the runtime of this process.
///
/// # Errors
/// As [`handle`].
pub fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> Result<JoinHandle<T>> {
    Ok(handle()?.spawn(task))
}

/// Runs what blocks for milliseconds beside the event loop.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "a background step panicked")))
}

fn build() -> std::result::Result<Shared, String> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("hubless")
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    Ok(Shared { runtime, process: std::process::id() })
}

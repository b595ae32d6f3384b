//! The one runtime of this process.
//!
//! Built on first use, never dropped: a host language may end at any time. After a fork it is
//! unusable in the child, and says so instead of hanging.

use hubless_proto::limits::RUNTIME_WORKERS;
use hubless_proto::{Error, Kind, error::Result};
use std::ffi::OsString;
use std::future::Future;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// Names the number of threads of the runtime.
const WORKERS: &str = "HUBLESS_WORKERS";
/// Threads where nobody says how many.
const DEFAULT_WORKERS: usize = 2;

struct Shared {
    runtime: Runtime,
    process: u32,
}

static SHARED: OnceLock<Result<Shared>> = OnceLock::new();

/// The runtime of this process, of as many threads as the environment variable `HUBLESS_WORKERS`
/// says at its first use: 1 to 64, else 2.
///
/// # Errors
/// `closed` (`forked`) in a child that was forked after first use; `configuration` for another
/// number of threads; `internal` when no thread can be made.
pub fn handle() -> Result<&'static Handle> {
    let shared = SHARED.get_or_init(build).as_ref().map_err(Clone::clone)?;
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

fn build() -> Result<Shared> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers(std::env::var_os(WORKERS))?)
        .thread_name("hubless")
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(Kind::Internal, format!("cannot start the runtime: {error}"))
        })?;
    Ok(Shared { runtime, process: std::process::id() })
}

fn workers(said: Option<OsString>) -> Result<usize> {
    let Some(said) = said.filter(|said| !said.is_empty()) else { return Ok(DEFAULT_WORKERS) };
    let number = said.to_str().and_then(|said| said.parse().ok());
    number.filter(|number| (1..=RUNTIME_WORKERS).contains(number)).ok_or_else(|| {
        let message = format!("expected {WORKERS} to be a number from 1 to {RUNTIME_WORKERS}");
        Error::new(Kind::Configuration, message)
            .with_field(WORKERS)
            .with_limit("RUNTIME_WORKERS", RUNTIME_WORKERS as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_how_many_threads_the_runtime_has() {
        let of = |said: &str| workers(Some(said.into()));
        let most = RUNTIME_WORKERS.to_string();
        assert_eq!((workers(None), of("")), (Ok(DEFAULT_WORKERS), Ok(DEFAULT_WORKERS)));
        assert_eq!((of("1"), of(&most)), (Ok(1), Ok(RUNTIME_WORKERS)));
        for wrong in ["0", &(RUNTIME_WORKERS + 1).to_string(), "-1", "2.0", "many"] {
            let error = of(wrong).unwrap_err();
            assert_eq!(error.kind, Kind::Configuration, "{wrong}");
            assert_eq!(error.field.as_deref(), Some(WORKERS), "{wrong}");
        }
    }
}

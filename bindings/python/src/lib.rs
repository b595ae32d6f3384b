//! `hubless._core`: the contract of `bindings/CONTRACT.md` as Python functions.
//!
//! Owns the conversion of bytes and numbers, the eventfd doorbell and the refusals after `fork` and
//! in a second interpreter. Must not know any operation, any body, or asyncio. No thread of the
//! runtime ever attaches to the interpreter: events wait in the session's queue until Python drains
//! them. Tested by `python/tests/test_core.py`.
#![deny(unsafe_code)]

mod bell;

use bytes::Bytes;
use pyo3::exceptions::PyImportError;
use pyo3::ffi::{PyInterpreterState_Get, PyInterpreterState_GetID};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::Duration;

pyo3::create_exception!(
    _core,
    CoreError,
    pyo3::exceptions::PyException,
    "Raised by the core itself; the arguments are the kind, the code and the message."
);

/// One event as Python sees it: kind, ticket, body, attachments.
type PyEvent<'py> = (u8, u64, Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>);

/// Runs a call into the core: refused in a forked child, a panic becomes kind `internal`.
fn guarded<T>(call: impl FnOnce() -> T) -> PyResult<T> {
    if hubless_shared::forked() {
        return Err(CoreError::new_err((
            "closed",
            "forked",
            "this process was forked after hubless was used in its parent; start it with \
             spawn or forkserver, or use hubless first in the child",
        )));
    }
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| CoreError::new_err(("internal", "", "the core panicked; this is a bug")))
}

/// Refuses every interpreter of the process but the first: its exception type is static here, and
/// objects of one interpreter must not reach another.
#[allow(unsafe_code, reason = "interpreters can be told apart in no safe way")]
fn in_first_interpreter(py: Python<'_>) -> PyResult<()> {
    static FIRST: OnceLock<i64> = OnceLock::new();
    // SAFETY: this thread is attached to an interpreter, as `py` shows.
    let here = unsafe { PyInterpreterState_GetID(PyInterpreterState_Get()) };
    if here < 0 {
        return Err(PyErr::fetch(py));
    }
    if *FIRST.get_or_init(|| here) == here {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "hubless works in one interpreter of a process, the first that imports it; use threads or \
         processes instead of another one",
    ))
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Bytes as Python sees them; an error where the interpreter has no memory for them.
fn shown<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |room| {
        room.copy_from_slice(bytes);
        Ok(())
    })
}

/// The functions of the contract.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::CoreError;
    use super::*;

    /// Refuses a second interpreter, and leaves `__all__` to the stub, which is the same for every
    /// build.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        in_first_interpreter(module.py())?;
        module.delattr("__all__")
    }

    /// Version of the library.
    #[pyfunction]
    fn version() -> &'static str {
        hubless_shared::version()
    }

    /// Opens a session and returns its handle.
    #[pyfunction]
    fn open() -> PyResult<u64> {
        guarded(|| hubless_shared::open("python"))
    }

    /// Starts an operation; false: the session is closed or unknown.
    #[pyfunction]
    fn submit(
        session: u64,
        ticket: u64,
        op: &str,
        body: &[u8],
        attachments: Vec<Bound<'_, PyBytes>>,
    ) -> PyResult<bool> {
        let parts = attachments.iter().map(|part| copy(part.as_bytes())).collect();
        guarded(|| hubless_shared::submit(session, ticket, op, copy(body), parts))
    }

    /// Answers an operation at once, without a session: its result, or (false) its error.
    #[pyfunction]
    fn ask<'py>(py: Python<'py>, op: &str, body: &[u8]) -> PyResult<(bool, Bound<'py, PyBytes>)> {
        let (done, said) = guarded(|| hubless_shared::ask(op, body))?;
        Ok((done, shown(py, &said)?))
    }

    /// Gives an open operation up.
    #[pyfunction]
    fn cancel(session: u64, ticket: u64) -> PyResult<()> {
        guarded(|| hubless_shared::cancel(session, ticket))
    }

    /// Takes at most `max` queued events; what an error keeps from being shown is lost.
    #[pyfunction]
    fn drain(py: Python<'_>, session: u64, max: usize) -> PyResult<Vec<PyEvent<'_>>> {
        let events = guarded(|| hubless_shared::drain(session, max))?;
        let out = events.into_iter().map(|event| {
            let parts = event.attachments.iter().map(|part| shown(py, part));
            let parts = parts.collect::<PyResult<_>>()?;
            Ok((event.kind, event.ticket, shown(py, &event.body)?, parts))
        });
        out.collect()
    }

    /// Blocks, detached from the interpreter, until an event is queued or the seconds are over
    /// (true) or the session is closed (false).
    #[pyfunction]
    fn wait(py: Python<'_>, session: u64, timeout: f64) -> PyResult<bool> {
        let limit = Duration::try_from_secs_f64(timeout).ok();
        py.detach(|| guarded(|| hubless_shared::wait(session, limit)))
    }

    /// Makes an eventfd the doorbell and returns it; -1 where the system has none.
    ///
    /// The descriptor belongs to the core and is closed by `unring` or `close`.
    #[pyfunction]
    fn ring_fd(session: u64) -> PyResult<i32> {
        Ok(guarded(|| bell::install(session))??)
    }

    /// Takes the doorbell away; its descriptor is closed when this returns.
    #[pyfunction]
    fn unring(session: u64) -> PyResult<()> {
        guarded(|| hubless_shared::set_doorbell(session, None))
    }

    /// Ends a session at once; idempotent.
    #[pyfunction]
    fn close(py: Python<'_>, session: u64) -> PyResult<()> {
        py.detach(|| guarded(|| hubless_shared::close(session)))
    }

    /// Live sessions, agents, calls, streams and bodies of this process.
    #[pyfunction]
    fn handles() -> PyResult<usize> {
        guarded(hubless_shared::handles)
    }

    /// Panics inside the guard, for the test of the boundary.
    #[cfg(feature = "testing")]
    #[pyfunction]
    fn _panic_now() -> PyResult<()> {
        guarded(|| panic!("asked for by a test"))
    }
}

//! Node.js glue: the native surface of `bindings/CONTRACT.md` as eight functions,
//! and one for what must be said when nobody is left to say it.
//!
//! Owns the conversion of strings and byte strings, and the doorbell. Must not know any
//! operation or event: it carries bodies as text. Tested by the suite of the `hubless` package
//! in `node/test`, which also compares the exports with `node/native.d.ts`.

#![deny(unsafe_code)]

mod convert;
#[cfg(feature = "testing")]
mod testing;

use std::sync::Arc;

use bytes::Bytes;
use hubless_shared::Doorbell;
use napi::bindgen_prelude::{Array, BufferSlice, Env, External, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

/// One open session; dropped by the garbage collector or with its environment (a worker that
/// is terminated, for example), which closes it.
pub struct Session(u64);

impl Drop for Session {
    fn drop(&mut self) {
        end(self.0);
    }
}

/// What is asked when its owner is garbage collected, or ends with its environment: a finalizer of
/// JavaScript does not run in a worker that is terminated.
pub struct LastWord {
    operation: String,
    body: String,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        // Whoever could be told of the answer is gone.
        let _ = hubless_shared::ask(&self.operation, self.body.as_bytes());
    }
}

/// Returns the version of the library.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    hubless_shared::version()
}

/// Opens a session; `doorbell` is called on the JavaScript thread when its queue turns from
/// empty to non-empty, and does not keep the process alive.
#[napi(catch_unwind)]
pub fn open(doorbell: Function<'_, (), ()>) -> napi::Result<External<Session>> {
    let bell = doorbell.build_threadsafe_function().weak::<true>().build()?;
    let ring: Doorbell = Arc::new(move || {
        // A refusal means that the environment is closing: nobody is left to be told.
        let _ = bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
    });
    let session = Session(hubless_shared::open("nodejs"));
    hubless_shared::set_doorbell(session.0, Some(ring));
    Ok(External::new(session))
}

/// Starts an operation; false when the session is closed.
///
/// The attachments are copied here, once: memory of JavaScript may be freed under the core by
/// a worker that ends or a buffer that is transferred.
#[napi(catch_unwind)]
pub fn submit(
    session: &External<Session>,
    ticket: i64,
    operation: String,
    body: String,
    attachments: Vec<BufferSlice<'_>>,
) -> bool {
    let attachments = attachments.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    let ticket = ticket.unsigned_abs();
    hubless_shared::submit(session.0, ticket, &operation, Bytes::from(body), attachments)
}

/// Answers an operation at once, without a session: true and its result, or false and its error.
#[napi(catch_unwind)]
pub fn ask(env: &Env, operation: String, body: String) -> napi::Result<Array<'_>> {
    let (done, said) = hubless_shared::ask(&operation, body.as_bytes());
    convert::answer(env, done, said)
}

/// Gives an object with whose end `ask` is called once, for an operation that lets something go.
#[napi(catch_unwind)]
pub fn when_gone(operation: String, body: String) -> External<LastWord> {
    External::new(LastWord { operation, body })
}

/// Gives an open operation up.
#[napi(catch_unwind)]
pub fn cancel(session: &External<Session>, ticket: i64) {
    hubless_shared::cancel(session.0, ticket.unsigned_abs());
}

/// Takes at most `max` queued events, as one flat array: kind, ticket, body, attachments (an
/// array or null) of the first, then of the second, and so on.
#[napi(catch_unwind)]
pub fn drain<'env>(
    env: &'env Env,
    session: &External<Session>,
    max: u32,
) -> napi::Result<Array<'env>> {
    convert::flat_events(env, hubless_shared::drain(session.0, max as usize))
}

/// Ends the session at once; idempotent.
#[napi(catch_unwind)]
pub fn close(session: &External<Session>) {
    end(session.0);
}

/// Counts live sessions, agents, calls, streams, bodies, switches and spendings of the process,
/// for leak tests.
#[napi(catch_unwind)]
pub fn handles() -> u32 {
    u32::try_from(hubless_shared::handles()).unwrap_or(u32::MAX)
}

/// The facade fails what is pending by itself, so the last events are taken and forgotten.
fn end(session: u64) {
    hubless_shared::set_doorbell(session, None);
    hubless_shared::close(session);
    while !hubless_shared::drain(session, usize::MAX).is_empty() {}
}

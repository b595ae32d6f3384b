//! The contract under every language: sessions, tickets, events (see `bindings/CONTRACT.md`).
//!
//! Owns: the completion queue, handles, and the JSON of operations and events. Must not know: any
//! host language, and no decision about agents or calls; those are the SDK's. Tested beside each
//! part, and end to end through the public functions in `tests/`.
// Allowed in `fork` alone.
#![deny(unsafe_code)]

mod ask;
mod bodies;
pub mod event;
mod foreign;
mod fork;
mod handler;
mod json;
mod log;
mod ops;
mod queue;
mod results;
mod session;
mod sync;
mod table;
#[cfg(test)]
mod table_tests;

pub use event::{Event, encode_batch};
pub use fork::forked;
pub use queue::Doorbell;
pub use table::handles;

use bytes::Bytes;
use session::{Operation, Session};
use std::sync::Arc;
use std::time::Duration;

/// Version of the library.
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Opens a session; the number is a generation-checked handle, never 0. Traces name the `language`
/// of the host.
///
/// In a forked child (see [`forked`]) no session opens, and every other function finds it closed.
pub fn open(language: &'static str) -> u64 {
    fork::watch();
    if forked() { table::next_id() } else { session::open(language) }
}

/// Starts an operation; false: the session is closed or unknown, or the ticket is 0 or open.
pub fn submit(session: u64, ticket: u64, op: &str, body: Bytes, attachments: Vec<Bytes>) -> bool {
    let operation = Operation { ticket, name: op.to_owned(), body, attachments };
    find(session).is_some_and(|session| session.submit(operation))
}

/// Answers at once, on this thread and without a session, an operation that only computes or that
/// concerns the whole process: its result, or (false) its error, as JSON.
pub fn ask(op: &str, body: &[u8]) -> (bool, Vec<u8>) {
    fork::watch();
    ask::answer(op, body)
}

/// Gives an open operation up.
pub fn cancel(session: u64, ticket: u64) {
    if let Some(session) = find(session) {
        session.cancel(ticket);
    }
}

/// Takes at most `max` queued events.
///
/// A closed session gives the ends of the operations that were open once more.
pub fn drain(session: u64, max: usize) -> Vec<Event> {
    let Some(found) = find_or_ended(session) else { return Vec::new() };
    let events = found.queue.drain(max);
    if found.queue.is_finished() {
        session::forget(session);
    }
    events
}

/// Blocks until an event is queued (true), the time is over (true) or the session is closed
/// (false).
pub fn wait(session: u64, timeout: Option<Duration>) -> bool {
    find_or_ended(session).is_some_and(|session| session.queue.wait(timeout))
}

/// Sets or removes the doorbell; after the call returns the old one is never rung again.
///
/// A bell must not block and must not call back into this module.
pub fn set_doorbell(session: u64, bell: Option<Doorbell>) {
    if let Some(session) = find_or_ended(session) {
        session.queue.set_bell(bell);
    }
}

/// Ends the session at once; idempotent.
pub fn close(session: u64) {
    if !forked() {
        session::close(session);
    }
}

/// None in a forked child, where a lock of the parent's other threads may never be let go.
fn find(session: u64) -> Option<Arc<Session>> {
    if forked() { None } else { session::find(session) }
}

/// As [`find`].
fn find_or_ended(session: u64) -> Option<Arc<Session>> {
    if forked() { None } else { session::find_or_ended(session) }
}

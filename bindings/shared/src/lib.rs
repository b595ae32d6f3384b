//! The contract under every language: sessions, tickets, events (see `bindings/CONTRACT.md`).
//!
//! Owns: the completion queue, handles, and the JSON of operations and events. Must not know: any
//! host language, and no decision about agents or calls; those are the SDK's. Tested beside each
//! part, and end to end through the public functions in `tests/`.
#![forbid(unsafe_code)]

mod bodies;
pub mod event;
mod foreign;
mod handler;
mod json;
mod log;
mod ops;
mod queue;
mod session;
mod table;

pub use event::{Event, encode_batch};
pub use queue::Doorbell;
pub use table::handles;

use bytes::Bytes;
use session::Operation;
use std::time::Duration;

/// Version of the library.
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Opens a session; the number is a generation-checked handle, never 0.
pub fn open() -> u64 {
    session::open()
}

/// Starts an operation; false: the session is closed or unknown, or the ticket is 0 or open.
pub fn submit(session: u64, ticket: u64, op: &str, body: Bytes, attachments: Vec<Bytes>) -> bool {
    let operation = Operation { ticket, name: op.to_owned(), body, attachments };
    session::find(session).is_some_and(|session| session.submit(operation))
}

/// Gives an open operation up.
pub fn cancel(session: u64, ticket: u64) {
    if let Some(session) = session::find(session) {
        session.cancel(ticket);
    }
}

/// Takes at most `max` queued events.
///
/// A closed session gives the ends of the operations that were open once more.
pub fn drain(session: u64, max: usize) -> Vec<Event> {
    let Some(found) = session::find_or_ended(session) else { return Vec::new() };
    let events = found.queue.drain(max);
    if found.queue.is_finished() {
        session::forget(session);
    }
    events
}

/// Blocks until an event is queued (true), the time is over (true) or the session is closed
/// (false).
pub fn wait(session: u64, timeout: Option<Duration>) -> bool {
    session::find_or_ended(session).is_some_and(|session| session.queue.wait(timeout))
}

/// Sets or removes the doorbell; after the call returns the old one is never rung again.
///
/// A bell must not block and must not call back into this module.
pub fn set_doorbell(session: u64, bell: Option<Doorbell>) {
    if let Some(session) = session::find_or_ended(session) {
        session.queue.set_bell(bell);
    }
}

/// Ends the session at once; idempotent.
pub fn close(session: u64) {
    session::close(session);
}

//! The contract under every language: sessions, tickets, events (see `bindings/CONTRACT.md`).

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// One entry of a session's completion queue.
#[derive(Debug, Clone)]
pub struct Event {
    /// Which of the contract's event kinds (section 2).
    pub kind: u8,
    /// Ticket of the operation, or the core's own id.
    pub ticket: u64,
    /// UTF-8 JSON object.
    pub body: Bytes,
    /// Byte strings that the body names by index.
    pub attachments: Vec<Bytes>,
}

/// Called when the queue turns from empty to non-empty; must not block.
pub type Doorbell = Arc<dyn Fn() + Send + Sync>;

/// Version of the library.
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
/// Opens a session; the number is a generation-checked handle, never 0.
pub fn open() -> u64 {
    0
}
/// Starts an operation; false: the session is closed or unknown.
pub fn submit(_session: u64, _ticket: u64, _op: &str, _body: Bytes, _att: Vec<Bytes>) -> bool {
    false
}
/// Gives an open operation up.
pub fn cancel(_session: u64, _ticket: u64) {}
/// Takes at most `max` queued events.
pub fn drain(_session: u64, _max: usize) -> Vec<Event> {
    Vec::new()
}
/// Blocks until an event is queued (true), the time is over (true) or the session is closed (false).
pub fn wait(_session: u64, _timeout: Option<Duration>) -> bool {
    false
}
/// Sets or removes the doorbell; after the call returns the old one is never rung again.
pub fn set_doorbell(_session: u64, _bell: Option<Doorbell>) {}
/// Ends the session at once; idempotent.
pub fn close(_session: u64) {}
/// Live sessions, agents, calls, streams and bodies of this process.
pub fn handles() -> usize {
    0
}
/// Events as one byte string, for hosts that cross the boundary once a batch: per event
/// kind u8, ticket u64, body length u32, body, attachment count u32, then length u32 and bytes
/// of each; numbers big-endian.
pub fn encode_batch(_events: &[Event]) -> Vec<u8> {
    Vec::new()
}

//! Events of the completion queue and their packed form.
//!
//! Owns: the event kinds of the contract and the batch encoding. Must not know what a body says.
//! Tested beside the encoding.

use bytes::Bytes;

/// An operation's result.
pub const DONE: u8 = 1;
/// An operation's error.
pub const FAILED: u8 = 2;
/// Run the handler of an agent.
pub const CALL: u8 = 3;
/// Stop what an earlier event asked for.
pub const CANCEL: u8 = 4;
/// Run a tool that a request offered.
pub const TOOL: u8 = 5;
/// Check a credential.
pub const AUTH: u8 = 6;
/// Count tokens.
pub const COUNT: u8 = 7;
/// Provide a credential.
pub const CREDENTIAL: u8 = 8;
/// Answer a question of the callee.
pub const INPUT: u8 = 9;
/// A log line of the core.
pub const LOG: u8 = 10;

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

impl Event {
    /// Bytes that the event holds.
    pub(crate) fn size(&self) -> usize {
        self.attachments.iter().fold(self.body.len(), |sum, bytes| sum.saturating_add(bytes.len()))
    }
}

/// Packs events into one byte string, for hosts that cross the boundary once a batch.
///
/// Per event: kind u8, ticket u64, body length u32, body, attachment count u32, then length u32
/// and bytes of each; numbers big-endian.
pub fn encode_batch(events: &[Event]) -> Vec<u8> {
    let size = events.iter().map(|e| e.size() + 17 + 4 * e.attachments.len()).sum();
    let mut out = Vec::with_capacity(size);
    for event in events {
        out.push(event.kind);
        out.extend_from_slice(&event.ticket.to_be_bytes());
        put(&mut out, &event.body);
        let count = u32::try_from(event.attachments.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for bytes in &event.attachments {
            put(&mut out, bytes);
        }
    }
    out
}

/// Nothing queued comes near 4 GiB: messages and chunks have their bounds in `limits`.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_packed_big_endian() {
        let event = Event {
            kind: CALL,
            ticket: 0x0102,
            body: Bytes::from_static(b"{}"),
            attachments: vec![Bytes::from_static(b"abc"), Bytes::new()],
        };

        let packed = encode_batch(&[event]);

        let wanted = b"\x03\0\0\0\0\0\0\x01\x02\0\0\0\x02{}\0\0\0\x02\0\0\0\x03abc\0\0\0\0";
        assert_eq!(packed, wanted);
    }
}

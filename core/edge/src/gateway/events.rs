//! Server-sent events, as they come in pieces.

use bytes::{Bytes, BytesMut};
use hubless_proto::limits::PROVIDER_EVENT_BYTES;

/// Cuts bytes into events, each with the empty line that ends it.
#[derive(Debug, Default)]
pub(super) struct Events {
    buffer: BytesMut,
    /// Bytes that were looked at and hold no end.
    seen: usize,
}

/// An event is longer than any may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event; none: more has to come.
    ///
    /// # Errors
    /// [`TooLong`]: limit `PROVIDER_EVENT_BYTES`.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        // An end may have begun in what was looked at.
        let from = self.seen.saturating_sub(3);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let end = end_of(rest).map(|end| from + end);
        if end.unwrap_or(self.buffer.len()) > PROVIDER_EVENT_BYTES {
            return Err(TooLong);
        }
        self.seen = if end.is_some() { 0 } else { self.buffer.len() };
        Ok(end.map(|end| self.buffer.split_to(end).freeze()))
    }
}

/// Where the first empty line ends.
fn end_of(bytes: &[u8]) -> Option<usize> {
    const ENDS: [&[u8]; 4] = [b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\r"];
    (0..bytes.len()).find_map(|at| {
        let rest = bytes.get(at..)?;
        ENDS.iter().find(|end| rest.starts_with(end)).map(|end| at + end.len())
    })
}

/// The data of an event, its lines joined; none: it has none, as a comment.
pub(super) fn data(event: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(event).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], piece: usize) -> Result<Vec<Option<String>>, TooLong> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            events.push(piece);
            while let Some(event) = events.next()? {
                found.push(data(&event));
            }
        }
        Ok(found)
    }

    #[test]
    fn events_are_found_however_they_are_cut() {
        let bytes = b"data: {\"a\":1}\n\n: ping\n\ndata:b\r\nid: 1\r\n\r\ndata: c\ndata: d\n\nrest";
        let wanted = [Some("{\"a\":1}"), None, Some("b"), Some("c\nd")];
        for piece in 1..bytes.len() {
            let found = all(bytes, piece).unwrap();
            let found: Vec<_> = found.iter().map(Option::as_deref).collect();
            assert_eq!(found, wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let most = vec![b'x'; PROVIDER_EVENT_BYTES];
        assert_eq!(all(&most, 65_536), Ok(Vec::new()));
        let over = vec![b'x'; PROVIDER_EVENT_BYTES + 1];
        assert_eq!(all(&over, 65_536), Err(TooLong));
    }
}

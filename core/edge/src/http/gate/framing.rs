//! Where one request ends and the next begins.

use super::head::{self, Framing, Refusal};

/// Longest size of a chunk, in hex digits.
const SIZE_DIGITS: usize = 15;

/// Follows the requests of one connection.
#[derive(Debug)]
pub(super) struct Framer {
    state: State,
    /// Bytes of the head that were looked at.
    seen: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    Size,
    Chunk(u64),
    ChunkEnd,
    Last,
}

/// What may be done with the bytes that are there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More are needed.
    Need,
    /// So many are a whole head; its body is framed so. Taken by [`Framer::begin`].
    Head(usize, Framing),
    /// So many of a body go on.
    Pass(usize),
}

impl Framer {
    pub(super) const fn new() -> Self {
        Self { state: State::Head, seen: 0 }
    }

    /// True between two requests, and within a head.
    pub(super) fn in_head(&self) -> bool {
        self.state == State::Head
    }

    /// Looks at the bytes that follow what went on already.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        match self.state {
            State::Head => match head::end(bytes, self.seen)? {
                Some(at) => {
                    let framing = head::read(bytes.get(..at).unwrap_or_default())?;
                    Ok(Step::Head(at, framing))
                }
                None => {
                    self.seen = bytes.len();
                    Ok(Step::Need)
                }
            },
            State::Body(left) => Ok(self.pass(bytes, left, State::Head, State::Body)),
            State::Chunk(left) => Ok(self.pass(bytes, left, State::ChunkEnd, State::Chunk)),
            State::Size => self.size(bytes),
            State::ChunkEnd => self.line_end(bytes, State::Size),
            State::Last => self.line_end(bytes, State::Head),
        }
    }

    /// The head that was found goes on; what follows is framed so.
    pub(super) fn begin(&mut self, framing: Framing) {
        self.seen = 0;
        self.state = match framing {
            Framing::Length(0) => State::Head,
            Framing::Length(bytes) => State::Body(bytes),
            Framing::Chunked => State::Size,
        };
    }

    fn pass(&mut self, bytes: &[u8], left: u64, then: State, more: fn(u64) -> State) -> Step {
        let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
        if there == 0 {
            return Step::Need;
        }
        self.state = if there == left { then } else { more(left - there) };
        Step::Pass(usize::try_from(there).unwrap_or(bytes.len()))
    }

    /// A size in hex digits and nothing else: extensions have no use here.
    fn size(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > SIZE_DIGITS || (digits == 0 && !bytes.is_empty()) {
            return Err(Refusal::Chunk);
        }
        let (number, rest) = bytes.split_at(digits);
        if !rest.starts_with(b"\r\n") {
            let open = rest.is_empty() || rest == b"\r";
            return if open { Ok(Step::Need) } else { Err(Refusal::Chunk) };
        }
        let text = std::str::from_utf8(number).map_err(|_| Refusal::Chunk)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| Refusal::Chunk)?;
        self.state = if size == 0 { State::Last } else { State::Chunk(size) };
        Ok(Step::Pass(digits + 2))
    }

    /// The end of a chunk; after the last one, trailers have no use here.
    fn line_end(&mut self, bytes: &[u8], then: State) -> Result<Step, Refusal> {
        if bytes.starts_with(b"\r\n") {
            self.state = then;
            return Ok(Step::Pass(2));
        }
        if b"\r\n".starts_with(bytes) { Ok(Step::Need) } else { Err(Refusal::Chunk) }
    }
}

/// How many requests bytes hold that come in pieces, and how many bytes at their end are not yet
/// one; the last request may lack the end of its body.
///
/// # Errors
/// Why they are no requests.
pub(in crate::http) fn requests(bytes: &[u8], piece: usize) -> Result<(usize, usize), Refusal> {
    let (mut framer, mut buffer, mut found) = (Framer::new(), Vec::new(), 0);
    for bytes in bytes.chunks(piece.max(1)) {
        buffer.extend_from_slice(bytes);
        loop {
            let taken = match framer.step(&buffer)? {
                Step::Need => break,
                Step::Head(length, framing) => {
                    framer.begin(framing);
                    found += 1;
                    length
                }
                Step::Pass(length) => length,
            };
            buffer.drain(..taken);
        }
    }
    Ok((found, buffer.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn requests_follow_each_other_however_they_are_cut() {
        let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
        let chunks = format!("a\r\n0123456789\r\n1F\r\n{}\r\n0\r\n\r\n", "x".repeat(31));
        let text = format!("{plain}{sized}{CHUNKED}{chunks}{plain}");
        for piece in 1..text.len() {
            assert_eq!(requests(text.as_bytes(), piece), Ok((4, 0)), "in pieces of {piece}");
            let more = [text.as_bytes(), b"GET /"].concat();
            assert_eq!(requests(&more, piece), Ok((4, 5)), "in pieces of {piece}");
        }
    }

    #[test]
    fn chunks_that_two_readers_could_read_differently_are_refused() {
        for chunk in [
            "\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            "5;ext=1\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n",
            "1000000000000000\r\n",
            "0\r\nTrailer: x\r\n\r\n",
            "0\r\n\n",
        ] {
            for piece in [1, 3, 1_000] {
                let text = format!("{CHUNKED}{chunk}");
                let read = requests(text.as_bytes(), piece);
                assert_eq!(read, Err(Refusal::Chunk), "{chunk:?} by {piece}");
            }
        }
    }
}

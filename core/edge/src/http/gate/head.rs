//! The head of a request, read strictly: what two readers could read differently is refused.

use hubless_proto::limits;

/// Longest method that is looked for, in bytes.
const METHOD_BYTES: usize = 16;
/// Blank, version and line end after the target.
const VERSION_BYTES: usize = b" HTTP/1.1\r\n".len();
/// Most digits of a length: below 2^63.
const LENGTH_DIGITS: usize = 18;

/// Why bytes are no request that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Refusal {
    /// A line ends in something other than CR LF.
    BareLine,
    /// It is not HTTP.
    Malformed,
    /// It is not HTTP/1.1.
    Version,
    /// The target is too long.
    Url,
    /// There are too many headers, or too long ones.
    Headers,
    /// There is not exactly one Host.
    Host,
    /// A length that is no number, or is said twice, or beside a transfer coding.
    Length,
    /// A transfer coding other than `chunked`, or several.
    Coding,
    /// A chunk without a plain size, or trailers.
    Chunk,
    /// The head took too long.
    HeaderTime,
}

/// How long the body is that follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes, or none.
    Length(u64),
    /// Chunks, up to an empty one.
    Chunked,
}

/// Where the head at the start of `bytes` ends, if it is all there; the first `seen` bytes were
/// looked at before.
pub(super) fn end(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    let mut before = seen.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    for (at, byte) in bytes.iter().copied().enumerate().skip(seen) {
        if (byte == b'\n') != (before == Some(b'\r')) {
            return Err(Refusal::BareLine);
        }
        before = Some(byte);
        if byte == b'\n' && bytes.get(..=at).is_some_and(|head| head.ends_with(b"\r\n\r\n")) {
            return Ok(Some(at + 1));
        }
        if byte == b'\n' && at == 1 {
            return Err(Refusal::Malformed);
        }
    }
    let first = bytes.windows(2).position(|pair| pair == b"\r\n");
    match first {
        None if bytes.len() > METHOD_BYTES + limits::HTTP_URL_BYTES + VERSION_BYTES => {
            Err(Refusal::Url)
        }
        Some(line) if bytes.len() - line > limits::HTTP_HEADERS_BYTES + 4 => Err(Refusal::Headers),
        None | Some(_) => Ok(None),
    }
}

/// Reads a whole head, its blank line included.
pub(super) fn read(head: &[u8]) -> Result<Framing, Refusal> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(Refusal::Malformed)?;
    let mut lines = text.split(|byte| *byte == b'\n').map(without_cr);
    let first = lines.next().ok_or(Refusal::Malformed)?;
    request_line(first)?;
    if text.len() - first.len() > limits::HTTP_HEADERS_BYTES {
        return Err(Refusal::Headers);
    }
    let mut said = Said::default();
    for (index, line) in lines.enumerate() {
        if index == limits::HTTP_HEADERS {
            return Err(Refusal::Headers);
        }
        said.header(line)?;
    }
    said.framing()
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn request_line(line: &[u8]) -> Result<(), Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed);
    };
    let is_method = (1..=METHOD_BYTES).contains(&method.len());
    if !is_method || !method.iter().all(u8::is_ascii_alphabetic) || method == b"CONNECT" {
        return Err(Refusal::Malformed);
    }
    if target.len() > limits::HTTP_URL_BYTES {
        return Err(Refusal::Url);
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::Malformed);
    }
    match version {
        b"HTTP/1.1" => Ok(()),
        other if other.starts_with(b"HTTP/") => Err(Refusal::Version),
        _ => Err(Refusal::Malformed),
    }
}

/// What the headers say that decides where the request ends.
#[derive(Default)]
struct Said {
    hosts: usize,
    lengths: usize,
    length: u64,
    codings: usize,
}

impl Said {
    fn header(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::Malformed)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // A line that begins with a blank would continue the one before it.
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Refusal::Malformed);
        }
        let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        if !value.iter().all(is_text) {
            return Err(Refusal::Malformed);
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            self.length = digits(value).ok_or(Refusal::Length)?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.codings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::Coding);
            }
        }
        Ok(())
    }

    fn framing(self) -> Result<Framing, Refusal> {
        if self.hosts != 1 {
            return Err(Refusal::Host);
        }
        match (self.lengths, self.codings) {
            (0 | 1, 0) => Ok(Framing::Length(self.length)),
            (0, 1) => Ok(Framing::Chunked),
            (0, _) => Err(Refusal::Coding),
            (_, _) => Err(Refusal::Length),
        }
    }
}

fn digits(value: &[u8]) -> Option<u64> {
    let plain = (1..=LENGTH_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| plain)?;
    text.parse().ok()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(head: &str) -> Result<Framing, Refusal> {
        let bytes = head.as_bytes();
        match end(bytes, 0)? {
            Some(at) => read(bytes.get(..at).unwrap()),
            None => panic!("the head has no end: {head:?}"),
        }
    }

    fn with(headers: &str) -> Result<Framing, Refusal> {
        judged(&format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
    }

    #[test]
    fn plain_heads_are_taken() {
        assert_eq!(with(""), Ok(Framing::Length(0)));
        assert_eq!(with("content-LENGTH:  12 \r\n"), Ok(Framing::Length(12)));
        assert_eq!(with("Transfer-Encoding: Chunked\r\nX: \tz\r\n"), Ok(Framing::Chunked));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let rows = [
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Refusal::Length),
            ("Content-Length: 3\r\nContent-Length: 3\r\n", Refusal::Length),
            ("Content-Length: 3, 3\r\n", Refusal::Length),
            ("Content-Length: +3\r\n", Refusal::Length),
            ("Content-Length: 0x3\r\n", Refusal::Length),
            ("Content-Length:\r\n", Refusal::Length),
            ("Content-Length: 9999999999999999999\r\n", Refusal::Length),
            ("Transfer-Encoding: gzip, chunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::Coding),
            ("Transfer-Encoding: identity\r\n", Refusal::Coding),
            ("Transfer-Encoding : chunked\r\n", Refusal::Malformed),
            (" Transfer-Encoding: chunked\r\n", Refusal::Malformed),
            ("X: a\r\n continued\r\n", Refusal::Malformed),
            ("X: a\u{0}b\r\n", Refusal::Malformed),
            ("no colon\r\n", Refusal::Malformed),
            ("Host: b\r\n", Refusal::Host),
            ("X: a\nContent-Length: 3\r\n", Refusal::BareLine),
            ("X: a\rContent-Length: 3\r\n", Refusal::BareLine),
        ];
        for (headers, refusal) in rows {
            assert_eq!(with(headers), Err(refusal), "{headers:?}");
        }
        for (head, refusal) in [
            ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Refusal::Version),
            ("GET /\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("GET / / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Malformed),
            ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareLine),
        ] {
            assert_eq!(judged(head), Err(refusal), "{head:?}");
        }
    }

    #[test]
    fn bounds_are_exact() {
        let url = |length: usize| {
            judged(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 1)))
        };
        assert!(url(limits::HTTP_URL_BYTES).is_ok());
        assert_eq!(url(limits::HTTP_URL_BYTES + 1), Err(Refusal::Url));
        let many = |count: usize| with(&"X: y\r\n".repeat(count - 1));
        assert!(many(limits::HTTP_HEADERS).is_ok());
        assert_eq!(many(limits::HTTP_HEADERS + 1), Err(Refusal::Headers));
        let rest = "\r\nHost: a\r\nX: ".len();
        let long = |bytes: usize| with(&format!("X: {}\r\n", "y".repeat(bytes - rest)));
        assert!(long(limits::HTTP_HEADERS_BYTES).is_ok());
        assert_eq!(long(limits::HTTP_HEADERS_BYTES + 1), Err(Refusal::Headers));
    }

    #[test]
    fn what_has_no_end_is_refused_before_it_fills_memory() {
        let url = "G".repeat(limits::HTTP_URL_BYTES + 100);
        assert_eq!(end(url.as_bytes(), 0), Err(Refusal::Url));
        let headers = format!("GET / HTTP/1.1\r\n{}", "x".repeat(limits::HTTP_HEADERS_BYTES + 10));
        assert_eq!(end(headers.as_bytes(), 0), Err(Refusal::Headers));
    }

    #[test]
    fn a_head_in_pieces_is_the_same_head() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(end(head.get(..cut).unwrap(), 0), Ok(None));
            assert_eq!(end(head, cut), Ok(Some(head.len())), "cut at {cut}");
        }
    }
}

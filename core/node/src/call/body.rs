//! Bytes of streamed parts on their way: bounded chunks, whatever carries them.

use super::flow::{self, Reading};
use bytes::Bytes;
use hubless_proto::{Error, Kind, error::Result, limits};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Chunks in flight of one streamed part.
const CHUNKS: usize = 8;

/// The reading end of one streamed part.
///
/// ```
/// use hubless::{Bodies, Body, BodyWriter, Content, body};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let (writer, reader): (BodyWriter, Body) = body();
/// let writing = tokio::spawn(async move {
///     writer.write(bytes::Bytes::from_static(b"one ")).await?;
///     writer.write(bytes::Bytes::from_static(b"two")).await?;
///     writer.end();
///     Ok::<(), hubless::Error>(())
/// });
/// let mut content = Content::stream("text/plain", Some(7), reader);
/// let bodies: &mut Bodies = &mut content.bodies;
/// let reader = bodies.take(0).expect("the one part");
/// assert_eq!(reader.gather(1_000).await?, "one two");
/// writing.await.expect("no panic")?;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Body {
    source: Source,
    over: bool,
    check: Option<Check>,
    meter: Option<Meter>,
}

/// Counts what arrives, and refuses too much.
type Count = dyn Fn(u64) -> Result<()> + Send + Sync;

struct Meter(Arc<Count>);

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

#[derive(Debug)]
enum Source {
    /// A writer elsewhere; `reading`: in another process.
    Channel {
        chunks: mpsc::Receiver<Result<Bytes>>,
        ended: Arc<AtomicBool>,
        reading: Option<Reading>,
    },
    /// All of it is here.
    Ready(Bytes),
}

/// The writing end of one streamed part; dropping it without `end` fails the reader.
#[derive(Debug)]
pub struct BodyWriter {
    chunks: mpsc::Sender<Result<Bytes>>,
    ended: Arc<AtomicBool>,
}

/// What the whole part was announced to be.
#[derive(Debug)]
struct Check {
    size: Option<u64>,
    digest: Option<[u8; 32]>,
    seen: u64,
    hash: Sha256,
}

/// Makes the two ends of one streamed part.
pub fn body() -> (BodyWriter, Body) {
    ends(CHUNKS, None)
}

/// The two ends of a part whose bytes come from another process, as far as there is room.
pub(crate) fn arriving(reading: Reading) -> (BodyWriter, Body) {
    ends(flow::CHUNKS, Some(reading))
}

fn ends(chunks: usize, reading: Option<Reading>) -> (BodyWriter, Body) {
    let (sender, chunks) = mpsc::channel(chunks);
    let ended = Arc::new(AtomicBool::new(false));
    let writer = BodyWriter { chunks: sender, ended: Arc::clone(&ended) };
    (writer, Body::new(Source::Channel { chunks, ended, reading }))
}

impl BodyWriter {
    /// Hands on one chunk of any size, in pieces of 64 KiB; waits while the reader is behind.
    ///
    /// # Errors
    /// `cancelled` when the reader went away.
    ///
    /// # Cancellation
    /// Pieces that were handed on stay so; the part cannot be continued sensibly.
    pub async fn write(&self, chunk: Bytes) -> Result<()> {
        for piece in pieces(chunk) {
            let sent = self.chunks.send(Ok(piece)).await;
            sent.map_err(|_| Error::new(Kind::Cancelled, "the reader of this part went away"))?;
        }
        Ok(())
    }

    /// Hands on a chunk for which there is room; one for a reader that went away is dropped.
    ///
    /// # Errors
    /// `internal` when there was no room.
    pub(crate) fn arrived(&self, chunk: Bytes) -> Result<()> {
        match self.chunks.try_send(Ok(chunk)) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(Error::new(Kind::Internal, "a part was overfilled")),
        }
    }

    /// Says that the part is complete.
    pub fn end(self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Says why the part will not be completed.
    pub async fn fail(self, error: Error) {
        // A reader that went away needs no reason.
        let _ = self.chunks.send(Err(error)).await;
    }

    /// Waits until the reader is gone.
    pub async fn closed(&self) {
        self.chunks.closed().await;
    }
}

impl Body {
    const fn new(source: Source) -> Self {
        Self { source, over: false, check: None, meter: None }
    }

    /// A part whose bytes are all here.
    pub const fn ready(bytes: Bytes) -> Self {
        Self::new(Source::Ready(bytes))
    }

    /// The same part for another reader, and its size; none: its bytes can be read once only.
    pub(crate) fn again(&self) -> Option<(Self, usize)> {
        match &self.source {
            Source::Ready(bytes) => Some((Self::ready(bytes.clone()), bytes.len())),
            Source::Channel { .. } => None,
        }
    }

    /// Counts each chunk's bytes as it is read; what `count` refuses fails the reader.
    #[must_use]
    pub fn metered(mut self, count: impl Fn(u64) -> Result<()> + Send + Sync + 'static) -> Self {
        self.meter = Some(Meter(Arc::new(count)));
        self
    }

    /// Sets the size and SHA-256 that the part was announced with; both are checked at its end.
    #[must_use]
    pub fn expecting(mut self, size: Option<u64>, digest: Option<[u8; 32]>) -> Self {
        if size.is_some() || digest.is_some() {
            self.check = Some(Check { size, digest, seen: 0, hash: Sha256::new() });
        }
        self
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// What the writer said, `transport` (`incomplete`) when it went away, or `content` when the
    /// part is not what was announced.
    ///
    /// # Cancellation
    /// Safe: no chunk is lost.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        if self.over {
            return None;
        }
        match self.source.next().await {
            Some(Ok(chunk)) => return Some(self.seen(chunk)),
            Some(Err(error)) => {
                self.over = true;
                return Some(Err(error));
            }
            None => {}
        }
        self.over = true;
        self.check.take().and_then(|check| check.finish().err()).map(Err)
    }

    /// All remaining bytes.
    ///
    /// # Errors
    /// `too_large` beyond `max` bytes; as [`Body::next`].
    pub async fn gather(mut self, max: u64) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if (all.len() as u64).saturating_add(chunk.len() as u64) > max {
                return Err(too_large(max));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(all))
    }

    fn seen(&mut self, chunk: Bytes) -> Result<Bytes> {
        let counted = self.meter.as_ref().map_or(Ok(()), |meter| (meter.0)(chunk.len() as u64));
        if let Err(error) = counted {
            self.over = true;
            return Err(error);
        }
        let Some(check) = &mut self.check else { return Ok(chunk) };
        check.seen = check.seen.saturating_add(chunk.len() as u64);
        if check.size.is_some_and(|size| check.seen > size) {
            self.over = true;
            return Err(differs("the part is longer than announced"));
        }
        if check.digest.is_some() {
            check.hash.update(&chunk);
        }
        Ok(chunk)
    }
}

impl Source {
    async fn next(&mut self) -> Option<Result<Bytes>> {
        match self {
            Self::Ready(bytes) if bytes.is_empty() => None,
            Self::Ready(bytes) => {
                let size = bytes.len().min(limits::DATA_FRAME_BYTES);
                Some(Ok(bytes.split_to(size)))
            }
            Self::Channel { chunks, ended, reading } => match chunks.recv().await {
                None if !ended.load(Ordering::Acquire) => Some(Err(incomplete())),
                Some(Ok(chunk)) => {
                    if let Some(reading) = reading {
                        reading.taken(chunk.len());
                    }
                    Some(Ok(chunk))
                }
                next @ (Some(Err(_)) | None) => next,
            },
        }
    }
}

impl Check {
    fn finish(self) -> Result<()> {
        if self.size.is_some_and(|size| size != self.seen) {
            return Err(differs("the part is shorter than announced"));
        }
        match self.digest {
            Some(digest) if <[u8; 32]>::from(self.hash.finalize()) != digest => {
                Err(differs("the digest of the part does not match"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn differs(message: &str) -> Error {
    Error::refusal(Kind::Content, "digest_mismatch", message)
}

fn too_large(most: u64) -> Error {
    let message = format!("expected a part of at most {most} bytes");
    let error = Error::refusal(Kind::TooLarge, "", message).with_field("content.parts");
    error.with_limit("REQUEST_BYTES", most)
}

fn incomplete() -> Error {
    Error::new(Kind::Transport, "the writer of this part went away").with_code("incomplete")
}

fn pieces(mut chunk: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let size = chunk.len().min(limits::DATA_FRAME_BYTES);
        (size > 0).then(|| chunk.split_to(size))
    })
}

/// Streamed parts of one message, by the index that its `StreamPart` names.
#[derive(Debug, Default)]
pub struct Bodies {
    parts: BTreeMap<u32, Body>,
}

impl Bodies {
    /// No streamed part.
    pub const fn none() -> Self {
        Self { parts: BTreeMap::new() }
    }

    /// Adds the reading end of part `index`.
    pub fn insert(&mut self, index: u32, body: Body) {
        self.parts.insert(index, body);
    }

    /// Takes the reading end of part `index` out.
    pub fn take(&mut self, index: u32) -> Option<Body> {
        self.parts.remove(&index)
    }

    /// Takes all, by rising index.
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, Body)> + use<> {
        std::mem::take(&mut self.parts).into_iter()
    }

    /// The lowest index above all that are used.
    pub fn next_index(&self) -> u32 {
        self.parts.keys().next_back().map_or(0, |last| last.saturating_add(1))
    }

    /// The same parts for another reader, and their size; none: some can be read once only.
    pub(crate) fn again(&self) -> Option<(Self, usize)> {
        let mut size = 0;
        let mut again = Self::none();
        for (index, body) in &self.parts {
            let (body, bytes) = body.again()?;
            again.insert(*index, body);
            size += bytes;
        }
        Some((again, size))
    }

    /// True when no streamed part is left.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_writer_dropped_on_a_full_channel_is_no_end() {
        let (writer, mut reader) = body();
        for _ in 0..CHUNKS {
            writer.write(Bytes::from_static(b"x")).await.unwrap();
        }
        drop(writer);
        for _ in 0..CHUNKS {
            assert!(reader.next().await.unwrap().is_ok());
        }
        let error = reader.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "incomplete"));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn an_ended_part_reads_to_its_end() {
        let (writer, reader) = body();
        writer.write(Bytes::from_static(b"abc")).await.unwrap();
        writer.end();
        assert_eq!(reader.gather(3).await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn size_and_digest_are_checked_at_the_end() {
        let right = <[u8; 32]>::from(Sha256::digest(b"abc"));
        let rows = [
            (Some(3), Some(right), None),
            (Some(2), None, Some(Kind::Content)),
            (Some(4), None, Some(Kind::Content)),
            (None, Some([0; 32]), Some(Kind::Content)),
        ];
        for (size, digest, wanted) in rows {
            let (writer, reader) = body();
            writer.write(Bytes::from_static(b"abc")).await.unwrap();
            writer.end();
            let read = reader.expecting(size, digest).gather(10).await;
            assert_eq!(read.err().map(|error| error.kind), wanted, "{size:?} {digest:?}");
        }
    }

    #[tokio::test]
    async fn gather_is_bounded() {
        let (writer, reader) = body();
        writer.write(Bytes::from_static(b"abcd")).await.unwrap();
        writer.end();
        let error = reader.gather(3).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::TooLarge, Some("content.parts")));
        assert_eq!(error.limit.map(|limit| limit.value), Some(3));
    }
}

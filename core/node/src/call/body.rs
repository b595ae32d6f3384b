//! Bytes of streamed parts on their way: bounded chunks, whatever carries them.

use bytes::Bytes;
use hubless_proto::{Error, Kind, error::Result, limits};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Chunks in flight of one streamed part.
const CHUNKS: usize = 8;

/// The reading end of one streamed part.
#[derive(Debug)]
pub struct Body {
    chunks: mpsc::Receiver<Result<Bytes>>,
}

/// The writing end of one streamed part; dropping it without `end` fails the reader.
#[derive(Debug)]
pub struct BodyWriter {
    chunks: mpsc::Sender<Result<Bytes>>,
    ended: bool,
}

/// Makes the two ends of one streamed part.
pub fn body() -> (BodyWriter, Body) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    (BodyWriter { chunks: sender, ended: false }, Body { chunks: receiver })
}

impl BodyWriter {
    /// Hands on one chunk of at most 64 KiB; waits while the reader is behind.
    ///
    /// # Errors
    /// `cancelled` when the reader went away.
    ///
    /// # Cancellation
    /// Safe: the chunk is handed on whole or not at all.
    pub async fn write(&self, chunk: Bytes) -> Result<()> {
        for piece in pieces(chunk) {
            let sent = self.chunks.send(Ok(piece)).await;
            sent.map_err(|_| Error::new(Kind::Cancelled, "the reader of this part went away"))?;
        }
        Ok(())
    }

    /// Says that the part is complete.
    pub fn end(mut self) {
        self.ended = true;
    }

    /// Says why the part will not be completed.
    pub async fn fail(mut self, error: Error) {
        self.ended = true;
        // A reader that went away needs no reason.
        let _ = self.chunks.send(Err(error)).await;
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        if !self.ended {
            let error = Error::new(Kind::Transport, "the writer of this part went away")
                .with_code("incomplete");
            // A full channel closes without a reason; `Body::next` cannot tell that from an end,
            // so the digest or size of the part does.
            let _ = self.chunks.try_send(Err(error));
        }
    }
}

impl Body {
    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// What the writer said, or `transport` when it went away.
    ///
    /// # Cancellation
    /// Safe: no chunk is lost.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        self.chunks.recv().await
    }

    /// All remaining bytes.
    ///
    /// # Errors
    /// `too_large` beyond `max` bytes; what the writer said.
    pub async fn gather(mut self, max: u64) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if (all.len() as u64).saturating_add(chunk.len() as u64) > max {
                return Err(Error::refusal(Kind::TooLarge, "", "the part is larger than allowed")
                    .with_limit("REQUEST_BYTES", max));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(all))
    }
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

    /// True when no streamed part is left.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

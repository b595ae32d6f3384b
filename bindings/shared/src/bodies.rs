//! Streamed parts by handle: those that the host reads, and those that it writes.
//!
//! Owns: the two tables and reading in pieces. Must not know messages. Tested beside the code.

use crate::queue::lock;
use crate::table::Table;
use bytes::{Bytes, BytesMut};
use hubless::call::body::{Body, BodyWriter, body};
use hubless_proto::{Error, Kind, error::Result, limits};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::sync::Semaphore;

/// A part that the host reads.
struct Incoming {
    body: Body,
    // What came after the piece that was given out last.
    next: Option<Result<Bytes>>,
}

/// A part that the host writes: its end goes into a message once, the other is written to.
pub(crate) struct Outgoing {
    reader: Mutex<Option<Body>>,
    writer: tokio::sync::Mutex<Option<BodyWriter>>,
    // Closed when nothing more is written: ended, given up, or without a reader.
    written: Semaphore,
}

impl Outgoing {
    /// Waits until nothing more is written.
    pub(crate) async fn written(&self) {
        // Closing is the only thing that ever happens to it.
        let _ = self.written.acquire().await;
    }
}

/// A part that the host reads, and whether it still may.
struct Reading {
    part: tokio::sync::Mutex<Incoming>,
    // Closed when the handle was let go of: a read that waits ends then.
    open: Semaphore,
}

/// Both kinds of a session.
pub(crate) struct OpenBodies {
    incoming: Table<Arc<Reading>>,
    outgoing: Table<Arc<Outgoing>>,
}

impl Default for OpenBodies {
    fn default() -> Self {
        Self { incoming: Table::new("body"), outgoing: Table::new("body") }
    }
}

impl OpenBodies {
    /// Opens a part for writing.
    pub(crate) fn open(&self) -> u64 {
        let (writer, reader) = body();
        self.outgoing.insert(Arc::new(Outgoing {
            reader: Mutex::new(Some(reader)),
            writer: tokio::sync::Mutex::new(Some(writer)),
            written: Semaphore::new(0),
        }))
    }

    /// Opens a part for reading.
    pub(crate) fn show(&self, body: Body) -> u64 {
        let part = tokio::sync::Mutex::new(Incoming { body, next: None });
        self.incoming.insert(Arc::new(Reading { part, open: Semaphore::new(0) }))
    }

    /// The reading end of a part that goes into a message: one that the host writes, or one that
    /// it got, has not begun to read, and hands on.
    pub(crate) fn reading_end(&self, handle: u64) -> Result<Body> {
        if let Ok(outgoing) = self.outgoing.get(handle) {
            let reader = lock(&outgoing.reader).take().ok_or_else(used)?;
            if outgoing.written.is_closed() {
                self.outgoing.take(handle);
            }
            return Ok(reader);
        }
        let incoming = self.incoming.remove(handle)?;
        let incoming = Arc::into_inner(incoming).ok_or_else(used)?.part.into_inner();
        if incoming.next.is_some() { Err(used()) } else { Ok(incoming.body) }
    }

    /// Reads at most `max` bytes; none at the end, after which the handle is gone.
    ///
    /// # Errors
    /// What the writer said; `invalid_argument` for an unknown handle, and for one that is let go
    /// of meanwhile.
    ///
    /// # Cancellation
    /// Safe: what was taken from the part and not given out stays for the next read.
    pub(crate) async fn read(&self, handle: u64, max: usize) -> Result<Option<Bytes>> {
        let incoming = self.incoming.get(handle)?;
        let piece = tokio::select! {
            biased;
            piece = async { incoming.part.lock().await.read(max).await } => piece,
            // Closing is the only thing that ever happens to it.
            _ = incoming.open.acquire() => return Err(used()),
        };
        if !matches!(piece, Some(Ok(_))) {
            self.incoming.take(handle);
        }
        piece.transpose()
    }

    /// Reads all that is left; the handle is gone afterwards.
    ///
    /// # Errors
    /// `too_large` above 64 MiB; what the writer said.
    pub(crate) async fn gather(&self, handle: u64) -> Result<Bytes> {
        let incoming = self.incoming.remove(handle)?;
        let mut incoming = incoming.part.lock().await;
        let mut all = BytesMut::new();
        while let Some(piece) = incoming.read(limits::DATA_FRAME_BYTES).await {
            let piece = piece?;
            let size = all.len().saturating_add(piece.len());
            if size as u64 > limits::REQUEST_BYTES {
                return Err(Error::new(Kind::TooLarge, "expected a part of at most 64 MiB")
                    .with_field("content.parts")
                    .with_limit("REQUEST_BYTES", limits::REQUEST_BYTES));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Hands bytes on; waits while the reader is behind.
    ///
    /// # Errors
    /// `cancelled` when the reader went away.
    pub(crate) async fn write(&self, handle: u64, bytes: Bytes) -> Result<()> {
        let outgoing = self.outgoing.get(handle)?;
        let writer = outgoing.writer.lock().await;
        let handed_on = writer.as_ref().ok_or_else(used)?.write(bytes).await;
        if handed_on.is_err() {
            outgoing.written.close();
        }
        handed_on
    }

    /// Those of these handles that the host writes.
    pub(crate) fn written_by_host(&self, handles: &[u64]) -> Vec<Arc<Outgoing>> {
        handles.iter().filter_map(|handle| self.outgoing.get(*handle).ok()).collect()
    }

    /// Ends a part that the host wrote, after all writes before it.
    pub(crate) async fn end(&self, handle: u64) -> Result<()> {
        self.ended(handle).await.map(BodyWriter::end)
    }

    /// Ends a part that cannot be completed.
    pub(crate) async fn fail(&self, handle: u64, error: Error) -> Result<()> {
        self.ended(handle).await?.fail(error).await;
        Ok(())
    }

    /// The writing end of a part that is over. A host may write a small one to its end before the
    /// message comes that names it: until then, or until it is let go of, the handle is live.
    async fn ended(&self, handle: u64) -> Result<BodyWriter> {
        let outgoing = self.outgoing.get(handle)?;
        let writer = outgoing.writer.lock().await.take().ok_or_else(used)?;
        outgoing.written.close();
        // Either this or the message that takes the other end comes second, and sees the first.
        if lock(&outgoing.reader).is_none() {
            self.outgoing.take(handle);
        }
        Ok(writer)
    }

    /// Lets a handle of either kind go; an unknown one is no error, its end may have come first.
    pub(crate) fn drop_handle(&self, handle: u64) {
        if let Some(incoming) = self.incoming.take(handle) {
            incoming.open.close();
        }
        if let Some(outgoing) = self.outgoing.take(handle) {
            outgoing.written.close();
        }
    }

    /// True for a live handle of either kind.
    pub(crate) fn has(&self, handle: u64) -> bool {
        self.incoming.has(handle) || self.outgoing.has(handle)
    }

    /// Lets all go.
    pub(crate) fn clear(&self) {
        self.incoming.clear().iter().for_each(|incoming| incoming.open.close());
        drop(self.outgoing.clear());
    }
}

impl Incoming {
    async fn read(&mut self, max: usize) -> Option<Result<Bytes>> {
        let mut first = match self.pull().await? {
            Ok(first) => first,
            Err(error) => return Some(Err(error)),
        };
        if first.len() > max {
            let rest = first.split_off(max);
            self.next = Some(Ok(rest));
        }
        if first.len() == max || !self.fits(max - first.len()).await {
            return Some(Ok(first));
        }
        let mut all = BytesMut::from(first);
        while self.fits(max - all.len()).await {
            if let Some(Ok(more)) = self.next.take() {
                all.extend_from_slice(&more);
            }
        }
        Some(Ok(all.freeze()))
    }

    async fn pull(&mut self) -> Option<Result<Bytes>> {
        match self.next.take() {
            Some(next) => Some(next),
            None => self.body.next().await,
        }
    }

    /// True when a further chunk is there without waiting, and is at most `room` bytes long.
    async fn fits(&mut self, room: usize) -> bool {
        if self.next.is_none() {
            let mut next = std::pin::pin!(self.body.next());
            let polled = std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
            let Poll::Ready(Some(next)) = polled else { return false };
            self.next = Some(next);
        }
        matches!(&self.next, Some(Ok(more)) if more.len() <= room)
    }
}

fn used() -> Error {
    Error::invalid("body", "expected a body that is not in use or ended already")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn a_part_that_ended_goes_into_the_message_that_comes_after() {
        let open = OpenBodies::default();
        for message_first in [true, false] {
            let handle = open.open();
            let early = message_first.then(|| open.reading_end(handle).unwrap());
            open.write(handle, Bytes::from_static(b"all of it")).await.unwrap();
            open.end(handle).await.unwrap();
            let mut reader = match early {
                Some(reader) => reader,
                None => open.reading_end(handle).unwrap(),
            };
            assert_eq!(reader.next().await.unwrap().unwrap(), "all of it");
            assert!(reader.next().await.is_none());
            assert!(!open.has(handle), "nothing stays");
            assert!(open.end(handle).await.is_err() && open.reading_end(handle).is_err());
        }
        let unused = open.open();
        open.end(unused).await.unwrap();
        assert!(open.end(unused).await.is_err(), "once");
        open.drop_handle(unused);
        assert!(!open.has(unused));
    }

    #[tokio::test]
    async fn a_part_is_gathered_up_to_its_bound() {
        for (more, fits) in [(0, true), (1, false)] {
            let open = OpenBodies::default();
            let (writer, reader) = body();
            let handle = open.show(reader);
            let writing = tokio::spawn(async move {
                let whole = usize::try_from(limits::REQUEST_BYTES).unwrap() + more;
                let piece = Bytes::from(vec![7; MIB]);
                let mut written = 0;
                while written < whole {
                    let part = piece.slice(..MIB.min(whole - written));
                    written += part.len();
                    // A reader that had enough goes away.
                    if writer.write(part).await.is_err() {
                        return;
                    }
                }
                writer.end();
            });
            match open.gather(handle).await {
                Ok(all) => assert_eq!((all.len() as u64, fits), (limits::REQUEST_BYTES, true)),
                Err(error) => {
                    assert_eq!((error.kind, fits), (Kind::TooLarge, false));
                    assert_eq!(error.field.as_deref(), Some("content.parts"));
                    assert_eq!(
                        error.limit.map(|limit| limit.name).as_deref(),
                        Some("REQUEST_BYTES")
                    );
                }
            }
            assert!(!open.has(handle), "it is read once");
            writing.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_read_that_waits_ends_when_its_part_is_let_go_of() {
        let open = OpenBodies::default();
        let (writer, reader) = body();
        let handle = open.show(reader);
        let mut read = std::pin::pin!(open.read(handle, 4));
        // It waits: there is nothing to read.
        let first = std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await;
        assert!(first.is_pending());

        open.drop_handle(handle);

        assert_eq!(read.await.unwrap_err().field.as_deref(), Some("body"));
        drop(writer);
    }

    #[tokio::test]
    async fn a_read_gives_what_is_there_and_no_more_than_was_asked_for() {
        let open = OpenBodies::default();
        let (writer, reader) = body();
        let handle = open.show(reader);
        writer.write(Bytes::from_static(b"abcdef")).await.unwrap();
        writer.write(Bytes::from_static(b"gh")).await.unwrap();
        writer.end();
        let mut read = Vec::new();
        while let Some(piece) = open.read(handle, 4).await.unwrap() {
            read.push(piece);
        }
        assert_eq!(read, ["abcd", "efgh"]);
        assert!(!open.has(handle));
        assert!(open.read(handle, 4).await.is_err());
    }
}

//! Frames over the two halves of a stream.

use crate::link::{RecvStream, SendStream};
use bytes::Bytes;
use hubless_proto::error::{Error, Kind};
use hubless_proto::wire::frame::{Frame, FrameBuffer, FrameType, encode_data, encode_frame};
use iroh::endpoint::{ReadError, VarInt, WriteError};
use prost::Message;
use std::time::Duration;
use tokio::time::timeout;

/// How long a peer may take to read what is said last to it.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);
/// How long a peer may take to give its half of a stream up as well.
pub(super) const PARTING: Duration = Duration::from_millis(500);

/// Most bytes that are taken off a stream at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// How a half of a stream ended.
#[derive(Debug)]
pub(super) enum End {
    /// The peer finished.
    Finished,
    /// The peer reset or stopped it, with this code.
    Reset(u64),
    /// The connection is gone.
    Lost,
    /// What came, or what was to be sent, is no frame.
    Broken(Error),
}

/// Reads frames.
#[derive(Debug)]
pub(super) struct FrameReader {
    stream: RecvStream,
    buffer: FrameBuffer,
}

/// Writes frames.
#[derive(Debug)]
pub(super) struct FrameWriter {
    stream: SendStream,
}

impl FrameReader {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, buffer: FrameBuffer::default() }
    }

    /// The next frame.
    ///
    /// # Cancellation
    /// Safe: what was read stays in the buffer.
    pub(super) async fn next(&mut self) -> Result<Frame, End> {
        loop {
            if let Some(frame) = self.buffer.next_frame().map_err(End::Broken)? {
                return Ok(frame);
            }
            match self.stream.read_chunk(CHUNK_BYTES).await {
                Ok(Some(chunk)) => self.buffer.push(&chunk),
                Ok(None) => {
                    self.buffer.finish().map_err(End::Broken)?;
                    return Err(End::Finished);
                }
                Err(ReadError::Reset(code)) => return Err(End::Reset(code.into_inner())),
                Err(
                    ReadError::ConnectionLost(_)
                    | ReadError::ClosedStream
                    | ReadError::ZeroRttRejected,
                ) => return Err(End::Lost),
            }
        }
    }

    /// Waits until the peer gives its half up, and says by which code; never returns where it ends
    /// otherwise. What was not read by then is gone.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn given_up(&mut self) -> u64 {
        match self.stream.received_reset().await {
            Ok(Some(code)) => code.into_inner(),
            // The next read says how it ended.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Says that nothing more is read.
    pub(super) fn stop(&mut self, code: u32) {
        // A stream that ended already needs no stop.
        let _ = self.stream.stop(VarInt::from_u32(code));
    }
}

impl FrameWriter {
    pub(super) const fn new(stream: SendStream) -> Self {
        Self { stream }
    }

    /// Writes one message.
    pub(super) async fn message(
        &mut self,
        kind: FrameType,
        message: &impl Message,
    ) -> Result<(), End> {
        let bytes = encode_frame(kind, message).map_err(End::Broken)?;
        self.raw(bytes).await
    }

    /// Writes frames that are encoded already.
    pub(super) async fn raw(&mut self, bytes: Bytes) -> Result<(), End> {
        self.stream.write_all_chunks(&mut [bytes]).await.map_err(write_end)
    }

    /// Writes a chunk of a streamed part; an empty one ends the part.
    pub(super) async fn data(&mut self, index: u32, chunk: Bytes) -> Result<(), End> {
        let head = encode_data(index, &chunk).map_err(End::Broken)?;
        self.stream.write_all_chunks(&mut [head, chunk]).await.map_err(write_end)
    }

    /// Says that nothing more is written.
    pub(super) fn finish(&mut self) {
        // A stream that was stopped already needs no end.
        let _ = self.stream.finish();
    }

    /// Gives the rest up.
    pub(super) fn reset(&mut self, code: u32) {
        let _ = self.stream.reset(VarInt::from_u32(code));
    }

    /// Waits until the peer wants nothing more: its code, or none once it has everything or the
    /// connection is gone.
    pub(super) fn stopped(&self) -> impl Future<Output = Option<u64>> + Send + use<> {
        let stopped = self.stream.stopped();
        async move { stopped.await.ok().flatten().map(VarInt::into_inner) }
    }
}

/// Gives both halves of a stream up, and waits a moment until the peer has heard of it: what the
/// connection of it ends with may overtake it.
pub(super) async fn part((writer, reader): (&mut FrameWriter, &mut FrameReader), code: u32) {
    writer.reset(code);
    let over = async { while reader.next().await.is_ok() {} };
    let _ = timeout(PARTING, over).await;
    reader.stop(code);
}

/// A broken frame, told to those who wait.
pub(super) fn unexpected(kind: FrameType) -> Error {
    let message = format!("a {} frame does not belong here", kind.name());
    Error::new(Kind::Transport, message).with_code("unexpected_frame")
}

fn write_end(error: WriteError) -> End {
    match error {
        WriteError::Stopped(code) => End::Reset(code.into_inner()),
        WriteError::ConnectionLost(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
            End::Lost
        }
    }
}

//! A socket whose bytes are looked at before the HTTP library reads them.

use super::frames::Frames;
use super::framing::{Framer, Step};
use super::head::Refusal;
use crate::http::activity::Activity;
use bytes::{Buf, BytesMut};
use hubless_proto::limits;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Most that is read ahead of a request that runs, in bytes.
const AHEAD_BYTES: usize = limits::HTTP_URL_BYTES + limits::HTTP_HEADERS_BYTES;
/// Most that is read at once, in bytes.
const READ_BYTES: usize = 16 * limits::KIB;
/// How long a closed connection is read on, so that the peer sees the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Stands in for a request that is refused, so that the library gives its answer in order.
const REFUSED: &[u8] =
    b"POST /refused HTTP/1.1\r\nhost: refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Times {
    /// For a head, from its first byte; for the first one from the start of the connection.
    pub(in crate::http) header: Duration,
    /// Between two requests, and to take something of what was written.
    pub(in crate::http) idle: Duration,
}

/// The checked socket.
pub(in crate::http) struct Gate<S> {
    socket: S,
    activity: Arc<Activity>,
    times: Times,
    /// Follows the requests; none: bytes go through as they are (HTTP/2).
    framer: Option<Framer>,
    /// Follows the frames where nothing follows the requests.
    frames: Frames,
    buffer: BytesMut,
    /// Bytes at the start of the buffer that may go on.
    passed: usize,
    /// True until the first head.
    fresh: bool,
    /// The peer sends no more.
    ended: bool,
    /// Nothing more is taken from the peer.
    refused: bool,
    waiting: Option<(Wait, Pin<Box<Sleep>>)>,
    lingering: Option<Pin<Box<Sleep>>>,
}

/// What the peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Idle,
    Header,
}

/// What is to be done next.
enum Next {
    /// Bytes may go on.
    Pass,
    /// More are needed.
    Read,
    /// The request before this one is not over.
    Hold,
}

impl<S> Gate<S> {
    /// Checks HTTP/1.1; `begun` was read from the socket already.
    pub(in crate::http) fn strict(
        socket: S,
        begun: BytesMut,
        activity: Arc<Activity>,
        times: Times,
    ) -> Self {
        Self {
            socket,
            activity,
            times,
            framer: Some(Framer::new()),
            frames: Frames::new(),
            buffer: begun,
            passed: 0,
            fresh: true,
            ended: false,
            refused: false,
            waiting: None,
            lingering: None,
        }
    }

    /// Lets bytes through, for a protocol whose library is strict itself.
    pub(in crate::http) fn open(
        socket: S,
        begun: BytesMut,
        activity: Arc<Activity>,
        times: Times,
    ) -> Self {
        Self { framer: None, ..Self::strict(socket, begun, activity, times) }
    }

    fn advance(&mut self, task: &Waker) -> io::Result<Next> {
        if self.passed > 0 {
            return Ok(Next::Pass);
        }
        let Some(framer) = &mut self.framer else {
            self.passed = self.buffer.len();
            if self.frames.follow(&self.buffer) {
                // What is owed now began after that.
                self.waiting = None;
            }
            return Ok(if self.passed > 0 { Next::Pass } else { Next::Read });
        };
        if framer.in_head() {
            // Also for the times of a silent peer, which count from the end of its request.
            self.activity.wake_at_end(task);
            if self.activity.is_busy() {
                return Ok(Next::Hold);
            }
        }
        match framer.step(&self.buffer) {
            Ok(Step::Need) => Ok(Next::Read),
            Ok(Step::Pass(bytes)) => {
                self.passed = bytes;
                Ok(Next::Pass)
            }
            Ok(Step::Head(bytes, framing)) => {
                framer.begin(framing);
                self.passed = bytes;
                self.fresh = false;
                self.waiting = None;
                self.activity.begin();
                Ok(Next::Pass)
            }
            Err(refusal) if framer.in_head() => {
                self.refuse(refusal);
                Ok(Next::Pass)
            }
            Err(refusal) => {
                // Its request runs already, and answers with this.
                self.refused = true;
                self.activity.refuse(refusal);
                Err(io::Error::new(io::ErrorKind::InvalidData, "the body is not HTTP"))
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.activity.refuse(refusal);
        self.activity.begin();
        self.refused = true;
        self.buffer.clear();
        self.buffer.extend_from_slice(REFUSED);
        self.passed = REFUSED.len();
    }

    /// What the peer is waited for, if time counts.
    fn wait(&self) -> Option<(Wait, Duration)> {
        let Some(framer) = &self.framer else {
            // A connection without a request ends by its own time.
            return self.frames.are_owed().then_some((Wait::Header, self.times.header));
        };
        if !framer.in_head() || self.activity.is_busy() {
            return None;
        }
        let idle = self.buffer.is_empty() && !self.fresh;
        Some(if idle { (Wait::Idle, self.times.idle) } else { (Wait::Header, self.times.header) })
    }

    /// Ready when the peer took too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Wait> {
        let Some((wait, time)) = self.wait() else {
            self.waiting = None;
            return Poll::Pending;
        };
        if self.waiting.as_ref().is_none_or(|(before, _)| *before != wait) {
            self.waiting = Some((wait, Box::pin(sleep_until(Instant::now() + time))));
        }
        match &mut self.waiting {
            Some((_, sleep)) => sleep.as_mut().poll(context).map(|()| wait),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// Reads what is there; ready without a byte at the end.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; READ_BYTES];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut read))?;
        self.buffer.extend_from_slice(read.filled());
        self.ended = read.filled().is_empty();
        Poll::Ready(Ok(read.filled().len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let next = if self.refused && self.passed == 0 {
                // The library closes by itself after the answer.
                return Poll::Pending;
            } else {
                self.advance(context.waker())?
            };
            match next {
                Next::Pass => {
                    let bytes = self.passed.min(out.remaining());
                    out.put_slice(self.buffer.get(..bytes).unwrap_or_default());
                    self.buffer.advance(bytes);
                    self.passed -= bytes;
                    return Poll::Ready(Ok(()));
                }
                // The end of a peer that waits for an answer is how it gives up.
                Next::Read | Next::Hold if self.ended => return Poll::Ready(Ok(())),
                // The end of the request that runs wakes this.
                Next::Hold if self.buffer.len() >= AHEAD_BYTES => return Poll::Pending,
                Next::Read | Next::Hold => {}
            }
            if let Poll::Ready(read) = self.poll_more(context) {
                read?;
                continue;
            }
            match ready!(self.poll_late(context)) {
                Wait::Header if !self.buffer.is_empty() => self.refuse(Refusal::HeaderTime),
                Wait::Header | Wait::Idle => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Closes, and reads on for a moment: what is unread at the end would have the kernel throw
    /// away the last answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
            self.lingering = Some(Box::pin(sleep_until(Instant::now() + LINGER)));
        }
        loop {
            let late = self.lingering.as_mut().map(|sleep| sleep.as_mut().poll(context));
            if self.ended || matches!(late, Some(Poll::Ready(()))) {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_more(context)).is_err() {
                return Poll::Ready(Ok(()));
            }
            self.buffer.clear();
        }
    }
}

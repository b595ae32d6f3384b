//! Sending a request again while nothing is heard of it: the callee joins what has the same id and
//! attempt, so that its handler runs once.
//!
//! Owns: when and where a request is sent again, and which of its streams is followed: the first
//! on which the callee says anything; the others are reset. Left out are requests with streamed
//! parts, whose bytes can be read once, and those whose answer goes to someone else, since each of
//! the streams would deliver it. Must not know: whether the effect of a call allows another node.

use super::connection::Connection;
use super::dials::Wait;
use super::frames::End;
use super::lane::Lane;
use super::sending::Again;
use super::shared::{Here, Shared};
use crate::call::pipe::{CancelCode, CancelSignal};
use crate::link::Way;
use bytes::Bytes;
use hubless_proto::error::Kind;
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameBuffer, FrameType, encode_frame};
use hubless_proto::wire::v1::{self, event};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A request that may be sent again.
pub(super) struct Repeat {
    shared: Arc<Shared>,
    /// The connection that it was sent on first.
    origin: Arc<Connection>,
    frame: Bytes,
    from: Bytes,
    sent: Instant,
    /// When it is sent on another stream; none: it is not.
    stream_at: Option<Instant>,
    /// When it is looked whether anything arrives; none: it goes over no other connection.
    silent_at: Option<Instant>,
    /// What the peer had acknowledged when it was sent.
    acknowledged: u64,
}

/// How the wait for the first word of the callee ended.
pub(super) enum Raced {
    /// It spoke on this stream, and so.
    Heard(Lane, Frame),
    /// The caller gave the call up.
    Given,
    /// No stream is left.
    Ended(End),
}

type Opening = Pin<Box<dyn Future<Output = Option<Lane>> + Send>>;

/// A stream of the request.
enum Stream {
    None,
    /// It is sent there as soon as that can be done.
    Opening(Opening),
    Open(Lane),
}

impl Stream {
    /// The next frame; never, where there is no stream.
    ///
    /// # Cancellation
    /// Safe.
    async fn next(&mut self) -> Result<Frame, End> {
        loop {
            match self {
                Self::None => std::future::pending().await,
                Self::Opening(opening) => {
                    *self = opening.as_mut().await.map_or(Self::None, Self::Open);
                    if matches!(self, Self::None) {
                        return Err(End::Lost);
                    }
                }
                Self::Open(lane) => return lane.reader.next().await,
            }
        }
    }

    fn give_up(self) {
        if let Self::Open(lane) = self {
            lane.give_up(CancelCode::Cancelled as u32);
        }
    }
}

impl Repeat {
    /// None: it is sent once.
    ///
    /// A path within this machine loses nothing, and a process that does not answer there answers
    /// no second connection either: nothing is sent again on it.
    pub(super) fn of(
        shared: &Arc<Shared>,
        (lane, way): (&Lane, Way),
        again: Again,
        (frame, from): (Bytes, Bytes),
    ) -> Option<Self> {
        let is_here = way.ip.is_some_and(|ip| ip.is_loopback());
        if again == Again::Never || (is_here && shared.patience.here == Here::Once) {
            return None;
        }
        let sent = Instant::now();
        // A relay is reached over TCP, which does not lose it either. A round trip that is not
        // known yet is no reason to hurry.
        let fits = frame.len() <= limits::REPEAT_BYTES;
        let small = fits && !way.relayed && !way.rtt.is_zero();
        let stream_at = small.then(|| sent + way.rtt + limits::REPEAT_AFTER);
        let silent_at = (again == Again::OverConnection).then(|| sent + limits::SILENT_PATH);
        let (shared, origin) = (Arc::clone(shared), Arc::clone(&lane.connection));
        let acknowledged = origin.tunnel.acknowledgements();
        Some(Self { shared, origin, frame, from, sent, stream_at, silent_at, acknowledged })
    }

    /// Waits for the first word of the callee, on whichever stream it comes.
    ///
    /// # Cancellation
    /// Dropping the future leaves the call to its end.
    pub(super) async fn race(mut self, first: Lane, cancel: &CancelSignal) -> Raced {
        let mut streams = [Stream::Open(first), Stream::None, Stream::None];
        let mut refused = None;
        loop {
            let [first, second, third] = &mut streams;
            let (place, frame) = tokio::select! {
                biased;
                frame = first.next() => (0, frame),
                frame = second.next() => (1, frame),
                frame = third.next() => (2, frame),
                code = cancel.cancelled() => {
                    give_up(streams, code);
                    return Raced::Given;
                }
                () = until(self.due()) => {
                    self.act(&mut streams, Instant::now());
                    continue;
                }
            };
            let heard = streams.get_mut(place);
            let heard = heard.map(|stream| std::mem::replace(stream, Stream::None));
            let (heard, is_first) = (heard.unwrap_or(Stream::None), place == 0);
            let is_only = is_first && streams.iter().all(|stream| matches!(stream, Stream::None));
            // Nothing is looked into where there is no other.
            let counts = |frame: &Frame| {
                is_only
                    || match said(frame) {
                        Said::OfCall => true,
                        Said::OfStream => is_first,
                        Said::RunsElsewhere => false,
                    }
            };
            let broke = is_first && frame.is_err();
            match (heard, frame) {
                (Stream::Open(mut lane), Ok(frame)) if counts(&frame) => {
                    lane.was_heard();
                    give_up(streams, CancelCode::Cancelled);
                    return Raced::Heard(lane, frame);
                }
                (Stream::Open(lane), Err(end @ (End::Reset(_) | End::Broken(_)))) if is_first => {
                    lane.give_up(CancelCode::Cancelled as u32);
                    give_up(streams, CancelCode::Cancelled);
                    return Raced::Ended(end);
                }
                // It stands if no other stream says more.
                (Stream::Open(lane), Ok(frame)) if is_first => refused = Some((lane, frame)),
                (lost, _) => lost.give_up(),
            }
            if broke && self.silent_at.take().is_some() {
                // Its connection broke: what was lost with it may be told over another one.
                self.over_connection(&mut streams);
            }
            if streams.iter().all(|stream| matches!(stream, Stream::None)) {
                let heard = refused.map(|(lane, frame)| Raced::Heard(lane, frame));
                return heard.unwrap_or(Raced::Ended(End::Lost));
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        self.stream_at.into_iter().chain(self.silent_at).min()
    }

    /// Does what is due.
    fn act(&mut self, streams: &mut [Stream; 3], now: Instant) {
        if self.stream_at.is_some_and(|at| at <= now) {
            self.stream_at = None;
            tracing::debug!(after = ?self.sent.elapsed(), "nothing is heard: another stream");
            // Before it is introduced, a peer holds few streams.
            if self.origin.greeting().is_some() {
                let (again, origin) = (self.again(), Arc::clone(&self.origin));
                streams[1] = Stream::Opening(Box::pin(again.send(origin)));
            }
        }
        if self.silent_at.is_some_and(|at| at <= now) {
            let acknowledged = self.origin.tunnel.acknowledgements();
            if acknowledged != self.acknowledged {
                // The path is there; the callee takes its time.
                self.acknowledged = acknowledged;
                self.silent_at = Some(now + limits::SILENT_PATH);
                return;
            }
            self.silent_at = None;
            tracing::debug!(node = %self.origin.peer(), "nothing arrives: another connection");
            self.origin.fell_silent();
            if self.origin.tunnel.way().relayed {
                self.shared.doubt.notify_one();
            }
            self.over_connection(streams);
        }
    }

    /// Sends it over another connection, once there is one to the same process: no other knows what
    /// came before. It is sent as long as that one certainly remembers it.
    fn over_connection(&self, streams: &mut [Stream; 3]) {
        let (again, origin) = (self.again(), Arc::clone(&self.origin));
        let by = self.sent + limits::REPEAT_LIFE;
        streams[2] = Stream::Opening(Box::pin(async move {
            let instance = origin.greeting()?.instance;
            let found = again.shared.beside(origin.peer(), Wait::Until(by)).await.ok()?;
            timeout_at(by, found.introduced()).await.ok()?.ok()?;
            let same = found.greeting().is_some_and(|greeting| greeting.instance == instance);
            if same { again.send(found).await } else { None }
        }));
    }

    fn again(&self) -> Resent {
        let (shared, sent) = (Arc::clone(&self.shared), self.sent);
        Resent { shared, sent, frame: self.frame.clone(), from: self.from.clone() }
    }
}

/// A request that is sent again.
struct Resent {
    shared: Arc<Shared>,
    sent: Instant,
    frame: Bytes,
    from: Bytes,
}

impl Resent {
    async fn send(self, connection: Arc<Connection>) -> Option<Lane> {
        let mut lane = Lane::open(connection).await?;
        lane.introduce(&self.shared, &self.from).await.ok()?;
        let frame = aged(&self.frame, self.sent.elapsed())?;
        lane.writer.raw(frame).await.ok()?;
        self.shared.repeats.fetch_add(1, Ordering::Relaxed);
        Some(lane)
    }
}

fn give_up(streams: [Stream; 3], code: CancelCode) {
    for stream in streams {
        if let Stream::Open(lane) = stream {
            lane.give_up(code as u32);
        }
    }
}

/// What a first frame tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Something of the call.
    OfCall,
    /// A refusal, which may be of the stream: only the first stream tells one of both. That its
    /// handler failed is told by a call alone.
    OfStream,
    /// The call goes on, on another of its streams.
    RunsElsewhere,
}

fn said(frame: &Frame) -> Said {
    if frame.kind != FrameType::Event {
        return Said::OfCall;
    }
    let event = decode::<v1::Event>(frame.kind, frame.body.clone());
    match event.map(|event| event.kind) {
        Ok(Some(event::Kind::Rejection(refused))) => {
            let running = refused.kind == Kind::Conflict.name() && refused.code == "running";
            if refused.kind == Kind::HandlerFailed.name() {
                Said::OfCall
            } else if running {
                Said::RunsElsewhere
            } else {
                Said::OfStream
            }
        }
        Ok(_) => Said::OfCall,
        Err(_) => Said::OfStream,
    }
}

/// The same request, with the time that is left of it.
fn aged(frame: &Bytes, age: Duration) -> Option<Bytes> {
    let mut buffer = FrameBuffer::default();
    buffer.push(frame);
    let Frame { kind, body } = buffer.next_frame().ok()??;
    let mut request: v1::Request = decode(kind, body).ok()?;
    request.deadline_ms = left(request.deadline_ms, age);
    request.total_ms = request.total_ms.map(|ms| left(ms, age));
    encode_frame(kind, &request).ok()
}

fn left(ms: u64, age: Duration) -> u64 {
    ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)).max(1)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubless_proto::error::Error;

    fn request(frame: &Bytes) -> v1::Request {
        let mut buffer = FrameBuffer::default();
        buffer.push(frame);
        let Frame { kind, body } = buffer.next_frame().unwrap().unwrap();
        decode(kind, body).unwrap()
    }

    #[test]
    fn what_is_sent_again_says_how_much_time_is_left() {
        let sent = v1::Request {
            id: Bytes::from_static(&[1; 16]),
            to: Bytes::from_static(&[2; 32]),
            attempt: 2,
            deadline_ms: 5_000,
            total_ms: Some(900),
            ..v1::Request::default()
        };
        let frame = encode_frame(FrameType::Request, &sent).unwrap();
        let again = request(&aged(&frame, Duration::from_millis(1_000)).unwrap());
        assert_eq!((again.deadline_ms, again.total_ms), (4_000, Some(1)));
        assert_eq!(v1::Request { deadline_ms: 5_000, total_ms: Some(900), ..again }, sent);
    }

    /// Else a call that has ended would run once more.
    #[test]
    fn a_callee_remembers_a_request_far_longer_than_it_is_sent_again() {
        assert!(limits::REPEAT_LIFE * 3 <= limits::DUPLICATE_LIFE);
        assert!(limits::SILENT_PATH < limits::REPEAT_LIFE);
    }

    #[test]
    fn a_refusal_of_a_stream_says_nothing_of_its_call() {
        let frame = |kind: event::Kind| {
            let event = v1::Event { kind: Some(kind) };
            let mut buffer = FrameBuffer::default();
            buffer.push(&encode_frame(FrameType::Event, &event).unwrap());
            buffer.next_frame().unwrap().unwrap()
        };
        let refused = |kind, code| {
            let error = Error::refusal(kind, code, "no");
            frame(event::Kind::Rejection((&error).into()))
        };
        for (kind, code) in [
            (Kind::Conflict, "answered"),
            (Kind::NotFound, "closing"),
            (Kind::Expired, "token"),
            (Kind::Busy, "memory"),
        ] {
            assert_eq!(said(&refused(kind, code)), Said::OfStream, "{code}");
        }
        // Else the stream that came second at the callee would end the call.
        assert_eq!(said(&refused(Kind::Conflict, "running")), Said::RunsElsewhere);
        assert_eq!(said(&refused(Kind::HandlerFailed, "panic")), Said::OfCall);
        assert_eq!(said(&frame(event::Kind::Accepted(v1::Accepted {}))), Said::OfCall);
        assert_eq!(said(&frame(event::Kind::Final(v1::Final::default()))), Said::OfCall);
    }
}

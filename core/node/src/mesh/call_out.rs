//! The caller's side of a call over a stream.

use super::connection::Connection;
use super::frames::{End, FrameReader, FrameWriter, part, unexpected};
use super::lane::{self, Lane};
use super::parts::{Incoming, Outgoing};
use super::repeat::{Raced, Repeat};
use crate::call::body::Bodies;
use crate::call::flow::{Ledger, Rooms};
use crate::call::pipe::{CalleeEnd, CancelCode, Down, Up, is_last};
use hubless_proto::error::{Error, Kind};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType, decode_data};
use hubless_proto::wire::v1::{self, event};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Nothing is wrong; the other half just wants no more.
const NO_ERROR: u32 = 0;

/// A call whose request is written.
pub(super) struct OutCall {
    pub(super) lane: Lane,
    pub(super) outgoing: Outgoing,
    pub(super) end: CalleeEnd,
    /// None: it is sent once.
    pub(super) repeat: Option<Repeat>,
    /// Fires when the node is closed.
    pub(super) cut: CancellationToken,
}

/// Moves frames until the call is over.
pub(super) async fn run(call: OutCall) {
    let (cancel, cut) = (call.end.cancel.clone(), call.cut.clone());
    let mut moved = std::pin::pin!(moved(call));
    tokio::select! {
        biased;
        () = &mut moved => return,
        () = cut.cancelled() => cancel.cancel(CancelCode::Drained),
    }
    moved.await;
}

async fn moved(call: OutCall) {
    let OutCall { lane, outgoing, end, repeat, .. } = call;
    let raced = match repeat {
        // Nothing is looked at before it is needed.
        None => return pump(lane, None, (outgoing, end)).await,
        Some(repeat) => {
            let connection = Arc::clone(&lane.connection);
            (repeat.race(lane, &end.cancel).await, connection)
        }
    };
    match raced {
        (Raced::Heard(lane, first), _) => pump(lane, Some(first), (outgoing, end)).await,
        (Raced::Given, _) => {}
        (Raced::Ended(why), connection) => tell(&end.events, why, &connection).await,
    }
}

/// The same on one stream, the `first` frame of which may be there already.
async fn pump(lane: Lane, first: Option<Frame>, (outgoing, end): (Outgoing, CalleeEnd)) {
    let CalleeEnd { events, control, cancel } = end;
    let Lane { connection, calling, mut writer, mut reader, shown } = lane;
    let answered = || lane::was_heard(&connection, shown);
    let last = AtomicBool::new(false);
    let outcome = {
        let parts = Incoming::default();
        let ledger = parts.ledger();
        let from = Receiving { events: &events, last: &last, rooms: outgoing.rooms() };
        let down = from.run((first, &mut reader), parts, answered);
        let up = send(&mut writer, (&ledger, outgoing), control);
        tokio::pin!(down, up);
        let mut sent = false;
        loop {
            tokio::select! {
                biased;
                ended = &mut down => break ended.map_err(Early::Ended),
                Err(failed) = &mut up, if !sent => match failed {
                    // The callee wants nothing more: its last event is on the way.
                    End::Reset(0) => sent = true,
                    other @ (End::Finished | End::Reset(_) | End::Lost | End::Broken(_)) => {
                        break Err(Early::Ended(other));
                    }
                },
                code = cancel.cancelled(), if !last.load(Ordering::Relaxed) => {
                    if !last.load(Ordering::Relaxed) {
                        break Err(Early::Given(code));
                    }
                }
            }
        }
    };
    match outcome {
        Ok(()) => {
            writer.finish();
            reader.stop(NO_ERROR);
        }
        Err(Early::Given(CancelCode::Drained)) => {
            part((&mut writer, &mut reader), CancelCode::Drained as u32).await;
        }
        Err(Early::Given(code)) => {
            writer.reset(code as u32);
            reader.stop(code as u32);
        }
        Err(Early::Ended(why)) => {
            writer.reset(CancelCode::Cancelled as u32);
            reader.stop(CancelCode::Cancelled as u32);
            if !last.load(Ordering::Relaxed) {
                tell(&events, why, &connection).await;
            }
        }
    }
    drop(calling);
}

/// Why a call ended before everything of its answer was there.
enum Early {
    /// The caller gave it up.
    Given(CancelCode),
    /// A stream of it ended.
    Ended(End),
}

/// The half of a call that reads.
struct Receiving<'a> {
    events: &'a mpsc::Sender<Down>,
    /// Set at the last event: from then on the call cannot be given up, only its parts dropped.
    last: &'a AtomicBool,
    rooms: Rooms,
}

impl Receiving<'_> {
    /// Reads until the last event and, as long as somebody reads them, the bytes of its parts.
    async fn run(
        &self,
        (first, reader): (Option<Frame>, &mut FrameReader),
        mut parts: Incoming,
        answered: impl FnOnce(),
    ) -> Result<(), End> {
        let mut answered = Some(answered);
        if let Some(first) = first {
            self.take(first, reader, &mut parts).await?;
        }
        loop {
            let over = self.last.load(Ordering::Relaxed);
            let frame = tokio::select! {
                biased;
                () = parts.unwanted(), if over => return Ok(()),
                frame = reader.next() => frame,
            };
            let frame = match frame {
                Ok(frame) => frame,
                Err(End::Finished) => return Err(End::Lost),
                Err(other) => return Err(other),
            };
            if let Some(answered) = answered.take() {
                answered();
            }
            self.take(frame, reader, &mut parts).await?;
        }
    }

    async fn take(
        &self,
        frame: Frame,
        reader: &mut FrameReader,
        parts: &mut Incoming,
    ) -> Result<(), End> {
        let Frame { kind, body } = frame;
        if kind == FrameType::Data {
            let (index, chunk) = decode_data(body).map_err(End::Broken)?;
            return parts.data(index, chunk);
        }
        if kind == FrameType::Room {
            let said = decode(kind, body).and_then(|room| self.rooms.said(&room));
            return said.map_err(End::Broken);
        }
        if kind != FrameType::Event || self.last.load(Ordering::Relaxed) {
            return Err(End::Broken(unexpected(kind)));
        }
        let mut event: v1::Event = decode(kind, body).map_err(End::Broken)?;
        let bodies = parts.expect(&mut event)?;
        self.last.store(is_last(&event), Ordering::Relaxed);
        let sent = self.events.send(Down { event, bodies });
        if self.last.load(Ordering::Relaxed) {
            let _ = sent.await;
            return Ok(());
        }
        tokio::select! {
            biased;
            // A caller that is gone has cancelled, which ends the pump.
            _ = sent => Ok(()),
            // One that does not read learns of it all the same.
            code = reader.given_up() => Err(End::Reset(code)),
        }
    }
}

/// Writes until it is dropped: as long as the callee sends, it is told of room for it.
async fn send(
    writer: &mut FrameWriter,
    (ledger, mut outgoing): (&Ledger, Outgoing),
    mut control: mpsc::Receiver<Up>,
) -> Result<Infallible, End> {
    let mut open = true;
    loop {
        tokio::select! {
            room = ledger.next() => writer.message(FrameType::Room, &room).await?,
            up = control.recv(), if open && outgoing.has_room() => match up {
                Some(Up::ToolResult(mut result, bodies)) => {
                    outgoing.add(&mut result, bodies);
                    writer.message(FrameType::ToolResult, &result).await?;
                }
                Some(Up::Input(mut input, bodies)) => {
                    outgoing.add(&mut input, bodies);
                    writer.message(FrameType::Input, &input).await?;
                }
                None => open = false,
            },
            chunk = outgoing.next(), if outgoing.is_open() => match chunk {
                Some((index, Ok(chunk))) => writer.data(index, chunk).await?,
                Some((_, Err(error))) => return Err(End::Broken(error)),
                None => {}
            },
        }
    }
}

/// Tells the caller why its call ended early. A lost connection is told by silence: only the
/// engine knows what that means for the call; one on which it was refused, by the refusal.
async fn tell(events: &mpsc::Sender<Down>, why: End, connection: &Connection) {
    let error = match why {
        End::Finished | End::Lost => match connection.refusal().await {
            Some(refused) => refused,
            None => return,
        },
        End::Broken(error) => error,
        End::Reset(code) => match CancelCode::from_code(code) {
            CancelCode::Cancelled => Error::refusal(Kind::Cancelled, "", "the callee gave it up"),
            CancelCode::Deadline => {
                Error::refusal(Kind::Deadline, "", "the callee's time for it was over")
            }
            // The stream came too late on a connection that is no more used.
            CancelCode::Drained => return,
            CancelCode::Limit => {
                let message = "the request was not there as a whole within the callee's bound";
                Error::refusal(Kind::TooLarge, "", message)
                    .with_field("request")
                    .with_limit("DEADLINE", limits::ms(limits::DEADLINE))
            }
            CancelCode::Killed => Error::refusal(Kind::Killed, "", "the call tree was stopped"),
        },
    };
    let event = v1::Event { kind: Some(event::Kind::Rejection((&error).into())) };
    let _ = events.send(Down { event, bodies: Bodies::none() }).await;
}

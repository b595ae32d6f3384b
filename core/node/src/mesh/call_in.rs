//! The callee's side of a call over a stream.

use super::frames::{End, FrameReader, FrameWriter, LAST_WORD, part, unexpected};
use super::parts::{Incoming, Outgoing};
use crate::call::flow::{Ledger, Rooms};
use crate::call::pipe::{CallerEnd, CancelCode, CancelSignal, Down, Up, is_last};
use hubless_proto::error::{Error, Kind};
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType, decode_data};
use hubless_proto::wire::v1::{self, event};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Nothing is wrong; the other half just wants no more.
const NO_ERROR: u32 = 0;

/// A call whose request was read.
pub(super) struct InCall {
    pub(super) writer: FrameWriter,
    pub(super) reader: FrameReader,
    pub(super) incoming: Incoming,
    pub(super) end: CallerEnd,
    /// Fires when the node is closed.
    pub(super) cut: CancellationToken,
}

/// Moves frames until the call is over, and tells the engine when the caller gave it up.
pub(super) async fn run(call: InCall) {
    let InCall { mut writer, mut reader, incoming, mut end, cut } = call;
    let stopped = writer.stopped();
    let outcome = {
        let (ledger, outgoing) = (incoming.ledger(), Outgoing::new());
        let up = receive(&mut reader, (incoming, outgoing.rooms()), &end.control);
        let down = send(&mut writer, (&ledger, outgoing), &mut end.events);
        tokio::pin!(up, down, stopped);
        let mut received = false;
        loop {
            tokio::select! {
                ended = &mut down => break ended,
                why = &mut up, if !received => match why {
                    End::Finished => received = true,
                    other @ (End::Reset(_) | End::Lost | End::Broken(_)) => break Err(other),
                },
                code = &mut stopped => break Err(code.map_or(End::Lost, End::Reset)),
                // The engine ended the call, and its last event has no room: nobody reads.
                code = end.cancel.cancelled() => break Err(End::Reset(code as u64)),
                () = cut.cancelled() => break Err(End::Reset(CancelCode::Drained as u64)),
            }
        }
    };
    match outcome {
        Ok(()) => {
            writer.finish();
            reader.stop(NO_ERROR);
            // The call counts until the peer has it all: a connection that is closed before that
            // drops what is still on its way.
            let _ = writer.stopped().await;
        }
        Err(why) => give_up(&mut writer, &mut reader, &end.cancel, why).await,
    }
}

async fn give_up(
    writer: &mut FrameWriter,
    reader: &mut FrameReader,
    cancel: &CancelSignal,
    why: End,
) {
    let (code, refusal) = match why {
        End::Finished | End::Lost => (CancelCode::Cancelled, None),
        End::Reset(code) => (CancelCode::from_code(code), None),
        End::Broken(error) => (CancelCode::Cancelled, Some(error)),
    };
    cancel.cancel(code);
    if let Some(error) = refusal {
        tracing::debug!(%error, "a call broke off");
        let event = v1::Event { kind: Some(event::Kind::Rejection((&error).into())) };
        let written = timeout(LAST_WORD, writer.message(FrameType::Event, &event)).await;
        if matches!(written, Ok(Ok(()))) {
            writer.finish();
            reader.stop(NO_ERROR);
            // A reset would take back what is on its way.
            let _ = timeout(LAST_WORD, writer.stopped()).await;
            return;
        }
    }
    if code == CancelCode::Drained {
        return part((writer, reader), code as u32).await;
    }
    writer.reset(code as u32);
    reader.stop(code as u32);
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the types of frames grow")]
async fn receive(
    reader: &mut FrameReader,
    (mut parts, rooms): (Incoming, Rooms),
    control: &mpsc::Sender<Up>,
) -> End {
    loop {
        let Frame { kind, body } = match reader.next().await {
            Ok(frame) => frame,
            Err(end) => return end,
        };
        let up = match kind {
            FrameType::Data => {
                let data = decode_data(body).map_err(End::Broken);
                match data.and_then(|(index, chunk)| parts.data(index, chunk)) {
                    Ok(()) => continue,
                    Err(end) => return end,
                }
            }
            FrameType::Room => match decode(kind, body).and_then(|room| rooms.said(&room)) {
                Ok(()) => continue,
                Err(error) => return End::Broken(error),
            },
            FrameType::ToolResult => {
                decode(kind, body).map_err(End::Broken).and_then(|mut result: v1::ToolResult| {
                    let bodies = parts.expect(&mut result)?;
                    Ok(Up::ToolResult(result, bodies))
                })
            }
            FrameType::Input => {
                decode(kind, body).map_err(End::Broken).and_then(|mut input: v1::Input| {
                    let bodies = parts.expect(&mut input)?;
                    Ok(Up::Input(input, bodies))
                })
            }
            other => Err(End::Broken(unexpected(other))),
        };
        match up {
            // An engine that is done with the call takes no more answers.
            Ok(up) => {
                let _ = control.send(up).await;
            }
            Err(end) => return end,
        }
    }
}

async fn send(
    writer: &mut FrameWriter,
    (ledger, mut outgoing): (&Ledger, Outgoing),
    events: &mut mpsc::Receiver<Down>,
) -> Result<(), End> {
    let (mut last, mut refused) = (false, false);
    let mut broken = None;
    while !last || outgoing.is_open() {
        // In no order: neither events nor bytes hold the others back.
        tokio::select! {
            room = ledger.next() => writer.message(FrameType::Room, &room).await?,
            down = events.recv(), if !last && outgoing.has_room() => {
                let ended = down.as_ref().is_none_or(|down| is_last(&down.event));
                refused = down.as_ref().is_some_and(|down| is_refusal(&down.event));
                if let Some((_, error)) = broken.take_if(|_| ended && !refused) {
                    return Err(End::Broken(error));
                }
                let Down { mut event, bodies } = down.unwrap_or_else(unanswered);
                last = is_last(&event);
                outgoing.add(&mut event, bodies);
                writer.message(FrameType::Event, &event).await?;
                if refused && broken.is_some() {
                    return Ok(());
                }
            }
            chunk = outgoing.next(), if outgoing.is_open() => match chunk {
                Some((index, Ok(chunk))) => writer.data(index, chunk).await?,
                // Nothing of it counts any more; a reset would take back why.
                Some((_, Err(error))) if refused => {
                    tracing::debug!(%error, "a part of what was refused has no end");
                    return Ok(());
                }
                Some((_, Err(error))) if last => {
                    tracing::debug!(%error, "a streamed part of the answer failed");
                    return Err(End::Reset(CancelCode::Cancelled as u64));
                }
                // Where its handler was stopped, the end of the call follows and says why.
                Some((_, Err(error))) => {
                    broken.get_or_insert_with(|| (Instant::now() + LAST_WORD, error));
                }
                None => {}
            },
            error = given_up_on(&broken), if broken.is_some() => {
                return Err(End::Broken(error));
            }
        }
    }
    Ok(())
}

/// The error of a part that broke off, once the end of its call is not waited for any longer.
async fn given_up_on(broken: &Option<(Instant, Error)>) -> Error {
    match broken {
        Some((until, error)) => {
            sleep_until(*until).await;
            error.clone()
        }
        None => std::future::pending().await,
    }
}

const fn is_refusal(event: &v1::Event) -> bool {
    matches!(event.kind, Some(event::Kind::Rejection(_)))
}

/// What the caller gets when the engine lets a call fall.
fn unanswered() -> Down {
    let error = Error::refusal(Kind::Internal, "no_answer", "the call ended without an answer");
    let event = v1::Event { kind: Some(event::Kind::Rejection((&error).into())) };
    Down { event, bodies: crate::call::body::Bodies::none() }
}

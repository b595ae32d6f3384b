//! Frames, as they come over a stream.

use super::read::pieces;
use crate::error::Result;
use crate::identity::hex;
use crate::killswitch::Message;
use crate::wire::decode::{Checked, decode};
use crate::wire::frame::{Frame, FrameBuffer, FrameType, decode_data};
use crate::wire::v1;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// All frames of a stream that ends behind them.
///
/// # Errors
/// As [`FrameBuffer::next_frame`], [`FrameBuffer::finish`] and [`decode`].
pub(super) fn read(bytes: &[Bytes]) -> Result<Value> {
    let [stream] = pieces(bytes)?;
    let mut buffer = FrameBuffer::default();
    buffer.push(stream);
    let mut frames = Vec::new();
    while let Some(frame) = buffer.next_frame()? {
        frames.push(row(frame)?);
    }
    buffer.finish()?;
    Ok(json!({ "frames": frames }))
}

/// Every type with its number and bound.
pub(super) fn types() -> Value {
    let row = |kind: &FrameType| {
        let (name, number, most) = (kind.name(), kind.number(), kind.max_bytes());
        json!({ "type": name, "number": number, "maxBytes": most })
    };
    json!({ "types": FrameType::ALL.iter().map(row).collect::<Vec<_>>() })
}

fn row(frame: Frame) -> Result<Value> {
    let mut row = Map::new();
    row.insert("type".to_owned(), json!(frame.kind.name()));
    row.insert("number".to_owned(), json!(frame.kind.number()));
    if frame.kind == FrameType::Data {
        let (index, chunk) = decode_data(frame.body)?;
        row.insert("index".to_owned(), json!(index));
        row.insert("chunk".to_owned(), json!(hex::encode(&chunk)));
    } else {
        row.insert("message".to_owned(), message(frame.kind, frame.body)?);
    }
    Ok(Value::Object(row))
}

/// The message in the body of a frame.
fn message(kind: FrameType, body: Bytes) -> Result<Value> {
    match kind {
        FrameType::Hello => of::<v1::Hello>(kind, body),
        FrameType::HelloAck => of::<v1::HelloAck>(kind, body),
        FrameType::Refused => of::<v1::Refused>(kind, body),
        FrameType::Show => of::<v1::Show>(kind, body),
        FrameType::Hide => of::<v1::Hide>(kind, body),
        FrameType::Clock => of::<v1::Clock>(kind, body),
        FrameType::Load => of::<v1::Load>(kind, body),
        FrameType::Redeem => of::<v1::Redeem>(kind, body),
        FrameType::Redeemed => of::<v1::Redeemed>(kind, body),
        FrameType::Drained => of::<v1::Drained>(kind, body),
        FrameType::Goodbye => of::<v1::Goodbye>(kind, body),
        FrameType::Ledger => Ok(json!(Message::decode(body)?.to_wire())),
        FrameType::RecordDigests => of::<v1::RecordDigests>(kind, body),
        FrameType::RecordDelta => of::<v1::RecordDelta>(kind, body),
        FrameType::Ask => of::<v1::Ask>(kind, body),
        FrameType::Answer => of::<v1::Answer>(kind, body),
        FrameType::Request => of::<v1::Request>(kind, body),
        FrameType::Event => of::<v1::Event>(kind, body),
        FrameType::ToolResult => of::<v1::ToolResult>(kind, body),
        FrameType::Input => of::<v1::Input>(kind, body),
        FrameType::Room => of::<v1::Room>(kind, body),
        FrameType::Data => Ok(Value::Null),
    }
}

fn of<T: Checked + Serialize>(kind: FrameType, body: Bytes) -> Result<Value> {
    Ok(json!(decode::<T>(kind, body)?))
}

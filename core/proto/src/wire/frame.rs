//! Frames: type (u8), length (QUIC varint), body.
//!
//! Owns: the types, their bounds, how a stream of bytes falls into frames. Must not know: what a
//! body means. Tested by vectors, properties and a fuzz target.

use super::{bad_frame, varint};
use crate::error::{Error, Kind, Result};
use crate::limits::{CONTROL_FRAME_BYTES, DATA_FRAME_BYTES, MESSAGE_FRAME_BYTES};
use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

/// First type that a reader skips if it does not know it; unknown ones below are `unsupported`.
pub const FIRST_SKIPPABLE: u8 = 128;

macro_rules! frame_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $bound:expr;)*) => {
        /// What a frame carries.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum FrameType { $($(#[$doc])* $name = $number,)* }

        impl FrameType {
            /// Every type, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The type of a number, if this version knows it.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The number on the wire.
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }

            /// The name in errors and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Most bytes that a body of this type may have.
            pub const fn max_bytes(self) -> usize {
                match self { $(Self::$name => $bound,)* }
            }
        }
    };
}

frame_types! {
    /// First frame of each side of a connection.
    Hello = 1, "hello", CONTROL_FRAME_BYTES;
    /// A HELLO was taken.
    HelloAck = 2, "hello_ack", CONTROL_FRAME_BYTES;
    /// A HELLO was refused.
    Refused = 3, "refused", CONTROL_FRAME_BYTES;
    /// Agents that the sender hosts.
    Show = 4, "show", CONTROL_FRAME_BYTES;
    /// Agents that the sender hosts no more.
    Hide = 5, "hide", CONTROL_FRAME_BYTES;
    /// The sender's clock.
    Clock = 6, "clock", CONTROL_FRAME_BYTES;
    /// Load of the sender's agents.
    Load = 7, "load", CONTROL_FRAME_BYTES;
    /// An invite, to be turned into a token.
    Redeem = 8, "redeem", CONTROL_FRAME_BYTES;
    /// Answer to a redeem.
    Redeemed = 9, "redeemed", CONTROL_FRAME_BYTES;
    /// No stream will be opened on this connection any more.
    Drained = 10, "drained", CONTROL_FRAME_BYTES;
    /// The sender goes away.
    Goodbye = 11, "goodbye", CONTROL_FRAME_BYTES;
    /// What issuer and holder of a grant say to each other.
    Ledger = 12, "ledger", CONTROL_FRAME_BYTES;
    /// What the sender holds of the directory of the mesh, by numbers.
    RecordDigests = 13, "record_digests", CONTROL_FRAME_BYTES;
    /// Records of the directory of the mesh.
    RecordDelta = 14, "record_delta", CONTROL_FRAME_BYTES;
    /// A question to the node itself, on a stream of its own.
    Ask = 16, "ask", CONTROL_FRAME_BYTES;
    /// Its answer.
    Answer = 17, "answer", MESSAGE_FRAME_BYTES;
    /// A call begins.
    Request = 32, "request", MESSAGE_FRAME_BYTES;
    /// What the callee says.
    Event = 33, "event", MESSAGE_FRAME_BYTES;
    /// Bytes of a streamed part, after the index of the part.
    Data = 34, "data", DATA_FRAME_BYTES + varint::LONGEST;
    /// What a tool of the caller answered.
    ToolResult = 35, "tool_result", MESSAGE_FRAME_BYTES;
    /// What the caller answered to an input that was asked for.
    Input = 36, "input", MESSAGE_FRAME_BYTES;
    /// How much more of a streamed part its receiver takes.
    Room = 37, "room", CONTROL_FRAME_BYTES;
}

/// Type and length of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What follows; none: a type that this version does not know and skips.
    pub kind: Option<FrameType>,
    /// Bytes of the body, at most the bound of the type.
    pub length: usize,
}

impl FrameHeader {
    /// Bytes of the longest header.
    pub const MAX_BYTES: usize = 1 + varint::LONGEST;

    /// Reads a header from the start of `bytes`, and how many bytes it took; `None`: the header is
    /// not complete yet. The length is within the bound of the type, so a reader may allocate it.
    ///
    /// # Errors
    /// `unsupported` for an unknown type below 128; `too_large`, code `frame`, above the bound.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let Some((number, rest)) = bytes.split_first() else { return Ok(None) };
        let kind = FrameType::from_number(*number);
        if kind.is_none() && *number < FIRST_SKIPPABLE {
            let message = format!("expected a known type of frame, got {number}");
            return Err(Error::new(Kind::Unsupported, message).with_code("frame_type"));
        }
        let Some((length, taken)) = varint::take(rest) else { return Ok(None) };
        let bound = kind.map_or(CONTROL_FRAME_BYTES, FrameType::max_bytes);
        match usize::try_from(length) {
            Ok(length) if length <= bound => Ok(Some((Self { kind, length }, 1 + taken))),
            _ => Err(too_large(kind, length)),
        }
    }

    fn encode(kind: FrameType, length: usize) -> Result<Vec<u8>> {
        let length = length as u64;
        if length > kind.max_bytes() as u64 {
            return Err(too_large(Some(kind), length));
        }
        let mut out = Vec::with_capacity(Self::MAX_BYTES + varint::LONGEST);
        out.push(kind.number());
        varint::put(length, &mut out)?;
        Ok(out)
    }
}

/// The error for a body of `length` bytes, with the bound it broke.
fn too_large(kind: Option<FrameType>, length: u64) -> Error {
    let name = kind.map_or("unknown", FrameType::name);
    let (limit, bound) = match kind.map_or(CONTROL_FRAME_BYTES, FrameType::max_bytes) {
        CONTROL_FRAME_BYTES => ("CONTROL_FRAME_BYTES", CONTROL_FRAME_BYTES),
        MESSAGE_FRAME_BYTES => ("MESSAGE_FRAME_BYTES", MESSAGE_FRAME_BYTES),
        _ => ("DATA_FRAME_BYTES", DATA_FRAME_BYTES),
    };
    let message = format!("expected a {name} frame of at most {bound} bytes, got {length}");
    Error::new(Kind::TooLarge, message).with_code("frame").with_limit(limit, bound as u64)
}

/// Writes a whole frame.
///
/// # Errors
/// `too_large`, code `frame`, when the message is above the bound of its type.
pub fn encode_frame(kind: FrameType, message: &impl Message) -> Result<Bytes> {
    let length = message.encoded_len();
    let mut out = FrameHeader::encode(kind, length)?;
    out.reserve_exact(length);
    message.encode_raw(&mut out);
    Ok(out.into())
}

/// Writes what precedes a chunk of a streamed part in its DATA frame; the chunk follows as it is,
/// so its bytes are not copied. An empty chunk says that the part is complete.
///
/// # Errors
/// `too_large`, code `frame`, for a chunk above 64 KiB.
pub fn encode_data(index: u32, chunk: &Bytes) -> Result<Bytes> {
    if chunk.len() > DATA_FRAME_BYTES {
        return Err(too_large(Some(FrameType::Data), chunk.len() as u64));
    }
    let mut part = Vec::with_capacity(varint::LONGEST);
    varint::put(u64::from(index), &mut part)?;
    let mut out = FrameHeader::encode(FrameType::Data, part.len() + chunk.len())?;
    out.append(&mut part);
    Ok(out.into())
}

/// Reads the body of a DATA frame: index of the part, and its chunk (empty: the part is complete).
///
/// # Errors
/// `transport`, code `bad_frame`, without a whole index below 2^32; `too_large` above 64 KiB.
pub fn decode_data(mut body: Bytes) -> Result<(u32, Bytes)> {
    let (index, taken) =
        varint::take(&body).ok_or_else(|| bad_frame("expected the index of a part"))?;
    let index = u32::try_from(index).map_err(|_| bad_frame("expected an index below 2^32"))?;
    body.advance(taken);
    if body.len() > DATA_FRAME_BYTES {
        return Err(too_large(Some(FrameType::Data), body.len() as u64));
    }
    Ok((index, body))
}

/// A whole frame of a known type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the body is.
    pub kind: FrameType,
    /// The body, not decoded.
    pub body: Bytes,
}

/// Cuts a stream of bytes into frames; skippable frames of unknown types are dropped.
///
/// Holds at most one incomplete frame and what was last pushed: take every frame before pushing
/// more.
///
/// ```
/// use hubless_proto::wire::{frame::{FrameBuffer, FrameType, encode_frame}, v1};
///
/// let bytes = encode_frame(FrameType::Clock, &v1::Clock { clock_ms: 7 }).unwrap();
/// let mut buffer = FrameBuffer::default();
/// let (first, rest) = bytes.split_at(2);
/// buffer.push(first);
/// assert_eq!(buffer.next_frame(), Ok(None));
/// buffer.push(rest);
/// assert_eq!(buffer.next_frame().unwrap().unwrap().kind, FrameType::Clock);
/// assert_eq!(buffer.finish(), Ok(()));
/// ```
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: BytesMut,
    /// Bytes of a skipped frame that are still to come.
    skip: usize,
}

impl FrameBuffer {
    /// Adds bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = bytes.len().min(self.skip);
        self.skip -= skipped;
        self.bytes.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
    }

    /// Takes the next whole frame, if it has arrived.
    ///
    /// # Errors
    /// Those of [`FrameHeader::decode`]; the stream cannot be read on after one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        while let Some((header, taken)) = FrameHeader::decode(&self.bytes)? {
            let arrived = self.bytes.len() - taken;
            match header.kind {
                None => {
                    let dropped = arrived.min(header.length);
                    self.skip = header.length - dropped;
                    self.bytes.advance(taken + dropped);
                }
                Some(_) if arrived < header.length => return Ok(None),
                Some(kind) => {
                    self.bytes.advance(taken);
                    let body = self.bytes.split_to(header.length).freeze();
                    return Ok(Some(Frame { kind, body }));
                }
            }
        }
        Ok(None)
    }

    /// Says whether the stream may end here.
    ///
    /// # Errors
    /// `transport`, code `incomplete`, in the middle of a frame.
    pub fn finish(&self) -> Result<()> {
        if self.bytes.is_empty() && self.skip == 0 {
            return Ok(());
        }
        let message = "expected the rest of a frame, got the end of the stream";
        Err(Error::new(Kind::Transport, message).with_code("incomplete"))
    }
}

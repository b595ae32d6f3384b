//! From bytes to a message that is within every bound.
//!
//! Total: any bytes give a message or a typed error, with memory bounded by the length of the
//! bytes. What a message says is checked where it is decided (`policy`, `registry`), not here.

use super::frame::FrameType;
use super::scan::{Shaped, name_of, scan};
use super::{bad_frame, v1};
use crate::error::{Error, Kind, Result, Retry};
use crate::limits;
use bytes::Bytes;
use prost::Message;

/// The bounds of whole messages: of frames, files, and what stands inside another message.
const BOUNDS: [(&str, usize); 7] = [
    ("CONTROL_FRAME_BYTES", limits::CONTROL_FRAME_BYTES),
    ("MESSAGE_FRAME_BYTES", limits::MESSAGE_FRAME_BYTES),
    ("RECORD_FILE_BYTES", limits::RECORD_FILE_BYTES),
    ("RECORD_BODY_BYTES", limits::RECORD_BODY_BYTES),
    ("SKILL_DOCUMENT_BYTES", limits::SKILL_DOCUMENT_BYTES),
    ("TOKEN_BYTES", limits::TOKEN_BYTES),
    ("RECEIPT_BYTES", limits::RECEIPT_BYTES),
];

/// A message with bounds beyond those of its bytes.
pub trait Checked: Message + Default + Shaped {
    /// Checks every bound and form of the message; the same for what is sent and what arrives.
    ///
    /// # Errors
    /// `too_large`, `json`, `unsupported`, or `invalid_argument` for the form of a field; each
    /// names the field.
    fn check(&self) -> Result<()>;
}

/// Decodes the body of a frame of type `kind` as the message `T`.
///
/// # Errors
/// `too_large` · `transport`: `bad_frame`, `not_utf8` · `json`: `bad_json`, `too_deep` ·
/// `unsupported`; a field in a wrong form is `transport`, code `bad_frame`, and names the field;
/// bytes that are no message are the same and name the message.
///
/// ```
/// use hubless_proto::wire::{decode::decode, frame::FrameType, v1};
///
/// let body = bytes::Bytes::from_static(b"\x08\x07");
/// assert_eq!(decode::<v1::Clock>(FrameType::Clock, body).unwrap().clock_ms, 7);
/// let bad = bytes::Bytes::from_static(b"\x08");
/// assert_eq!(decode::<v1::Clock>(FrameType::Clock, bad).unwrap_err().code, "bad_frame");
/// ```
pub fn decode<T: Checked>(kind: FrameType, body: Bytes) -> Result<T> {
    decode_within(body, kind.max_bytes()).map_err(|error| error.with_operation(kind.name()))
}

/// Decodes a message that came outside a frame, such as in a file, of at most `max_bytes`.
///
/// # Errors
/// As [`decode`].
pub fn decode_within<T: Checked>(bytes: Bytes, max_bytes: usize) -> Result<T> {
    if bytes.len() > max_bytes {
        let message = format!("expected at most {max_bytes} bytes, got {}", bytes.len());
        let error = Error::new(Kind::TooLarge, message).with_code("message");
        let error = error.with_field(name_of::<T>());
        return Err(match BOUNDS.iter().find(|(_, bytes)| *bytes == max_bytes) {
            Some((name, bytes)) => error.with_limit(name, *bytes as u64),
            None => error,
        });
    }
    scan::<T>(&bytes)?;
    let decoded = T::decode(bytes);
    let value = decoded.map_err(|error| bad_frame(error.to_string()).with_field(name_of::<T>()))?;
    value.check().map_err(as_frame)?;
    Ok(value)
}

/// On the wire a field in a wrong form is a fault of the frame: `invalid_argument` is only for the
/// caller's own arguments.
fn as_frame(error: Error) -> Error {
    if error.kind != Kind::InvalidArgument {
        return error;
    }
    Error { kind: Kind::Transport, code: "bad_frame".to_owned(), retry: Retry::Never, ..error }
}

/// Decodes what a node put into the runtime folder.
///
/// # Errors
/// As [`decode`], with the bound of a file.
pub fn decode_file(bytes: Bytes) -> Result<v1::NodeAnnouncement> {
    decode_within(bytes, limits::RECORD_FILE_BYTES)
}

//! From the name of a reading to its function, and the byte strings that it takes.

use super::{frames, identity, killswitch, records, tables};
use crate::error::{Error, Result};
use bytes::Bytes;
use serde_json::Value;

/// Reads `bytes` as `what` and gives what they say as a JSON object.
///
/// | what | bytes | gives |
/// |---|---|---|
/// | a kind of record | signed, signature | author, number, life and body |
/// | `digest` | signed | the digest of a record |
/// | `frames` | a whole stream | the frames in it |
/// | `key` | seed, mesh | its public key, ids and address |
/// | `signature` | key, tag, message, signature | nothing: it holds |
/// | `budget` | root, nonce | the ids of a budget |
/// | `terms` | JSON text | nothing: they are taken |
/// | `ledger` | message | the message |
/// | `trip` | signed, signature | the budget that it stops |
/// | `redeem_code` | text | what the code says, without its secret |
/// | `kinds`, `codes`, `frame_types` | none | the table |
///
/// `now_ms` (Unix time in milliseconds) counts for records alone.
///
/// # Errors
/// Those of the decoder, which is that of the node. `invalid_argument` with field `what` for
/// anything else, and with field `bytes` for another number of byte strings.
///
/// ```
/// use hubless_proto::{Kind, vectors::read};
///
/// let stream = bytes::Bytes::from_static(&[6, 2, 8, 7]);
/// let said = read("frames", 0, &[stream]).unwrap();
/// assert_eq!(said["frames"][0]["message"]["clockMs"], 7);
/// let short = read("frames", 0, &[bytes::Bytes::from_static(&[6, 2, 8])]).unwrap_err();
/// assert_eq!((short.kind, short.code.as_str()), (Kind::Transport, "incomplete"));
/// ```
pub fn read(what: &str, now_ms: u64, bytes: &[Bytes]) -> Result<Value> {
    match what {
        "descriptor" | "hosting" | "node" | "tombstone" => records::read(what, now_ms, bytes),
        "digest" => records::digest(bytes),
        "frames" => frames::read(bytes),
        "frame_types" => pieces(bytes).map(|[]| frames::types()),
        "key" => identity::key(bytes),
        "signature" => identity::signature(bytes),
        "budget" => killswitch::budget(bytes),
        "terms" => killswitch::terms(bytes),
        "ledger" => killswitch::message(bytes),
        "trip" => killswitch::trip(bytes),
        "redeem_code" => killswitch::redeem_code(bytes),
        "kinds" => pieces(bytes).map(|[]| tables::kinds()),
        "codes" => pieces(bytes).map(|[]| tables::codes()),
        _ => Err(Error::invalid("what", "expected what the bytes are read as")),
    }
}

/// As many byte strings as a reading takes.
pub(super) fn pieces<const COUNT: usize>(bytes: &[Bytes]) -> Result<&[Bytes; COUNT]> {
    bytes.try_into().map_err(|_| {
        let message = format!("expected {COUNT} byte strings, got {}", bytes.len());
        Error::invalid("bytes", message)
    })
}

/// Exactly as many bytes.
pub(super) fn exactly<const COUNT: usize>(bytes: &Bytes) -> Result<[u8; COUNT]> {
    bytes.as_ref().try_into().map_err(|_| {
        let message = format!("expected {COUNT} bytes, got {}", bytes.len());
        Error::invalid("bytes", message)
    })
}

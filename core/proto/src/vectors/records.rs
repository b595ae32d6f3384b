//! Signed records.

use super::read::pieces;
use crate::error::{Error, Result};
use crate::identity::hex;
use crate::wire::record::{self, RecordBody, RecordKind};
use crate::wire::v1;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// A record of the kind with this name, opened at `now_ms`.
///
/// # Errors
/// As [`record::open`].
pub(super) fn read(kind: &str, now_ms: u64, bytes: &[Bytes]) -> Result<Value> {
    let [signed, signature] = pieces(bytes)?;
    let signed = v1::SignedRecord { signed: signed.clone(), signature: signature.clone() };
    match RecordKind::ALL.into_iter().find(|known| known.name() == kind) {
        Some(RecordKind::Descriptor) => opened::<v1::Descriptor>(&signed, now_ms),
        Some(RecordKind::Hosting) => opened::<v1::Hosting>(&signed, now_ms),
        Some(RecordKind::Node) => opened::<v1::NodeRecord>(&signed, now_ms),
        Some(RecordKind::Tombstone) => opened::<v1::Tombstone>(&signed, now_ms),
        None => Err(Error::invalid("what", "expected a kind of record")),
    }
}

/// The digest of the signed bytes, which says nothing of whether they are a record.
pub(super) fn digest(bytes: &[Bytes]) -> Result<Value> {
    let [signed] = pieces(bytes)?;
    Ok(json!({ "digest": hex::encode(&record::digest(signed)) }))
}

fn opened<T: RecordBody + Serialize>(signed: &v1::SignedRecord, now_ms: u64) -> Result<Value> {
    let opened = record::open::<T>(signed, None, now_ms)?;
    Ok(json!({
        "author": opened.author.to_string(),
        "seq": opened.term.seq,
        "issuedAtMs": opened.term.issued_at_ms,
        "expiresAtMs": opened.term.expires_at_ms,
        "body": opened.body,
    }))
}

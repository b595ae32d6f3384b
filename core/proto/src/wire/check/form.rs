//! Forms that fields of several messages share.

use crate::error::{Error, Kind, Result};
use crate::limits::{LONG_TEXT_BYTES, METADATA_ENTRIES};
use crate::wire::json_text::check_json;
use crate::wire::text::{check_id, check_text};
use std::collections::BTreeMap;

/// A key or a digest.
pub(super) fn bytes32(field: &str, bytes: &[u8]) -> Result<()> {
    exactly(field, bytes, 32)
}

pub(super) fn optional_bytes32(field: &str, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() { Ok(()) } else { bytes32(field, bytes) }
}

pub(super) fn exactly(field: &str, bytes: &[u8], length: usize) -> Result<()> {
    if bytes.len() == length {
        return Ok(());
    }
    let message = format!("expected {length} bytes, got {}", bytes.len());
    Err(Error::invalid(field, message))
}

pub(super) fn at_most(field: &str, length: usize, limit: &str, bound: usize) -> Result<()> {
    if length <= bound {
        return Ok(());
    }
    let message = format!("expected at most {bound} in {field}, got {length}");
    Err(Error::new(Kind::TooLarge, message)
        .with_code("too_many")
        .with_field(field)
        .with_limit(limit, bound as u64))
}

pub(super) fn long_text(field: &str, text: &str) -> Result<()> {
    at_most(field, text.len(), "LONG_TEXT_BYTES", LONG_TEXT_BYTES)
}

pub(super) fn texts(field: &str, texts: &[String]) -> Result<()> {
    at_most(field, texts.len(), "LIST_ITEMS", crate::limits::LIST_ITEMS)?;
    texts.iter().try_for_each(|text| check_text(field, text))
}

pub(super) fn optional_id(field: &str, id: &str) -> Result<()> {
    if id.is_empty() { Ok(()) } else { check_id(field, id) }
}

/// JSON text; empty: there is none.
pub(super) fn optional_json(field: &str, text: &str) -> Result<()> {
    if text.is_empty() { Ok(()) } else { check_json(field, text) }
}

pub(super) fn json_map(field: &str, map: &BTreeMap<String, String>) -> Result<()> {
    at_most(field, map.len(), "METADATA_ENTRIES", METADATA_ENTRIES)?;
    map.iter().try_for_each(|(name, text)| {
        check_id(field, name)?;
        check_json(field, text)
    })
}

/// A number that JSON can carry as well.
pub(super) fn finite(field: &str, number: f64) -> Result<()> {
    if number.is_finite() {
        return Ok(());
    }
    Err(Error::invalid(field, "expected a finite number"))
}

/// A oneof that is empty: a newer peer may have meant something, but nobody here can say what.
pub(super) fn present<'a, T>(field: &str, value: Option<&'a T>) -> Result<&'a T> {
    value.ok_or_else(|| {
        Error::new(Kind::Unsupported, format!("expected a known kind of {field}"))
            .with_code("unknown_kind")
            .with_field(field)
    })
}

/// A message that must be there.
pub(super) fn required<'a, T>(field: &str, value: Option<&'a T>) -> Result<&'a T> {
    value.ok_or_else(|| Error::invalid(field, format!("expected {field}")))
}

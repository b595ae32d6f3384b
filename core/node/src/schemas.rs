//! Compiled schemas of this process: compiled once, kept within bounds.

use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::schema::{Schema, SchemaCache};
use hubless_proto::wire::json_text::check_json_depth;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

static CACHE: Mutex<SchemaCache> = Mutex::new(SchemaCache::new());

/// The compiled form of a schema's JSON text.
pub(crate) fn compiled(text: &str) -> Result<Arc<Schema>> {
    CACHE.lock().unwrap_or_else(PoisonError::into_inner).compiled(text)
}

/// Lends the cache to a check that compiles schemas.
pub(crate) fn with_cache<T>(work: impl FnOnce(&mut SchemaCache) -> T) -> T {
    work(&mut CACHE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Checks a value that stands in `field` against the JSON text of a schema; empty: anything holds.
pub(crate) fn check(schema: &str, value: &Value, field: &str) -> Result<()> {
    if schema.is_empty() { Ok(()) } else { compiled(schema)?.check(value, field) }
}

/// Reads JSON text of bounded depth that stands in `field`; the empty text is null.
pub(crate) fn read(text: &str, field: &str) -> Result<Value> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    check_json_depth(field, text)?;
    serde_json::from_str(text)
        .map_err(|_| Error::refusal(Kind::Json, "not_json", "expected JSON").with_field(field))
}

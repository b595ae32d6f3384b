//! Reading of JSON objects that people and languages write, field by field.
//!
//! Owns: errors that name the field and never repeat the value. Must not know: what the object is.
//! Tested by every reader built on it.

use crate::error::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The fields of one JSON object; each is taken once, and what is left at the end is unknown.
#[derive(Debug)]
pub struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    /// The fields of `value`, which stands at `path` (empty: at the top).
    ///
    /// # Errors
    /// `invalid_argument` naming `path` unless it is an object.
    pub fn of(path: &str, value: Value) -> Result<Self> {
        match value {
            Value::Object(left) => Ok(Self { path: path.to_owned(), left }),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(Error::invalid(path, "expected an object")),
        }
    }

    /// Full name of a field of this object.
    pub fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// Takes a field as plain JSON; null counts as absent.
    pub fn value(&mut self, field: &str) -> Option<Value> {
        self.left.shift_remove(field).filter(|value| !value.is_null())
    }

    /// Takes a field of a known type; null counts as absent.
    ///
    /// # Errors
    /// `invalid_argument` naming the field, when it is of another type or out of range.
    pub fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let read = serde_json::from_value(value).map(Some);
        read.map_err(|_| self.wrong(field, "the value is of another type or out of range"))
    }

    /// Takes a field that must be there.
    ///
    /// # Errors
    /// `invalid_argument` naming the field, when it is missing or of another type.
    pub fn need<T: DeserializeOwned>(&mut self, field: &str) -> Result<T> {
        self.take(field)?.ok_or_else(|| self.wrong(field, "the field is missing"))
    }

    /// An error about one field of this object.
    pub fn wrong(&self, field: &str, message: impl Into<String>) -> Error {
        Error::invalid(&self.name(field), message)
    }

    /// The refusal of a field that this version reads and cannot act on.
    pub fn not_served(&self, field: &str) -> Error {
        let message = "this version cannot check it: leave the field out";
        Error::new(Kind::Unsupported, message).with_code("not_served").with_field(&self.name(field))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `invalid_argument` naming a field that nobody took.
    pub fn end(self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(field) => Err(self.wrong(field, "no such field is known here")),
        }
    }
}

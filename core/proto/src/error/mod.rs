//! The one error of Hubless and the closed set of its kinds.
//!
//! Owns: kinds, their table (retry, HTTP status, JSON-RPC code, C number, exit code), the list of
//! codes under them, the error type, and its two forms on the way to a person: the refusal by a
//! peer (data) and the raised error. Must not know: how any check is made. Tested beside the tables
//! and by `tests/conformance/vectors/errors.json` and `codes.json`.
//!
#![doc = include_str!("table.md")]

mod codes;
mod form;
mod kind;
mod value;

pub use codes::{CODES, Code};
pub use form::Form;
pub use kind::{Kind, Row};
pub use value::{Error, Limit, Result, Retry};

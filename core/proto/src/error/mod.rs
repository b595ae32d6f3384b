//! The one error of Hubless and the closed set of its kinds.
//!
//! Owns: kinds, their table (retry, HTTP status, JSON-RPC code, C number, exit code), the error
//! type, and its two forms on the way to a person: the refusal by a peer (data) and the raised
//! error. Must not know: what any check means. Tested beside the table and by
//! `tests/conformance/vectors/errors.json`.
//!
#![doc = include_str!("table.md")]

mod kind;
mod value;

pub use kind::{Kind, Row};
pub use value::{Error, Limit, Result, Retry};

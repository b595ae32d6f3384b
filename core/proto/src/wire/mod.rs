//! Bytes and JSON of every message.
//!
//! Owns: the protobuf types, their JSON form, frames, signed records, and the bounds of each
//! message. Must not know: what a message means, who may send it. Tested by vectors
//! (`tests/conformance/vectors`), properties, and a fuzz target for each decoder.
// What comes from outside has no place that is known to be there.
#![deny(clippy::indexing_slicing)]

pub mod announcement;
pub mod decode;
pub mod descriptor;
pub mod document;
pub mod frame;
pub mod json;
pub mod json_text;
pub mod record;
pub mod revoked;
pub mod text;
pub mod words;

mod bounds;
mod check;
mod debug;
mod fault;
mod rejection;
mod scan;
mod varint;

pub(crate) use fault::bad_frame;

/// The messages, as compiled from `proto/hubless/v1/*.proto`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/hubless.v1.rs"));
}

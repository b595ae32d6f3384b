//! Bytes and JSON of every message.
//!
//! Owns: the protobuf types, their JSON form, frames. Must not know: what a message means.
//! Tested by vectors, properties and fuzz targets.

pub mod json;

/// The messages, as compiled from `proto/hubless/v1/*.proto`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/hubless.v1.rs"));
}

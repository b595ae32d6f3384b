//! What foreigners see of a node: existing programs become agents without a change.
//!
//! Owns: foreign protocols. Must not know: how a mesh works; it stands on the public SDK alone.
//! Tested with real child processes.
#![forbid(unsafe_code)]

pub mod gateway;
pub mod http;
pub mod stdio;

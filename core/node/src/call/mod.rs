//! Calls: what travels between a caller and a callee, whatever carries it.
//!
//! Owns: one call from its request to its last event, as pair of ends, as its handler holds it,
//! and the bytes of its streamed parts. Must not know: which transport carries it, or which
//! agent was chosen. Tested beside each part and through the engine.

mod asking;
pub mod body;
pub mod content;
pub(crate) mod core;
pub(crate) mod flow;
pub mod handle;
pub(crate) mod info;
pub(crate) mod judged;
pub(crate) mod kept;
pub(crate) mod pieces;
pub mod pipe;
pub(crate) mod question;
pub(crate) mod sinks;
pub(crate) mod split;
mod state;
pub(crate) mod trace;

//! Calls: what travels between a caller and a callee, whatever carries it.

pub mod body;
pub mod pipe;

//! JSON of the contract: bodies in, results and events out.
//!
//! Owns: the form of everything that a host reads and writes. Must not know what is done with it.
//! Tested beside each part.

pub(crate) mod content;
pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod inbound;
pub(crate) mod parse;
pub(crate) mod reply;
pub(crate) mod shown;

mod plain;

pub(crate) use plain::{caller, encode, text};

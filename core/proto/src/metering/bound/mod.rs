//! The most that a request can cost, found before it is sent.
//!
//! Owns: which fields a request may have, the cap of its output, the count of its input. A field
//! is taken when its price is known to be bounded, and refused by name otherwise: a list of what
//! is allowed, since a provider adds what costs at any time. What is sent is written anew from
//! what was checked, so that two readers of one text cannot differ. Tested beside each part.

mod bounded;
mod chat;
mod embeddings;
mod fields;
mod input;

pub use bounded::{Answer, Bounded};
pub use chat::chat;
pub use embeddings::embeddings;

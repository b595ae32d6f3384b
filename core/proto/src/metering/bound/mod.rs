//! The most that a request can cost, found before it is sent.
//!
//! Owns: which fields a request may have, the cap of its output, the count of its input. A field
//! is taken when its price is known to be bounded, and refused by name otherwise: a list of what
//! is allowed, since a provider adds what costs at any time. What is sent is written anew from
//! what was checked, so that two readers of one text cannot differ. Tested beside each part.

mod chat;
mod embeddings;
mod fields;
mod input;

use super::Micros;
use super::prices::Model;

pub use chat::chat;
pub use embeddings::embeddings;

/// A request whose price is bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded {
    /// The body to send.
    pub body: String,
    /// The model's prices.
    pub model: Model,
    /// The most that it can cost.
    pub max: Micros,
    /// Tokens that its answer may have.
    pub output_tokens: u64,
    /// How the answer comes.
    pub answer: Answer,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    Whole,
    /// Piece by piece, with its usage at the end, as the client asked.
    StreamWithUsage,
    /// Piece by piece; the client did not ask for the usage, and is not to see that piece.
    Stream,
}

//! What the core reads from bytes, as JSON, in the words of `tests/conformance/vectors`.
//!
//! Owns: the form in which a vector says what its bytes mean; each is read by the decoder that the
//! node itself uses. Must not know: how vectors are made or kept. There only with the feature
//! `testing`, for the vector tests of Rust and, below the bindings, for those of every language.

mod frames;
mod identity;
mod killswitch;
mod read;
mod records;
mod tables;

pub use read::read;

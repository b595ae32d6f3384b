//! Counting of tokens: one vocabulary (o200k), inside the library, loaded on first use.
//!
//! Owns: the count of a text and bounds that make it cheap to refuse. Must not know: which limit
//! an agent set. Tested against `corpus.json`, whose counts come from the reference tokeniser.

mod count;

pub use count::{LONGEST_TOKEN_BYTES, count, count_all};

//! Spending keys: a chain of signed links from a root to whoever holds the last seed.
//!
//! Owns: the text of a key, its links, how a narrower key is made of one, and its one strict
//! check. Must not know: what was spent, where a key is stored, where its randomness comes from.
//! Tested beside each part, the text with every bit flipped.
//!
//! The text is `hbl_` and base64url of: a version byte, the root key, the links, and the seed of
//! the last link's key. Each link is its limits of input tokens, output tokens and cost (all ones:
//! not limited), the times of its making and end, the budget with whose stop it ends (zeros: none),
//! the key of who may issue below it, and the signature over everything before it: a link cannot be
//! moved below another, nor out of its budget. A chain without links is the root's own key.
//!
//! Links of version 2 limit cost alone: of them and below them tokens are not limited, and nothing
//! that limits tokens is issued below them. What a root limits counts for them all the same.

mod key;
mod link;

pub use key::SpendKey;
pub use link::{Chain, Link, LinkId, verify};

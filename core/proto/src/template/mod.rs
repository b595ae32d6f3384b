//! Templates of requests: what is filled in where a request leaves something open.
//!
//! Owns: what a template may hold, the rules of merging, the named templates of a node. Must not
//! know: where requests come from. Tested by a table of merges and by properties: the caller's own
//! fields always win, a template never changes.

mod merge;
mod read;
mod store;

pub use merge::CALLEE_FIELDS;
pub use read::Template;
pub use store::Templates;

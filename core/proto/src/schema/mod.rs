//! JSON Schema 2020-12: compiled once, checked often, never fetched from anywhere.
//!
//! Owns: compiled schemas and their bounded cache. Must not know: whose schema it is.
//! Tested with schemas that attack: references that lead out or in circles, costly patterns.

mod accept;
mod cache;
mod compiled;
mod cost;
mod graph;

pub use accept::accepts;
pub use cache::SchemaCache;
pub use compiled::Schema;

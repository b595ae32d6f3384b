//! The audit log as a value: rows in a chain of hashes, and what is wrong with one that was read.
//!
//! Owns: what a row says, its canonical bytes, the chain, its check, how repeated events become
//! one row with a count. Must not know: where rows are kept, who reads them, what time it is. A row
//! names who, what, when and with which outcome; it never holds a content, a credential or a rule
//! of an agent. Tested beside each part, the chain by properties over changed logs.

mod chain;
mod check;
mod entry;
mod fold;
mod kind;

pub use chain::{Chain, Head, Link, Row};
pub use check::{Check, Fault, Flaw};
pub use entry::{Entry, Spent};
pub use fold::Fold;
pub use kind::{Event, Outcome};

//! What an agent must be like, and how those that match are ordered.
//!
//! Owns: queries, filters over typed attributes, version ranges, text rank, ranking signals. Must
//! not know: where descriptors come from, records, signatures. Tested by tables (the FX question
//! among them), by properties of the order, and by reaching each bound.

mod ask;
mod attribute;
mod candidate;
mod date;
mod fact;
mod filter;
mod rank;
mod signals;
mod text;
mod version;

pub use ask::Query;
pub use attribute::{attribute_from_json, attribute_to_json};
pub use candidate::Candidate;
pub use filter::Filter;
pub(crate) use rank::cost;
pub use rank::{Rank, Signal, SignalName};
pub use signals::{Health, Signals, Trust};
pub use text::TextIndex;
pub use version::{Version, VersionRange};

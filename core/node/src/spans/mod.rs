//! What a node remembers of the calls that it made and handled, and where that is written.
//!
//! Owns: spans, the ring of recent ones, the trace file, the collector that they are posted to, the
//! tree of a gathered trace. Must not know: contents, credentials, or how other nodes are asked.
//! Tested beside each part, through the node, and over all languages by `cargo verify trace`.

mod collector;
mod file;
#[cfg(test)]
mod fixtures;
mod ids;
mod otlp;
mod outlet;
mod paid;
mod post;
mod recorder;
mod ring;
mod span;
mod tree;
mod watch;

pub use ids::{RequestId, SpanId, TraceId};
pub use paid::CallBudget;
pub use tree::{Trace, TraceCall, TraceNode};
pub use watch::{CallWatcher, EndedCall, Refuser};

pub(crate) use recorder::{Made, Recorder, Setup};
pub(crate) use span::{Heading, Outcome, Span, content_bytes, part_bytes};
pub(crate) use tree::Gathered;

//! What a node counts, as Prometheus reads it: text format 0.0.4, at `/metrics`.
//!
//! Owns: names and labels of the metrics, the counters of calls, who may read them. Must not know:
//! how a call runs; it is told of each as it ends, and asks the node for the rest when it is read.
//! Labels are names of agents, their own ids of skills, and words of ours: no text of a caller, no
//! id, no credential. Tested over real sockets (`core/edge/tests/http/metrics.rs`).

mod calls;
mod edge;
mod names;
mod node;
mod page;
mod process;

pub use edge::MetricsEdge;
pub(super) use page::{Page, Readers};

//! Any program over stdio as an agent: one JSON message a line, at most 1 MiB.
//!
//! To the child: `{"request": Request}`, and `{"id", "toolResult" | "input" | "cancel"}`.
//! From the child: `{"id", "event": Event}`, and first, if it wants, `{"descriptor": {…}}`.
//! Blobs are inline as base64. Messages are in the JSON form of the wire.

mod agent;
mod child;
mod line;
mod options;
mod route;

pub use agent::StdioAgent;
pub use options::StdioOptions;

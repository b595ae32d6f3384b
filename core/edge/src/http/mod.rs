//! Agents over plain HTTP: what `curl` can ask.
//!
//! Owns: the listener, who may ask it, the JSON of requests and answers, the OpenAPI document.
//! Must not know: how a mesh works; it stands on the public SDK alone. Clients are of kind `edge`:
//! they reach agents that allow external connections, and for them no other is there. The metering
//! gateway stands behind the same listener, gate and rules.
//! Tested beside the code and over real sockets (`core/edge/tests/http.rs`).

mod activity;
mod ask;
mod body;
mod budgets;
mod codes;
mod connection;
mod desk;
mod edge;
mod events;
mod fault;
mod form;
mod gate;
mod listener;
#[cfg(feature = "metrics")]
mod metrics;
mod names;
mod openapi;
mod options;
mod places;
mod rules;
mod site;
mod tls;
mod tokens;
mod trace;

pub(crate) use body::{json_only, read};
pub use budgets::Budgets;
pub(crate) use desk::{Client, json};
pub use edge::HttpEdge;
pub(crate) use events::{EVENTS, EventBody};
pub(crate) use fault::{Fault, outside};
pub(crate) use listener::Listener;
#[cfg(feature = "metrics")]
pub use metrics::MetricsEdge;
pub(crate) use options::Proof;
pub use options::{HttpOptions, PORT};
pub(crate) use rules::{bearer, stranger};
pub(crate) use site::Behind;
pub use tokens::Tokens;

/// Reads what comes over a connection, in pieces of so many bytes: how many requests of HTTP/1.1 it
/// holds, and how many bytes after them are not yet one; none: they are refused.
///
/// For those who test readers of what others send.
pub fn requests(bytes: &[u8], piece: usize) -> Option<(usize, usize)> {
    gate::requests(bytes, piece).ok()
}

/// As [`requests`], of the body of a request for an agent; true: it is one.
pub fn is_request(body: &[u8]) -> bool {
    form::request("agent", "edge:http:anonymous", body).is_ok()
}

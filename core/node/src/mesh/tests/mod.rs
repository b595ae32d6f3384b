//! Two nodes of one process, each with its own endpoint, over loopback.

mod callers;
mod calls;
pub(crate) mod hosts;
mod meeting;
#[cfg(feature = "relay-server")]
mod relay_server;
#[cfg(feature = "relay-server")]
mod relays;
mod renewal;
mod revocation;
mod streams;
pub(super) mod support;
mod waiting;

//! One QUIC endpoint, and tunnels to other nodes: the only place that knows the engine below.
//!
//! Owns: binding, dialling with deadlines of our own, limits of the transport, what the engine is
//! told of relays. Must not know: frames, membership, agents. Tested here over loopback and,
//! between processes, in `tests/mesh`.

mod config;
mod crypto;
mod endpoint;
mod names;
mod relay_url;
mod relays;
#[cfg(test)]
mod relays_tests;
mod tunnel;

#[cfg(test)]
mod tests;

pub(crate) use endpoint::{Bind, Link, Paths};
pub use relay_url::RelayUrl;
pub(crate) use relays::{Home, HomeState, Relaying};
pub(crate) use tunnel::{CloseReason, Tunnel, Way, close_reason};

/// Reading half of a stream.
pub(crate) use iroh::endpoint::RecvStream;
/// Writing half of a stream.
pub(crate) use iroh::endpoint::SendStream;

/// The protocol of calls between nodes.
pub(crate) const ALPN: &[u8] = b"hubless/1";

//! A relay in our own process: what carries packets between nodes that have no direct way to each
//! other.
//!
//! Owns: who is let in (members of the mesh, and who comes to join it by a ticket), how much each
//! may use it, and that it ends. What it carries is encrypted from end to end: it sees the keys of
//! nodes, and sizes. Must not know: how a mesh checks a token, or what nodes do with a relay.
//! Tested here and, with nodes at both ends, in `mesh::tests` and `tests/network`.

#[cfg(feature = "relay-server")]
mod admission;
#[cfg(feature = "relay-server")]
mod control;
#[cfg(feature = "relay-server")]
mod door;
#[cfg(feature = "relay-server")]
mod entrance;
#[cfg(feature = "relay-server")]
mod gate;
mod options;
#[cfg(feature = "relay-server")]
mod places;
#[cfg(feature = "relay-server")]
mod server;
#[cfg(feature = "relay-server")]
mod tls;

#[cfg(feature = "relay-server")]
pub(crate) use door::{Door, Guest};
pub use options::RelayOptions;
#[cfg(feature = "relay-server")]
pub(crate) use server::RelayServer;

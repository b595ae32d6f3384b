//! The tunnels between nodes: who is there, one connection to each, calls over them.
//!
//! Owns: this node's endpoint, connections with their control streams, relays, pumps of calls. Must
//! not know: how agents are chosen, or any language. Tested beside each part and in `tests/mesh`.

mod book;
mod call_in;
mod call_out;
mod connection;
mod core;
mod dead;
mod dialling;
mod dials;
mod frames;
mod hello;
mod host;
mod hostings;
mod join;
mod keep;
mod lan;
mod lane;
mod local;
mod options;
mod parted;
mod parts;
mod peers;
mod relays;
mod renew;
mod repeat;
mod revoked;
mod sending;
mod serve;
mod shared;
mod show;
mod start;
mod status;
mod stream;
mod tell;

pub use self::core::Mesh;
pub(crate) use self::core::another_answer;
pub(crate) use dials::Wait;
pub use host::{MeshHost, Source};
pub use join::{invite, invite_beside, join, join_by};
pub use options::{Listen, MeshChoice, MeshOptions, RelayUrl};
pub(crate) use sending::{Again, Sending};
pub use status::{CallPath, PeerStatus, Traffic};

#[cfg(test)]
mod crowd_tests;
#[cfg(test)]
mod hiding_tests;
#[cfg(test)]
mod lasting_tests;
#[cfg(test)]
mod leaving_tests;
#[cfg(test)]
mod strangers_tests;
#[cfg(test)]
pub(crate) mod tests;

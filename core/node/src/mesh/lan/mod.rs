//! Nodes of the same local network: multicast DNS (RFC 6762) with service discovery (RFC 6763),
//! for those who ask for it.
//!
//! Owns: what a node says there, which of what others say there is believed enough to be dialled,
//! and for how long contact is kept. An announcement gives addresses, never authority: who is at
//! an address proves its key and its membership on the connection. Must not know: what is asked of
//! those who are met. Tested here, and between namespaces in `tests/network`.

mod look;
mod service;

pub(super) use look::{Lan, look};

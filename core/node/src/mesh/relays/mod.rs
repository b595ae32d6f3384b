//! The relays of a node: which it uses, by which it can be reached, and what is done when one is
//! there no more.
//!
//! Owns: when a relay is tried anew or left for another one, which connections are given up with
//! it, and what the record of this node says of relays. Must not know: how the engine below is told
//! of it. Tested here, and in `tests/relays.rs` with a relay in the same process.

mod chosen;
mod keep;
mod leave;
mod probe;
#[cfg(feature = "relay-server")]
mod serving;
mod waiting;
mod watchdog;
#[cfg(test)]
mod watchdog_tests;

pub(super) use chosen::{pass_of_ticket, relaying};
pub(super) use keep::keep;

//! Budgets at work: what calls are paid with, and what stops them.
//!
//! Owns: the one ledger of a node and the driver that moves its outputs to its inputs, the switch
//! that a program holds, the grants of running calls, reservations. Must not know: how an agent is
//! found, or bytes of the wire. Tested in process and between nodes by `tests/budgets`, with the
//! spending counted outside.

mod guards;
mod rows;
mod spend;
mod state;
mod switch;
mod treasury;
mod tree;

pub(crate) use guards::{Funded, Held};
pub use hubless_proto::killswitch::{Allowance, Amount, Component, Terms};
pub use hubless_proto::wire::words::TripReason;
pub use spend::Spend;
pub use switch::{KillSwitch, Orphans, Stop};
pub(crate) use treasury::Treasury;
pub use tree::Branch;

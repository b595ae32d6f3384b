//! The records of a mesh, as every node of it holds them: spread by gossip, repaired by comparing.
//!
//! Owns: which record is taken and why, when it ends, what is passed on to whom, what is compared
//! with whom, which nodes are suspected. A pure machine: messages, news of links and time go in,
//! messages and verdicts come out; chance is a seed. Must not know: connections, what an agent is,
//! how a signature is checked. Tested rule by rule beside it, and in the simulator
//! (`tests/simulation`) with loss, duplication, reordering, churn, partition, crash and clocks that
//! run apart.

mod brought;
mod chance;
mod claim;
mod links;
mod machine;
mod message;
mod owners;
mod repair;
mod sealed;
mod spread;
mod store;
mod suspicion;
mod take;
mod verdict;

#[cfg(test)]
mod tests;

pub use claim::{Claim, Now, RowKey, Span, Statement};
pub use links::{Loss, Nearness};
pub use machine::{Counts, Input, Output, Prove, Replica};
pub use message::{Brief, Carried, Message, Sum, Suspect};
pub use sealed::{Delta, Frame, Sealed};
pub use verdict::{Refusal, Removal, Taken};

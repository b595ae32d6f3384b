//! The audit log: who did what to whom, and what was refused, in a chain of hashes.
//!
//! Owns: the log of a running node, the one of the data folder, and reading both from their files.
//! Must not know: what is checked, or why it was refused; it writes down what it is told, and holds
//! nobody up. A node with a name keeps its log in its store, beside its ledger; one without keeps
//! the latest rows in memory. What changes the data folder (tickets, joined meshes, pins, stored
//! credentials) is in `audit.db` of that folder, whichever process did it.
//! Tested beside each part, and by the command (`core/cli/tests/audit.rs`) over a process that is
//! killed while it writes.

mod acts;
mod file;
mod log;
mod ring;

pub(crate) use acts::{call_refused, peer_accepted, peer_refused};
pub use file::{Checked, Exported, LogFile};
pub(crate) use file::{digest, record_in};
pub(crate) use log::Audit;
pub use ring::{InMemory, KeptRow};

//! What outlives the process: one file, which one thread writes.
//!
//! Owns: the file with its mode, lock and version; many writes in one commit; the answer to each
//! writer after its commit; reading it beside its owner. Must not know: what a row says, or who
//! waits for it. Tested beside each
//! part, with a store that fails at every operation of a history, and by `tests/mesh/tests/ledger`,
//! which kills the process at any moment while another one counts what it spends.

mod audit;
mod file;
mod group;
mod hours;
mod shared;
mod sums;
mod thread;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use audit::{Past, append, forgotten};
pub(crate) use file::{Contents, broken};
pub(crate) use group::Change;
pub(crate) use shared::{Opened, SharedStore, closed};
pub(crate) use sums::Sum;
pub use thread::Store;
pub(crate) use view::{Kept, View};

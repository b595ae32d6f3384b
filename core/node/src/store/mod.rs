//! What outlives the process: one file, which one thread writes.
//!
//! Owns: the file with its mode, lock and version; many writes in one commit; the answer to each
//! writer after its commit. Must not know: what a row says, or who waits for it. Tested beside each
//! part, with a store that fails at every operation of a history, and by `tests/mesh/tests/ledger`,
//! which kills the process at any moment while another one counts what it spends.

mod file;
mod group;
mod thread;

#[cfg(test)]
mod tests;

pub use thread::Store;

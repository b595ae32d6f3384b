//! Where the rows of a ledger are made durable.

use hubless_proto::killswitch::{Keeping, Write};

/// A store of rows. No method may block or wait: each hands over and returns.
pub(super) trait Rows: Send + Sync + 'static {
    /// Whether the rows outlive the process.
    fn keeping(&self) -> Keeping;

    /// Makes these writes durable, all or none, after those of every lower number; once they are,
    /// the ledger is told that `seq` is persisted.
    fn write(&self, seq: u64, writes: Vec<Write>);
}

/// No store: budgets and grants die with the process, and their ids with them.
pub(super) struct InMemory;

impl Rows for InMemory {
    fn keeping(&self) -> Keeping {
        Keeping::Volatile
    }

    fn write(&self, _seq: u64, _writes: Vec<Write>) {}
}

//! Where the rows of a ledger are made durable.

use crate::store::{Change, SharedStore};
use hubless_proto::error::{Error, Result};
use hubless_proto::killswitch::{Keeping, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest wait for a store to answer.
const FLUSH: Duration = Duration::from_secs(2);

/// A store of rows. Writing neither blocks nor waits: it hands over and returns.
pub(super) trait Rows: Send + Sync + 'static {
    /// Whether the rows outlive the process.
    fn keeping(&self) -> Keeping;

    /// Makes these writes durable, all or none, after those of every lower number; once they are,
    /// the ledger is told that `seq` is persisted.
    fn write(&self, seq: u64, writes: Vec<Write>);

    /// Waits until what was handed over is durable, a moment at most.
    fn flush(&self);

    /// Writes what waits, then lets the store go; later writes fail. Blocks for milliseconds.
    fn close(&self);
}

/// No store: budgets and grants die with the process, and their ids with them.
pub(super) struct InMemory;

impl Rows for InMemory {
    fn keeping(&self) -> Keeping {
        Keeping::Volatile
    }

    fn write(&self, _seq: u64, _writes: Vec<Write>) {}

    fn flush(&self) {}

    fn close(&self) {}
}

/// What became of the writes of a store.
#[derive(Default)]
pub(super) struct Written {
    durable: AtomicU64,
    failed: OnceLock<Error>,
    changed: Notify,
}

impl Written {
    /// Number of the last write that is durable, with all before it.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Why nothing becomes durable any more.
    pub(super) fn failed(&self) -> Option<&Error> {
        self.failed.get()
    }

    /// Waits for news. One waits at a time; what came before is not missed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn note(&self, seq: u64, result: Result<()>) {
        match result {
            Ok(()) => drop(self.durable.fetch_max(seq, Ordering::AcqRel)),
            // The first failure is the one to tell.
            Err(error) => drop(self.failed.set(error)),
        }
        self.changed.notify_one();
    }
}

/// The rows of a ledger in the store of its node.
pub(super) struct Stored {
    pub(super) store: Arc<SharedStore>,
    pub(super) written: Arc<Written>,
}

impl Rows for Stored {
    fn keeping(&self) -> Keeping {
        Keeping::Durable
    }

    fn write(&self, seq: u64, writes: Vec<Write>) {
        let written = Arc::clone(&self.written);
        let changes = writes.into_iter().map(Change::Ledger).collect();
        self.store.change(changes, move |result| written.note(seq, result));
    }

    fn flush(&self) {
        let (answer, answered) = mpsc::sync_channel(1);
        let done = move |_| {
            // Nobody waits any more.
            let _ = answer.try_send(());
        };
        self.store.change(Vec::new(), done);
        // A store that does not answer is left: its closing waits for it.
        let _ = answered.recv_timeout(FLUSH);
    }

    fn close(&self) {
        self.store.close();
    }
}

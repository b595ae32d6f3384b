//! A provider that writes less than it may, and counts it outside every ledger.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long it thinks.
const THINKS: Duration = Duration::from_millis(1);

/// What was written by it.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    written: AtomicU64,
    asked: AtomicU64,
}

impl Provider {
    /// Writes between a quarter and all of `most` tokens.
    pub(crate) async fn write(&self, most: u64) -> u64 {
        tokio::time::sleep(THINKS).await;
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let wrote = most - most * 3 / 4 * (turn * 7 % 101) / 100;
        self.written.fetch_add(wrote, Ordering::SeqCst);
        wrote
    }

    /// All that it wrote.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

//! What happens on one connection: requests that run, streams given up, why it is to end.

use super::gate::Refusal;
use hubless_proto::limits;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The state of one connection, seen by its socket, its requests and its listener.
#[derive(Debug, Default)]
pub(super) struct Activity {
    running: AtomicUsize,
    /// Streams whose answer the peer did not wait for.
    resets: AtomicU32,
    /// True once a request came.
    used: AtomicBool,
    /// True once nothing more is taken from the peer.
    refused: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
    /// Who holds the next request back until the one that runs is over.
    held: Mutex<Option<Waker>>,
    changed: Notify,
    /// Fires when the connection is to be cut off.
    pub(super) cut: CancellationToken,
}

impl Activity {
    /// A request came.
    pub(super) fn begin(&self) {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.used.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// A request is over.
    pub(super) fn end(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_waiters();
        let held = lock(&self.held).take();
        if let Some(held) = held {
            held.wake();
        }
    }

    /// Wakes this task when the request that runs is over; to be asked before [`Self::is_busy`].
    pub(super) fn wake_at_end(&self, task: &Waker) {
        *lock(&self.held) = Some(task.clone());
    }

    /// True while a request runs.
    pub(super) fn is_busy(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// True once a request came.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// The peer gave a stream up. An honest client does so now and then; one that opens and resets
    /// without end makes work that costs it nothing.
    pub(super) fn reset(&self) {
        if self.resets.fetch_add(1, Ordering::AcqRel) >= limits::HTTP_RESETS {
            self.cut.cancel();
        }
    }

    /// Notes why the request that comes next, or that runs, is refused.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refused.store(true, Ordering::Release);
        *lock(&self.refusal) = Some(refusal);
    }

    /// True when the connection ends with this answer.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Why a request is refused.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        lock(&self.refusal).take()
    }

    /// Resolves when nothing has run for so long.
    pub(super) async fn idle(&self, time: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.is_busy() {
                changed.await;
            } else if tokio::time::timeout(time, changed).await.is_err() && !self.is_busy() {
                return;
            }
        }
    }
}

/// Plain values: they stay usable whatever became of who held them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_given_up_without_end_cut_the_connection() {
        let activity = Activity::default();
        for _ in 0..limits::HTTP_RESETS {
            activity.reset();
        }
        assert!(!activity.cut.is_cancelled());
        activity.reset();
        assert!(activity.cut.is_cancelled());
    }
}

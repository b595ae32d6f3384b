//! What happens on one connection: requests that run, streams given up, why it is to end.

use super::gate::Refusal;
use hubless_proto::limits;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long a peer may leave a piece of an answer before it gives way to who wants its place.
const UNTAKEN: Duration = Duration::from_secs(5);

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
    /// Answers of which the peer is to take a piece, by their numbers, and since when.
    offered: Mutex<BTreeMap<u64, Instant>>,
    answers: AtomicU64,
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

    /// A number for an answer, which no other of the connection has.
    pub(super) fn number(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on it is the peer that is waited for: a piece of this answer is there.
    pub(super) fn offer(&self, number: u64) {
        self.offer_since(number, Instant::now());
    }

    fn offer_since(&self, number: u64, since: Instant) {
        let was_empty = {
            let mut offered = lock(&self.offered);
            let was_empty = offered.is_empty();
            offered.insert(number, since);
            was_empty
        };
        if was_empty {
            self.changed.notify_waiters();
        }
    }

    /// The peer took what there is of this answer, or it is over.
    pub(super) fn taken(&self, number: u64) {
        lock(&self.offered).remove(&number);
    }

    /// True while all that runs are answers that the peer does not take: it could hold its place
    /// with them as long as it likes.
    pub(super) fn is_left(&self) -> bool {
        let offered = lock(&self.offered);
        let left = offered.values().filter(|since| since.elapsed() >= UNTAKEN).count();
        left > 0 && left == self.running.load(Ordering::Acquire)
    }

    /// Resolves when the peer took nothing of an answer for so long. Flow control of HTTP/2 lets it
    /// do so without end, and no write fails of that.
    pub(super) async fn left(&self, time: Duration) {
        loop {
            let changed = self.changed.notified();
            let oldest = lock(&self.offered).values().min().copied();
            match oldest {
                Some(since) if since.elapsed() >= time => return,
                Some(since) => sleep_until(since + time).await,
                None => changed.await,
            }
        }
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
pub(super) mod tests {
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

    /// An answer of which nothing was taken for as long as gives its place away.
    pub(crate) fn untaken(activity: &Activity) -> u64 {
        let number = activity.number();
        activity.offer_since(number, Instant::now().checked_sub(UNTAKEN).unwrap());
        number
    }

    #[test]
    fn a_place_is_left_when_nothing_of_all_that_runs_is_taken() {
        let activity = Activity::default();
        activity.begin();
        activity.begin();
        assert!(!activity.is_left(), "both are worked on");
        let first = untaken(&activity);
        assert!(!activity.is_left(), "one is worked on");
        let second = untaken(&activity);
        assert!(activity.is_left());
        activity.offer(second);
        assert!(!activity.is_left(), "it takes piece by piece");
        activity.taken(second);
        activity.end();
        assert!(activity.is_left());
        activity.taken(first);
        assert!(!activity.is_left());
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_of_one_answer_is_late() {
        let (activity, time) = (Activity::default(), Duration::from_millis(50));
        let (steady, stuck) = (activity.number(), activity.number());
        let left = activity.left(time);
        let mut left = std::pin::pin!(left);
        tokio::select! {
            biased;
            () = &mut left => panic!("there is no answer"),
            () = std::future::ready(()) => {}
        }
        let began = Instant::now();
        activity.offer(stuck);
        let takes = async {
            while began.elapsed() < limits::HTTP_IDLE {
                activity.offer(steady);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = left => assert!(began.elapsed() >= time),
            () = takes => panic!("it is late without end"),
        }
    }
}

//! The bounded completion queue of one session.
//!
//! Owns: order, bounds, the doorbell and waiting. Must not know what an event means. Tested
//! beside the code; the bounds are those of `limits`.

use crate::event::Event;
use hubless_proto::limits;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Called when the queue turns from empty to non-empty; must not block.
pub type Doorbell = Arc<dyn Fn() + Send + Sync>;

/// Locks even after a panic elsewhere: every critical section here leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    closed: bool,
}

/// Events that wait for the host.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    // Rung while locked, so that a bell that was taken away is never rung again.
    bell: Mutex<Option<Doorbell>>,
}

impl Queue {
    /// Queues an event whose number is bounded by what the host has open; false when closed.
    pub(crate) fn push(&self, event: Event) -> bool {
        self.insert(event, false)
    }

    /// Queues new work; false when there is no room for it, or when closed.
    pub(crate) fn offer(&self, event: Event) -> bool {
        self.insert(event, true)
    }

    fn insert(&self, event: Event, bounded: bool) -> bool {
        let mut state = lock(&self.state);
        let size = event.size();
        let full = state.events.len() >= limits::SESSION_EVENTS
            || state.bytes.saturating_add(size) > limits::SESSION_BYTES && !state.events.is_empty();
        if state.closed || bounded && full {
            return false;
        }
        let was_empty = state.events.is_empty();
        state.bytes = state.bytes.saturating_add(size);
        state.events.push_back(event);
        drop(state);
        if was_empty {
            self.filled.notify_all();
            self.ring();
        }
        true
    }

    /// Takes at most `max` events, oldest first.
    pub(crate) fn drain(&self, max: usize) -> Vec<Event> {
        let mut state = lock(&self.state);
        let count = state.events.len().min(max);
        let taken: Vec<Event> = state.events.drain(..count).collect();
        let size: usize = taken.iter().map(Event::size).sum();
        state.bytes = state.bytes.saturating_sub(size);
        let left = !state.events.is_empty();
        drop(state);
        // The bell rings once per filling; a host that took only a part is told about the rest.
        if left && count > 0 {
            self.ring();
        }
        taken
    }

    /// Waits for an event (true), the end of the time (true) or the close of the queue (false).
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let until = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut state = lock(&self.state);
        while state.events.is_empty() && !state.closed {
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return true,
                Some(left) => {
                    let waited = self.filled.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        !state.events.is_empty()
    }

    /// Sets or removes the doorbell; rings a new one at once when something waits already.
    pub(crate) fn set_bell(&self, bell: Option<Doorbell>) {
        let old = std::mem::replace(&mut *lock(&self.bell), bell);
        drop(old);
        if !lock(&self.state).events.is_empty() {
            self.ring();
        }
    }

    /// Keeps of what is queued only what `keep` names, and takes nothing more.
    pub(crate) fn close(&self, keep: impl Fn(&Event) -> bool) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.events.retain(keep);
        state.bytes = state.events.iter().map(Event::size).sum();
        drop(state);
        self.filled.notify_all();
        self.ring();
    }

    /// True once closed.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// True once closed and empty.
    pub(crate) fn is_finished(&self) -> bool {
        let state = lock(&self.state);
        state.closed && state.events.is_empty()
    }

    fn ring(&self) {
        if let Some(bell) = &*lock(&self.bell) {
            bell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CALL, DONE};
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn event(kind: u8, ticket: u64) -> Event {
        Event { kind, ticket, body: Bytes::from_static(b"{}"), attachments: Vec::new() }
    }

    fn counting_bell() -> (Arc<AtomicUsize>, Doorbell) {
        let rings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rings);
        (rings, Arc::new(move || _ = counted.fetch_add(1, Ordering::SeqCst)))
    }

    #[test]
    fn rings_once_per_filling() {
        let queue = Queue::default();
        let (rings, bell) = counting_bell();
        queue.set_bell(Some(bell));

        queue.push(event(DONE, 1));
        queue.push(event(DONE, 2));
        assert_eq!(rings.load(Ordering::SeqCst), 1);

        assert_eq!(queue.drain(16).len(), 2);
        queue.push(event(DONE, 3));
        assert_eq!(rings.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn rings_again_for_what_a_partial_drain_leaves_and_for_a_late_bell() {
        let queue = Queue::default();
        queue.push(event(DONE, 1));
        queue.push(event(DONE, 2));
        let (rings, bell) = counting_bell();

        queue.set_bell(Some(bell));
        assert_eq!(rings.load(Ordering::SeqCst), 1);
        assert_eq!(queue.drain(1).len(), 1);
        assert_eq!(rings.load(Ordering::SeqCst), 2);

        queue.set_bell(None);
        queue.drain(1);
        queue.push(event(DONE, 3));
        assert_eq!(rings.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn refuses_work_over_the_bound_but_keeps_every_result() {
        let queue = Queue::default();
        for ticket in 0..limits::SESSION_EVENTS as u64 {
            assert!(queue.offer(event(CALL, ticket)));
        }

        assert!(!queue.offer(event(CALL, 1)));
        assert!(queue.push(event(DONE, 2)));

        assert_eq!(queue.drain(usize::MAX).len(), limits::SESSION_EVENTS + 1);
        assert!(queue.offer(event(CALL, 3)));
    }

    #[test]
    fn refuses_work_over_the_bound_in_bytes() {
        let queue = Queue::default();
        let big = Bytes::from(vec![0; limits::SESSION_BYTES / 2]);
        let full = Event { attachments: vec![big.clone(), big], ..event(CALL, 1) };

        assert!(queue.offer(full));
        assert!(!queue.offer(event(CALL, 2)));
        queue.drain(1);
        assert!(queue.offer(event(CALL, 3)));
    }

    #[test]
    fn a_waiter_is_woken_by_an_event_and_by_the_close() {
        let queue = Arc::new(Queue::default());
        let other = Arc::clone(&queue);
        let waiter = std::thread::spawn(move || {
            let first = other.wait(None);
            other.drain(1);
            (first, other.wait(None))
        });

        queue.push(event(DONE, 1));
        while !lock(&queue.state).events.is_empty() {
            std::thread::yield_now();
        }
        queue.close(|_| false);

        assert_eq!(waiter.join().ok(), Some((true, false)));
        assert!(!queue.push(event(DONE, 2)));
        assert!(queue.is_finished());
    }

    #[test]
    fn the_end_of_the_time_is_no_close() {
        assert!(Queue::default().wait(Some(Duration::ZERO)));
    }
}

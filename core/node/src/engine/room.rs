//! Room of one agent for calls that run and calls that wait.

use super::lock;
use crate::chance::now_ms;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::policy::CallerKey;
use hubless_proto::registry::{SlotInput, SlotOutput, Slots};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

/// The slots of one agent, and who waits for one.
pub(crate) struct Room {
    inner: Arc<Mutex<Inner>>,
    /// Told whenever a place is given back.
    left: Arc<Notify>,
}

struct Inner {
    slots: Slots<u64>,
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Result<()>>>,
}

/// A place among the running or waiting calls; dropping it lets the next one in.
pub(crate) struct Place {
    inner: Arc<Mutex<Inner>>,
    left: Arc<Notify>,
    call: u64,
    /// A place in the whole node, where that is bounded.
    _node: Option<OwnedSemaphorePermit>,
}

impl Place {
    pub(crate) fn within(mut self, node: OwnedSemaphorePermit) -> Self {
        self._node = Some(node);
        self
    }
}

impl Room {
    pub(crate) fn new(at_once: usize, queue: usize) -> Self {
        let slots = Slots::new(at_once, queue);
        let inner = Inner { slots, next: 0, waiting: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)), left: Arc::default() }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `busy` when the queue, or the caller's share of it, is full; `not_found` when the agent
    /// is leaving.
    ///
    /// # Cancellation
    /// Safe: the place is given back.
    pub(crate) async fn enter(&self, caller: CallerKey) -> Result<Place> {
        let (call, met) = lock(&self.inner).arrive(caller);
        // Made outside the lock, which its end takes.
        let (inner, left) = (Arc::clone(&self.inner), Arc::clone(&self.left));
        let place = Place { inner, left, call, _node: None };
        let waiting = match met {
            Met::Room => return Ok(place),
            Met::Full(error) => return Err(*error),
            Met::Queue(waiting) => waiting,
        };
        let closed = |_| Err(Error::refusal(Kind::Closed, "", "the agent was taken out"));
        waiting.await.unwrap_or_else(closed).map(|()| place)
    }

    /// Refuses what waits; what runs may end.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        let outputs = inner.slots.handle(SlotInput::Close, now_ms());
        inner.apply(outputs);
    }

    /// Calls that run and wait.
    pub(crate) fn load(&self) -> u32 {
        let (running, waiting) = self.counts();
        u32::try_from(running + waiting).unwrap_or(u32::MAX)
    }

    /// Calls that run, and calls that wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.slots.running(), inner.slots.waiting())
    }

    /// Waits until no handler has a call any more: one may have it beyond the end of the call.
    pub(crate) async fn idle(&self) {
        loop {
            let left = self.left.notified();
            if lock(&self.inner).slots.running() == 0 {
                return;
            }
            left.await;
        }
    }
}

enum Met {
    Room,
    Full(Box<Error>),
    Queue(oneshot::Receiver<Result<()>>),
}

impl Inner {
    fn arrive(&mut self, caller: CallerKey) -> (u64, Met) {
        self.next += 1;
        let call = self.next;
        let outputs = self.slots.handle(SlotInput::Arrive { caller, call }, now_ms());
        let met = match outputs.into_iter().next() {
            Some(SlotOutput::Run(_)) => Met::Room,
            Some(SlotOutput::Refuse(_, error)) => Met::Full(Box::new(error)),
            Some(SlotOutput::Wait(_)) | None => {
                let (sender, receiver) = oneshot::channel();
                self.waiting.insert(call, sender);
                Met::Queue(receiver)
            }
        };
        (call, met)
    }

    fn apply(&mut self, outputs: Vec<SlotOutput<u64>>) {
        for output in outputs {
            let (call, answer) = match output {
                SlotOutput::Run(call) => (call, Ok(())),
                SlotOutput::Refuse(call, error) => (call, Err(error)),
                SlotOutput::Wait(_) => continue,
            };
            if let Some(waiting) = self.waiting.remove(&call) {
                // Who went away gives its place back by itself.
                let _ = waiting.send(answer);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = lock(&self.inner);
        inner.waiting.remove(&self.call);
        let outputs = inner.slots.handle(SlotInput::End { call: self.call }, now_ms());
        inner.apply(outputs);
        drop(inner);
        self.left.notify_waiters();
    }
}

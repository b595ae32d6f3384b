//! Operations that the program waits for, or is called back about, exactly once.

use crate::fault::{Fault, Result};
use crate::handles::lock;
use crate::sync::{Condvar, Mutex, PoisonError};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The result of an operation.
pub(crate) struct Done {
    pub(crate) body: Bytes,
    pub(crate) attachments: Vec<Bytes>,
}

impl Done {
    /// Reads the body.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("a result could not be read: {error}");
            hubless_proto::Error::new(hubless_proto::Kind::Internal, message).into()
        })
    }
}

/// How an operation ended.
pub(crate) type Ended = Result<Done>;

/// Told once how its operation ended; dropped untold, it is told `closed`.
pub(crate) struct Told {
    tell: Option<Box<dyn FnOnce(Ended) + Send>>,
}

impl Told {
    pub(crate) fn new(tell: impl FnOnce(Ended) + Send + 'static) -> Self {
        Self { tell: Some(Box::new(tell)) }
    }

    pub(crate) fn tell(mut self, ended: Ended) {
        if let Some(tell) = self.tell.take() {
            tell(ended);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(Err(Fault::closed("the node was closed")));
        }
    }
}

/// Sees a result on the thread that delivers events, before any later event.
pub(crate) type Hook = Box<dyn FnOnce(&Done) + Send>;

enum Slot {
    /// A thread waits.
    Waiting(Option<Hook>),
    /// The end that a thread waits for.
    Ended(Ended),
    /// Someone is told.
    Told(Told),
}

impl Slot {
    /// Lets it go without telling anyone.
    fn silence(self) {
        if let Self::Told(mut told) = self {
            told.tell = None;
        }
    }
}

#[derive(Default)]
struct State {
    slots: BTreeMap<u64, Slot>,
    last: u64,
    closed: bool,
    /// True: some thread takes events off the queue.
    pumped: bool,
    /// True: whoever closed the node was told so.
    over: bool,
}

/// The open operations of a node.
#[derive(Default)]
pub(crate) struct Pending {
    state: Mutex<State>,
    changed: Condvar,
}

impl Pending {
    /// A ticket that a thread will wait for.
    pub(crate) fn waiting(&self, hook: Option<Hook>) -> Result<u64> {
        self.insert(Slot::Waiting(hook)).map_err(|_| closed())
    }

    /// A ticket whose end is told. When the node is closed this fails, and nobody is told: whoever
    /// is refused an operation hears of no end of it.
    pub(crate) fn told(&self, told: Told) -> Result<u64> {
        self.insert(Slot::Told(told)).map_err(|slot| {
            slot.silence();
            closed()
        })
    }

    fn insert(&self, slot: Slot) -> std::result::Result<u64, Slot> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(slot);
        }
        state.last += 1;
        let ticket = state.last;
        state.slots.insert(ticket, slot);
        Ok(ticket)
    }

    /// Forgets an operation that could not be started, without telling anyone; false: it was told
    /// meanwhile, since the node was closed.
    pub(crate) fn forget(&self, ticket: u64) -> bool {
        let slot = lock(&self.state).slots.remove(&ticket);
        slot.map(Slot::silence).is_some()
    }

    /// Ends an operation; must not be called with any lock held, since it may call back.
    pub(crate) fn end(&self, ticket: u64, ended: Ended) {
        let mut state = lock(&self.state);
        match state.slots.remove(&ticket) {
            Some(Slot::Waiting(hook)) => {
                drop(state);
                if let (Some(hook), Ok(done)) = (hook, &ended) {
                    hook(done);
                }
                lock(&self.state).slots.insert(ticket, Slot::Ended(ended));
                self.changed.notify_all();
            }
            Some(Slot::Ended(first)) => {
                state.slots.insert(ticket, Slot::Ended(first));
            }
            Some(Slot::Told(told)) => {
                drop(state);
                told.tell(ended);
            }
            None => {}
        }
    }

    /// Ends everything; nothing can be started afterwards.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let mut told = Vec::new();
        for (ticket, slot) in std::mem::take(&mut state.slots) {
            match slot {
                Slot::Waiting(_) => {
                    state.slots.insert(ticket, Slot::Ended(Err(closed())));
                }
                Slot::Ended(ended) => {
                    state.slots.insert(ticket, Slot::Ended(ended));
                }
                Slot::Told(one) => told.push(one),
            }
        }
        drop(state);
        self.changed.notify_all();
        drop(told);
    }

    /// True: everything has ended.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Waits for an operation. `pump` takes events off the queue when nobody else does.
    pub(crate) fn wait(&self, ticket: u64, pump: Option<&dyn Fn()>) -> Ended {
        self.until(pump, |state| match state.slots.remove(&ticket) {
            Some(Slot::Ended(ended)) => Some(ended),
            Some(slot) => {
                state.slots.insert(ticket, slot);
                None
            }
            None => None,
        })
    }

    /// Says that whoever closed the node was told so.
    pub(crate) fn set_over(&self) {
        lock(&self.state).over = true;
        self.changed.notify_all();
    }

    /// Waits until whoever closes the node was told so; `pump` as of `wait`.
    pub(crate) fn wait_over(&self, pump: Option<&dyn Fn()>) {
        self.until(pump, |state| state.over.then_some(()));
    }

    fn until<T>(
        &self,
        pump: Option<&dyn Fn()>,
        mut reached: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        let mut state = lock(&self.state);
        loop {
            if let Some(reached) = reached(&mut state) {
                return reached;
            }
            match pump {
                // Once it is closed no event comes any more.
                Some(pump) if !state.pumped && !state.closed => {
                    state.pumped = true;
                    drop(state);
                    pump();
                    self.stop_pumping();
                    state = lock(&self.state);
                }
                Some(_) | None => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Takes the right to take events off the queue; false: another thread has it.
    pub(crate) fn start_pumping(&self) -> bool {
        !std::mem::replace(&mut lock(&self.state).pumped, true)
    }

    /// Gives that right back.
    pub(crate) fn stop_pumping(&self) {
        lock(&self.state).pumped = false;
        self.changed.notify_all();
    }
}

fn closed() -> Fault {
    Fault::closed("the node is closed")
}

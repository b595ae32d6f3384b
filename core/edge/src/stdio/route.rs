//! Which open call each line of the child belongs to.

use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Events of one call that wait for the caller.
const EVENTS: usize = 16;

/// The open calls, by the id that the child sees.
#[derive(Default)]
pub(super) struct Routes {
    open: Mutex<BTreeMap<String, mpsc::Sender<v1::Event>>>,
}

impl Routes {
    /// Opens the route of a call; none when a call with this id is open.
    pub(super) fn open(&self, id: &str) -> Option<mpsc::Receiver<v1::Event>> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let mut open = self.lock();
        if open.contains_key(id) {
            return None;
        }
        open.insert(id.to_owned(), sender);
        Some(receiver)
    }

    /// Closes the route of a call.
    pub(super) fn close(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Where events of this call go; none: it is over, and late events are dropped.
    pub(super) fn of(&self, id: &str) -> Option<mpsc::Sender<v1::Event>> {
        self.lock().get(id).cloned()
    }

    /// Ends every open call: the child is gone.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, mpsc::Sender<v1::Event>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

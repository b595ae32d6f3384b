//! Handles: numbers that stand for things of the core on the other side of the boundary.
//!
//! Owns: the numbers and the count of what is alive. A number is given once in the life of the
//! process, for one thing of one kind in one session; so a freed handle, one of another kind or
//! of another session is simply not found. Tested beside the code, and over many schedules of
//! threads in `tests/boundary`.

use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering, lock};
use hubless_proto::Error;
use std::collections::BTreeMap;

/// A number that was never given before; stays below 2^53, so that JSON carries it exactly.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// Counts one live thing until it is dropped.
#[derive(Debug)]
pub(crate) struct Alive(());

impl Alive {
    pub(crate) fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Live sessions, agents, calls, streams and bodies of this process.
pub fn handles() -> usize {
    ALIVE.load(Ordering::Relaxed)
}

/// Things of one kind, by handle.
pub(crate) struct Table<T> {
    kind: &'static str,
    entries: Mutex<BTreeMap<u64, (T, Alive)>>,
}

impl<T> Table<T> {
    /// An empty table; `kind` is the field that names its handles.
    pub(crate) const fn new(kind: &'static str) -> Self {
        Self { kind, entries: Mutex::new(BTreeMap::new()) }
    }

    /// Keeps a thing and gives its handle.
    pub(crate) fn insert(&self, thing: T) -> u64 {
        let id = next_id();
        self.insert_as(id, thing);
        id
    }

    /// Keeps a thing under a handle that `next_id` gave.
    pub(crate) fn insert_as(&self, id: u64, thing: T) {
        lock(&self.entries).insert(id, (thing, Alive::new()));
    }

    /// Takes a thing out, if it is there.
    pub(crate) fn take(&self, id: u64) -> Option<T> {
        lock(&self.entries).remove(&id).map(|(thing, _)| thing)
    }

    /// Takes a thing out.
    ///
    /// # Errors
    /// `invalid_argument` for a handle that is not, or not any more, in this table.
    pub(crate) fn remove(&self, id: u64) -> Result<T, Error> {
        self.take(id).ok_or_else(|| self.unknown(id))
    }

    /// True for the handle of a thing that is here.
    pub(crate) fn has(&self, id: u64) -> bool {
        lock(&self.entries).contains_key(&id)
    }

    /// Takes everything out.
    pub(crate) fn clear(&self) -> Vec<T> {
        let all = std::mem::take(&mut *lock(&self.entries));
        all.into_values().map(|(thing, _)| thing).collect()
    }

    /// The handles of all that is there.
    pub(crate) fn ids(&self) -> Vec<u64> {
        lock(&self.entries).keys().copied().collect()
    }

    fn unknown(&self, id: u64) -> Error {
        let kind = self.kind;
        Error::invalid(kind, format!("expected the handle of a live {kind}, got {id}"))
    }
}

impl<T: Clone> Table<T> {
    /// The thing of a handle.
    ///
    /// # Errors
    /// `invalid_argument` for a handle that is not, or not any more, in this table.
    pub(crate) fn get(&self, id: u64) -> Result<T, Error> {
        let found = lock(&self.entries).get(&id).map(|(thing, _)| thing.clone());
        found.ok_or_else(|| self.unknown(id))
    }
}

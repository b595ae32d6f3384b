//! Handles: pointers that are numbers, checked at every use.
//!
//! A handle is never followed as a pointer. It is looked up in the table of its kind, and a number
//! is given once in the life of the process: a freed handle, one of another kind or any other
//! value is simply not found, which is an error code. Tested by the C suite, and over many
//! schedules of threads in `tests/boundary`.

use crate::fault::{Fault, Result};
use crate::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// First number: low ones stay free, so that NULL and small integers are never handles.
const FIRST: usize = 0x1000;

static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

/// Locks even after a panic elsewhere: every critical section leaves its data whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Things of one kind, by handle.
pub(crate) struct Table<T> {
    kind: &'static str,
    things: Mutex<BTreeMap<usize, Arc<T>>>,
}

impl<T> Table<T> {
    pub(crate) const fn new(kind: &'static str) -> Self {
        Self { kind, things: Mutex::new(BTreeMap::new()) }
    }

    /// Keeps a thing under a new number.
    pub(crate) fn insert(&self, thing: T) -> (usize, Arc<T>) {
        self.insert_with(|_| thing)
    }

    /// Keeps a thing that knows its own number.
    pub(crate) fn insert_with(&self, make: impl FnOnce(usize) -> T) -> (usize, Arc<T>) {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let thing = Arc::new(make(id));
        lock(&self.things).insert(id, Arc::clone(&thing));
        (id, thing)
    }

    /// Keeps a thing that others hold as well.
    pub(crate) fn insert_shared(&self, thing: Arc<T>) -> (usize, Arc<T>) {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        lock(&self.things).insert(id, Arc::clone(&thing));
        (id, thing)
    }

    /// Keeps a thing of an owner that may be closed at this moment; none when it was.
    pub(crate) fn insert_unless(&self, thing: T, closed: impl Fn() -> bool) -> Option<usize> {
        let (id, _) = self.insert(thing);
        // In this order: whoever closes the owner says so, and then takes out what is there.
        if closed() {
            drop(self.take(id));
            return None;
        }
        Some(id)
    }

    /// The thing of a handle.
    pub(crate) fn get<P>(&self, handle: *const P) -> Result<Arc<T>> {
        let found = lock(&self.things).get(&handle.addr()).cloned();
        found.ok_or_else(|| self.unknown(handle.addr()))
    }

    /// Takes the thing of a handle out.
    pub(crate) fn remove<P>(&self, handle: *const P) -> Result<Arc<T>> {
        self.take(handle.addr()).ok_or_else(|| self.unknown(handle.addr()))
    }

    /// Takes a thing out, if it is there.
    pub(crate) fn take(&self, id: usize) -> Option<Arc<T>> {
        lock(&self.things).remove(&id)
    }

    /// Takes out all that fit.
    pub(crate) fn take_all(&self, fits: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let mut things = lock(&self.things);
        let gone: Vec<usize> =
            things.iter().filter(|(_, thing)| fits(thing)).map(|(id, _)| *id).collect();
        gone.iter().filter_map(|id| things.remove(id)).collect()
    }

    fn unknown(&self, id: usize) -> Fault {
        let kind = self.kind;
        let what = if id == 0 { "NULL" } else { "one that was freed or is of another kind" };
        Fault::invalid(kind, &format!("expected the handle of a live {kind}, got {what}"))
    }
}

/// The handle of a number, as C sees it.
pub(crate) const fn handle<P>(id: usize) -> *mut P {
    std::ptr::without_provenance_mut(id)
}

/// A handle on its way to the program: unlike a pointer it goes from thread to thread.
pub(crate) struct Handle<P> {
    id: usize,
    of: PhantomData<fn() -> P>,
}

impl<P> Handle<P> {
    /// The handle of a number.
    pub(crate) const fn of(id: usize) -> Self {
        Self { id, of: PhantomData }
    }

    /// As C sees it.
    pub(crate) const fn shown(self) -> *mut P {
        handle(self.id)
    }
}

//! The locks and counters that handles and open operations are made of.
//!
//! Here they are those of the standard library. `tests/boundary` compiles both from the same files
//! with others in their place, which decide at every step what runs next.

pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

//! The locks and counters that the table of handles is made of.
//!
//! Here they are those of the standard library. `tests/boundary` compiles the table from the same
//! file with others in their place, which decide at every step what runs next.

pub(crate) use crate::queue::lock;
pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

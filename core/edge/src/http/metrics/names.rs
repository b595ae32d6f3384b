//! Which names are counted for themselves.

use hubless_proto::limits::METRIC_NAMES;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What those are counted under that came too late.
pub(super) const OTHER: &str = "other";

/// Names that have a place: the first so many. A place is never given away, since what was counted
/// under one label never falls.
#[derive(Debug)]
pub(super) struct Names<T>(Mutex<BTreeSet<T>>);

impl<T: Ord + Clone> Names<T> {
    /// True for one that has a place from now on.
    pub(super) fn takes(&self, name: &T) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(name) || (known.len() < METRIC_NAMES && known.insert(name.clone()))
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_so_many_have_a_place_and_keep_it() {
        let names = Names::default();
        assert!((0..METRIC_NAMES).all(|name| names.takes(&name)));
        assert!(!names.takes(&METRIC_NAMES));
        assert!((0..METRIC_NAMES).all(|name| names.takes(&name)));
    }
}

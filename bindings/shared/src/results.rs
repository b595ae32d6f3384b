//! What the results of operations opened: the host that gave an operation up gets none of it.
//!
//! Owns: which handles came with which result. Must not know what they stand for. Tested beside
//! the code and through the public functions.

use crate::queue::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Results kept before the first look at which of their handles still live.
const KEPT: usize = 64;

/// Handles by the ticket of the operation whose result opened them.
pub(crate) struct Results(Mutex<Kept>);

struct Kept {
    handles: BTreeMap<u64, Vec<u64>>,
    // Grows with what lives, so that looking costs little per result.
    look_at: usize,
}

impl Default for Results {
    fn default() -> Self {
        Self(Mutex::new(Kept { handles: BTreeMap::new(), look_at: KEPT }))
    }
}

impl Results {
    /// Remembers the handles of a result; forgets results of which none is `alive`.
    pub(crate) fn keep(&self, ticket: u64, handles: Vec<u64>, alive: impl Fn(u64) -> bool) {
        let mut kept = lock(&self.0);
        if kept.handles.len() >= kept.look_at {
            kept.handles.retain(|_, handles| handles.iter().any(|handle| alive(*handle)));
            kept.look_at = KEPT.max(kept.handles.len() * 2);
        }
        kept.handles.insert(ticket, handles);
    }

    /// Takes the handles of a result out; none when there were none.
    pub(crate) fn take(&self, ticket: u64) -> Vec<u64> {
        lock(&self.0).handles.remove(&ticket).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_results_whose_handles_are_gone() {
        let results = Results::default();
        for ticket in 1..=10 * KEPT as u64 {
            results.keep(ticket, vec![ticket + 1000], |handle| handle == 1001);
        }
        assert!(lock(&results.0).handles.len() <= KEPT);
        assert_eq!(results.take(1), [1001]);
        assert!(results.take(1).is_empty());
    }
}

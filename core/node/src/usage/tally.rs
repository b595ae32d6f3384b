//! The sums of a running node.

use super::sums::{By, UsageRow, Used, sorted};
use crate::engine::lock;
use crate::store::{Change, SharedStore, Sum};
use hubless_proto::limits::{AUDIT_TEXT_BYTES, USAGE_KEYS};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How much later than a call its usage is written at the latest.
const ROUND: Duration = Duration::from_secs(1);
/// Key of those for which there was no room.
const OTHERS: &str = "(others)";

/// What the calls of a node used.
#[derive(Default)]
pub(crate) struct Tally(Mutex<State>);

#[derive(Default)]
struct State {
    sums: BTreeMap<By, BTreeMap<String, Kept>>,
    store: Option<Arc<SharedStore>>,
}

/// One sum.
#[derive(Default)]
struct Kept {
    used: Used,
    /// True: the store does not have it so far.
    changed: bool,
}

impl Tally {
    /// Goes on with the sums of a store, and writes to it.
    pub(crate) fn begin(&self, store: &Arc<SharedStore>, sums: Vec<Sum>) {
        let mut state = lock(&self.0);
        state.store = Some(Arc::clone(store));
        for Sum { by, key, used } in sums {
            state.sums.entry(by).or_default().entry(key).or_default().used = used;
        }
    }

    /// A call ended: who asked, which agent, which skill.
    pub(crate) fn add(&self, keys: [&str; 3], used: &Used) {
        let mut state = lock(&self.0);
        for (by, key) in By::ALL.into_iter().zip(keys) {
            state.add(by, &key[..key.floor_char_boundary(AUDIT_TEXT_BYTES)], used);
        }
    }

    /// The sums of one side.
    pub(crate) fn rows(&self, by: By) -> Vec<UsageRow> {
        let state = lock(&self.0);
        let of = state.sums.get(&by).into_iter().flatten();
        sorted(of.map(|(key, kept)| (key.clone(), kept.used)).collect())
    }

    /// Writes what has changed.
    pub(crate) fn keep(&self) {
        let mut state = lock(&self.0);
        let Some(store) = state.store.clone() else { return };
        let mut changes = Vec::new();
        for (by, sums) in &mut state.sums {
            for (key, kept) in sums.iter_mut().filter(|(_, kept)| kept.changed) {
                kept.changed = false;
                let sum = Sum { by: *by, key: key.clone(), used: kept.used };
                changes.push(Change::Usage(Box::new(sum)));
            }
        }
        drop(state);
        if changes.is_empty() {
            return;
        }
        // A store that fails says so by its ledger.
        store.change(changes, |_| ());
    }

    /// Writes what has changed, again and again, until `stop`.
    pub(crate) async fn keep_on(&self, stop: &CancellationToken) {
        let mut round = tokio::time::interval(ROUND);
        loop {
            tokio::select! {
                _ = round.tick() => self.keep(),
                () = stop.cancelled() => return,
            }
        }
    }
}

impl State {
    fn add(&mut self, by: By, key: &str, used: &Used) {
        let sums = self.sums.entry(by).or_default();
        // One place is kept for the others.
        let has_room = sums.contains_key(key) || sums.len() < USAGE_KEYS - 1;
        let key = if has_room { key } else { OTHERS };
        if !sums.contains_key(key) {
            sums.insert(key.to_owned(), Kept::default());
        }
        let Some(kept) = sums.get_mut(key) else { return };
        kept.used = kept.used.plus(used);
        kept.changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_keys_have_sums_of_their_own_and_the_others_one() {
        let tally = Tally::default();
        let once = Used { calls: 1, cost_micros: 2, ..Used::default() };
        let all = USAGE_KEYS + 100;
        for round in 0..2 {
            (0..all).for_each(|who| tally.add([&who.to_string(), "a", ""], &once));
            let rows = tally.rows(By::Principal);
            assert_eq!(rows.len(), USAGE_KEYS);
            let calls: u64 = rows.iter().map(|row| row.used.calls).sum();
            assert_eq!(calls, all as u64 * (round + 1));
            // The most expensive is first: all those without a sum of their own.
            assert_eq!((rows[0].key.as_str(), rows[0].used.calls), (OTHERS, 101 * (round + 1)));
        }
        let [agent] = &tally.rows(By::Agent)[..] else { panic!("one agent") };
        assert_eq!((agent.key.as_str(), agent.used.cost_micros), ("a", 4 * all as u64));
    }
}

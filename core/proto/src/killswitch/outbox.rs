//! What leaves a ledger, and what waits until it is written down.

use super::io::Output;
use super::row::{Key, Row, Write};
use std::collections::{BTreeMap, VecDeque};

/// Where the rows of a ledger go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keeping {
    /// Into a store: whatever depends on a row leaves after the row is durable.
    Durable,
    /// Nowhere: budgets and grants die with the process.
    Volatile,
}

/// Outputs in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outbox {
    keeping: Keeping,
    ready: VecDeque<Output>,
    // Each with the write that it waits for.
    held: VecDeque<(u64, Output)>,
    batch: BTreeMap<Key, Write>,
    after: Vec<Output>,
    seq: u64,
    written: u64,
}

impl Outbox {
    pub(super) const fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            ready: VecDeque::new(),
            held: VecDeque::new(),
            batch: BTreeMap::new(),
            after: Vec::new(),
            seq: 0,
            written: 0,
        }
    }

    /// Writes a row with the others of this input.
    pub(super) fn put(&mut self, key: Key, row: impl FnOnce() -> Row) {
        if self.keeping == Keeping::Durable {
            self.batch.insert(key, Write::Put(Box::new(row())));
        }
    }

    /// Deletes a row with the writes of this input.
    pub(super) fn delete(&mut self, key: Key) {
        if self.keeping == Keeping::Durable {
            self.batch.insert(key, Write::Delete(key));
        }
    }

    /// Leaves at once: it promises nothing that a crash could break.
    pub(super) fn at_once(&mut self, output: Output) {
        self.ready.push_back(output);
    }

    /// Leaves once everything that was written so far is durable.
    pub(super) fn after(&mut self, output: Output) {
        self.after.push(output);
    }

    /// Ends one input: its writes become one, and what depends on them waits for it.
    pub(super) fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.seq += 1;
            let writes = std::mem::take(&mut self.batch).into_values().collect();
            self.ready.push_back(Output::Persist { seq: self.seq, writes });
        }
        let after = std::mem::take(&mut self.after);
        if self.written == self.seq {
            self.ready.extend(after);
        } else {
            self.held.extend(after.into_iter().map(|output| (self.seq, output)));
        }
    }

    /// Everything up to this write is durable; answers what waited for it.
    pub(super) fn persisted(&mut self, seq: u64) -> Vec<Output> {
        self.written = self.written.max(seq.min(self.seq));
        let count = self.held.iter().take_while(|(needs, _)| *needs <= self.written).count();
        self.held.drain(..count).map(|(_, output)| output).collect()
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// What waits for the store, each with how many writes it waits for, and what is ready.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (u64, &Output)> {
        let held = self.held.iter().map(|(needs, output)| (needs - self.written, output));
        held.chain(self.ready.iter().map(|output| (0, output)))
    }

    /// Writes that are not durable.
    pub(super) const fn behind(&self) -> u64 {
        self.seq - self.written
    }

    /// Outputs that wait for the store.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

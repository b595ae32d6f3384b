//! The rows that are in memory: those of a node without a store, and those that its store has not
//! taken.

use crate::store::forgotten;
use hubless_proto::audit::{Chain, Entry, Event, Head, Link, Row};
use hubless_proto::limits::AUDIT_MEMORY;
use std::collections::VecDeque;

/// Share of the rows that makes room for new ones: one part in this many.
const PART: usize = 4;

/// What a node holds of its audit log in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InMemory {
    /// The place before the first of these rows; those before are on disk, or forgotten.
    pub start: Head,
    /// The last row of the log.
    pub head: Head,
    /// The rows, oldest first.
    pub rows: Vec<KeptRow>,
    /// Why the store takes no more rows; none: it does, or there is none.
    pub failed: Option<String>,
}

/// A row with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptRow {
    /// What it says.
    pub row: Row,
    /// Its canonical bytes.
    pub text: String,
    /// Its number and hash.
    pub head: Head,
}

/// The growing end of a log, with its latest rows.
pub(super) struct Ring {
    chain: Chain,
    start: Head,
    rows: VecDeque<Link>,
}

impl Ring {
    pub(super) const fn after(head: Head) -> Self {
        Self { chain: Chain::after(head), start: head, rows: VecDeque::new() }
    }

    pub(super) fn add(&mut self, entry: Entry, at_ms: u64) -> Link {
        let link = self.chain.add(entry, at_ms);
        self.rows.push_back(link.clone());
        link
    }

    /// The rows up to this one are on disk.
    pub(super) fn kept(&mut self, seq: u64) {
        while self.rows.front().is_some_and(|link| link.head.seq <= seq) {
            self.start = self.rows.pop_front().map_or(self.start, |link| link.head);
        }
    }

    /// Makes room where nothing takes the rows away; they say how many are gone.
    pub(super) fn make_room(&mut self, at_ms: u64, had_store: bool) {
        if self.rows.len() < AUDIT_MEMORY {
            return;
        }
        let gone = self.rows.len() / PART;
        if let Some(last) = self.rows.drain(..gone).next_back() {
            self.start = last.head;
        }
        self.add(forgotten(self.start), at_ms);
        if had_store {
            self.add(Entry::of(Event::RowsLost).times(gone as u64), at_ms);
        }
    }

    /// The last row.
    pub(super) const fn head(&self) -> Head {
        self.chain.head()
    }

    pub(super) fn told(&self) -> InMemory {
        let kept = |link: &Link| {
            // Written above, by ourselves.
            let row = Row::decode(&link.row).ok()?;
            Some(KeptRow { row, text: link.row.clone(), head: link.head })
        };
        let rows = self.rows.iter().filter_map(kept).collect();
        InMemory { start: self.start, head: self.chain.head(), rows, failed: None }
    }
}

//! The audit log in a store: where it ends, and what is added to it.

use super::file::{File, Others};
use super::group::{Change, Probe};
use hubless_proto::audit::{Chain, Entry, Event, Head, Link};
use hubless_proto::error::Result;
use hubless_proto::identity::hex;
use hubless_proto::limits::{AUDIT_FORGOTTEN, AUDIT_ROWS};
use rusqlite::{Connection, OptionalExtension};
use std::collections::VecDeque;
use std::path::Path;

const ADD: &str = "INSERT INTO audit VALUES (?1, ?2, ?3)";
const FORGET: &str = "DELETE FROM audit WHERE seq <= ?1";
const NOTE: &str = "INSERT INTO audit_end VALUES (?1, ?2, ?3) \
                    ON CONFLICT DO UPDATE SET seq = ?2, hash = ?3";
const NOTED: &str = "SELECT seq, hash FROM audit_end WHERE side = ?1";
const LAST: &str = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
const AT: &str = "SELECT seq, hash FROM audit WHERE seq = ?1";

/// The side before the first row that is kept.
const BASE: &str = "base";
/// The side of the last row.
const HEAD: &str = "head";

/// What a log goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// Its last row.
    pub(crate) head: Head,
    /// Before the first row that is kept.
    pub(crate) base: Head,
    /// Rows up to which it may be forgotten, oldest first.
    pub(crate) marks: VecDeque<Head>,
}

impl Default for Past {
    fn default() -> Self {
        Self { head: Head::START, base: Head::START, marks: VecDeque::new() }
    }
}

/// True for a row up to which a log may be forgotten.
pub(crate) const fn is_mark(seq: u64) -> bool {
    seq.is_multiple_of(AUDIT_FORGOTTEN)
}

impl Past {
    /// Notes a row that was added.
    pub(crate) fn added(&mut self, head: Head) {
        self.head = head;
        if is_mark(head.seq) {
            self.marks.push_back(head);
        }
    }

    /// The last row of the oldest ones, when there are more than a log may hold; they are
    /// forgotten from here on.
    pub(crate) fn overfull(&mut self) -> Option<Head> {
        if self.head.seq - self.base.seq < AUDIT_ROWS {
            return None;
        }
        self.base = self.marks.pop_front()?;
        Some(self.base)
    }
}

/// The row that says what was forgotten.
pub(crate) fn forgotten(through: Head) -> Entry {
    let hash = hex::encode(&through.hash);
    Entry::of(Event::RowsForgotten).times(through.seq).because(&hash)
}

impl File {
    /// What the log goes on from. What somebody changed in it is found when it is verified, and
    /// does not keep a node from starting.
    pub(super) fn past(&self) -> Result<Past> {
        let read = || {
            let connection = &self.connection;
            let base = end(connection, BASE)?.unwrap_or(Head::START);
            let head = connection.query_row(LAST, [], head_of).optional()?.unwrap_or(base);
            let mut marks = VecDeque::new();
            let first = base.seq / AUDIT_FORGOTTEN + 1;
            for seq in (first..=head.seq / AUDIT_FORGOTTEN).map(|mark| mark * AUDIT_FORGOTTEN) {
                marks.extend(connection.query_row(AT, [number(seq)], head_of).optional()?);
            }
            Ok(Past { head, base, marks })
        };
        read().map_err(|error| self.failed("read", &error))
    }

    pub(super) fn add(&self, link: &Link) -> rusqlite::Result<()> {
        let Link { head, row } = link;
        let mut add = self.connection.prepare_cached(ADD)?;
        add.execute((number(head.seq), row, &head.hash[..])).map(drop)
    }

    pub(super) fn forget(&self, through: Head) -> rusqlite::Result<()> {
        self.connection.prepare_cached(FORGET)?.execute([number(through.seq)])?;
        self.note(BASE, through)
    }

    pub(super) fn note_head(&self, head: Head) -> rusqlite::Result<()> {
        self.note(HEAD, head)
    }

    fn note(&self, side: &str, head: Head) -> rusqlite::Result<()> {
        let mut note = self.connection.prepare_cached(NOTE)?;
        note.execute((side, number(head.seq), &head.hash[..])).map(drop)
    }
}

/// Adds one row to the log at `path`, which several processes have open for moments. Blocks for
/// milliseconds; the row is durable then.
///
/// # Errors
/// As [`super::Store::open`].
pub(crate) fn append(path: &Path, entry: Entry, at_ms: u64) -> Result<()> {
    let file = File::open(path, Others::Await)?;
    let mut past = file.past()?;
    let mut chain = Chain::after(past.head);
    let mut changes = Vec::new();
    let mut add = |past: &mut Past, entry| {
        let link = chain.add(entry, at_ms);
        past.added(link.head);
        Change::Audit(Box::new(link))
    };
    changes.push(add(&mut past, entry));
    if let Some(through) = past.overfull() {
        changes.push(Change::Forget(through));
        changes.push(add(&mut past, forgotten(through)));
    }
    let mut probe: Probe = Box::new(|_| Ok(()));
    file.commit(changes.iter(), &mut probe)
}

/// The places before the first row and of the last one, as they were noted.
pub(super) fn ends(connection: &Connection) -> rusqlite::Result<(Head, Option<Head>)> {
    Ok((end(connection, BASE)?.unwrap_or(Head::START), end(connection, HEAD)?))
}

fn end(connection: &Connection, side: &str) -> rusqlite::Result<Option<Head>> {
    connection.query_row(NOTED, [side], head_of).optional()
}

/// A hash of another length was not written by us, and is none that holds.
fn head_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    let hash: Vec<u8> = row.get(1)?;
    let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
    Ok(Head { seq, hash: hash.try_into().unwrap_or_default() })
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

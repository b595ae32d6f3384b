//! Many writes in one commit.

use super::file::File;
use super::sums::Sum;
use hubless_proto::audit::{Head, Link};
use hubless_proto::error::Result;
use hubless_proto::killswitch::Write;
use hubless_proto::metering::till;
use hubless_proto::policy::HourWrite;

const PUT: &str = "INSERT INTO ledger VALUES (?1, ?2) ON CONFLICT DO UPDATE SET row = ?2";
const DELETE: &str = "DELETE FROM ledger WHERE key = ?1";

/// One change of a store.
pub(crate) enum Change {
    /// Of the ledger.
    Ledger(Write),
    /// Of the till of a gateway, in its own store.
    Till(till::Write),
    /// One more row of the audit log.
    Audit(Box<Link>),
    /// The rows of the audit log up to this one are kept no more.
    Forget(Head),
    /// A sum of what calls used.
    Usage(Box<Sum>),
    /// Of what principals may spend in an hour.
    Hour(HourWrite),
}

/// What a store is about to do, for those who test what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Begin,
    Write,
    Commit,
    Committed,
}

/// Is asked at each moment; an error is a failure of the store there.
pub(super) type Probe = Box<dyn FnMut(Moment) -> Result<()> + Send>;

impl File {
    /// Makes all of these durable, or none.
    pub(super) fn commit<'a>(
        &self,
        changes: impl Iterator<Item = &'a Change>,
        probe: &mut Probe,
    ) -> Result<()> {
        probe(Moment::Begin)?;
        let begun = self.connection.unchecked_transaction();
        let transaction = begun.map_err(|error| self.failed("write", &error))?;
        let mut head = None;
        for change in changes {
            probe(Moment::Write)?;
            let written = match change {
                Change::Ledger(write) => self.write(write),
                Change::Till(write) => self.write_till(write),
                Change::Audit(link) => {
                    head = Some(link.head);
                    self.add(link)
                }
                Change::Forget(head) => self.forget(*head),
                Change::Usage(sum) => self.put_sum(sum),
                Change::Hour(write) => self.write_hour(write),
            };
            written.map_err(|error| self.failed("write", &error))?;
        }
        if let Some(head) = head {
            self.note_head(head).map_err(|error| self.failed("write", &error))?;
        }
        probe(Moment::Commit)?;
        transaction.commit().map_err(|error| self.failed("commit", &error))?;
        probe(Moment::Committed)
    }

    fn write(&self, write: &Write) -> rusqlite::Result<()> {
        match write {
            Write::Put(row) => self.put(&row.key().encode(), &row.encode()),
            Write::Delete(key) => self.delete(&key.encode()),
        }
    }

    fn write_till(&self, write: &till::Write) -> rusqlite::Result<()> {
        match write {
            till::Write::Put(row) => self.put(&row.key().encode(), &row.encode()),
            till::Write::Delete(key) => self.delete(&key.encode()),
        }
    }

    fn put(&self, key: &[u8], row: &[u8]) -> rusqlite::Result<()> {
        self.connection.prepare_cached(PUT)?.execute((key, row)).map(drop)
    }

    fn delete(&self, key: &[u8]) -> rusqlite::Result<()> {
        self.connection.prepare_cached(DELETE)?.execute([key]).map(drop)
    }
}

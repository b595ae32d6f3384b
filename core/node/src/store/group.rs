//! Many writes in one commit.

use super::file::File;
use hubless_proto::error::Result;
use hubless_proto::killswitch::Write;

const PUT: &str = "INSERT INTO ledger VALUES (?1, ?2) ON CONFLICT DO UPDATE SET row = ?2";
const DELETE: &str = "DELETE FROM ledger WHERE key = ?1";

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
        writes: impl Iterator<Item = &'a Write>,
        probe: &mut Probe,
    ) -> Result<()> {
        probe(Moment::Begin)?;
        let begun = self.connection.unchecked_transaction();
        let transaction = begun.map_err(|error| self.failed("write", &error))?;
        for write in writes {
            probe(Moment::Write)?;
            self.write(write).map_err(|error| self.failed("write", &error))?;
        }
        probe(Moment::Commit)?;
        transaction.commit().map_err(|error| self.failed("commit", &error))?;
        probe(Moment::Committed)
    }

    fn write(&self, write: &Write) -> rusqlite::Result<()> {
        match write {
            Write::Put(row) => {
                let (key, row) = (row.key().encode(), row.encode());
                self.connection.prepare_cached(PUT)?.execute((&key, &row[..]))?;
            }
            Write::Delete(key) => {
                self.connection.prepare_cached(DELETE)?.execute([key.encode()])?;
            }
        }
        Ok(())
    }
}

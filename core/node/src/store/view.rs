//! A store that is read beside its owner, or after it.

use super::audit;
use super::file::{self, check_version, failed};
use super::sums::{self, Sum};
use crate::home::check_private;
use hubless_proto::audit::Head;
use hubless_proto::error::Result;
use hubless_proto::killswitch::Row;
use hubless_proto::metering::till;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a read waits for another one that puts a store in order which a crash left.
const PATIENCE: Duration = Duration::from_secs(5);

/// Version from which on a store has an audit log and sums of usage.
const HAS_AUDIT: i64 = 2;

/// The state of a store at one moment. Nothing is written, and its owner is not held up.
pub(crate) struct View {
    connection: Connection,
    path: PathBuf,
    version: i64,
}

/// A row of an audit log as it is kept.
pub(crate) struct Kept {
    pub(crate) seq: u64,
    pub(crate) row: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

impl View {
    /// Opens the store at `path`. Blocks for milliseconds.
    ///
    /// # Errors
    /// As [`super::Store::open`]; another process may have it open.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        check_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|error| failed("open", path, &error))?;
        // From here on every read is of one moment.
        let begun =
            connection.busy_timeout(PATIENCE).and_then(|()| connection.execute_batch("BEGIN"));
        begun.map_err(|error| failed("read", path, &error))?;
        let version = check_version(&connection, path)?;
        Ok(Self { connection, path: path.to_owned(), version })
    }

    /// The places before the first row of the audit log, and of the last one as it was noted.
    pub(crate) fn audit_ends(&self) -> Result<(Head, Option<Head>)> {
        if self.version < HAS_AUDIT {
            return Ok((Head::START, None));
        }
        self.told(audit::ends(&self.connection))
    }

    /// Hands over the rows of the audit log in their order, until `take` wants no more.
    pub(crate) fn audit_rows(&self, mut take: impl FnMut(Kept) -> bool) -> Result<()> {
        if self.version < HAS_AUDIT {
            return Ok(());
        }
        let mut read = || {
            let all = "SELECT seq, CAST(row AS BLOB), hash FROM audit ORDER BY seq";
            let mut select = self.connection.prepare(all)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                // A number below zero was not written by us, and is that of no row.
                let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
                if !take(Kept { seq, row: row.get(1)?, hash: row.get(2)? }) {
                    break;
                }
            }
            Ok(())
        };
        self.told(read())
    }

    /// The rows of the ledger.
    pub(crate) fn ledger(&self) -> Result<Vec<Row>> {
        file::ledger(&self.connection, &self.path)
    }

    /// The rows of the till of a gateway.
    pub(crate) fn till(&self) -> Result<Vec<till::Row>> {
        file::till(&self.connection, &self.path)
    }

    /// What calls used.
    pub(crate) fn sums(&self) -> Result<Vec<Sum>> {
        if self.version < HAS_AUDIT {
            return Ok(Vec::new());
        }
        sums::all(&self.connection, &self.path)
    }

    fn told<T>(&self, read: rusqlite::Result<T>) -> Result<T> {
        read.map_err(|error| failed("read", &self.path, &error))
    }
}

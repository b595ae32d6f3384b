//! The file: whose it is, who has it open, which version wrote it.

use crate::home::{Lock, check_private};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::Row;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// In the header of every store of ours: `HBLS`.
const APPLICATION: i64 = 0x4842_4C53;

/// Counts the forms that the tables had.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE ledger (key BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// An open store. Nobody else has it open while this lives.
pub(super) struct File {
    pub(super) connection: Connection,
    path: PathBuf,
    _lock: Lock,
}

impl File {
    /// Opens the store at `path`; makes it when there is none.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let lock = Lock::take(&path.with_extension("db.lock"))?;
        make_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|error| failed("open", path, &error))?;
        let file = Self { connection, path: path.to_owned(), _lock: lock };
        let is_new = file.check_version()?;
        file.prepare(is_new).map_err(|error| file.failed("open", &error))?;
        Ok(file)
    }

    /// Every row of the ledger.
    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        let read = || {
            let mut select = self.connection.prepare("SELECT row FROM ledger")?;
            let rows = select.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = read().map_err(|error| self.failed("read", &error))?;
        rows.into_iter()
            .map(|row| Row::decode(row.into()).map_err(|error| self.strange(error)))
            .collect()
    }

    /// An error of the database about this file.
    pub(super) fn failed(&self, what: &str, error: &rusqlite::Error) -> Error {
        failed(what, &self.path, error)
    }

    /// Makes the tables of a new store. Writes are durable when they are committed; nobody else
    /// reads while we have it open.
    fn prepare(&self, is_new: bool) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // Answers what the mode is now.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        if !is_new {
            return Ok(());
        }
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; \
             PRAGMA user_version = {VERSION}; COMMIT;"
        ))
    }

    /// Looks without changing anything; true: nothing is in it yet.
    fn check_version(&self) -> Result<bool> {
        let read = |query: &str| {
            let number = self.connection.query_row(query, [], |row| row.get::<_, i64>(0));
            number.map_err(|error| self.failed("read", &error))
        };
        let application = read("PRAGMA application_id")?;
        match (application, read("PRAGMA user_version")?) {
            (0, 0) if read("SELECT count(*) FROM sqlite_schema")? == 0 => Ok(true),
            (APPLICATION, VERSION) => Ok(false),
            (APPLICATION, version) => {
                let message = format!(
                    "{} has version {version}, expected {VERSION}; a newer hubless wrote it: \
                     use that, or another HUBLESS_HOME",
                    self.path.display()
                );
                Err(Error::new(Kind::Configuration, message).with_code("newer_format"))
            }
            _ => Err(self.not_ours()),
        }
    }

    fn not_ours(&self) -> Error {
        let message = format!("{} is no store of hubless; move it away", self.path.display());
        Error::new(Kind::Configuration, message).with_code("not_a_store")
    }

    fn strange(&self, error: Error) -> Error {
        let message = format!("{} has a row that cannot be read: {error}", self.path.display());
        Error::new(Kind::Configuration, message).with_code("store")
    }
}

/// The file is there, empty if need be, and only its owner can read it.
fn make_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => check_private(path),
        Err(error) => Err(crate::home::io_error("make", path, &error)),
    }
}

fn failed(what: &str, path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "disk_full",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "not_writable",
        Some(ErrorCode::NotADatabase) => "not_a_store",
        _ => "store",
    };
    let message = format!("cannot {what} {}: {error}; see HUBLESS_HOME", path.display());
    Error::new(Kind::Configuration, message).with_code(code)
}

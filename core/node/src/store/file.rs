//! The file: whose it is, who has it open, which version wrote it.

use super::audit::Past;
use super::hours;
use super::sums::{self, Sum};
use crate::home::{Lock, check_private};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::Row;
use hubless_proto::metering::till;
use hubless_proto::policy::HourRow;
use rusqlite::{Connection, OpenFlags};
use std::fmt::Display;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// In the header of every store of ours: `HBLS`.
const APPLICATION: i64 = 0x4842_4C53;

/// Counts the forms that the tables had.
pub(super) const VERSION: i64 = 3;

/// How long a commit waits for a reader that puts a store in order which a crash left.
const PATIENCE: Duration = Duration::from_secs(5);

/// What each version added.
const TABLES: [&str; VERSION as usize] = [
    "CREATE TABLE ledger (key BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    // The rows of the audit log, and the places before the first and of the last of them; sums of
    // what calls used.
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, row TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
     CREATE TABLE audit_end (side TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL)
         STRICT, WITHOUT ROWID;
     CREATE TABLE usage (side TEXT, key TEXT, calls INTEGER NOT NULL, failed INTEGER NOT NULL,
         in_full INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
         cost_micros INTEGER NOT NULL, PRIMARY KEY (side, key)) STRICT, WITHOUT ROWID;",
    // What principals of a listener have set aside and spent of their hours.
    "CREATE TABLE hours (who TEXT, part BLOB, input_tokens INTEGER NOT NULL,
         output_tokens INTEGER NOT NULL, cost_micros INTEGER NOT NULL, calls INTEGER NOT NULL,
         PRIMARY KEY (who, part)) STRICT, WITHOUT ROWID;",
];

/// What a store holds.
pub(crate) struct Contents {
    /// Of the ledger.
    pub(crate) rows: Vec<Row>,
    /// Where the audit log ends.
    pub(crate) past: Past,
    /// What calls used.
    pub(crate) sums: Vec<Sum>,
    /// What principals may spend in an hour.
    pub(crate) hours: Vec<HourRow>,
}

/// Who else may be there when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// Nobody: whoever has it open keeps it.
    Refuse,
    /// Others that have it open for moments.
    Await,
}

/// An open store. Nobody else has it open while this lives.
pub(super) struct File {
    pub(super) connection: Connection,
    path: PathBuf,
    _lock: Lock,
}

impl File {
    /// Opens the store at `path`; makes it when there is none.
    pub(super) fn open(path: &Path, others: Others) -> Result<Self> {
        let lock = path.with_extension("db.lock");
        let lock = match others {
            Others::Refuse => Lock::take(&lock).map_err(|error| busy(path, error))?,
            Others::Await => Lock::wait(&lock)?,
        };
        make_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.map_err(|error| failed("open", path, &error))?;
        let file = Self { connection, path: path.to_owned(), _lock: lock };
        file.check_writable()?;
        let version = check_version(&file.connection, path)?;
        file.prepare(version).map_err(|error| file.failed("open", &error))?;
        Ok(file)
    }

    /// Everything that is in it.
    pub(super) fn contents(&self) -> Result<Contents> {
        let (connection, path) = (&self.connection, &self.path);
        let (rows, sums) = (ledger(connection, path)?, sums::all(connection, path)?);
        let hours = hours::all(connection, path)?;
        Ok(Contents { rows, past: self.past()?, sums, hours })
    }

    /// What the store of a gateway holds: the rows of its till, and where its audit log ends.
    pub(super) fn till(&self) -> Result<(Vec<till::Row>, Past)> {
        Ok((till(&self.connection, &self.path)?, self.past()?))
    }

    /// An error of the database about this file.
    pub(super) fn failed(&self, what: &str, error: &rusqlite::Error) -> Error {
        failed(what, &self.path, error)
    }

    /// Makes the tables that are missing. Writes are durable when they are committed; others only
    /// read while we have it open.
    fn prepare(&self, version: i64) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.busy_timeout(PATIENCE)?;
        // Answers what the mode is now.
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        if version == VERSION {
            return Ok(());
        }
        let missing = TABLES.get(usize::try_from(version).unwrap_or_default()..);
        let tables = missing.unwrap_or_default().concat();
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {tables} PRAGMA application_id = {APPLICATION}; \
             PRAGMA user_version = {VERSION}; COMMIT;"
        ))
    }

    /// What cannot be written is opened all the same, for reading.
    fn check_writable(&self) -> Result<()> {
        let is_readonly = self.connection.is_readonly(rusqlite::MAIN_DB);
        if !is_readonly.map_err(|error| self.failed("open", &error))? {
            return Ok(());
        }
        let message = format!(
            "{} cannot be written; make it writable, or set HUBLESS_HOME",
            self.path.display()
        );
        Err(Error::new(Kind::Configuration, message).with_code("not_writable"))
    }
}

/// The version of a store; 0: nothing is in it yet. Looks without changing anything.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<i64> {
    let read = |query: &str| {
        let number = connection.query_row(query, [], |row| row.get::<_, i64>(0));
        number.map_err(|error| failed("read", path, &error))
    };
    let application = read("PRAGMA application_id")?;
    match (application, read("PRAGMA user_version")?) {
        (0, 0) if read("SELECT count(*) FROM sqlite_schema")? == 0 => Ok(0),
        (APPLICATION, version @ 1..=VERSION) => Ok(version),
        (APPLICATION, version) => {
            let message = format!(
                "{} has version {version}, expected at most {VERSION}; a newer hubless wrote it: \
                 use that, or another HUBLESS_HOME",
                path.display()
            );
            Err(Error::new(Kind::Configuration, message).with_code("newer_format"))
        }
        _ => Err(foreign(path)),
    }
}

/// Every row of the ledger of a store.
pub(super) fn ledger(connection: &Connection, path: &Path) -> Result<Vec<Row>> {
    let decoded = kept(connection, path)?.into_iter().map(|row| Row::decode(row.into()));
    decoded.map(|row| row.map_err(|error| broken(path, &error))).collect()
}

/// Every row of the till of a gateway's store.
pub(super) fn till(connection: &Connection, path: &Path) -> Result<Vec<till::Row>> {
    let decoded = kept(connection, path)?.into_iter().map(|row| till::Row::decode(&row));
    decoded.map(|row| row.map_err(|error| broken(path, &error))).collect()
}

fn kept(connection: &Connection, path: &Path) -> Result<Vec<Vec<u8>>> {
    let read = || {
        let mut select = connection.prepare("SELECT row FROM ledger")?;
        let rows = select.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(|error| failed("read", path, &error))
}

/// A store whose content cannot be used.
pub(crate) fn broken(path: &Path, why: &dyn Display) -> Error {
    let message = format!(
        "{} is broken: {why}; move it and its -wal away: what was spent by what it held is then \
         charged in full",
        path.display()
    );
    Error::new(Kind::Configuration, message).with_code("broken_store")
}

fn foreign(path: &Path) -> Error {
    let message = format!("{} is no store of hubless; move it away", path.display());
    Error::new(Kind::Configuration, message).with_code("not_a_store")
}

fn busy(path: &Path, error: Error) -> Error {
    if error.kind != Kind::Conflict {
        return error;
    }
    let message = format!(
        "{} is open in another process; end that one, or take another name or HUBLESS_HOME",
        path.display()
    );
    Error::new(Kind::Conflict, message).with_code("locked")
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

pub(super) fn failed(what: &str, path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let code = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "disk_full",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "not_writable",
        Some(ErrorCode::NotADatabase) => return foreign(path),
        Some(ErrorCode::DatabaseCorrupt) => return broken(path, error),
        _ => "store",
    };
    let message = format!("cannot {what} {}: {error}; see HUBLESS_HOME", path.display());
    Error::new(Kind::Configuration, message).with_code(code)
}

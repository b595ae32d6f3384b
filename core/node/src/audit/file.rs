//! Audit logs in files: the one of the data folder, and those of named nodes.

use crate::chance::now_ms;
use crate::home::Home;
use crate::store::{Kept, View, append};
use crate::till::FOLDER_OF_GATEWAYS;
use hubless_proto::audit::{Check, Entry, Fault, Head, Row};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Name, hex};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// File of the log of a data folder.
const FOLDER_FILE: &str = "audit.db";
/// Name of that log.
const FOLDER: &str = "folder";
/// What stands before the name of a node.
const NODE: &str = "node";
/// What stands before the name of a metering gateway.
const GATEWAY: &str = "gateway";

/// One audit log of a data folder, written `folder`, `node:<name>` or `gateway:<name>`.
///
/// It is read beside the process that writes it, or after its end; nothing is changed.
///
/// ```
/// use hubless::audit::{Checked, LogFile};
/// use hubless::home::Home;
/// use hubless::node::Pins;
/// use hubless_proto::audit::{Event, Row};
/// use hubless_proto::identity::AgentId;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let home = Home::open(Some(folder.path()))?;
/// Pins::of(home.clone()).set("weather", AgentId::from_bytes([1; 32]))?;
/// let [log]: [LogFile; 1] = LogFile::all(&home)?.try_into().unwrap();
/// assert_eq!(log.to_string(), "folder");
/// let mut rows: Vec<Row> = Vec::new();
/// let checked: Checked = log.check(None)?;
/// log.read(|row| rows.push(row))?;
/// assert_eq!((checked.rows, checked.fault), (1, None));
/// assert_eq!(rows[0].entry.kind, Event::PinSet);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    name: LogName,
    path: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum LogName {
    Folder,
    Node(Name),
    Gateway(Name),
}

/// A row as it is kept, for whoever checks the chain with other means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Its number.
    pub seq: u64,
    /// Its canonical bytes.
    pub row: String,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// What a check of a log found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Rows that hold, before the first that does not.
    pub rows: u64,
    /// The place before the first row; those before were forgotten.
    pub base: Head,
    /// The last row that holds.
    pub head: Head,
    /// The first row that does not hold; none: all do.
    pub fault: Option<Fault>,
}

impl LogFile {
    /// The logs of a data folder that are there: its own, then those of its nodes and of its
    /// gateways by name.
    ///
    /// # Errors
    /// `configuration` without a data folder, or when it cannot be read.
    pub fn all(home: &Home) -> Result<Vec<Self>> {
        let data = data(home)?;
        let folder = data.join(FOLDER_FILE);
        let mut logs = Vec::new();
        if folder.exists() {
            logs.push(Self { name: LogName::Folder, path: folder });
        }
        logs.extend(stores(&data.join("nodes"), LogName::Node)?);
        let gateways = data.join(FOLDER_OF_GATEWAYS);
        if gateways.exists() {
            logs.extend(stores(&gateways, LogName::Gateway)?);
        }
        logs.sort();
        Ok(logs)
    }

    /// True for the log of a node, whose store has a ledger and sums as well.
    pub(crate) const fn is_of_node(&self) -> bool {
        matches!(self.name, LogName::Node(_))
    }

    /// The log of this name, `folder`, `node:<name>` or `gateway:<name>`.
    ///
    /// # Errors
    /// `invalid_argument` (`log`) for what is no name; `not_found` when there is none.
    pub fn named(home: &Home, name: &str) -> Result<Self> {
        let wanted: LogName = name.parse()?;
        let found = Self::all(home)?.into_iter().find(|log| log.name == wanted);
        found.ok_or_else(|| {
            let message = format!("there is no audit log {name} in this data folder");
            Error::new(Kind::NotFound, message).with_field("log")
        })
    }

    /// The store that it is in.
    pub(crate) fn view(&self) -> Result<View> {
        View::open(&self.path)
    }

    /// Hands over its rows, oldest first; what cannot be read as a row is left to
    /// [`LogFile::check`]. Blocks.
    ///
    /// # Errors
    /// `configuration` for a store that cannot be read.
    pub fn read(&self, mut take: impl FnMut(Row)) -> Result<()> {
        View::open(&self.path)?.audit_rows(|kept| {
            let text = std::str::from_utf8(&kept.row).ok();
            if let Some(row) = text.and_then(|text| Row::decode(text).ok()) {
                take(row);
            }
            true
        })
    }

    /// Hands over its rows as they are kept, each with the place before the first. Blocks.
    ///
    /// # Errors
    /// As [`LogFile::read`], and what `take` says.
    pub fn export(&self, mut take: impl FnMut(Head, Exported) -> Result<()>) -> Result<()> {
        let view = View::open(&self.path)?;
        let (base, _) = view.audit_ends()?;
        let mut taken = Ok(());
        view.audit_rows(|Kept { seq, row, hash }| {
            let row = String::from_utf8_lossy(&row).into_owned();
            taken = take(base, Exported { seq, row, hash });
            taken.is_ok()
        })?;
        taken
    }

    /// Checks every row, and that the last one is the one that was noted; `known`: a row that
    /// somebody noted elsewhere, which shows that the log was not written anew. Blocks.
    ///
    /// # Errors
    /// As [`LogFile::read`]; a fault of the log is none.
    pub fn check(&self, known: Option<Head>) -> Result<Checked> {
        let view = View::open(&self.path)?;
        let (base, noted) = view.audit_ends()?;
        let heads = known.into_iter().chain(noted);
        let mut check = heads.fold(Check::from(base), Check::knowing);
        let (mut rows, mut fault) = (0, None);
        view.audit_rows(|kept| {
            fault = check.row(kept.seq, &kept.row, &kept.hash).err();
            rows += u64::from(fault.is_none());
            fault.is_none()
        })?;
        let head = check.head();
        let fault = fault.or_else(|| check.end().err());
        Ok(Checked { rows, base, head, fault })
    }
}

impl fmt::Display for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            LogName::Folder => f.write_str(FOLDER),
            LogName::Node(name) => write!(f, "{NODE}:{name}"),
            LogName::Gateway(name) => write!(f, "{GATEWAY}:{name}"),
        }
    }
}

impl FromStr for LogName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("log", "expected folder, node:NAME or gateway:NAME");
        let (of, name): (fn(Name) -> Self, _) = match text.split_once(':') {
            Some((NODE, name)) => (Self::Node, name),
            Some((GATEWAY, name)) => (Self::Gateway, name),
            None if text == FOLDER => return Ok(Self::Folder),
            Some(_) | None => return Err(wrong()),
        };
        name.parse().map(of).map_err(|_| wrong())
    }
}

/// The logs in the stores of a folder.
fn stores(folder: &Path, of: fn(Name) -> LogName) -> Result<Vec<LogFile>> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| crate::home::io_error("read", folder, &error))?;
    let named = entries.flatten().filter_map(|entry| {
        let file = entry.file_name().into_string().ok()?;
        let name = file.strip_suffix(".db")?.parse().ok()?;
        Some(LogFile { name: of(name), path: entry.path() })
    });
    Ok(named.collect())
}

/// Writes down what changed a data folder; durable when this returns. Blocks for milliseconds.
///
/// What was done stands when it cannot be written down: a warning says so.
pub(crate) fn record_in(home: &Home, entry: Entry) {
    // A home in memory has nothing that stays.
    let Ok(data) = data(home) else { return };
    if let Err(error) = append(&data.join(FOLDER_FILE), entry, now_ms()) {
        tracing::warn!(%error, "the audit log of the data folder cannot be written");
    }
}

/// What an invite is called in a row: the digest of its secret, as in the name of its file.
pub(crate) fn digest(secret: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(secret).into();
    hex::encode(&digest)
}

fn data(home: &Home) -> Result<PathBuf> {
    let folders = home.folders().ok_or_else(|| {
        let message = "there is no data folder that holds an audit log; set HUBLESS_HOME";
        Error::new(Kind::Configuration, message).with_code("memory_only")
    })?;
    Ok(folders.data().to_owned())
}

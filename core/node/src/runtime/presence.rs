//! Our own record and lock.

use super::folder::{lock_path, record_path, sweep};
use crate::home::{self, Home, Lock};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use prost::Message;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// This node's files in the runtime folder; dropping it removes them.
#[derive(Debug)]
pub(crate) struct Presence {
    records: PathBuf,
    locks: PathBuf,
    record: PathBuf,
    temporary: PathBuf,
    lock: Mutex<Option<Lock>>,
}

impl Presence {
    /// Takes the lock of `node`, before anything else is seen of it; none without a home.
    ///
    /// # Errors
    /// `conflict` while another process runs under this key.
    pub(crate) fn begin(home: &Home, node: NodeKey) -> Result<Option<Self>> {
        let Some(folders) = home.folders() else { return Ok(None) };
        let (records, locks) = (folders.records(), folders.locks());
        let lock = Lock::take(&lock_path(&locks, node))?;
        Ok(Some(Self {
            record: record_path(&records, node),
            temporary: folders.tmp().join(format!("{node}.rec")),
            records,
            locks,
            lock: Mutex::new(Some(lock)),
        }))
    }

    /// Replaces our record. Blocks for the writing of one file.
    ///
    /// # Errors
    /// `too_large` above 16 MiB; `configuration` when it cannot be written.
    pub(crate) fn write(&self, announcement: &v1::NodeAnnouncement) -> Result<()> {
        let bytes = announcement.encode_to_vec();
        if bytes.len() > limits::RECORD_FILE_BYTES {
            let message = "all agents of a node make a larger file than is read";
            return Err(Error::new(Kind::TooLarge, message)
                .with_limit("RECORD_FILE_BYTES", limits::RECORD_FILE_BYTES as u64));
        }
        // Held while writing, so that an ending node does not leave a record behind.
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            return Ok(());
        }
        home::replace_volatile(&self.record, &self.temporary, &bytes)
    }

    /// True when the process of a node that was seen here is dead; removes what it left.
    pub(crate) fn is_dead(&self, node: NodeKey) -> bool {
        let record = record_path(&self.records, node);
        record.exists() && sweep(&record, &lock_path(&self.locks, node)).unwrap_or(false)
    }

    /// Removes our files: we are found no more.
    pub(crate) fn end(&self) {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(held) = held else { return };
        for path in [self.record.as_path(), held.path()] {
            if let Err(error) = home::remove(path) {
                tracing::warn!(%error, "a file of ours stays behind");
            }
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.end();
    }
}

//! Our own record and lock.

use super::folder::{lock_path, record_path, sweep};
use crate::home::{self, Home, Lock};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use prost::Message;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// This node's files in the runtime folder; dropping it removes them.
#[derive(Debug)]
pub(crate) struct Presence {
    records: PathBuf,
    locks: PathBuf,
    record: PathBuf,
    temporary: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None once we ended.
    lock: Option<Lock>,
    /// Our record is taken back for good.
    hidden: bool,
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
            state: Mutex::new(State { lock: Some(lock), hidden: false }),
        }))
    }

    /// Replaces our record. Blocks for the writing of one file.
    ///
    /// # Errors
    /// `too_large` above `RECORD_FILE_BYTES`, which no agents that were registered reach;
    /// `configuration` when it cannot be written.
    pub(crate) fn write(&self, announcement: &v1::NodeAnnouncement) -> Result<()> {
        let bytes = announcement.encode_to_vec();
        if bytes.len() > limits::RECORD_FILE_BYTES {
            let message = "all agents of a node make a larger file than is read";
            return Err(Error::new(Kind::TooLarge, message)
                .with_limit("RECORD_FILE_BYTES", limits::RECORD_FILE_BYTES as u64));
        }
        // Held while writing, so that an ending node does not leave a record behind.
        let state = self.lock();
        if state.hidden {
            return Ok(());
        }
        home::replace_volatile(&self.record, &self.temporary, &bytes)
    }

    /// True when the process of a node that was seen here is dead; removes what it left.
    pub(crate) fn is_dead(&self, node: NodeKey) -> bool {
        let record = record_path(&self.records, node);
        record.exists() && sweep(&record, &lock_path(&self.locks, node)).unwrap_or(false)
    }

    /// True while the process of a node of this user on this machine runs; false for any other.
    pub(crate) fn is_running(&self, node: NodeKey) -> bool {
        let lock = lock_path(&self.locks, node);
        lock.exists() && !sweep(&record_path(&self.records, node), &lock).unwrap_or(false)
    }

    /// True while our record should be there.
    pub(crate) fn is_shown(&self) -> bool {
        !self.lock().hidden
    }

    /// Removes our record: we are found no more, but live until our running calls are over.
    pub(crate) fn hide(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.hidden, true) {
            remove(&self.record);
        }
    }

    /// Removes our files: we are no more.
    pub(crate) fn end(&self) {
        self.hide();
        if let Some(held) = self.lock().lock.take() {
            remove(held.path());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.end();
    }
}

fn remove(path: &Path) {
    if let Err(error) = home::remove(path) {
        tracing::warn!(%error, "a file of ours stays behind");
    }
}

//! The files of the runtime folder.

use crate::home::{self, Folders, Home, Lock};
use bytes::Bytes;
use hubless_proto::error::Result;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::decode::decode_file;
use hubless_proto::wire::v1;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one version of a record file from the next.
type Version = (u64, u64, i64, i64);

/// What was found of a node.
#[derive(Debug)]
pub(super) enum Found {
    /// Its record is new to us.
    Record(v1::NodeAnnouncement),
    /// It lives, and its record is known.
    Known,
    /// It took its record back, and still lives.
    Left,
    /// It is no more.
    Dead,
}

/// How much of the runtime folder is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Files, one of each node.
    pub(super) files: usize,
    /// Bytes of all of them together, which stay in memory as long as their agents are known.
    pub(super) bytes: u64,
}

/// Which versions of the records were read.
#[derive(Debug, Default)]
struct Versions {
    rows: BTreeMap<NodeKey, Version>,
    /// Of all of them together.
    bytes: u64,
    /// True when something was forgotten since that was last asked.
    freed: bool,
}

/// Paths, and which versions of the records were read.
#[derive(Debug)]
pub(super) struct Folder {
    records: PathBuf,
    locks: PathBuf,
    read: Versions,
    /// Nodes whose record was not read for lack of room. At most as many as are read.
    left_out: BTreeSet<NodeKey>,
    /// True when there were more files than could be listed.
    unlisted: bool,
    /// True from the first record that is left out until none is.
    told_full: bool,
    /// Nodes whose lock file was closed but was still locked, and how often to look again.
    doubted: BTreeMap<NodeKey, u32>,
    pub(super) most: Bounds,
}

impl Versions {
    fn put(&mut self, node: NodeKey, version: Version) {
        let old = self.rows.insert(node, version).map_or(0, |old| old.1);
        self.bytes = self.bytes - old + version.1;
        self.freed |= version.1 < old;
    }

    fn forget(&mut self, node: NodeKey) {
        if let Some(old) = self.rows.remove(&node) {
            self.bytes -= old.1;
            self.freed = true;
        }
    }

    /// True when a version of this length is within the bounds, in the place of an older one.
    fn has_room(&self, node: NodeKey, bytes: u64, most: Bounds) -> bool {
        let old = self.rows.get(&node);
        let others = self.bytes - old.map_or(0, |old| old.1);
        (old.is_some() || self.rows.len() < most.files) && others + bytes <= most.bytes
    }
}

impl Folder {
    pub(super) fn new(folders: &Folders) -> Self {
        let (files, bytes) = (limits::RECORD_FILES, limits::RECORD_FILES_BYTES);
        Self::bounded(folders, Bounds { files, bytes })
    }

    /// Reads so much.
    pub(super) fn bounded(folders: &Folders, most: Bounds) -> Self {
        Self {
            most,
            records: folders.records(),
            locks: folders.locks(),
            read: Versions::default(),
            left_out: BTreeSet::new(),
            unlisted: false,
            told_full: false,
            doubted: BTreeMap::new(),
        }
    }

    pub(super) fn records(&self) -> &Path {
        &self.records
    }

    pub(super) fn locks(&self) -> &Path {
        &self.locks
    }

    /// Every node with a record file, and those that were known and lost theirs.
    pub(super) fn list(&mut self) -> Vec<NodeKey> {
        let entries = fs::read_dir(&self.records).into_iter().flatten().flatten();
        let mut found = entries.filter_map(|entry| node_of(entry.file_name().to_str()?));
        let mut nodes: BTreeSet<NodeKey> = found.by_ref().take(self.most.files).collect();
        found.by_ref().take(self.most.files).for_each(|node| self.leave_out(node));
        self.unlisted = found.next().is_some();
        nodes.extend(self.read.rows.keys().copied());
        nodes.into_iter().collect()
    }

    /// How many nodes have a record that was read.
    pub(super) fn known(&self) -> u32 {
        u32::try_from(self.read.rows.len()).unwrap_or(u32::MAX)
    }

    /// The process of a node closed its lock file. The kernel tells of the closing before it lets
    /// the lock go, so that a quick look may still find the node alive.
    pub(super) fn doubt(&mut self, node: NodeKey) {
        self.doubted.insert(node, limits::DOUBTED_LOOKS);
    }

    /// Nodes to look at again soon.
    pub(super) fn doubted(&self) -> impl Iterator<Item = NodeKey> {
        self.doubted.keys().copied()
    }

    /// Nodes that were left out and may fit by now, as others take less or are no more: to be
    /// looked at again.
    pub(super) fn have_room(&mut self) -> BTreeSet<NodeKey> {
        if self.left_out.is_empty() && !self.unlisted {
            self.told_full = false;
        }
        if !std::mem::take(&mut self.read.freed) {
            return BTreeSet::new();
        }
        let mut nodes = std::mem::take(&mut self.left_out);
        if self.unlisted {
            nodes.extend(self.list());
        }
        nodes
    }

    /// Looks at one node: is it alive, and what does it say?
    pub(super) fn examine(&mut self, node: NodeKey) -> Result<Found> {
        let found = self.look(node)?;
        let is_dead = matches!(found, Found::Dead);
        if let Entry::Occupied(mut left) = self.doubted.entry(node) {
            *left.get_mut() -= 1;
            if is_dead || *left.get() == 0 {
                left.remove();
            }
        }
        Ok(found)
    }

    fn look(&mut self, node: NodeKey) -> Result<Found> {
        self.left_out.remove(&node);
        let (record, lock) = (record_path(&self.records, node), lock_path(&self.locks, node));
        let Ok(meta) = fs::symlink_metadata(&record) else {
            return self.unrecorded(node, (&record, &lock));
        };
        if sweep(&record, &lock)? {
            self.read.forget(node);
            // It took the place of one that was listed, read or not.
            self.read.freed = true;
            return Ok(Found::Dead);
        }
        let version = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
        if self.read.rows.get(&node) == Some(&version) {
            return Ok(Found::Known);
        }
        if !meta.is_file() || meta.len() > limits::RECORD_FILE_BYTES as u64 {
            tracing::warn!(path = %record.display(), "a record file that is none of ours");
            return Ok(Found::Known);
        }
        if !self.read.has_room(node, meta.len(), self.most) {
            if self.is_first_left_out() {
                let Bounds { files, bytes } = self.most;
                tracing::warn!(files, bytes, "more record files than are read; some are left out");
            }
            tracing::debug!(%node, "a record is left out");
            self.leave_out(node);
            return Ok(Found::Known);
        }
        let bytes = match read(&record, meta.len()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return self.unrecorded(node, (&record, &lock));
            }
            Err(error) => {
                tracing::debug!(%node, %error, "a record file that cannot be opened");
                return Ok(Found::Known);
            }
        };
        self.read.put(node, version);
        match decode_file(bytes) {
            Ok(announcement) => Ok(Found::Record(announcement)),
            Err(error) => {
                tracing::debug!(%node, %error, "a record file that cannot be read");
                Ok(Found::Known)
            }
        }
    }

    /// True once, until everything is read again: each look at a full folder would say it anew.
    pub(super) const fn is_first_left_out(&mut self) -> bool {
        !std::mem::replace(&mut self.told_full, true)
    }

    fn leave_out(&mut self, node: NodeKey) {
        if self.left_out.len() < self.most.files {
            self.left_out.insert(node);
        }
    }

    /// A node whose record is not there: it took it back, or is no more.
    fn unrecorded(&mut self, node: NodeKey, (record, lock): (&Path, &Path)) -> Result<Found> {
        self.read.forget(node);
        self.read.freed |= self.unlisted;
        let dead = !lock.exists() || sweep(record, lock)?;
        Ok(if dead { Found::Dead } else { Found::Left })
    }
}

/// The records of every running node of this user, not verified.
pub(crate) fn records(home: &Home) -> Vec<v1::NodeAnnouncement> {
    let Some(folders) = home.folders() else { return Vec::new() };
    let mut folder = Folder::new(folders);
    let nodes = folder.list();
    let found = nodes.into_iter().map(|node| folder.examine(node));
    found
        .filter_map(|found| match found {
            Ok(Found::Record(announcement)) => Some(announcement),
            Ok(Found::Known | Found::Left | Found::Dead) | Err(_) => None,
        })
        .collect()
}

/// Removes what a dead process left; true if it is dead.
pub(super) fn sweep(record: &Path, lock: &Path) -> Result<bool> {
    let stale = match Lock::take_stale(lock)? {
        Some(held) => held,
        None if lock.exists() => return Ok(false),
        // The lock is made before its record and removed after it: without one there is no owner.
        None => match Lock::take(lock) {
            Ok(held) => held,
            Err(_) => return Ok(false),
        },
    };
    home::remove(record)?;
    home::remove(lock)?;
    drop(stale);
    Ok(true)
}

pub(super) fn record_path(records: &Path, node: NodeKey) -> PathBuf {
    records.join(format!("{node}.rec"))
}

pub(super) fn lock_path(locks: &Path, node: NodeKey) -> PathBuf {
    locks.join(format!("{node}.lock"))
}

/// The node that a file is named after.
pub(super) fn node_of(file: &str) -> Option<NodeKey> {
    file.strip_suffix(".rec").or_else(|| file.strip_suffix(".lock"))?.parse().ok()
}

/// Reads a file of about so many bytes: into room for all of it, and for the byte that is not
/// there.
fn read(path: &Path, bytes: u64) -> std::io::Result<Bytes> {
    let room = usize::try_from(bytes).unwrap_or_default().min(limits::RECORD_FILE_BYTES);
    let mut bytes = Vec::with_capacity(room + 1);
    let file = File::open(path)?;
    file.take(limits::RECORD_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

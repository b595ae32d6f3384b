//! Locks that end with their process, however it ends.
//!
//! A lock is `flock` on an open file. A child made by `fork` without `exec` would inherit it and
//! keep a dead parent alive in the eyes of others, so every descriptor is listed here and
//! [`forked`] closes them; a child made by `exec` never gets them (close-on-exec). [`forking`] and
//! [`fork_over`] keep the list whole over the fork. A lock that is let go is unlocked and not only
//! closed: a child on its way from fork to `exec` has the file open for a moment longer.

use super::files::io_error;
use hubless_proto::error::{Error, Kind, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Open lock files of this process.
static OPEN: Mutex<Table> = Mutex::new(Table { next: 0, files: BTreeMap::new() });

struct Table {
    next: u64,
    /// None in a forked child, where the file was closed.
    files: BTreeMap<u64, Option<File>>,
}

thread_local! {
    /// The table, while this thread forks.
    static HELD: RefCell<Option<MutexGuard<'static, Table>>> = const { RefCell::new(None) };
}

/// A held lock; dropping it lets it go.
#[derive(Debug)]
pub struct Lock {
    id: u64,
    path: PathBuf,
    /// The process that took it.
    pid: u32,
}

/// Before a fork, on the thread that forks: waits until no other thread changes the list of locks,
/// so that the child gets it whole. Ended by [`fork_over`] in the parent and by [`forked`] in the
/// child.
pub fn forking() {
    let table = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    // A thread that ends has no place to hold it; its child then finds the list free or does not.
    let _ = HELD.try_with(|held| held.replace(Some(table)));
}

/// After a fork, in the parent.
pub fn fork_over() {
    drop(held());
}

/// After a fork, in the child, before anything else of this library: closes every lock file that
/// was inherited, so that the child does not keep the parent alive. The parent's locks are not
/// touched, since `flock` belongs to the open file and the parent still has it open.
///
/// Allocates and frees nothing, as only the forking thread exists in the child.
pub fn forked() {
    // Without `forking`, another thread may have held the list: then it stays locked here for
    // ever, and the descriptors stay open until the child ends or calls exec.
    if let Some(mut table) = held().or_else(|| OPEN.try_lock().ok()) {
        table.files.values_mut().for_each(|file| *file = None);
    }
}

fn held() -> Option<MutexGuard<'static, Table>> {
    HELD.try_with(RefCell::take).ok().flatten()
}

impl Lock {
    /// Takes the lock of `path`, waiting for whoever holds it. Meant for steps of milliseconds,
    /// off the async threads.
    ///
    /// # Errors
    /// `configuration` when the file cannot be opened.
    pub fn wait(path: &Path) -> Result<Self> {
        loop {
            let file = open(path, true)?;
            file.lock().map_err(|error| io_error("lock", path, &error))?;
            if still_there(&file, path) {
                return Ok(Self::keep(file, path));
            }
        }
    }

    /// Takes the lock of `path` if nobody holds it.
    ///
    /// # Errors
    /// `conflict` while another process holds it; `configuration` when the file cannot be opened.
    pub fn take(path: &Path) -> Result<Self> {
        loop {
            let file = open(path, true)?;
            match file.try_lock() {
                Ok(()) if still_there(&file, path) => return Ok(Self::keep(file, path)),
                Ok(()) => {}
                Err(error) => return Err(not_taken(path, error)),
            }
        }
    }

    /// Takes the lock of `path` beside others that share it, waiting for whoever holds it alone.
    /// Meant for locks that are held alone for milliseconds, off the async threads.
    ///
    /// # Errors
    /// `configuration` when the file cannot be opened.
    pub fn wait_shared(path: &Path) -> Result<Self> {
        loop {
            let file = open(path, true)?;
            file.lock_shared().map_err(|error| io_error("lock", path, &error))?;
            if still_there(&file, path) {
                return Ok(Self::keep(file, path));
            }
        }
    }

    /// Lets others share what was taken alone; [`Lock::take`] is refused all the same.
    ///
    /// The kernel lets go of the one lock before it takes the other.
    ///
    /// # Errors
    /// `conflict` when another process took it alone between the two; nothing is held then.
    pub fn share(self) -> Result<Self> {
        let shared = {
            let table = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            // Without a file in a forked child, which holds nothing.
            table.files.get(&self.id).and_then(Option::as_ref).map(File::try_lock_shared)
        };
        match shared {
            Some(Err(error)) => Err(not_taken(&self.path, error)),
            Some(Ok(())) | None => Ok(self),
        }
    }

    /// Takes the lock of a file that its process left behind; none while it lives, when the file
    /// is missing, and when another process is taking it away already.
    ///
    /// The file is opened for reading only: closing it must not look like the death of its owner
    /// to those who watch for the end of writing.
    ///
    /// # Errors
    /// `configuration` when the file cannot be opened.
    pub fn take_stale(path: &Path) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", path, &error)),
        };
        match file.try_lock() {
            Ok(()) if still_there(&file, path) => Ok(Some(Self::keep(file, path))),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error("lock", path, &error)),
        }
    }

    /// The locked file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn keep(file: File, path: &Path) -> Self {
        let mut table = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let id = table.next;
        table.next += 1;
        table.files.insert(id, Some(file));
        Self { id, path: path.to_owned(), pid: std::process::id() }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let file = OPEN.lock().unwrap_or_else(PoisonError::into_inner).files.remove(&self.id);
        // A forked child would unlock what its parent still holds.
        if self.pid == std::process::id()
            && let Some(file) = file.flatten()
        {
            // Closing it, which comes next, unlocks it as well once no child has it.
            let _ = file.unlock();
        }
    }
}

fn not_taken(path: &Path, error: TryLockError) -> Error {
    match error {
        TryLockError::WouldBlock => {
            let message = format!("{} is held by a running process", path.display());
            Error::new(Kind::Conflict, message).with_code("locked")
        }
        TryLockError::Error(error) => io_error("lock", path, &error),
    }
}

fn open(path: &Path, create: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false).mode(0o600);
    options.open(path).map_err(|error| io_error("open", path, &error))
}

/// A file that was removed while we waited for it locks nothing any more.
fn still_there(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::symlink_metadata(path)) else {
        return false;
    };
    ours.dev() == there.dev() && ours.ino() == there.ino()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = Lock::take(&path).unwrap();
        assert_eq!(Lock::take(&path).unwrap_err().kind, Kind::Conflict);
        assert!(Lock::take_stale(&path).unwrap().is_none());
        drop(held);
        let stale = Lock::take_stale(&path).unwrap().expect("nobody holds it");
        assert!(Lock::take(&path).is_err());
        drop(stale);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn those_who_share_it_keep_out_who_wants_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let first = Lock::take(&path).unwrap().share().unwrap();
        let second = Lock::wait_shared(&path).unwrap();
        drop(first);
        assert_eq!(Lock::take(&path).unwrap_err().code, "locked");
        drop(second);
        let alone = Lock::take(&path).unwrap();
        assert_eq!(Lock::take(&path).unwrap_err().code, "locked");
        // What one that holds it alone meets when it was quicker between the two steps of sharing.
        let late = Lock::keep(File::open(&path).unwrap(), &path);
        assert_eq!(late.share().unwrap_err().code, "locked");
        drop(alone);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn a_child_that_has_the_file_open_for_a_moment_does_not_hold_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = Lock::take(&path).unwrap();
        // The same open file, as a child has it between fork and exec.
        let id = held.id;
        let inherited = OPEN.lock().unwrap().files[&id].as_ref().unwrap().try_clone().unwrap();
        assert_eq!(Lock::take(&path).unwrap_err().kind, Kind::Conflict);
        drop(held);
        assert!(Lock::take(&path).is_ok());
        drop(inherited);
    }

    #[test]
    fn the_list_is_held_over_a_fork() {
        let folder = tempfile::tempdir().unwrap();
        forking();
        assert!(OPEN.try_lock().is_err());
        fork_over();
        assert!(Lock::take(&folder.path().join("after.lock")).is_ok());
    }

    #[test]
    fn a_missing_lock_is_not_stale() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lock::take_stale(&folder.path().join("none")).unwrap().is_none());
    }
}

//! The thread that writes: it takes everything that waits into one commit.

use super::audit::Past;
use super::file::{Contents, File, Others};
use super::group::{Change, Probe};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::{Row, Write};
use hubless_proto::limits::{STORE_GROUP, STORE_QUEUE};
use hubless_proto::metering::till;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A store of rows, open in this process only.
///
/// What is written in some order becomes durable in that order. Once a write failed, every later
/// one fails with the same error, so that no row is durable that depends on a lost one.
///
/// ```
/// use hubless::store::Store;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("store.db");
/// let (store, rows) = Store::open(&path).unwrap();
/// assert!(rows.is_empty());
/// assert_eq!(Store::open(&path).map(|_| ()).unwrap_err().code, "locked");
/// let (answer, answered) = std::sync::mpsc::channel();
/// store.write(Vec::new(), move |result| answer.send(result).unwrap());
/// assert_eq!(answered.recv().unwrap(), Ok(()));
/// ```
pub struct Store {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    most: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    failed: Option<Error>,
    closing: bool,
}

struct Job {
    changes: Vec<Change>,
    done: Box<dyn FnOnce(Result<()>) + Send>,
}

impl Store {
    /// Opens the store at `path`, mode 0600, and reads what is in it; makes it when there is none.
    /// Blocks for milliseconds.
    ///
    /// # Errors
    /// `conflict`, code `locked`: another process has it open. `configuration`: `newer_format`,
    /// `not_a_store`, `broken_store`, `readable_by_others`, `not_writable`, `disk_full`, or `store`
    /// for what else the database says.
    pub fn open(path: &Path) -> Result<(Self, Vec<Row>)> {
        Self::watched(path, STORE_QUEUE, Box::new(|_| Ok(())))
    }

    /// The same, with everything that is in it.
    pub(crate) fn open_whole(path: &Path) -> Result<(Self, Contents)> {
        Self::whole(path, STORE_QUEUE, Box::new(|_| Ok(())))
    }

    /// The same with a queue of another length, asking `probe` at each moment.
    pub(super) fn watched(path: &Path, most: usize, probe: Probe) -> Result<(Self, Vec<Row>)> {
        Self::whole(path, most, probe).map(|(store, contents)| (store, contents.rows))
    }

    fn whole(path: &Path, most: usize, probe: Probe) -> Result<(Self, Contents)> {
        let file = File::open(path, Others::Refuse)?;
        let contents = file.contents()?;
        Ok((Self::begin(path, file, (most, probe))?, contents))
    }

    /// The same for the store of a gateway, with the rows of its till.
    pub(crate) fn open_till(path: &Path) -> Result<(Self, (Vec<till::Row>, Past))> {
        let file = File::open(path, Others::Refuse)?;
        let contents = file.till()?;
        Ok((Self::begin(path, file, (STORE_QUEUE, Box::new(|_| Ok(()))))?, contents))
    }

    fn begin(path: &Path, file: File, (most, probe): (usize, Probe)) -> Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), most });
        let writer = Arc::clone(&shared);
        let named = std::thread::Builder::new().name("hubless-store".to_owned());
        let spawned = named.spawn(move || writer.run(file, probe));
        let thread = spawned.map_err(|error| crate::home::io_error("open", path, &error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Makes these writes durable, all or none, after those that were handed over before. Never
    /// waits. `done` is called on the store's thread, or here when the store failed already, and
    /// must not block.
    ///
    /// `done` gets `busy`, limit `STORE_QUEUE`, when too much waits, and the store has failed then;
    /// otherwise what the database said.
    pub fn write(&self, writes: Vec<Write>, done: impl FnOnce(Result<()>) + Send + 'static) {
        self.change(writes.into_iter().map(Change::Ledger).collect(), done);
    }

    /// As [`Store::write`], for any changes.
    pub(crate) fn change(
        &self,
        changes: Vec<Change>,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let mut queue = self.shared.lock();
        if queue.failed.is_none() && queue.jobs.len() >= self.shared.most {
            queue.failed = Some(behind(self.shared.most));
        }
        if let Some(error) = queue.failed.clone() {
            drop(queue);
            return done(Err(error));
        }
        queue.jobs.push_back(Job { changes, done: Box::new(done) });
        drop(queue);
        self.shared.changed.notify_one();
    }

    /// Writes that the thread has not taken yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }
}

impl Drop for Store {
    /// Writes what waits, then closes the file.
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic there was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, file: File, mut probe: Probe) {
        while let Some((group, failed)) = self.next() {
            let changes = group.iter().flat_map(|job| &job.changes);
            let result = failed.map_or_else(|| file.commit(changes, &mut probe), Err);
            if let Err(error) = &result {
                self.lock().failed.get_or_insert_with(|| error.clone());
            }
            for job in group {
                (job.done)(result.clone());
            }
        }
    }

    /// What is written next, and why it cannot be; none: the store is closed.
    fn next(&self) -> Option<(Vec<Job>, Option<Error>)> {
        let mut queue = self.lock();
        while queue.jobs.is_empty() {
            if queue.closing {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let count = queue.jobs.len().min(STORE_GROUP);
        let group = queue.jobs.drain(..count).collect();
        Some((group, queue.failed.clone()))
    }
}

fn behind(most: usize) -> Error {
    Error::new(Kind::Busy, "the store is too far behind; nothing more is written")
        .with_code("store")
        .with_limit("STORE_QUEUE", most as u64)
}

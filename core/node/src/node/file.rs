//! A small table of this user in a JSON file of the data folder, or in memory without one.

use crate::engine::lock;
use crate::home::{self, Folders, Home, Lock};
use hubless_proto::error::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Version of every such file.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Form<T> {
    version: u32,
    entries: BTreeMap<String, T>,
}

/// One table; other processes of this user may change the file at any time.
pub(super) struct Table<T> {
    home: Home,
    name: &'static str,
    cache: Mutex<Cache<T>>,
}

struct Cache<T> {
    entries: BTreeMap<String, T>,
    /// Which file it was when it was read; none: there was none.
    seen: Option<Seen>,
}

/// Tells one version of a file from the next: each is a new file, renamed into place, and two may
/// be made within one tick of the file system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Seen {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        let changed = (meta.ctime(), meta.ctime_nsec());
        Some(Self { inode: meta.ino(), bytes: meta.len(), changed })
    }
}

impl<T: Serialize + DeserializeOwned + Clone> Table<T> {
    pub(super) const fn new(home: Home, name: &'static str) -> Self {
        let cache = Cache { entries: BTreeMap::new(), seen: None };
        Self { home, name, cache: Mutex::new(cache) }
    }

    /// Where the file is.
    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    /// All entries, read again when the file changed. Blocks for microseconds.
    pub(super) fn entries(&self) -> Result<BTreeMap<String, T>> {
        let Some(folders) = self.home.folders() else {
            return Ok(lock(&self.cache).entries.clone());
        };
        let path = self.path(folders);
        let now = Seen::of(&path);
        let mut cache = lock(&self.cache);
        if now.is_none() {
            cache.entries.clear();
        } else if cache.seen != now {
            cache.entries = self.read(folders)?;
        }
        cache.seen = now;
        Ok(cache.entries.clone())
    }

    /// Changes the entries under the lock of the file. Blocks for milliseconds.
    pub(super) fn change<R>(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, T>) -> Result<R>,
    ) -> Result<R> {
        let Some(folders) = self.home.folders() else {
            return change(&mut lock(&self.cache).entries);
        };
        let path = self.path(folders);
        let _held = Lock::wait(&path.with_extension("json.lock"))?;
        let mut entries = self.read(folders)?;
        let result = change(&mut entries)?;
        let form = Form { version: VERSION, entries };
        let bytes = serde_json::to_vec_pretty(&form)
            .map_err(|error| self.broken(&path, &error.to_string()))?;
        home::replace(&path, &path.with_extension("json.new"), &bytes)?;
        let mut cache = lock(&self.cache);
        cache.entries = form.entries;
        cache.seen = Seen::of(&path);
        Ok(result)
    }

    fn read(&self, folders: &Folders) -> Result<BTreeMap<String, T>> {
        let path = self.path(folders);
        let Some(bytes) = home::read_private(&path)? else { return Ok(BTreeMap::new()) };
        let version: Version =
            serde_json::from_slice(&bytes).map_err(|_| self.broken(&path, "is not JSON"))?;
        if version.version > VERSION {
            return Err(self.broken(&path, "was written by a newer version"));
        }
        let form: Form<T> = serde_json::from_slice(&bytes)
            .map_err(|_| self.broken(&path, "is not of this form"))?;
        Ok(form.entries)
    }

    fn path(&self, folders: &Folders) -> PathBuf {
        folders.data().join(self.name)
    }

    fn broken(&self, path: &Path, what: &str) -> Error {
        Error::new(Kind::Configuration, format!("{} {what}", path.display())).with_code("file")
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tables_on_one_file_see_each_others_changes() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        let (one, two) =
            (Table::<u32>::new(home.clone(), "x.json"), Table::<u32>::new(home, "x.json"));
        assert!(one.entries().unwrap().is_empty());
        one.change(|entries| Ok(entries.insert("a".to_owned(), 1))).unwrap();
        two.change(|entries| Ok(entries.insert("b".to_owned(), 2))).unwrap();
        assert_eq!(one.entries().unwrap().len(), 2);
    }

    #[test]
    fn a_newer_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        let path = home.folders().unwrap().data().join("x.json");
        home::write_new(&path, br#"{"version": 2, "other": true}"#).unwrap();
        let error = Table::<u32>::new(home, "x.json").entries().unwrap_err();
        assert_eq!(error.kind, Kind::Configuration);
        assert!(error.message.contains("newer"), "{}", error.message);
    }
}

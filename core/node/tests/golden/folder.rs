//! The files of one version: copied, so that reading changes nothing that is kept, and sealed by
//! their digests.

use hubless_proto::identity::hex;
use hubless_proto::wire::record;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The file of the digests of all others.
const SEAL: &str = "digests.json";

/// A copy of the files of a version, private as a data folder has to be.
pub(super) struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub(super) fn temporary() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with the files of another.
    pub(super) fn copy_of(other: &Path) -> Self {
        let copy = Self::temporary();
        for file in files(other) {
            let (from, to) = (other.join(&file), copy.path().join(&file));
            let above = to.parent().unwrap();
            fs::DirBuilder::new().recursive(true).mode(0o700).create(above).unwrap();
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
        copy
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its files but the seal, in order.
    pub(super) fn files(&self) -> Vec<String> {
        files(self.path()).into_iter().filter(|file| file != SEAL).collect()
    }

    pub(super) fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path().join(file)).unwrap()).unwrap()
    }

    pub(super) fn write_json(&self, file: &str, value: &Value) {
        let text = serde_json::to_string_pretty(value).unwrap() + "\n";
        fs::write(self.path().join(file), text).unwrap();
    }

    /// Writes down what every file is.
    pub(super) fn seal(&self) {
        self.write_json(SEAL, &json!(self.digests()));
    }

    /// Ok while every file is what it was when the folder was sealed, and no file is new or gone.
    pub(super) fn is_sealed(&self) -> Result<(), String> {
        let sealed: BTreeMap<String, String> = serde_json::from_value(self.json(SEAL)).unwrap();
        let found = self.digests();
        let all = sealed.keys().chain(found.keys());
        let mut changed = all.filter(|file| sealed.get(*file) != found.get(*file));
        changed.next().map_or(Ok(()), |file| Err(format!("{file} is not what was written")))
    }

    /// Changes the last byte of a file.
    pub(super) fn flip(&self, file: &str) {
        self.change(file, |bytes| *bytes.last_mut().unwrap() ^= 1);
    }

    pub(super) fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    /// Puts its files where those of a version are kept, in place of what is there.
    pub(super) fn replace(&self, place: &Path) {
        if place.exists() {
            fs::remove_dir_all(place).unwrap();
        }
        for file in files(self.path()) {
            let to = place.join(&file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, fs::read(self.path().join(&file)).unwrap()).unwrap();
        }
    }

    fn digests(&self) -> BTreeMap<String, String> {
        let digest = |file: String| {
            let bytes = fs::read(self.path().join(&file)).unwrap();
            (file, hex::encode(&record::digest(&bytes)))
        };
        self.files().into_iter().map(digest).collect()
    }
}

/// The folders that are kept, by version.
pub(super) fn kept(place: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = fs::read_dir(place) else { return BTreeMap::new() };
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    folders.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// Versions that CHANGELOG.md calls released.
pub(super) fn released(changelog: &str) -> impl Iterator<Item = &str> {
    headings(changelog).filter(|(_, is_released)| *is_released).map(|(version, _)| version)
}

/// Whether the files of a version may still be written anew.
pub(super) fn may_write(changelog: &str, version: &str) -> Result<(), String> {
    match headings(changelog).find(|(known, _)| *known == version) {
        Some((_, false)) => Ok(()),
        Some((_, true)) => Err(format!("{version} is released: its files stay as they are")),
        None => Err(format!("CHANGELOG.md has no heading of {version}")),
    }
}

/// Each version of a changelog, and whether it is released.
fn headings(changelog: &str) -> impl Iterator<Item = (&str, bool)> {
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(|heading| {
        let (version, about) = heading.split_once(' ').unwrap_or((heading, ""));
        (version, about != "(unreleased)")
    })
}

/// What is kept of a folder, in order: neither locks nor what lives as long as a process.
fn files(folder: &Path) -> Vec<String> {
    let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "run" {
                open.push(path);
            } else if path.is_file()
                && ![".lock", "-wal", "-shm"].iter().any(|end| name.ends_with(end))
            {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

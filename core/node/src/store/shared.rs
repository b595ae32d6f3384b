//! One store for all that a node keeps.

use super::audit::Past;
use super::file::Contents;
use super::group::Change;
use super::thread::Store;
use crate::engine::lock;
use crate::home::Home;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::Name;
use hubless_proto::metering::till;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The store of one named node, in the data folder beside its key.
pub(crate) struct SharedStore {
    /// None once it is closed.
    store: Mutex<Option<Store>>,
    path: PathBuf,
}

/// A store that was opened, with what is in it.
pub(crate) struct Opened {
    pub(crate) store: SharedStore,
    pub(crate) contents: Contents,
}

impl SharedStore {
    /// Opens it and reads what is in it. Blocks for milliseconds.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn open(home: &Home, name: &Name) -> Result<Opened> {
        let folders = home.folders().ok_or_else(closed)?;
        let path = folders.data().join("nodes").join(format!("{name}.db"));
        let (store, contents) = Store::open_whole(&path)?;
        Ok(Opened { store: Self { store: Mutex::new(Some(store)), path }, contents })
    }

    /// Opens that of a gateway, with the rows of its till. Blocks for milliseconds.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub(crate) fn open_till(path: PathBuf) -> Result<(Self, (Vec<till::Row>, Past))> {
        let (store, contents) = Store::open_till(&path)?;
        Ok((Self { store: Mutex::new(Some(store)), path }, contents))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As [`Store::change`]; `closed` once it is closed.
    pub(crate) fn change(
        &self,
        changes: Vec<Change>,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        match lock(&self.store).as_ref() {
            Some(store) => store.change(changes, done),
            None => done(Err(closed())),
        }
    }

    /// Writes what waits, then lets the file go. Blocks for milliseconds.
    pub(crate) fn close(&self) {
        let store = lock(&self.store).take();
        drop(store);
    }
}

/// What is told of a store whose node is closed.
pub(crate) fn closed() -> Error {
    Error::new(Kind::Closed, "the node is closed")
}

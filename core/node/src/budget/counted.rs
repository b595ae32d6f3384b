//! How many processes had a store open, told by a file beside it: an older copy of the store counts
//! fewer. What is put back with that file, such as the whole disk, nobody can tell by it.

use crate::home;
use hubless_proto::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// The file.
pub(super) struct Counted(PathBuf);

impl Counted {
    /// That of the store at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        Self(path.with_extension("opened"))
    }

    /// What it says; without a file nobody was counted.
    pub(super) fn read(&self) -> Result<u64> {
        let Some(text) = home::read_private(&self.0)? else { return Ok(0) };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| {
            let message = format!("{} holds no number; remove it", self.0.display());
            Error::new(Kind::Configuration, message).with_code("broken_store")
        })
    }

    pub(super) fn write(&self, opened: u64) -> Result<()> {
        let text = format!("{opened}\n");
        home::replace(&self.0, &self.0.with_extension("opened.new"), text.as_bytes())
    }
}

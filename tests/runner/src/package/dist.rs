//! Where packages are made and left.

use crate::house::{self, Result};
use std::path::PathBuf;

/// How the native libraries inside the packages were compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// What every other test runs on: quick to have, bound to this machine's libc.
    Dev,
    /// What is published: optimised, runs with an old glibc.
    Release,
}

/// The folder that the packages of one profile are in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dist {
    /// How its native libraries were compiled.
    pub(crate) profile: Profile,
}

/// The one platform that packages are built for.
pub(crate) const RUST_TARGET: &str = "x86_64-unknown-linux-gnu";

impl Dist {
    /// `target/dist`, or `target/dist-dev`.
    pub(crate) fn folder(self) -> PathBuf {
        house::target().join(match self.profile {
            Profile::Dev => "dist-dev",
            Profile::Release => "dist",
        })
    }

    /// Where packages are put together; nothing in it is installed.
    pub(crate) fn work(self, name: &str) -> PathBuf {
        let work = match self.profile {
            Profile::Dev => "packaging-dev",
            Profile::Release => "packaging",
        };
        house::target().join(work).join(name)
    }

    /// A native library as it goes into a package, by the name that cargo gave it.
    pub(crate) fn library(self, name: &str) -> PathBuf {
        self.work("native").join(name)
    }

    /// What cargo built.
    pub(super) fn built(self, name: &str) -> PathBuf {
        match self.profile {
            Profile::Dev => house::built(name),
            Profile::Release => house::target().join(RUST_TARGET).join("release").join(name),
        }
    }

    /// The folder of the Python package's files.
    pub(crate) fn python(self) -> PathBuf {
        self.folder().join("python")
    }

    /// The folder of the packed npm files.
    pub(crate) fn node(self) -> PathBuf {
        self.folder().join("node")
    }

    /// The Maven repository with the JVM package.
    pub(crate) fn maven(self) -> PathBuf {
        self.folder().join("maven")
    }

    /// The archive of the C library.
    pub(crate) fn c_archive(self) -> PathBuf {
        self.folder().join(format!("{}.tar.gz", c_name()))
    }
}

/// The version of all packages.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder inside the C archive.
pub(crate) fn c_name() -> String {
    format!("hubless-c-{VERSION}-linux-x86-64")
}

/// Makes a folder that holds nothing.
///
/// # Errors
/// The folder cannot be made.
pub(crate) fn empty(folder: &std::path::Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| say(folder, &error))?;
    }
    std::fs::create_dir_all(folder).map_err(|error| say(folder, &error))
}

/// An error with the path it is about.
pub(crate) fn say(path: &std::path::Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Writes a file, and its folder.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(path: &std::path::Path, text: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| say(folder, &error))?;
    }
    std::fs::write(path, text).map_err(|error| say(path, &error))
}

/// Copies a file, and makes its folder.
///
/// # Errors
/// It cannot be read or written.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    let text = std::fs::read(from).map_err(|error| say(from, &error))?;
    write(to, text)
}

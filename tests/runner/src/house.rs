//! Where things are: the checkout, the target folder, the folders that tools install into.

use std::path::{Path, PathBuf};

/// What a step returns; the text is for a person.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// What the dev profile built.
pub(crate) fn built(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// The virtual environment that the runner makes.
pub(crate) fn venv() -> PathBuf {
    root().join("target/venv")
}

/// A program of the virtual environment.
pub(crate) fn venv_program(name: &str) -> PathBuf {
    venv().join("bin").join(name)
}

/// Logs of the steps.
pub(crate) fn logs() -> PathBuf {
    root().join("target/verify")
}

/// A folder that survives this checkout, for tools that are slow to build.
pub(crate) fn tools() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.unwrap_or_else(target).join("hubless/tools")
}

/// A path as text for a command line.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! Remembers with which inputs a step was done last.

use crate::house::{Result, root};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Runs `work` unless it was done with the same texts of `inputs` and `output` is still there.
///
/// # Errors
/// What `work` says, or an input that cannot be read.
pub(crate) fn unless_done(
    name: &str,
    inputs: &[&str],
    output: &Path,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let file: PathBuf = root().join("target/stamps").join(name);
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        hash(&root().join(input), &mut hasher)?;
    }
    let now = format!("{:016x}", hasher.finish());
    let same = std::fs::read_to_string(&file).is_ok_and(|before| before == now);
    if same && output.exists() {
        return Ok(());
    }
    work()?;
    let say = |error: std::io::Error| format!("{}: {error}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(say)?;
    }
    std::fs::write(&file, now).map_err(say)
}

/// A file's text, or those of all files below a folder.
fn hash(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let say = |error: std::io::Error| format!("{}: {error}", path.display());
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(say)?;
        let mut below: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        below.sort();
        let built =
            |path: &PathBuf| ["target", "node_modules"].iter().any(|name| path.ends_with(name));
        return below.iter().filter(|path| !built(path)).try_for_each(|path| hash(path, hasher));
    }
    path.hash(hasher);
    std::fs::read(path).map_err(say)?.hash(hasher);
    Ok(())
}

//! The Python package: an sdist by maturin, and one wheel for every Python from 3.10 on.

use super::dist::{Dist, Profile, copy, empty, say};
use super::{notices, reference, tools};
use crate::house::{Result, root, text};
use crate::step::Step;
use std::path::{Path, PathBuf};

pub(super) fn build(dist: Dist) -> Result<()> {
    let out = dist.python();
    empty(&out)?;
    Step::new("package: python, sdist", tools::program("maturin"))
        .args(["sdist", "--out", &text(&out)])
        .folder(root().join("python"))
        .must()?;
    let sdist = only(dist, ".tar.gz")?;
    let reference = reference(dist, &sdist)?;
    let platforms: &[&str] = match dist.profile {
        Profile::Dev => &["linux_x86_64"],
        // Two names of one thing: old versions of pip know only the second.
        Profile::Release => &["manylinux_2_17_x86_64", "manylinux2014_x86_64"],
    };
    Step::new("package: python, wheel", "python3")
        .args(["tests/runner/wheel.py", "--sdist", &text(&sdist), "--out", &text(&out)])
        .args(["--library", &text(&dist.library("lib_core.so"))])
        .args(["--reference", &text(&reference)])
        .args(["--notices", &text(&notices::folder(dist, "hubless-python"))])
        .args(platforms.iter().flat_map(|platform| ["--platform", platform]))
        .must()
        .map(drop)
}

/// The reference of what is packed: the checkout need not have been built.
fn reference(dist: Dist, sdist: &Path) -> Result<PathBuf> {
    let (work, out) = (dist.work("python"), dist.work("python-reference"));
    empty(&work)?;
    Step::new("package: python, unpack the sdist", "tar")
        .args(["--extract", "--strip-components=1", "--file", &text(sdist)])
        .args(["--directory", &text(&work)])
        .must()?;
    copy(&dist.library("lib_core.so"), &work.join("hubless/_core.abi3.so"))?;
    reference::made(&reference::python(&work, &out)?)?;
    Ok(out)
}

/// The one file of the Python package with this ending.
///
/// # Errors
/// There is none, or more than one.
pub(crate) fn only(dist: Dist, ending: &str) -> Result<PathBuf> {
    let folder = dist.python();
    let entries = std::fs::read_dir(&folder).map_err(|error| say(&folder, &error))?;
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(format!("expected one *{ending} in {}, got {found:?}", folder.display())),
    }
}

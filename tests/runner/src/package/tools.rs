//! What packaging needs besides the toolchains, in an environment of its own.

use crate::house::{Result, target, text};
use crate::prepare::stamp;
use crate::step::Step;
use std::path::PathBuf;

/// The folder of its programs.
pub(super) fn bin() -> PathBuf {
    target().join("packaging-tools/bin")
}

/// A program of it.
pub(crate) fn program(name: &str) -> PathBuf {
    bin().join(name)
}

/// `PATH` with those programs before all others.
pub(crate) fn path() -> String {
    let others = std::env::var("PATH").unwrap_or_default();
    format!("{}:{others}", text(&bin()))
}

/// Maturin and auditwheel.
pub(super) fn packaging() -> Result<()> {
    install("packaging", "maturin")
}

/// Zig, which links against the symbols of an old glibc.
pub(super) fn release() -> Result<()> {
    install("release", "cargo-zigbuild")
}

fn install(list: &str, output: &str) -> Result<()> {
    let file = format!("tests/runner/{list}.txt");
    stamp::unless_done(&format!("tools-{list}"), &[&file], &program(output), || {
        let folder = target().join("packaging-tools");
        Step::new("package: virtual environment for tools", "python3")
            .args(["-m", "venv", &text(&folder)])
            .must()?;
        Step::new(&format!("package: install what {list} needs"), program("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &file])
            .must()
            .map(drop)
    })
}

//! Builds and installs what the demo and the tests need; each step is quick when nothing changed.

mod c;
mod java;
mod node;
mod python;
pub(crate) mod stamp;

pub(crate) use c::flags as c_flags;
pub(crate) use node::{facade as node_facade, install};

use crate::house::{self, Result};
use crate::step::Step;
use crate::toolchain;

/// Everything that the four languages need.
///
/// # Errors
/// A toolchain is missing, or a build or download failed.
pub(crate) fn everything() -> Result<()> {
    toolchain::check()?;
    rust()?;
    python::prepare()?;
    node::prepare()?;
    java::prepare()?;
    c::prepare()
}

/// What the bindings export for tests of the boundary itself, such as a panic on demand.
pub(crate) const TESTING: &str =
    "hubless-python/testing,hubless-node/testing,hubless-jvm/testing,hubless-c/testing";

/// The command, the test programs and the four native libraries, in one build.
///
/// # Errors
/// The build failed.
pub(crate) fn rust() -> Result<()> {
    let step = Step::new("build: Rust core, command and native libraries", "cargo");
    step.args(["build", "--workspace", "--locked", "--features", TESTING]).must()?;
    Ok(())
}

/// Copies a built file where a package looks for it, unless it is there already.
fn copy(built: &str, to: &str) -> Result<()> {
    let (from, to) = (house::built(built), house::root().join(to));
    let say = |error: std::io::Error| format!("{}: {error}", to.display());
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(say)?;
    }
    let new = std::fs::read(&from).map_err(|error| format!("{}: {error}", from.display()))?;
    if std::fs::read(&to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    // A process may hold the old file mapped: it keeps its own, since the name moves to a new one.
    let beside = to.with_extension("new");
    std::fs::write(&beside, new).map_err(say)?;
    std::fs::rename(&beside, &to).map_err(say)
}

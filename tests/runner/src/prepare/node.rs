//! The Node.js package and the demo's own dependencies.

use super::{copy, stamp};
use crate::house::{Result, root};
use crate::step::Step;

pub(super) fn prepare() -> Result<()> {
    copy("libhubless_node.so", "node/native/hubless.node")?;
    // The demo's installation builds the package, which needs what the package is built with.
    facade()?;
    install("tests/demo/node")
}

/// What is written in TypeScript, compiled.
///
/// # Errors
/// A download or the compiler failed.
pub(crate) fn facade() -> Result<()> {
    install("node")?;
    let output = root().join("node/dist");
    stamp::unless_done("node-build", &["node/src", "node/tsconfig.json"], &output, || {
        let step = Step::new("node: compile the package", "npm");
        step.args(["run", "--silent", "build"]).folder(root().join("node")).must().map(drop)
    })
}

/// What a folder's lock file names, installed there.
///
/// `npm install`, not `npm ci`: the latter refuses a lock file that leaves out the packages of
/// platforms which this one cannot install.
///
/// # Errors
/// A download failed.
pub(crate) fn install(folder: &str) -> Result<()> {
    let lock = format!("{folder}/package-lock.json");
    let modules = root().join(folder).join("node_modules");
    let name = format!("npm-{}", folder.replace('/', "-"));
    stamp::unless_done(&name, &[&lock], &modules, || {
        Step::new(&format!("node: install in {folder}"), "npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"])
            .folder(root().join(folder))
            .must()
            .map(drop)
    })
}

//! The Node.js packages: the facade, and the addon of each platform as an optional dependency.

use super::dist::{Dist, VERSION, copy, empty, write};
use super::{notices, reference};
use crate::house::{Result, root, text};
use crate::step::Step;
use serde_json::{Value, json};
use std::path::Path;

/// The package that carries the addon; `node/src/native.ts` asks for it by this name.
pub(crate) const PLATFORM: &str = "@hubless/linux-x64-gnu";

/// The version of what the ten-line program takes its schema from; `node/package.json` has it.
pub(crate) const ZOD: &str = "zod@4.6.7";

pub(super) fn build(dist: Dist) -> Result<()> {
    crate::prepare::node_facade()?;
    empty(&dist.node())?;
    let work = dist.work("node");
    empty(&work)?;
    facade(dist, &work.join("hubless"))?;
    platform(dist, &work.join("platform"))?;
    for folder in ["hubless", "platform"] {
        Step::new(&format!("package: node, pack {folder}"), "npm")
            .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
            .args([text(&dist.node())])
            .folder(work.join(folder))
            .must()?;
    }
    Ok(())
}

/// What is common to both packages.
fn own(dist: Dist, folder: &Path) -> Result<()> {
    copy(&root().join("node/README.md"), &folder.join("README.md"))?;
    notices::copy_into(dist, "hubless-node", folder)
}

fn facade(dist: Dist, folder: &Path) -> Result<()> {
    own(dist, folder)?;
    Step::new("package: node, copy the facade", "cp")
        .args(["-r", "node/dist", "node/docs", "node/native.d.ts", &text(folder)])
        .must()?;
    reference::made(&reference::node(&folder.join("docs").join(reference::FOLDER))?)?;
    let manifest = std::fs::read_to_string(root().join("node/package.json"));
    let manifest = manifest.map_err(|error| format!("node/package.json: {error}"))?;
    let mut manifest: Value = serde_json::from_str(&manifest).map_err(|error| error.to_string())?;
    let fields = manifest.as_object_mut().ok_or("node/package.json is no object")?;
    // Of use in the checkout only.
    fields.remove("scripts");
    fields.remove("devDependencies");
    fields.insert("files".to_owned(), files(&["dist", "docs", "native.d.ts"]));
    fields.insert("optionalDependencies".to_owned(), json!({ PLATFORM: VERSION }));
    save(&manifest, folder)
}

fn platform(dist: Dist, folder: &Path) -> Result<()> {
    own(dist, folder)?;
    copy(&dist.library("libhubless_node.so"), &folder.join("hubless.node"))?;
    let manifest = json!({
        "name": PLATFORM,
        "version": VERSION,
        "description": "The native library of hubless for Linux on x86-64 with glibc",
        "license": "MIT OR Apache-2.0",
        "engines": { "node": ">=20" },
        "os": ["linux"], "cpu": ["x64"], "libc": ["glibc"],
        "main": "hubless.node",
        "files": files(&["hubless.node"]),
    });
    save(&manifest, folder)
}

/// The files of a package: its own, and the notices.
fn files(own: &[&str]) -> Value {
    own.iter().copied().chain(notices::names()).collect()
}

fn save(manifest: &Value, folder: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(manifest).map_err(|error| error.to_string())?;
    write(&folder.join("package.json"), text)
}

//! The C library: header, shared and static library, pkg-config and CMake files in one archive.

use super::dist::{Dist, Profile, c_name, empty};
use super::{native, notices, reference};
use crate::house::{Result, text};
use crate::step::Step;
use std::path::PathBuf;

/// What is packed: the library as it was installed.
pub(super) fn prefix(dist: Dist) -> PathBuf {
    dist.work("c").join(c_name())
}

pub(super) fn build(dist: Dist) -> Result<()> {
    let work = dist.work("c");
    empty(&work)?;
    let prefix = prefix(dist);
    let install = Step::new("package: c, install into a prefix", "make")
        .args(["--silent", "--directory", "include", "install"])
        .args([format!("PREFIX={}", text(&prefix))])
        .env("HUBLESS_LIBRARY", dist.work("native"))
        .env("OUT", work.join("build"));
    // The shared library is linked anew there, by whatever compiler make is told.
    match dist.profile {
        Profile::Dev => install,
        Profile::Release => install.env("CC", native::compiler()?),
    }
    .must()?;
    let about = prefix.join("share/doc/hubless");
    notices::copy_into(dist, "hubless-c", &about)?;
    match reference::c(&about.join(reference::FOLDER))? {
        Some(done) => reference::made(&done)?,
        None => eprintln!("  the C package has no reference: doxygen is not installed"),
    }
    let gzip = match dist.profile {
        Profile::Dev => "gzip -1",
        Profile::Release => "gzip -9",
    };
    Step::new("package: c, archive", "tar")
        .args([
            "--create",
            "--use-compress-program",
            gzip,
            "--owner=0",
            "--group=0",
            "--sort=name",
            "--mtime=@0",
        ])
        .args(["--file", &text(&dist.c_archive()), "--directory", &text(&work), &c_name()])
        .must()
        .map(drop)
}

//! The C library: header, shared and static library, pkg-config and CMake files in one archive.

use super::dist::{Dist, Profile, c_name, empty};
use super::notices;
use crate::house::{Result, text};
use crate::step::Step;

pub(super) fn build(dist: Dist) -> Result<()> {
    let work = dist.work("c");
    empty(&work)?;
    let prefix = work.join(c_name());
    Step::new("package: c, install into a prefix", "make")
        .args(["--silent", "--directory", "include", "install"])
        .args([format!("PREFIX={}", text(&prefix))])
        .env("HUBLESS_LIBRARY", dist.work("native"))
        .env("OUT", work.join("build"))
        .must()?;
    notices::copy_into(dist, "hubless-c", &prefix.join("share/doc/hubless"))?;
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

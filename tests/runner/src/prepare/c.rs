//! The C programs: examples, conformance runner, demo agent.

use crate::house::{Result, root, target};
use crate::step::Step;

pub(super) fn prepare() -> Result<()> {
    Step::new("c: compile the programs", "make")
        .args(["--silent", "--directory", "include", "programs"])
        .env("HUBLESS_LIBRARY", target().join("debug"))
        .env("OUT", root().join("target/c"))
        .must()
        .map(drop)
}

//! Budgets, in the profile that is shipped; how quickly a stop arrives in every language, in that
//! of the tests.

use crate::house::{self, Result};
use crate::step::Step;
use crate::{demo, prepare};
use std::process::Command;

/// True when no limit was broken.
pub(super) fn run() -> Result<bool> {
    let build = Step::new("bench: build budgets", "cargo");
    build.args(["build", "--release", "--locked", "-p", "hubless-bench"]).must()?;
    let program = house::target().join("release/hubless-bench-budgets");
    let status = Command::new(&program).status();
    let kept = status.map_err(|error| format!("{program:?}: {error}"))?.success();
    prepare::everything()?;
    Ok(demo::trips()? && kept)
}

//! Formatting, lints and types of every language; licences of every dependency.

use crate::count::Outcome;
use crate::house::{self, Result, root, venv_program};
use crate::step::Step;

/// Each linter counts as one test.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for step in steps() {
        let done = step.run()?;
        outcome += Outcome::one(done.ok, || done.tail(40));
    }
    Ok(outcome)
}

fn steps() -> Vec<Step> {
    let node = |script: &str| {
        let step = Step::new(&format!("lint: npm run {script}"), "npm");
        step.args(["run", "--silent", script]).folder(root().join("node"))
    };
    let python = |name: &str, program: &str, arguments: &[&str]| {
        Step::new(&format!("lint: {name}"), venv_program(program))
            .args(arguments)
            .folder(root().join("python"))
    };
    vec![
        Step::new("lint: cargo fmt", "cargo").args(["fmt", "--all", "--check"]),
        Step::new("lint: cargo clippy", "cargo")
            .args(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(["--", "--deny", "warnings"]),
        python("mypy", "mypy", &["--strict", "hubless"]),
        python("stubtest", "python", &["-m", "mypy.stubtest", "hubless._core"]),
        python("ruff", "ruff", &["check", "."]),
        node("typecheck"),
        node("lint"),
        Step::new("lint: ktlint", "mvn")
            .args(["-B", "-q", "-f", "kotlin/pom.xml"])
            .args(["validate", "-P", "lint"]),
    ]
}

/// `cargo deny`, installed once into the user's cache folder.
pub(crate) fn deny() -> Result<Outcome> {
    let program = house::tools().join("bin/cargo-deny");
    if !program.exists() {
        Step::new("deny: install cargo-deny", "cargo")
            // It looks at some hundred crates: to optimise it takes longer than it ever runs.
            .args(["install", "--debug", "--locked", "cargo-deny", "--root"])
            .args([house::tools()])
            .must()?;
    }
    let mut outcome = Outcome::default();
    for check in ["licenses", "bans", "sources"] {
        let done = Step::new(&format!("deny: {check}"), &program)
            .args(["--offline", "--all-features", "--config", ".deny.toml", "check", check])
            .run()?;
        outcome += Outcome::one(done.ok, || done.tail(40));
    }
    Ok(outcome)
}

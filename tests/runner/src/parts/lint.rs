//! Formatting, lints and types of every language; licences of every dependency.

use crate::count::Outcome;
use crate::house::{self, Result, root, text, venv_program};
use crate::prepare;
use crate::step::Step;

/// Each linter counts as one test.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for step in steps().into_iter().chain(measuring()?) {
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
            // With what only tests have: it is code of ours like the rest, and built like this.
            .args(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(["--features", prepare::TESTING, "--", "--deny", "warnings"]),
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

/// What measures in each language, as strictly as the packages.
fn measuring() -> Result<Vec<Step>> {
    let bench = root().join("tests/bench");
    let place = |language: &str| text(&bench.join(language));
    let flags = prepare::c_flags("STANDARD")?.chain(prepare::c_flags("WARN")?);
    let sources = ["program.c", "measure.c", "load.c"].map(|file| bench.join("c").join(file));
    let python = root().join("python");
    let node = root().join("node/node_modules/.bin");
    Ok(vec![
        Step::new("lint: mypy, what measures", venv_program("mypy"))
            .args(["--strict", &place("python")])
            .env("MYPYPATH", &python)
            .folder(&python),
        Step::new("lint: ruff, what measures", venv_program("ruff"))
            .args(["check", "--config", "pyproject.toml"])
            // It waits for what it counts itself.
            .args(["--extend-ignore", "ASYNC110", &place("python")])
            .folder(&python),
        Step::new("lint: tsc, what measures", node.join("tsc")).args(["-p", &place("node")]),
        Step::new("lint: biome, what measures", node.join("biome")).args([
            "ci",
            "--config-path",
            "node",
            "tests/bench/node",
        ]),
        Step::new("lint: cc, what measures", "cc")
            .args(flags)
            .args(["-fsyntax-only", "-Iinclude"])
            .args(sources),
    ])
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
    // It looks at the crates of every platform: more than were downloaded to build for this one.
    Step::new("deny: fetch the crates of every platform", "cargo")
        .args(["fetch", "--locked"])
        .must()?;
    let mut outcome = Outcome::default();
    for check in ["licenses", "bans", "sources"] {
        let done = Step::new(&format!("deny: {check}"), &program)
            .args(["--offline", "--all-features", "--config", ".deny.toml", "check", check])
            .run()?;
        outcome += Outcome::one(done.ok, || done.tail(40));
    }
    Ok(outcome)
}

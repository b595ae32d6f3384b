//! The parts that are cargo's own tests.

use crate::count::{self, Outcome};
use crate::generate;
use crate::house::{Result, root};
use crate::prepare::TESTING;
use crate::step::{Done, Step};
use crate::toolchain;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Folders of crates whose own tests are unit and property tests; those below `tests` are parts of
/// their own.
const CRATES: [&str; 2] = ["core", "bindings"];

/// Suites whose promise is a time; the part `mesh` runs them, beside nothing.
const TIMED: [&str; 2] = ["load", "other_process"];

/// Unit and property tests of every crate.
pub(crate) fn unit() -> Result<Outcome> {
    let suites = suites(&root())?;
    let mut arguments = vec!["--lib", "--bins"];
    for suite in suites.iter().filter(|suite| !TIMED.contains(&suite.as_str())) {
        arguments.extend(["--test", suite]);
    }
    test("unit: cargo test", &arguments)
}

/// Names of the suites that stand beside the crates, each once: a file, or a folder with `main.rs`.
fn suites(root: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for parent in CRATES {
        for krate in entries(&root.join(parent))? {
            let tests = krate.join("tests");
            if !tests.is_dir() {
                continue;
            }
            for suite in entries(&tests)? {
                let is_suite =
                    suite.extension() == Some(OsStr::new("rs")) || suite.join("main.rs").is_file();
                if let Some(name) = suite.file_stem().filter(|_| is_suite) {
                    found.insert(name.to_string_lossy().into_owned());
                }
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let all = std::fs::read_dir(folder).map_err(wrong)?;
    all.map(|entry| Ok(entry.map_err(wrong)?.path())).collect()
}

/// Rules of style and architecture.
pub(crate) fn tidy() -> Result<Outcome> {
    Outcome::unless(toolchain::git_fault(), || {
        run(Step::new("tidy: cargo test", "cargo").args(["test", "--locked", "-p", "hubless-tidy"]))
    })
}

/// Many processes on one machine. One test after the other: what is measured beside a crowd of a
/// hundred processes says nothing.
pub(crate) fn mesh() -> Result<Outcome> {
    let suites = ["machine"].into_iter().chain(TIMED).flat_map(|suite| ["--test", suite]);
    let arguments: Vec<_> = suites.chain(["--", "--test-threads=1", "--nocapture"]).collect();
    test("mesh: cargo test", &arguments)
}

/// The HTTP listener and the metering gateway over real sockets, and the commands that open them.
pub(crate) fn edge() -> Result<Outcome> {
    test("edge: cargo test", &["--test", "http", "--test", "expose", "--test", "gateway"])
}

/// The fuzz functions over their committed corpora.
pub(crate) fn fuzz() -> Result<Outcome> {
    test("fuzz: cargo test", &["--test", "corpus", "--test", "seeds", "--test", "mutations"])
}

/// Generated files, compared; the header, compiled as C11 and C++17.
pub(crate) fn generated() -> Result<Outcome> {
    let mut outcome = generate::compare()?;
    let header = root().join("include/hubless.h");
    for (compiler, standard, language) in [("cc", "-std=c11", "c"), ("c++", "-std=c++17", "c++")] {
        let step = Step::new(&format!("generated: header with {compiler}"), compiler);
        let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"];
        let done = step.args([standard, "-x", language]).args(strict).args([&header]).run();
        outcome += match done {
            Ok(done) => Outcome::one(done.ok, || done.tail(20)),
            Err(missing) => Outcome::skip(&missing),
        };
    }
    Ok(outcome)
}

/// Doc tests, and docs that build without a warning.
pub(crate) fn doc() -> Result<Outcome> {
    let mut outcome = test("doc: samples in the docs", &["--doc"])?;
    let step = Step::new("doc: build the docs", "cargo").args(["doc", "--no-deps", "--locked"]);
    let step = step.args(["--workspace", "--lib", "--features", TESTING]);
    let done = step.env("RUSTDOCFLAGS", "-D warnings").run()?;
    outcome += Outcome::one(done.ok, || done.tail(30));
    Ok(outcome)
}

/// A `cargo test` with its counts; one that failed without a failed test counts as one.
///
/// Always of the whole workspace, with targets chosen by name: packages chosen by name would have
/// other features, and everything under them would be compiled once more.
pub(crate) fn test(name: &str, arguments: &[&str]) -> Result<Outcome> {
    test_with(name, arguments, &[])
}

/// As `test`, with variables that the tests read.
pub(crate) fn test_with(
    name: &str,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> Result<Outcome> {
    let step = Step::new(name, "cargo").args(["test", "--locked", "--no-fail-fast"]);
    let step = step.args(["--workspace", "--features", TESTING]).args(arguments);
    let step = step.env("HUBLESS_LOG", "off");
    run(settings.iter().fold(step, |step, (key, value)| step.env(key, value)))
}

fn run(test: Step) -> Result<Outcome> {
    Ok(read(&test.run()?))
}

/// The counts of a `cargo test` that ran.
pub(crate) fn read(done: &Done) -> Outcome {
    let mut outcome = count::cargo(&done.output);
    if !done.ok {
        outcome.failed = outcome.failed.max(1);
        // A failure of an early binary stands far above the end of the log.
        let failures = count::cargo_failures(&done.output);
        let hung = done.late && !failures.is_empty();
        outcome.notes.push(if failures.is_empty() { done.tail(60) } else { failures });
        // What failed before says nothing of what hung in the end.
        outcome.notes.extend(hung.then(|| done.tail(60)));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_and_nothing_that_suites_share() {
        let found = suites(&root()).unwrap();
        for suite in ["two_nodes", "contract", "gateway", "killswitch"].iter().chain(&TIMED) {
            assert!(found.contains(*suite), "{suite} is not in {found:?}");
        }
        for other in ["support", "budgets_tests", "machine", "house"] {
            assert!(!found.contains(other), "{other} is in {found:?}");
        }
    }
}

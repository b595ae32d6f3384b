//! Each language's own suite, its ten-line programs, and the samples of its guide.

use super::docs;
use crate::count::{self, Outcome};
use crate::hello;
use crate::house::{Result, built, root, target, venv_program};
use crate::language::{Language, Origin};
use crate::step::Step;
use crate::toolchain;
use std::path::Path;

/// Python's suite.
pub(crate) fn python() -> Result<Outcome> {
    let step = Step::new("python: pytest", venv_program("python"))
        .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests"])
        .env("HUBLESS_CLI", built("hubless"))
        .folder(root().join("python"));
    suite(Language::Python, step, count::pytest)
}

/// Node.js's suite, and that of the renderer of the demo.
pub(crate) fn node() -> Result<Outcome> {
    let test = |name: &str, folder: &str| {
        Step::new(name, "npm").args(["test", "--silent"]).folder(root().join(folder))
    };
    let mut outcome = suite(Language::Node, test("node: npm test", "node"), count::node)?;
    outcome += counted(test("node: test of the renderer", "tests/demo/node"), count::node)?;
    Ok(outcome)
}

/// Kotlin's suite. Of Maven's phases only the last: what is tested is compiled, and programs of
/// parts beside this one run on those classes.
pub(crate) fn kotlin() -> Result<Outcome> {
    let step = Step::new("kotlin: mvn surefire:test", "mvn");
    let step = step.args(["-B", "-f", "kotlin/pom.xml", "surefire:test"]);
    let mut outcome = suite(Language::Kotlin, step, count::surefire)?;
    if outcome.skipped > 0 {
        outcome.notes.extend(skipped_in(&root().join("kotlin/target/surefire-reports")));
    }
    Ok(outcome)
}

/// What the reports of Surefire say of skipped tests.
fn skipped_in(reports: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(reports).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "xml"));
    files.sort();
    let texts = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.flat_map(|report| count::surefire_reasons(&report)).collect()
}

/// C's suite; without `make` only its programs.
pub(crate) fn c() -> Result<Outcome> {
    if let Some(fault) = toolchain::make_fault() {
        let mut outcome = Outcome::skip(&format!("C's suite: {fault}"));
        outcome += programs(Language::C)?;
        return Ok(outcome);
    }
    let step = Step::new("c: make check", "make")
        .args(["--silent", "--directory", "include", "check"])
        .env("HUBLESS_LIBRARY", target().join("debug"))
        .env("OUT", root().join("target/c"));
    suite(Language::C, step, count::plain)
}

/// Runs a suite; one that failed without a count counts as one.
fn counted(step: Step, parse: fn(&str) -> Outcome) -> Result<Outcome> {
    let done = step.env("HUBLESS_LOG", "off").run()?;
    let mut outcome = parse(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(60));
    }
    Ok(outcome)
}

/// Runs a suite and the programs.
fn suite(language: Language, step: Step, parse: fn(&str) -> Outcome) -> Result<Outcome> {
    let mut outcome = counted(step, parse)?;
    outcome += programs(language)?;
    Ok(outcome)
}

/// Runs the ten-line programs, as the README starts them as well, and the samples of the guide.
fn programs(language: Language) -> Result<Outcome> {
    let mut outcome = hello::from(Origin::Checkout, language, &Language::ALL)?;
    outcome += hello::named(language)?;
    outcome += docs::samples_of(language)?;
    Ok(outcome)
}

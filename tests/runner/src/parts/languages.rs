//! Each language's own suite, and its ten-line programs.

use crate::count::{self, Outcome};
use crate::hello;
use crate::house::{Result, root, target, venv_program};
use crate::language::{Language, Origin};
use crate::step::Step;

/// Python's suite.
pub(crate) fn python() -> Result<Outcome> {
    let step = Step::new("python: pytest", venv_program("python"))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"])
        .folder(root().join("python"));
    suite(Language::Python, step, count::pytest)
}

/// Node.js's suite.
pub(crate) fn node() -> Result<Outcome> {
    let step = Step::new("node: npm test", "npm").args(["test", "--silent"]);
    suite(Language::Node, step.folder(root().join("node")), count::node)
}

/// Kotlin's suite.
pub(crate) fn kotlin() -> Result<Outcome> {
    let step = Step::new("kotlin: mvn test", "mvn").args(["-B", "-f", "kotlin/pom.xml", "test"]);
    suite(Language::Kotlin, step, count::surefire)
}

/// C's suite.
pub(crate) fn c() -> Result<Outcome> {
    let step = Step::new("c: make check", "make")
        .args(["--silent", "--directory", "include", "check"])
        .env("HUBLESS_LIBRARY", target().join("debug"))
        .env("OUT", root().join("target/c"));
    suite(Language::C, step, count::plain)
}

/// Runs a suite and the ten-line programs; a suite that failed without a count counts as one.
fn suite(language: Language, step: Step, parse: fn(&str) -> Outcome) -> Result<Outcome> {
    let done = step.env("HUBLESS_LOG", "off").run()?;
    let mut outcome = parse(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(60));
    }
    outcome += hello::from(Origin::Checkout, language, &Language::ALL)?;
    Ok(outcome)
}

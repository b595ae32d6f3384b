//! C's suite with its memory watched: by the sanitizers of the compiler, and by valgrind.

use crate::count::{self, Outcome};
use crate::house::{Result, root, target};
use crate::step::Step;
use crate::toolchain;
use std::process::{Command, Stdio};

/// Runs the suite under the sanitizers.
///
/// # Errors
/// The C compiler or `make` could not be started.
pub(crate) fn run() -> Result<Outcome> {
    if let Some(fault) = toolchain::make_fault() {
        return Ok(Outcome::skip(&fault));
    }
    if has_sanitizers()? {
        watched("sanitize")
    } else {
        Ok(Outcome::skip("the C compiler has no address and undefined-behaviour sanitizers"))
    }
}

/// Runs the suite under valgrind, which makes it some thirty times slower.
///
/// # Errors
/// The C compiler or `make` could not be started.
pub(crate) fn long() -> Result<Outcome> {
    if let Some(fault) = toolchain::make_fault() {
        return Ok(Outcome::skip(&fault));
    }
    if has_valgrind() {
        watched("valgrind")
    } else {
        Ok(Outcome::skip("valgrind is not installed"))
    }
}

/// One target of the Makefile, which ends with the counts of the suite.
fn watched(tool: &str) -> Result<Outcome> {
    let done = Step::new(&format!("memory: make {tool}"), "make")
        .args(["--silent", "--directory", "include", tool])
        .env("HUBLESS_LIBRARY", target().join("debug"))
        .env("OUT", root().join("target/c"))
        .env("HUBLESS_LOG", "off")
        .run()?;
    let mut outcome = count::plain(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(60));
    }
    Ok(outcome)
}

/// Whether valgrind is here.
pub(super) fn has_valgrind() -> bool {
    let asked = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Some compilers know the flag and lack the library.
///
/// # Errors
/// There is no C compiler.
pub(super) fn has_sanitizers() -> Result<bool> {
    let program = target().join("sanitized");
    let flags = ["-fsanitize=address,undefined", "-x", "c", "-", "-o"];
    let mut compiler = Command::new("cc")
        .args(flags)
        .arg(&program)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cc: {error}"))?;
    if let Some(mut source) = compiler.stdin.take() {
        use std::io::Write;
        // A compiler that ended already says so by its status.
        let _ = source.write_all(b"int main(void) { return 0; }");
    }
    let compiled = compiler.wait().is_ok_and(|status| status.success());
    Ok(compiled && Command::new(&program).status().is_ok_and(|status| status.success()))
}

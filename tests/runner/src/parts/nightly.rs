//! What needs nightly Rust, and stands outside the workspace: the fuzzer with coverage.

use crate::count::Outcome;
use crate::house::{Result, target};
use crate::step::Step;
use crate::toolchain::answers;

const MANIFEST: &str = "tests/fuzz/cargo-fuzz/Cargo.toml";

/// The types of the fuzzer hold; skipped where nightly Rust or a C++ compiler is missing.
///
/// # Errors
/// `rustup` could not be started.
pub(super) fn fuzzer() -> Result<Outcome> {
    if !answers("rustup", &["run", "nightly", "rustc", "--version"]) {
        return Ok(Outcome::skip("nightly Rust is missing: rustup toolchain install nightly"));
    }
    // Its build compiles libFuzzer, which is C++.
    if !answers("c++", &["--version"]) {
        return Ok(Outcome::skip("the fuzzer with coverage needs a C++ compiler (c++)"));
    }
    let done = Step::new("long: types of the fuzzer", "rustup")
        .args(["run", "nightly", "cargo", "check", "--locked", "--manifest-path", MANIFEST])
        .env("CARGO_TARGET_DIR", target().join("nightly"))
        .run()?;
    Ok(Outcome::one(done.ok, || done.tail(40)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manifest_is_where_it_is_looked_for() {
        assert!(crate::house::root().join(super::MANIFEST).is_file());
    }
}

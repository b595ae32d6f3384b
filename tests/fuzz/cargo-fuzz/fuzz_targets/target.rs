//! One shell for every target of `hubless-fuzz`; `HUBLESS_FUZZ_TARGET` names it.
//!
//! From `tests/fuzz`, with nightly Rust and cargo-fuzz: `HUBLESS_FUZZ_TARGET=record cargo +nightly
//! fuzz run --fuzz-dir cargo-fuzz target corpus/record -- -dict=dictionary.txt`. What it finds
//! belongs into `tests/seeds`.
#![no_main]

use hubless_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("HUBLESS_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name).copied();
    found.unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("HUBLESS_FUZZ_TARGET is {name:?}, expected one of {}", names.join(", "))
    })
});

fuzz_target!(|data: &[u8]| {
    // Whether it was taken says nothing: a target panics where a promise is broken.
    let _ = (TARGET.run)(data);
});

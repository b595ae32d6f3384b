//! What the measuring programs in Rust share.
//!
//! Owns: their commands, how each is measured, and the lines they say; `tests/bench/BENCH.md`
//! defines them for every language. Must not know: what is asked. Tested beside each part.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a program that measures ends where it cannot")]

pub mod command;
pub mod measure;
pub mod speak;

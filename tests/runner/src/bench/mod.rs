//! `cargo bench-all`: figures beside those of others, as tables and plots in `target/bench`.
//!
//! Owns: which programs run in which order, and what a row means; the work itself is in
//! `tests/bench`, and `tests/bench/BENCH.md` defines it. Must not know: how a peer is called; the
//! scripts of the peers are used where the user has them. Benchmarks, not tests: nothing fails on
//! a time.

mod about;
mod budgets;
mod calls;
mod contestant;
mod counted;
mod discovery;
mod figures;
mod install;
mod instructions;
mod judged;
mod local;
mod options;
mod pair;
mod peers;
mod plot;
mod report;
mod stages;
mod start;
mod targets;

pub(crate) use options::{Options, run};

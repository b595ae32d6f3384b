//! Figures of budgets: what is spent above a limit, what is left behind, how much of a limit can be
//! used, and how fast, beside the two ways in which others keep a limit.
//!
//! Each row is a line of JSON, `{"table", "row", "metrics"}`, which the runner makes tables of;
//! `quick` makes a few of each. Owns: the workloads. Must not know: how a ledger works. A
//! benchmark, not a test: nothing fails on a time, but more spent than allowed, something left
//! behind, or a crowd in which the other two ways lose nothing, ends it with status 1. Told
//! `spender` or `root`, it is a process that is killed by itself.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program that prints figures"
)]

mod crash;
mod disk;
mod escrow;
mod others;
mod provider;
mod roots;
mod speed;

use hubless_bench::speak::say;
use provider::Provider;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// How much of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// What the figures are made of.
    Whole,
    /// A few, which show that all of it runs.
    Quick,
}

/// One workload: so many tasks, so many of them at once, each through so many calls.
#[derive(Debug, Clone, Copy)]
struct Load {
    concurrency: u64,
    depth: u32,
    tasks: u64,
    ceiling: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// Tokens that the provider wrote.
    written: u64,
    /// Tokens that it had written when a task was refused for the first time.
    first_refusal: Option<u64>,
    refused: u64,
    /// Tokens that are neither spent nor free once everything has ended.
    stranded: u64,
    seconds: f64,
}

/// From so many at once on, whoever does not set aside first spends more than is allowed.
const CROWD: u64 = 64;

/// Most that the last call of a task may let the provider write.
const MOST: u64 = 20;

impl Load {
    /// A limit that is reached after about two thirds of the tasks, at any depth: each call lets
    /// the provider write what it does not pass on.
    fn new(concurrency: u64, depth: u32, scale: Scale) -> Self {
        let tasks = match (scale, depth > 4) {
            (Scale::Whole, true) => 300,
            (Scale::Whole, false) => 3_000,
            (Scale::Quick, _) => 60,
        };
        Self { concurrency, depth, tasks, ceiling: tasks * need(depth) / 3 }
    }
}

/// Tokens of a chain of so many calls at most: each passes on a quarter, and the last has `MOST`.
const fn need(depth: u32) -> u64 {
    MOST * 4_u64.pow(depth.saturating_sub(1))
}

impl Figures {
    fn tell(&self, way: &str, load: &Load) {
        let Self { written, first_refusal, refused, stranded, seconds } = *self;
        let mut metrics = json!({
            "limit": load.ceiling,
            "written": written,
            "overspent": written.saturating_sub(load.ceiling),
            "stranded": stranded,
            "refused": refused,
            "per_second": load.tasks as f64 * f64::from(load.depth) / seconds,
        });
        // Where none was refused, nobody knows how much could have been used.
        if let Some(at) = first_refusal {
            metrics["used_per_cent"] = json!(100.0 * at as f64 / load.ceiling as f64);
        }
        tell(
            "limits",
            &format!("{way}, depth {}, {} at once", load.depth, load.concurrency),
            metrics,
        );
    }
}

/// Says a row of a table.
fn tell(table: &str, row: &str, metrics: Value) {
    say(&json!({ "table": table, "row": row, "metrics": metrics }));
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next();
    let is_part = |role: &&std::ffi::OsString| *role == crash::ROLE || *role == roots::ROLE;
    if let Some(role) = role.as_ref().filter(is_part) {
        let places: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
        let [home, socket] = places.as_slice() else { return ExitCode::FAILURE };
        // Whoever started it reads what went wrong in place of `ready`.
        let spends = role == crash::ROLE;
        let ended = if spends { crash::spend(home, socket).await } else { roots::ask(home).await };
        let Err(error) = ended else { return ExitCode::SUCCESS };
        println!("{error}");
        return ExitCode::FAILURE;
    }
    let scale = match role {
        None => Scale::Whole,
        Some(word) if word == "quick" => Scale::Quick,
        Some(_) => return ExitCode::FAILURE,
    };
    if measured(scale).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says all figures; true when no limit was broken.
async fn measured(scale: Scale) -> bool {
    let mut kept = true;
    for depth in [1, 4, 16] {
        for concurrency in [1, 8, 64, 512] {
            let load = Load::new(concurrency, depth, scale);
            for (way, said) in [("escrow, nothing said", false), ("escrow, most said", true)] {
                let figures = escrow::run(load, said).await;
                figures.tell(way, &load);
                // A limit that refuses nobody shows nothing.
                kept &= figures.written <= load.ceiling && figures.refused > 0;
                kept &= figures.stranded == 0;
            }
            for (name, way) in others::WAYS {
                let figures = others::run(load, way).await;
                figures.tell(name, &load);
                // Where they lose nothing, the workload shows nothing.
                kept &= concurrency < CROWD || figures.written > load.ceiling;
            }
        }
    }
    let Some(disk) = disk::folder() else { return false };
    for (name, home) in [("in memory", None), ("on a disk", Some(disk))] {
        for concurrency in [1, 64] {
            let home = home.as_ref().map(tempfile::TempDir::path);
            let rate = speed::run(home, concurrency, scale).await;
            let row = format!("{name}, {concurrency} at once");
            tell("ledger", &row, json!({ "per_second": rate }));
        }
    }
    kept &= crash::run(scale).await;
    kept &= roots::run(scale).await;
    kept
}

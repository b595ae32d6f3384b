//! Figures of budgets: what is spent above a limit, what is left behind, how much of a limit can be
//! used, and how fast, beside the two ways in which others keep a limit.
//!
//! Owns: the workloads and the tables. Must not know: how a ledger works. A benchmark, not a test:
//! nothing fails on a time, but more spent than allowed, or something left behind, ends it with
//! status 1. Told `spender` or `root`, it is a process that is killed by itself.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints figures")]

mod crash;
mod disk;
mod escrow;
mod others;
mod provider;
mod roots;
mod speed;

use provider::Provider;
use std::path::PathBuf;
use std::process::ExitCode;

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

/// Most that the last call of a task may let the provider write.
const MOST: u64 = 20;

impl Load {
    /// A limit that is reached after about two thirds of the tasks, at any depth: each call lets
    /// the provider write what it does not pass on.
    fn new(concurrency: u64, depth: u32) -> Self {
        let tasks = if depth > 4 { 300 } else { 3_000 };
        Self { concurrency, depth, tasks, ceiling: tasks * need(depth) / 3 }
    }
}

/// Tokens of a chain of so many calls at most: each passes on a quarter, and the last has `MOST`.
const fn need(depth: u32) -> u64 {
    MOST * 4_u64.pow(depth.saturating_sub(1))
}

impl Figures {
    fn row(&self, way: &str, load: &Load) {
        let Self { written, first_refusal, refused, stranded, seconds } = *self;
        let over = written.saturating_sub(load.ceiling);
        let used = first_refusal.map_or_else(
            || "none refused".to_owned(),
            |at| format!("{:.1} %", 100.0 * at as f64 / load.ceiling as f64),
        );
        let rate = load.tasks as f64 * f64::from(load.depth) / seconds;
        println!(
            "| {way} | {} | {} | {} | {written} | {over} | {stranded} | {used} | {refused} | \
             {rate:.0} |",
            load.concurrency, load.depth, load.ceiling
        );
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next();
    let is_part = |role: &std::ffi::OsString| role == crash::ROLE || role == roots::ROLE;
    if let Some(role) = role.filter(is_part) {
        let places: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
        let [home, socket] = places.as_slice() else { return ExitCode::FAILURE };
        // Whoever started it reads what went wrong in place of `ready`.
        let spends = role == crash::ROLE;
        let ended = if spends { crash::spend(home, socket).await } else { roots::ask(home).await };
        let Err(error) = ended else { return ExitCode::SUCCESS };
        println!("{error}");
        return ExitCode::FAILURE;
    }
    if measured().await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints all figures; true when no limit was broken.
async fn measured() -> bool {
    println!(
        "| way | at once | depth | limit | written | overspent | stranded | used at the first \
         refusal | refused | calls/s |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut kept = true;
    for depth in [1, 4, 16] {
        for concurrency in [1, 8, 64, 512] {
            let load = Load::new(concurrency, depth);
            for (way, said) in [("escrow, nothing said", false), ("escrow, most said", true)] {
                let figures = escrow::run(load, said).await;
                figures.row(way, &load);
                // A limit that refuses nobody shows nothing.
                kept &= figures.written <= load.ceiling && figures.refused > 0;
                kept &= figures.stranded == 0;
            }
            if depth == 1 {
                others::run(load, others::Way::AfterSpending).await.row("check after", &load);
                others::run(load, others::Way::BeforeActing).await.row("check, then act", &load);
            }
        }
    }
    println!("\n| ledger | at once | reserve + commit a second |\n|---|---|---|");
    let Some(disk) = disk::folder() else { return false };
    for (name, home) in [("in memory", None), ("on a disk", Some(disk))] {
        for concurrency in [1, 64] {
            let rate = speed::run(home.as_ref().map(tempfile::TempDir::path), concurrency).await;
            println!("| {name} | {concurrency} | {rate:.0} |");
        }
    }
    crash::Figures::head();
    kept &= crash::run().await;
    kept &= roots::run().await;
    kept
}

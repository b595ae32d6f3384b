//! The one binary behind `cargo demo`, `cargo verify`, `cargo package-all` and `cargo bench-all`.
//!
//! Owns: what is built, installed and started, and how results are counted and shown. Must not
//! know: how anything that it starts works. Its own logic (counting, the timeline) has unit tests.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod bench;
mod bounded;
mod chaos;
mod count;
mod demo;
mod generate;
mod guide;
mod hello;
mod house;
mod language;
mod package;
mod parts;
mod prepare;
mod process;
mod settings;
mod step;
mod toolchain;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "hubless-runner", about = "Runs the demo and the tests of Hubless")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Four agents in four languages make a report together, and survive a kill.
    Demo(demo::Options),
    /// Runs the tests: all parts, or those named; `list` prints them, `long` runs long forms.
    Verify {
        /// Parts to run; none: all.
        parts: Vec<String>,
    },
    /// Kills agents of four languages over a bad network, and counts what they spent: what the part
    /// `killswitch` does, with other kills or another seed.
    Chaos(chaos::Options),
    /// Builds everything, then runs the ten-line programs of the four languages.
    Hello,
    /// Measures: all, or what is named; tables and plots go to `target/bench`.
    Bench(bench::Options),
    /// Builds the packages that users install, into `target/dist`.
    Package(package::Options),
    /// Writes the generated files anew.
    Generate,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Chaos(options) => chaos::run(&options),
        Command::Verify { parts } => Ok(parts::verify(&parts)),
        Command::Hello => prepare::everything()
            .and_then(|()| hello::all(language::Origin::Checkout))
            .map(|outcome| {
                outcome.notes.iter().for_each(|note| eprintln!("{note}"));
                println!("{outcome}");
                outcome.failed == 0
            }),
        Command::Bench(options) => {
            step::take_long();
            bench::run(&options)
        }
        Command::Package(options) => {
            step::take_long();
            package::run(&options)
        }
        Command::Generate => generate::write().map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("hubless: {message}");
            ExitCode::FAILURE
        }
    }
}

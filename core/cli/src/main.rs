//! The command `hubless`.
//!
//! Owns: arguments, configuration, output, exit codes. Must not know: how anything works that it
//! asks the SDK for. Tested by running the built command.
#![forbid(unsafe_code)]

mod args;
mod config;
mod output;
mod verbs;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    hubless::telemetry::init();
    let arguments = args::Arguments::parse();
    let json = arguments.global.json;
    let done =
        hubless::executor::handle().and_then(|runtime| runtime.block_on(verbs::run(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error, json),
    }
}

//! The command `hubless`.
//!
//! Owns: arguments, configuration, output, exit codes. Must not know: how anything works that it
//! asks the SDK for. Tested by running the built command.
#![forbid(unsafe_code)]

mod args;
mod config;
mod input;
mod output;
mod verbs;

use clap::Parser;
use hubless_edge::stdio;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut given = std::env::args_os().skip(1).peekable();
    if given.next_if(|first| first == stdio::LAUNCH).is_some() {
        return stdio::launch(given);
    }
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let as_json = given.take_while(|one| one != "--").any(|one| one == "--json");
            return output::usage(&error, as_json);
        }
    };
    let json = arguments.global.json;
    let done =
        hubless::executor::handle().and_then(|runtime| runtime.block_on(verbs::run(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error, json),
    }
}

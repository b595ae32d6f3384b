//! The core's message path, made to be counted: one stage, so many times.
//!
//! `hubless-bench-path <stage> <times>`; `hubless-bench-path list` prints the stages. Instructions
//! of one time are those of many less those of none (`cargo bench-all instructions`), so what goes
//! before and after is the same in both. Owns: the stages. Must not know: what counts them.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that is counted")]

mod call;
mod pure;

use pure::Path;
use std::process::ExitCode;

/// The stages, in the order of a call.
const STAGES: [&str; 7] =
    ["encode", "decode", "policy", "encode-answer", "decode-answer", "whole", "call"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stage, times] = match arguments.as_slice() {
        [list] if list == "list" => {
            STAGES.iter().for_each(|stage| println!("{stage}"));
            return ExitCode::SUCCESS;
        }
        [stage, times] => [stage, times],
        _ => return ExitCode::FAILURE,
    };
    let Ok(times) = times.parse::<usize>() else { return ExitCode::FAILURE };
    if stage == "call" {
        call::run(times);
        return ExitCode::SUCCESS;
    }
    let mut path = Path::new();
    let step: fn(&mut Path) = match stage.as_str() {
        "encode" => Path::encode,
        "decode" => Path::decode,
        "policy" => Path::policy,
        "encode-answer" => Path::encode_answer,
        "decode-answer" => Path::decode_answer,
        "whole" => Path::whole,
        _ => return ExitCode::FAILURE,
    };
    for _ in 0..times {
        step(&mut path);
    }
    ExitCode::SUCCESS
}

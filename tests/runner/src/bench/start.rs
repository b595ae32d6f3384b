//! From the start of a process to its first answer from another process: measured from outside,
//! interleaved, beside the bare start of the same language's runtime.

use super::judged::State;
use super::options::{FEWEST, Scale};
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::prepare;
use crate::process::Process;
use crate::settings;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds of each row.
const fn rounds(scale: Scale) -> usize {
    match scale {
        Scale::Whole => 15,
        Scale::Quick => 1,
    }
}

struct Row {
    language: Language,
    target_ms: u32,
    answer: Vec<Duration>,
    bare: Vec<Duration>,
}

/// Prints the table.
pub(super) fn run(scale: Scale) -> Result<()> {
    let rounds = rounds(scale);
    prepare::everything()?;
    let home = house::target().join("bench-home");
    // Left over from a run that was interrupted.
    let _ = std::fs::remove_dir_all(&home);
    let mut command = Language::C.command(Origin::Checkout, Program::HelloAgent)?;
    command.env("HUBLESS_HOME", &home);
    let agent = Process::start("agent", &mut command, &house::logs().join("bench-agent.log"))?;
    let row =
        |language, target_ms| Row { language, target_ms, answer: Vec::new(), bare: Vec::new() };
    let mut rows = [
        row(Language::C, 100),
        row(Language::Python, 300),
        row(Language::Node, 300),
        row(Language::Kotlin, 1_000),
    ];
    for _ in 0..rounds {
        for row in &mut rows {
            let mut caller = row.language.command(Origin::Checkout, Program::HelloCaller)?;
            caller.env("HUBLESS_HOME", &home);
            row.answer.push(time(&mut caller)?);
            row.bare.push(time(&mut bare(row.language))?);
        }
    }
    agent.finish(Duration::from_secs(15))?;
    let _ = std::fs::remove_dir_all(&home);
    println!("process start to first answer of another process, dev profile, rounds: {rounds}");
    println!("| language | answer ms: min, median, max | bare start ms: median | target ms | |");
    println!("|---|---|---|---|---|");
    for row in &mut rows {
        let answer = spread(&mut row.answer);
        let [_, bare, _] = spread(&mut row.bare);
        let (name, target) = (row.language.name(), row.target_ms);
        let state = judged(answer, rounds, target).shown();
        let [low, middle, high] = answer;
        println!("| {name} | {low:.0}, {middle:.0}, {high:.0} | {bare:.0} | {target} | {state} |");
    }
    Ok(())
}

/// What becomes of a target: as of those of the other benchmarks, each run counts.
fn judged([_, middle, high]: [f64; 3], rounds: usize, target_ms: u32) -> State {
    let most = f64::from(target_ms);
    if middle > most {
        State::NotMet
    } else if rounds < FEWEST {
        State::TooFewRuns
    } else if high > most {
        State::Overlaps
    } else {
        State::Met
    }
}

fn time(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = settings::own_only(command).status().map_err(|error| error.to_string())?;
    let took = started.elapsed();
    if status.success() { Ok(took) } else { Err(format!("{command:?} ended with {status}")) }
}

/// The runtime of the language with nothing to do.
fn bare(language: Language) -> Command {
    let (program, arguments): (_, &[&str]) = match language {
        Language::Python => (house::venv_program("python").into_os_string(), &["-c", "pass"]),
        Language::Node => ("node".into(), &["-e", ""]),
        Language::Kotlin => ("java".into(), &["-XX:TieredStopAtLevel=1", "-version"]),
        Language::C => ("true".into(), &[]),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Smallest, middle and largest, in milliseconds.
fn spread(times: &mut [Duration]) -> [f64; 3] {
    times.sort();
    let at = |index: usize| times.get(index).map_or(0.0, |t| t.as_secs_f64() * 1_000.0);
    [at(0), at(times.len() / 2), at(times.len().saturating_sub(1))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_only_by_all_of_enough_runs() {
        assert_eq!(judged([80.0, 90.0, 100.0], FEWEST, 100), State::Met);
        assert_eq!(judged([80.0, 90.0, 100.5], FEWEST, 100), State::Overlaps);
        assert_eq!(judged([80.0, 100.5, 110.0], FEWEST, 100), State::NotMet);
        assert_eq!(judged([80.0, 90.0, 100.0], FEWEST - 1, 100), State::TooFewRuns);
    }
}

//! `cargo demo --runaway`: a call chain that multiplies itself, stopped at its budget
//! (`tests/demo/RUNAWAY.md`).

use super::place;
use super::provider::{Bill, Provider};
use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Budget of the run, in tokens.
const BUDGET: u64 = 4_000;
const READY: Duration = Duration::from_secs(30);
const RUN: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(2);
/// How long the last words of a process may take after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What one run gave.
struct Gave {
    bill: Bill,
    /// The callback's word.
    tripped: Value,
    /// The asker's last word.
    done: Value,
    /// When each language's watcher was stopped, in Unix milliseconds.
    stopped: BTreeMap<&'static str, f64>,
}

/// Shows the run.
///
/// # Errors
/// A process could not be started, or did not come to its end.
pub(super) fn run() -> Result<bool> {
    println!(
        "── a call chain through four languages that multiplies itself, on {BUDGET} tokens ──"
    );
    let gave = play(true)?;
    let faults = gave.faults();
    let Gave { bill, done, .. } = gave;
    println!(
        "── the provider wrote {} of {BUDGET} tokens, in {} answers; the switch says {}",
        bill.tokens,
        bill.asked.values().sum::<u64>(),
        done.get("spent").unwrap_or(&Value::Null),
    );
    faults.iter().for_each(|fault| println!("   {fault}"));
    Ok(faults.is_empty())
}

/// The same as a test.
pub(super) fn test() -> Outcome {
    match play(false) {
        Ok(gave) => {
            let faults = gave.faults();
            Outcome::one(faults.is_empty(), || format!("runaway: {}", faults.join("; ")))
        }
        Err(message) => Outcome::failure(format!("runaway: {message}")),
    }
}

impl Gave {
    /// What is not as it must be.
    fn faults(&self) -> Vec<String> {
        let number = |event: &Value, key: &str| event.get(key).and_then(Value::as_u64);
        let mut faults = Vec::new();
        let mut must = |holds: bool, otherwise: String| {
            if !holds {
                faults.push(otherwise);
            }
        };
        let Self { bill, tripped, done, stopped } = self;
        must(bill.tokens == BUDGET, format!("the provider wrote {} tokens", bill.tokens));
        must(number(done, "spent") == Some(bill.tokens), format!("the switch says {done}"));
        must(
            tripped.get("reason") == Some(&json!("output_exceeded")),
            format!("it was stopped by {tripped}"),
        );
        let at = number(tripped, "stop_ms").unwrap_or(0);
        let last = bill.last_us / 1_000;
        must(last <= at, format!("asked {} ms after the trip", last.abs_diff(at)));
        for language in Language::ALL.map(Language::name) {
            must(bill.asked.contains_key(language), format!("{language} asked nothing"));
            must(stopped.contains_key(language), format!("{language} was not stopped"));
        }
        faults
    }
}

fn play(show: bool) -> Result<Gave> {
    let provider = Provider::start()?;
    let home = place::home("runaway")?;
    let mut members = start(&provider, &home, &checkout)?;
    for (language, _) in members.iter().filter(|_| show) {
        println!("[{}] ready", language.name());
    }
    let asker = members.first_mut().map(|(_, process)| process).ok_or("no process")?;
    asker.say(&format!("run {}", json!({ "outputTokens": BUDGET })))?;

    let gave = listen(&members, &provider, show)?;
    for (_, process) in members {
        process.finish(Duration::from_secs(15))?;
    }
    let _ = std::fs::remove_dir_all(&home);
    Ok(gave)
}

/// What starts the part of a language.
pub(crate) type Starts<'a> = &'a dyn Fn(Language) -> Result<Command>;

/// The programs of the checkout, in the profile of the tests.
fn checkout(language: Language) -> Result<Command> {
    language.command(Origin::Checkout, Program::Runaway)
}

/// Starts the four processes, the asker first, and waits until each has its agents.
///
/// # Errors
/// One could not be started or was not ready in time.
pub(super) fn start(
    provider: &Provider,
    home: &Path,
    starts: Starts<'_>,
) -> Result<Vec<(Language, Process)>> {
    let mut members = Vec::new();
    for language in Language::ALL {
        let mut command = starts(language)?;
        command.args(["--provider", &provider.port().to_string()]).env("HUBLESS_HOME", home);
        let log = house::logs().join(format!("runaway-{}.log", language.name()));
        members.push((language, Process::start(language.name(), &mut command, &log)?));
    }
    for (_, process) in &members {
        ready(process)?;
    }
    Ok(members)
}

fn ready(process: &Process) -> Result<()> {
    let end = Instant::now() + READY;
    while let Some(event) = process.event(end.saturating_duration_since(Instant::now())) {
        if event.get("event") == Some(&json!("ready")) {
            return Ok(());
        }
    }
    Err(format!("{} was not ready within {} s", process.name(), READY.as_secs()))
}

/// Hears all processes to the end of the run, and until each watcher has had its last word.
fn listen(members: &[(Language, Process)], provider: &Provider, show: bool) -> Result<Gave> {
    let (mut tripped, mut done) = (Value::Null, Value::Null);
    let mut stopped = BTreeMap::new();
    let mut shown = 0;
    let mut end = Instant::now() + RUN;
    while Instant::now() < end && (done.is_null() || stopped.len() < members.len()) {
        for (language, process) in members {
            while let Some(event) = process.event(POLL) {
                if show {
                    print(*language, &event, &tripped);
                }
                match event.get("event").and_then(Value::as_str) {
                    Some("tripped") => tripped = event,
                    Some("done") => {
                        done = event;
                        end = Instant::now() + LAST_WORDS;
                    }
                    Some("failed") => return Err(format!("{}: {event}", language.name())),
                    Some("stopped") => {
                        let at = event.get("at_ms").and_then(Value::as_f64).unwrap_or(0.0);
                        stopped.insert(language.name(), at);
                    }
                    _ => {}
                }
            }
        }
        let tenth = provider.bill().tokens * 10 / BUDGET;
        if show && tenth > shown {
            shown = tenth;
            println!("[provider] wrote {} of {BUDGET} tokens", provider.bill().tokens);
        }
    }
    if done.is_null() {
        return Err(format!("it did not end (logs: {})", house::logs().display()));
    }
    Ok(Gave { bill: provider.bill(), tripped, done, stopped })
}

fn print(language: Language, event: &Value, tripped: &Value) {
    let name = language.name();
    let after = |at: &str| {
        let stop_ms = tripped.get("stop_ms").and_then(Value::as_f64)?;
        event.get(at).and_then(Value::as_f64).map(|at_ms| at_ms - stop_ms)
    };
    match event.get("event").and_then(Value::as_str) {
        Some("watching") => println!("[{name}] a call that would never end is running"),
        Some("stopped") => match after("at_ms") {
            Some(ms) => println!("[{name}] its running call was stopped {ms:.0} ms after the trip"),
            None => println!("[{name}] its running call was stopped"),
        },
        Some("tripped") => {
            println!("[{name}] tripped: {}", event.get("reason").unwrap_or(&Value::Null));
        }
        Some("done") => {
            let asked = event.get("asked").unwrap_or(&Value::Null);
            println!("[{name}] asked {asked} times before it was stopped");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave(tokens: u64) -> Gave {
        let asked = Language::ALL.map(|language| (language.name().to_owned(), 1));
        let stopped = Language::ALL.map(|language| (language.name(), 11.0));
        Gave {
            bill: Bill { tokens, asked: asked.into(), last_us: 9_000 },
            tripped: json!({"reason": "output_exceeded", "stop_ms": 10}),
            done: json!({ "spent": tokens }),
            stopped: stopped.into(),
        }
    }

    #[test]
    fn one_token_more_or_less_is_a_fault_and_so_is_one_late() {
        assert!(gave(BUDGET).faults().is_empty());
        assert_eq!(gave(BUDGET + 1).faults().len(), 1);
        assert_eq!(gave(BUDGET - 1).faults().len(), 1);
        let mut late = gave(BUDGET);
        late.bill.last_us = 12_000;
        assert_eq!(late.faults(), ["asked 2 ms after the trip"]);
        let mut deaf = gave(BUDGET);
        deaf.stopped.remove("kotlin");
        assert_eq!(deaf.faults(), ["kotlin was not stopped"]);
    }
}

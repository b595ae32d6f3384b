//! From the trip of a switch to the last call of the provider that begins after it: the chain of
//! the runaway, through all four languages, stopped again and again while it goes on
//! (`tests/demo/RUNAWAY.md`).

use super::provider::{Bill, Provider, now_us};
use super::{place, runaway};
use crate::house::Result;
use crate::process::Process;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Trips that are measured.
const TRIPS: usize = 1_000;
/// Tokens of each budget: the chain that nobody stops goes on for hundreds of calls.
const TOKENS: u64 = 1 << 24;
/// Who is asked fourth in a chain that begins with Python.
const FOURTH: &str = "c";
/// Between two looks at the bill.
const LOOK: Duration = Duration::from_micros(200);
/// A provider that is asked nothing for so long is asked nothing more.
const QUIET: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(15);

/// Measures and prints; true when every chain was stopped before its end.
///
/// # Errors
/// A process could not be started, or did not do what it was told.
pub(crate) fn measure() -> Result<bool> {
    let provider = Provider::start()?;
    let home = place::home("trips")?;
    let mut members = runaway::start(&provider, &home)?;
    let asker = members.first_mut().map(|(_, process)| process).ok_or("no process")?;
    // The control: what the provider is asked by a chain that goes on to its end.
    let whole = chain(asker, &provider, "finish")?.calls;
    let mut stops = Vec::new();
    for _ in 0..TRIPS {
        stops.push(chain(asker, &provider, "trip")?);
    }
    for (_, process) in members {
        process.finish(END)?;
    }
    let _ = std::fs::remove_dir_all(&home);
    let most = stops.iter().map(|stop| stop.calls).max().unwrap_or_default();
    print(whole, most, &mut stops.iter().map(|stop| stop.later_us).collect::<Vec<_>>());
    Ok(most < whole)
}

/// What came of one chain.
struct Stop {
    /// How often the provider was asked.
    calls: u64,
    /// How long after the word it was asked last, in microseconds; 0: not after it.
    later_us: u64,
}

/// Begins a chain, and says the word once it is four calls deep.
fn chain(asker: &mut Process, provider: &Provider, word: &str) -> Result<Stop> {
    let before = provider.bill();
    asker.say(&format!("begin {}", json!({ "outputTokens": TOKENS })))?;
    let fourth = |bill: &Bill| bill.asked.get(FOURTH).copied().unwrap_or_default();
    wait(provider, "the fourth of the chain", |bill| fourth(bill) > fourth(&before))?;
    asker.say(word)?;
    let ended = asker.expect("stop_us", LONG)?;
    let stop_us = ended.get("stop_us").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let quiet_us = u64::try_from(QUIET.as_micros()).unwrap_or(u64::MAX);
    wait(provider, "silence", |bill| now_us().saturating_sub(bill.last_us) > quiet_us)?;
    let after = provider.bill();
    let calls = |bill: &Bill| bill.asked.values().sum::<u64>();
    Ok(Stop {
        calls: calls(&after) - calls(&before),
        later_us: after.last_us.saturating_sub(stop_us),
    })
}

fn wait(provider: &Provider, what: &str, holds: impl Fn(&Bill) -> bool) -> Result<()> {
    let until = Instant::now() + LONG;
    while !holds(&provider.bill()) {
        if Instant::now() > until {
            return Err(format!("trips: no {what} within {} s", LONG.as_secs()));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn print(whole: u64, most: u64, later_us: &mut [u64]) {
    later_us.sort_unstable();
    let ms = |per_cent: usize| {
        let at = (later_us.len() * per_cent / 100).min(later_us.len().saturating_sub(1));
        later_us.get(at).map_or(0.0, |us| *us as f64 / 1_000.0)
    };
    let none = later_us.iter().filter(|us| **us == 0).count();
    println!(
        "\ntrip to the last call of the provider that began, {TRIPS} chains through four \
         languages, dev profile\n\
         | depth at the trip | none after it | ms p50 | p99 | most | calls of a chain at most | \
         of one that nobody stops |\n|---|---|---|---|---|---|---|\n\
         | 4 | {none} | {:.2} | {:.2} | {:.2} | {most} | {whole} |",
        ms(50),
        ms(99),
        ms(100)
    );
}

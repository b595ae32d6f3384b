//! From the trip of a switch to the last call of the provider that begins after it: the chain of
//! the runaway, through all four languages, stopped again and again while it goes on
//! (`tests/demo/RUNAWAY.md`).

use super::place;
use super::provider::{Bill, Provider, now_us};
use super::runaway::{self, Starts};
use crate::house::Result;
use crate::process::Process;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

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

/// What came of all chains.
pub(crate) struct Trips {
    /// Of each, how long after the word the provider was asked last, in microseconds; 0: not after
    /// it.
    pub(crate) later_us: Vec<u64>,
    /// Most calls of the provider by a chain that was stopped.
    pub(crate) most: u64,
    /// Calls of one that nobody stops.
    pub(crate) whole: u64,
}

impl Trips {
    /// Whether every chain was stopped before its end.
    pub(crate) const fn hold(&self) -> bool {
        self.most < self.whole
    }
}

/// Stops so many chains, of programs that are started so.
///
/// # Errors
/// A process could not be started, or did not do what it was told.
pub(crate) fn measure(trips: usize, starts: Starts<'_>) -> Result<Trips> {
    let provider = Provider::start()?;
    let home = place::home("trips")?;
    let mut members = runaway::start(&provider, &home, starts)?;
    let asker = members.first_mut().map(|(_, process)| process).ok_or("no process")?;
    // The control: what the provider is asked by a chain that goes on to its end.
    let whole = chain(asker, &provider, "finish")?.calls;
    let mut stops = Vec::new();
    for _ in 0..trips {
        stops.push(chain(asker, &provider, "trip")?);
    }
    for (_, process) in members {
        process.finish(END)?;
    }
    let _ = std::fs::remove_dir_all(&home);
    let most = stops.iter().map(|stop| stop.calls).max().unwrap_or_default();
    let later_us = stops.iter().map(|stop| stop.later_us).collect();
    Ok(Trips { later_us, most, whole })
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

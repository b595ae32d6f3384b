//! Where a call's time goes: one stacked bar for each language.
//!
//! The core says with each answer how long it lay in the agent's queue, how long its handler had it
//! (from the event that begins it to the answer, the language's bridge of that side included), and
//! how long the rest of the core and the way took. Raw streams of the same size take a part of that
//! by themselves; they are measured in the same round. What the caller waited beyond what the core
//! says is its own language: facade, bridge and event loop. Nothing is switched on for it. The
//! kernel counts wake-ups. Copies and allocations are counted in a second pair of processes, of
//! which nothing is timed.

use super::calls::warm;
use super::contestant::Contestant;
use super::counted::Counter;
use super::figures::{Metric, Samples, Table};
use super::install::Programs;
use super::options::{Options, Scale};
use super::pair::Pair;
use super::report::Report;
use super::{about, plot};
use crate::house::Result;
use serde_json::Value;

/// The parts of a bar, in the order of a call, and what else is told.
const PARTS: [Metric; 5] = [
    Metric { key: "host_us", title: "caller's language µs" },
    Metric { key: "core_us", title: "both cores µs" },
    Metric { key: "streams_us", title: "raw streams there and back µs" },
    Metric { key: "queue_us", title: "agent's queue µs" },
    Metric { key: "handler_us", title: "handler and its language µs" },
];
const OTHERS: [Metric; 7] = [
    Metric { key: "total_us", title: "all µs" },
    Metric { key: "agent_wake_ups", title: "wake-ups of the agent's process per call" },
    Metric { key: "caller_wake_ups", title: "of the caller's" },
    Metric { key: "agent_copies", title: "copies as long as the body in the agent's, per call" },
    Metric { key: "caller_copies", title: "in the caller's" },
    Metric { key: "agent_allocations", title: "allocations in the agent's, per call" },
    Metric { key: "caller_allocations", title: "in the caller's" },
];

/// Measures, and writes the report.
pub(super) fn run(options: &Options, programs: &Programs) -> Result<()> {
    let about = about::lines(Some(programs));
    let counter = Counter::prepare("stages")?;
    let metrics = [&PARTS[..], &OTHERS[..]].concat();
    let mut tables = [
        (Table::new("Where the time of a call of 64 B goes", &metrics), 64),
        (Table::new("Where the time of a call of 1 KiB goes", &metrics), 1_024),
        (Table::new("Where the time of a call of 64 KiB goes", &metrics), 65_536),
    ];
    let mut order: Vec<_> = Contestant::with_agents().collect();
    for round in 0..options.rounds() {
        eprintln!("round {} of {}", round + 1, options.rounds());
        let mut streams = [0.0; 3];
        for (streams_us, (_, size)) in streams.iter_mut().zip(&tables) {
            *streams_us = floor(programs, (*size, options.scale()))?;
        }
        for contestant in &order {
            for ((table, size), streams_us) in tables.iter_mut().zip(streams) {
                let of = (*size, options.scale());
                let measured = measure(programs, *contestant, of, streams_us);
                let whole = measured.and_then(|samples| {
                    counts(programs, *contestant, of, &counter).map(|counts| samples.and(counts))
                });
                table.add(round, contestant.row(), whole);
            }
        }
        order.reverse();
    }
    let tables = tables.map(|(table, _)| table).into();
    let folder = options.folder();
    let report = Report { name: "stages", folder, about, tables, verdicts: Vec::new() };
    plot::bars(&report.tables, &PARTS, &report.file("svg"))?;
    report.write(options.scale())
}

/// How many round trips make one run.
const fn trips(scale: Scale) -> usize {
    match scale {
        Scale::Whole => 1_000,
        Scale::Quick => 20,
    }
}

/// The round trip of raw streams of this size, in microseconds.
fn floor(programs: &Programs, (size, scale): (usize, Scale)) -> Result<f64> {
    let mut pair = Pair::start(programs, Contestant::Floor)?;
    let count = trips(scale);
    let said = pair.caller.ask(&format!("rtt {size} {count} {}", count / 10))?;
    pair.end();
    let median = said.get("median_us").and_then(Value::as_f64);
    median.ok_or_else(|| format!("expected a round trip of raw streams, got {said}"))
}

/// One run, beside raw streams that take so long.
fn measure(
    programs: &Programs,
    contestant: Contestant,
    (size, scale): (usize, Scale),
    streams_us: f64,
) -> Result<Samples> {
    let count = trips(scale);
    let mut pair = Pair::start(programs, contestant)?;
    let warm = warm(contestant, scale, count);
    pair.caller.ask(&format!("rtt {size} {warm} 1"))?;
    let before = [pair.agent.wake_ups(), pair.caller.wake_ups()];
    let said = pair.caller.ask(&format!("stages {size} {count}"))?;
    let after = [pair.agent.wake_ups(), pair.caller.wake_ups()];
    pair.end();
    let one = |key: &str| said.get(key).and_then(Value::as_f64).unwrap_or_default();
    let mut samples = parts(one, streams_us);
    for (key, (before, after)) in
        ["agent_wake_ups", "caller_wake_ups"].into_iter().zip(before.into_iter().zip(after))
    {
        samples.add(key, after.saturating_sub(before) as f64 / count as f64);
    }
    Ok(samples)
}

/// Copies and allocations of one call, in processes that are not timed.
fn counts(
    programs: &Programs,
    contestant: Contestant,
    (size, scale): (usize, Scale),
    counter: &Counter,
) -> Result<Samples> {
    let count = trips(scale);
    let mut pair = Pair::counted(programs, contestant, counter)?;
    let ids = [pair.agent.id(), pair.caller.id()];
    pair.caller.ask(&format!("rtt {size} {} 1", warm(contestant, scale, count)))?;
    let before = ids.map(|id| counter.of(id));
    pair.caller.ask(&format!("rtt {size} {count} 0"))?;
    let after = ids.map(|id| counter.of(id));
    pair.end();
    let mut samples = Samples::default();
    for (side, (before, after)) in
        ["agent", "caller"].into_iter().zip(before.into_iter().zip(after))
    {
        let done = after? - before?;
        let each = |number: u64| number as f64 / count as f64;
        let copies = done.copies(size).ok_or("copies of no such size are counted")?;
        samples.add(&format!("{side}_copies"), each(copies));
        samples.add(&format!("{side}_allocations"), each(done.allocations()));
    }
    Ok(samples)
}

/// The parts of a bar, of what the program said. Medians need not add up, and raw streams may
/// have been slower than those of a call: no part is below zero.
fn parts(said: impl Fn(&str) -> f64, streams_us: f64) -> Samples {
    let (total, network) = (said("total_us"), said("network_us"));
    let (queue, handler) = (said("queue_us"), said("handler_us"));
    let streams = streams_us.min(network);
    let mut samples = Samples::default();
    for (key, time) in [
        ("host_us", (total - network - queue - handler).max(0.0)),
        ("core_us", network - streams),
        ("streams_us", streams),
        ("queue_us", queue),
        ("handler_us", handler),
        ("total_us", total),
    ] {
        samples.add(key, time);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_all_of_it_and_none_is_below_zero() {
        let said = |key: &str| match key {
            "total_us" => 500.0,
            "network_us" => 300.0,
            "queue_us" => 20.0,
            _ => 80.0,
        };
        let of = |samples: &Samples, key: &str| samples.of(key).first().copied().unwrap();
        let samples = parts(said, 70.0);
        let all = PARTS.map(|part| of(&samples, part.key));
        assert_eq!(all, [100.0, 230.0, 70.0, 20.0, 80.0]);
        assert!((all.iter().sum::<f64>() - of(&samples, "total_us")).abs() < 1e-9);
        let slow = parts(said, 900.0);
        assert_eq!([of(&slow, "core_us"), of(&slow, "streams_us")], [0.0, 300.0]);
        let late = parts(|key| if key == "total_us" { 1.0 } else { 2.0 }, 1.0);
        assert!(of(&late, "host_us").abs() < f64::EPSILON);
    }
}
